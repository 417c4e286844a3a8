"""Tests of menu.py without a phone: `pytest sample_scripts/tests`. How they work: docs/testing-scripts.md."""


def test_the_hours_are_behind_key_1(ivr):
    caller = ivr.call("../menu.py", settings={"hours": "We are open on Mondays."})
    assert caller.hears("press 1 for our opening hours")
    caller.presses("1")
    assert caller.hears("We are open on Mondays.")
    assert caller.hears("press 1")  # the menu once more
    assert caller.log == ["key 1"]


def test_a_key_cuts_the_menu_off(ivr):
    caller = ivr.call("../menu.py")
    caller.waits(1)
    caller.presses("2")
    assert caller.hears("number one, Station Road", within=4)  # the menu alone takes 5 s


def test_key_0_ends_the_call(ivr):
    caller = ivr.call("../menu.py")
    caller.presses("0")
    assert caller.hears("goodbye")
    caller.waits(2)
    assert caller.hung_up == "script"


def test_who_presses_nothing_is_asked_three_times(ivr):
    caller = ivr.call("../menu.py", settings={"patience_ms": 5000})
    for _ in range(3):
        assert caller.hears("or 0 to end the call", within=15)
    assert caller.hears("goodbye", within=10)
    caller.waits(2)
    assert caller.hung_up == "script"
    assert caller.seconds < 60  # of call; the test takes a fraction of a second
