"""The hall of packets: commands in, events out; nothing outside this room ever sees a packet."""
