"""The two small scripts by which the API is explained, a plain one and an async one, as whole calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.testing import Ivr

Write = Callable[[str], Path]

MENU = """
def on_key(digit):
    call.mute()
    if digit == "1":
        call.transfer("100")
    elif digit == "2":
        system.http(url="https://shop.example/hours.txt", callback=on_hours)

def on_hours(code, data, headers):
    call.say(data if code == 200 else "Sorry, I cannot look that up.")

def on_transfer(result):
    if not result.ok:
        call.say("Nobody answers. Please try again later.")

call.say("Press 1 for the office, 2 for our opening hours.")
call.dtmf(on_key)
call.on("transfer", on_transfer)
setTimeout(call.hangup, 60000)
"""

CUSTOMER = """
key = {"name": "X-Key", "value": settings.secret("crm"), "secret": True}
for attempt in range(3):
    got = await call.gather(say="Please enter your customer number.", max_digits=6)
    reply = await system.http(url="https://crm.example/c/" + got.digits, header=[key])
    if reply.code == 200:
        await call.say(f"Hello {reply.json()['name']}, one moment please.")
        await call.transfer(reply.json()["extension"])  # success ends the script here
        break
call.say("Sorry, nobody can take your call.")  # nothing is left: hung up once it was heard
"""


@pytest.mark.parametrize(("code", "said"), [(200, "From nine to five."), (500, "Sorry, I cannot look that up.")])
def test_a_menu_that_looks_something_up(ivr: Ivr, write: Write, code: int, said: str) -> None:
    ivr.http("https://shop.example/hours.txt", "From nine to five.", code=code)
    caller = ivr.call(write(MENU))
    caller.waits(0.5)
    caller.presses("2")
    assert caller.hears(said)
    assert not caller.hears("for our opening hours", within=2)  # the key has cut it off
    caller.waits(60)
    assert (caller.hung_up, caller.errors) == ("script", [])


@pytest.mark.parametrize(("answers", "is_up"), [(200, True), (486, False)])
def test_a_menu_that_connects(ivr: Ivr, write: Write, answers: int, is_up: bool) -> None:
    office = ivr.phone("100", answers=answers)
    caller = ivr.call(write(MENU))
    caller.waits(0.5)
    caller.presses("1")
    caller.waits(1)
    assert office.is_up is is_up
    assert bool(caller.hears("Nobody answers. Please try again later.", within=5)) is not is_up
    assert not caller.errors


def test_who_is_known_is_greeted_and_connected(ivr: Ivr, write: Write) -> None:
    ivr.http("https://crm.example/c/123456", {"name": "Ada", "extension": "100"})
    office = ivr.phone("100")
    caller = ivr.call(write(CUSTOMER), secrets={"crm": "key-of-the-crm"})
    assert caller.hears("Please enter your customer number.")
    caller.presses("99#")  # nobody has this one
    assert caller.hears("Please enter your customer number.")
    caller.presses("123456")
    assert caller.hears("Hello Ada, one moment please.")
    caller.waits(2)
    assert office.is_up and caller.is_transferred
    assert not caller.hears("Sorry, nobody can take your call.", within=3)
    assert len(ivr.requests) == 2
    assert all(("X-Key", "key-of-the-crm", True) in request.headers for request in ivr.requests)
    assert not caller.errors


def test_nobody_takes_the_call(ivr: Ivr, write: Write) -> None:
    ivr.http("https://crm.example/c/123456", {"name": "Ada", "extension": "100"})
    ivr.phone("100", answers=486)
    caller = ivr.call(write(CUSTOMER), secrets={"crm": "key-of-the-crm"})
    assert caller.hears("Please enter your customer number.")
    caller.presses("123456")
    assert caller.hears("Sorry, nobody can take your call.")
    caller.waits(2)
    assert (caller.hung_up, caller.errors) == ("finished", [])
