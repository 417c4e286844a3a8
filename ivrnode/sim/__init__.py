"""The halls in a world on a desk: real core, real engine, real locked-down scripts, real voice, and a clock that waits
for them all. A call of a minute takes a second. For `ivrnode script run` and `ivrnode.testing`.

    Studio   the processes: script workers, speech
    Desk     one core and its world on the simulated clock; time passes only while nothing is under way
    Caller   who calls: he speaks, presses keys, listens
"""
