"""`call.gather` and who gets the keys, under the real filter."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOW = "def show(result):\n    print(repr(result.digits), result['reason'])\n"


async def press(script: Script, digits: str) -> None:
    script.send(*(m.DigitPressed(digit) for digit in digits))
    await script.idle()


def mutes(script: Script) -> int:
    return sum(ask.what == "mute" for ask in script.all(m.Ask))


async def test_the_most_digits_end_it_and_the_first_one_mutes_once(stage: Stage) -> None:
    script = await stage.play(SHOW + "show(await call.gather(max_digits=3))")
    assert script.all(m.ListenDigits) == [m.ListenDigits(True)]
    await press(script, "12")
    assert not script.lines
    await press(script, "3")
    assert script.lines == ["'123' max"]
    assert mutes(script) == 1
    assert script.all(m.ListenDigits) == [m.ListenDigits(True), m.ListenDigits(False)]


@pytest.mark.parametrize(("finish", "pressed", "got"), [('"#"', "12#", "12"), ('"*#"', "9*", "9"), ('"#"', "#", "")])
async def test_a_finish_key_ends_it_and_is_no_digit(stage: Stage, finish: str, pressed: str, got: str) -> None:
    script = await stage.play(SHOW + f"call.gather({{'finish': {finish}, 'callback': show}})")
    await press(script, pressed)
    assert script.lines == [f"{got!r} finish"]
    assert mutes(script) == 1


async def test_without_finish_keys_every_key_is_a_digit(stage: Stage) -> None:
    script = await stage.play(SHOW + "show(await call.gather(max_digits=4, finish=''))")
    await press(script, "#*A0")
    assert script.lines == ["'#*A0' max"]


async def test_it_waits_for_the_first_digit_and_then_for_the_next(stage: Stage) -> None:
    script = await stage.play(
        SHOW + "show(await call.gather(timeout=0.05)); show(await call.gather(digit_timeout=0.3))"
    )
    await script.until(lambda: len(script.lines) == 1)
    assert script.lines == ["'' timeout"]
    await press(script, "7")
    await script.until(lambda: len(script.lines) == 2)
    assert script.lines[1] == "'7' timeout"


@pytest.mark.parametrize("prompt", ["say='Your number?'", "url='prompt:number'"])
async def test_the_timeout_counts_from_the_end_of_the_prompt(stage: Stage, prompt: str) -> None:
    script = await stage.play(SHOW + f"call.gather(timeout=0.01, {prompt}, callback=show)")
    assert [said.text for said in script.all(m.Say)] == (["Your number?"] if "say" in prompt else [])
    assert (await script.idle()).seconds is None
    script.send(m.PlaybackDone(1, 900, False, ""))
    await script.until(lambda: script.lines)
    assert script.lines == ["'' timeout"]


async def test_a_prompt_may_be_all_that_say_takes(stage: Stage) -> None:
    script = await stage.play(
        SHOW
        + "call.gather({'say': {'text': 'Ihre Nummer?', 'lang': 'de', 'tag': 'ask'}, 'timeout': 0, 'callback': show})"
    )
    assert script.all(m.Say) == [m.Say(1, "Ihre Nummer?", "de", tag="ask")]
    script.send(m.PlaybackDone(1, 900, False, ""))
    await script.until(lambda: script.lines)
    assert script.lines == ["'' timeout"]


async def test_who_interrupts_the_prompt_has_the_time_for_the_next_digit(stage: Stage) -> None:
    script = await stage.play(SHOW + "call.gather(say='Your number?', timeout=0.01, digit_timeout=60, callback=show)")
    script.send(m.DigitPressed("1"), m.PlaybackDone(1, 100, True, ""))
    assert ((await script.idle()).seconds or 0) > 50
    assert not script.lines


async def test_digits_go_to_it_alone_and_those_before_and_after_to_dtmf(stage: Stage) -> None:
    script = await stage.play(
        SHOW
        + "call.dtmf(lambda digit: print('key', digit) or (digit == '0' and call.gather(max_digits=2, callback=show)))"
    )
    await press(script, "90123")
    assert script.lines == ["key 9", "key 0", "'12' max", "key 3"]
    assert script.all(m.ListenDigits) == [m.ListenDigits(True)]


async def test_what_is_typed_ahead_is_for_the_next_gather(stage: Stage) -> None:
    script = await stage.play(
        SHOW
        + """
show(await call.gather(max_digits=2))
await asyncio.sleep(0.05)
show(await call.gather(max_digits=3))
"""
    )
    await press(script, "12345")
    await script.until(lambda: len(script.lines) == 2)
    assert script.lines == ["'12' max", "'345' max"]


async def test_a_second_one_stops_the_first(stage: Stage) -> None:
    script = await stage.play(SHOW + "call.gather(callback=show)\ncall.gather(max_digits=1, callback=show)")
    await press(script, "5")
    assert script.lines == ["'' stopped", "'5' max"]


async def test_stop_and_a_cancelled_wait_end_it(stage: Stage) -> None:
    script = await stage.play(
        SHOW
        + """
got = call.gather(callback=show)
got.stop(); got.stop()
print((await got).reason)
try:
    await asyncio.wait_for(call.gather(callback=show), 0.02)
except TimeoutError:
    print("gave up")
"""
    )
    await script.until(lambda: len(script.lines) == 4)
    assert script.lines == ["'' stopped", "stopped", "'' stopped", "gave up"]
    assert script.all(m.ListenDigits)[-1] == m.ListenDigits(False)


async def test_the_end_of_the_call_stops_it(stage: Stage) -> None:
    script = await stage.play(
        SHOW + "call.gather(callback=show)\ncall.on('hangup', lambda: show(call.gather()._result.result()))"
    )
    await script.hang_up()
    assert script.lines == ["'' stopped", "'' stopped"]
    assert not script.failures


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("max_digits=0", "ValueError: max_digits"),
        ("max_digits=65", "ValueError: max_digits"),
        ("max_digits='3'", "TypeError: max_digits"),
        ("finish='x'", "ValueError: finish"),
        ("finish=None", "TypeError: finish"),
        ("timeout=-1", "ValueError: timeout"),
        ("digit_timeout='5'", "TypeError: digit_timeout"),
        ("say='a', url='prompt:b'", "ValueError: gather takes either"),
        ("say=5", "TypeError: text must be str"),
        ("url='http://h/a.wav'", "ValueError: url"),
        ("callback=5", "TypeError: the handler"),
        ("shout=True", "TypeError"),
    ],
)
async def test_wrong_arguments(stage: Stage, wrong: str, error: str) -> None:
    script = await stage.play(
        f"try:\n    call.gather({wrong})\nexcept Exception as error:\n    print(f'{{type(error).__name__}}: {{error}}')"
    )
    assert script.lines[0].startswith(error)
    assert not script.all(m.ListenDigits)
