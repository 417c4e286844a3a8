"""What a script is promised about the whole of a call, heard from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.testing import Ivr

Write = Callable[[str], Path]


def at(caller: object, what: str) -> float:
    """When it happened, the first time."""
    return next(moment.at for moment in caller.moments if what in moment.what)  # type: ignore[attr-defined]


def test_a_webhook_and_a_mail_leave_after_the_end(ivr: Ivr, write: Write) -> None:
    ivr.http("https://shop.example/calls", {"id": 7}, method="POST")
    caller = ivr.call(
        write("""
@call.on("hangup")
async def over(reason):
    reply = await system.http(url="https://shop.example/calls", method="POST", body={"reason": reason})
    sent = await system.email(to="ann@acme.example", subject=reason)
    console.log(reply.code, reply.json()["id"], sent.ok)
setTimeout(call.hangup, 60_000)
""")
    )
    caller.hangs_up()
    assert caller.log == ["200 7 True"]
    assert [request.body for request in ivr.requests] == [b'{"reason": "caller"}']
    assert [mail.subject for mail in ivr.mails] == ["caller"]


def test_after_the_end_questions_are_still_answered(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
@call.on("hangup")
def over():
    console.log(tables["adrbook"].search(text="ann"), call.queued_ms, call.played_ms("t"), call.mute())
setTimeout(call.hangup, 60_000)
""")
    )
    caller.waits(0.5)
    caller.hangs_up()
    assert (caller.log, caller.errors) == (["[] 0 0 0"], [])


def test_what_goes_on_and_on_ends_with_the_grace(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
@call.on("hangup")
async def over(reason):
    try:
        for second in range(60):
            await asyncio.sleep(1)
            console.log(second)
    finally:
        console.log("not heard of")
setTimeout(call.hangup, 60_000)
""")
    )
    caller.hangs_up()
    assert caller.log in (["0", "1", "2", "3"], ["0", "1", "2", "3", "4"])
    assert not caller.errors


@pytest.mark.parametrize(
    "left",
    [
        "setTimeout(lambda: None, 8_000)",
        "asyncio.create_task(asyncio.sleep(8))",
        "call.gather(timeout=8)",
        "call.dtmf(print); setTimeout(lambda: call.dtmf(None), 8_000)",
        "call.stream(callback=len); setTimeout(call.stream, 8_000)",
        "call.record(max_seconds=8)",
    ],
)
def test_as_long_as_something_is_left_nobody_hangs_up(ivr: Ivr, write: Write, left: str) -> None:
    caller = ivr.call(write(left), rec=True)
    caller.waits(6)
    assert caller.hung_up is None
    caller.waits(6)
    assert caller.hung_up == "finished"
    assert not caller.errors


def test_a_timer_that_was_cleared_is_nothing_left(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
late = setTimeout(call.hangup, 60_000)
def key(digit):
    clearTimeout(late)
    call.dtmf(None)
call.dtmf(key)
""")
    )
    caller.presses("1")
    caller.waits(1)
    assert caller.hung_up == "finished"


def test_with_nothing_left_it_ends_after_the_last_word_not_after_the_background(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
call.play(codec="pcm16", rate=8000, audio=bytes(2 * 8000 * 60), background=True)
call.say("One two three.")
call.on("drained", lambda: console.log("drained"))
""")
    )
    assert caller.hears("One two three.")
    caller.waits(3)
    assert caller.log == ["drained"]
    assert caller.hung_up == "finished"


def test_mute_is_not_drained(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
call.on("drained", lambda: console.log("drained"))
call.say("A text that is cut off in the middle of it.")
call.dtmf(lambda key: console.log(call.mute() > 0, call.mute()))
""")
    )
    caller.waits(0.5)
    caller.presses("1")
    caller.waits(2)
    assert caller.log == ["True 0"]


def test_ten_seconds_in_one_play_for_ten(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
import time
began = time.monotonic()
for number in range(100):
    call.play(codec="g711_ulaw", audio=bytes([0x10]) * 800, tag="answer")
def over(item):
    console.log(f"{time.monotonic() - began:.1f} {item.played_ms} {call.played_ms('answer')} {call.queued_ms}")
call.play(codec="g711_ulaw", audio=b"\\xff" * 8, tag="end").on("done", over)
call.on("drained", lambda: console.log("drained"))
""")
    )
    caller.waits(12)
    done, drained = caller.log
    seconds, *figures = done.split()
    assert 10.0 <= float(seconds) <= 10.4
    assert (figures, drained) == (["1", "10000", "0"], "drained")


def test_a_failed_sound_does_not_hold_up_what_follows(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
first = call.play(url="prompt:nothing")
call.say("Here I am.")
console.log((await first).error)
""")
    )
    assert caller.hears("Here I am.")
    assert re.search("nothing", caller.log[0])


@pytest.mark.parametrize(
    ("source", "line"),
    [("\n\n1 / 0", 3), ("await asyncio.sleep(1)\n1 / 0", 2), ("call.say('x')\ncall.lang = 'english'", 2)],
)
def test_an_error_at_top_level_gives_the_caller_to_the_fallback(ivr: Ivr, write: Write, source: str, line: int) -> None:
    office = ivr.phone("100")
    caller = ivr.call(write(source), fallback="100", fallback_text="Please hold the line.")
    assert caller.hears("Please hold the line.")
    caller.waits(2)
    assert office.is_up
    assert f", line {line}, in " in caller.errors[0]


@pytest.mark.parametrize("drain", [True, False])
def test_without_sound_a_drained_hangup_is_one_at_once(ivr: Ivr, write: Write, drain: bool) -> None:
    caller = ivr.call(write(f"setTimeout(print, 60_000)\ncall.dtmf(lambda: call.hangup(drain={drain}))"))
    caller.presses("1")
    caller.waits(0.5)
    assert caller.hung_up == "script"


def test_a_drained_hangup_lets_the_last_word_be_heard(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('Goodbye and have a nice day.')\ncall.hangup(drain=True)"))
    assert caller.hears("Goodbye and have a nice day.")
    caller.waits(0.5)
    assert caller.hung_up == "script"


def test_a_hangup_cuts_the_last_word(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('Goodbye and have a nice day.')\ncall.dtmf(lambda: call.hangup())"))
    caller.waits(0.4)
    caller.presses("1")
    assert not caller.hears("Goodbye and have a nice day.", within=3)
    assert caller.hung_up == "script"


def test_raising_system_exit_is_a_hang_up(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.on('hangup', console.log)\nraise SystemExit"))
    caller.waits(1)
    assert (caller.hung_up, caller.log, caller.errors) == ("script", ["script"], [])


def test_who_waits_at_the_end_is_cancelled_and_may_tidy_up(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
try:
    await asyncio.sleep(600)
except asyncio.CancelledError:
    console.log("cancelled")
    raise
finally:
    await asyncio.sleep(0.5)
    console.log("tidy")
""")
    )
    caller.waits(1)
    caller.hangs_up()
    assert caller.log == ["cancelled", "tidy"]
    assert not caller.errors


def test_keys_pressed_early_come_first(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("setTimeout(lambda: call.dtmf(console.log), 3_000)"))
    caller.presses("12")
    caller.waits(3)
    caller.presses("3")
    caller.waits(1)
    assert caller.log == ["1", "2", "3"]


def test_a_language_that_is_set_is_spoken_from_then_on(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.lang = 'de'\ncall.say('Guten Tag.')\nconsole.log(call.lang)\nawait asyncio.sleep(9)"))
    assert caller.hears("Guten Tag.")
    assert caller.log == ["de"]
    assert at(caller, "Guten Tag.") < 2
