"""How much an AI call costs, measured from outside: `make bench`, or `python -m bench --help`.

    __main__   the options, the order of the measurements
    table      the one table that is printed
    house      a fresh core of our own, and what its processes used
    load       the callers: SIP by the project's own user agent, RTP by a lean paced loop     (own process)
    peer       the speech service: echoes, and plays what latency is measured by              (own process)
    setup      short calls with a trivial script, one after the other
    scripts    starts, round trips, memory and deaths of scripts, by script_costs             (own processes)
    script_stage    the scripts that it measures
    baseline, noise                                                                           (own processes)
    cpu, figures, marks, child    what these need

Loopback only, free ports only; every child is ended by its own number.
"""
