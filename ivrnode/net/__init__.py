"""The shell: sockets, clocks, child processes. All that the pure rooms and the hall ask of the world is done here."""
