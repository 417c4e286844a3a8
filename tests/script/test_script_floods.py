"""Every limit, passed on purpose behind the real walls: the answer is the stated one, and it comes soon.

What a single frame may be is test_script_frames.py; the arithmetic of the budgets is test_script_host.py.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from ivrnode.script import messages as m
from ivrnode.script import ops
from ivrnode.script.end import ScriptEnd
from ivrnode.script.limits import MIB, Limits
from patience import PATIENCE
from script.stage import Script, Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAW = """
os = asyncio.sys.modules["os"]
def frame(op, number=0, payload=b""):
    return len(payload).to_bytes(4, "little") + bytes([op]) + number.to_bytes(4, "little") + payload
"""
LIMITS = Limits()


async def flooded(stage: Stage, source: str) -> tuple[Script, ScriptEnd, float]:
    """Run it to its end; how many seconds that took. Its budgets begin with the worker, up to a second earlier."""
    begin = time.monotonic()
    script = stage.run(source)
    end = await script.ended()
    return script, end, time.monotonic() - begin


@pytest.mark.parametrize(
    "source",
    [
        "while True: call.say('x')",
        "while True: call.mute()",
        "while True: call.play(codec='g711_ulaw', audio=b'x')",
        "while True: print('x')",
        "while True: call.lang = 'de'",
        "def again():\n    while True: print('x')\nsetTimeout(again, 1)",
        RAW + "while True: os.write(3, frame(81, 1, b'\\x02\\0\\0\\0{}') * 500)",
        RAW + f"while True: os.write(3, frame({ops.HANGUP}, 0, b'\\1') * 1000)",
        RAW + "os.write(3, (1 << 21).to_bytes(4, 'little') + bytes([72, 0, 0, 0, 0]))\nwhile True: os.write(3, b'x')",
    ],
)
async def test_a_flood_of_frames_is_cut_off(stage: Stage, source: str) -> None:
    script, end, seconds = await flooded(stage, source)
    assert end.reason == "killed"
    assert end.is_fault
    assert any(text in end.text for text in ("calls a second", "malformed", "small pieces", "CPU limit")), end.text
    assert len(script.actions) <= LIMITS.frames_burst + LIMITS.frames_rate * (seconds + 1)


@pytest.mark.parametrize(
    ("source", "kind", "burst", "rate"),
    [
        (
            RAW + f"while True: os.write(3, frame({ops.SEND_BINARY}, 1, bytes(1 << 13)))",
            m.SendSocket, LIMITS.bytes_burst, LIMITS.bytes_rate,
        ),
        (
            "while True: call.play(codec='pcm16', rate=8000, audio=bytes(2_000_000))",
            m.Play, LIMITS.audio_burst, LIMITS.audio_rate,
        ),
    ],
)  # fmt: skip
async def test_a_flood_of_bytes_is_cut_off(
    stage: Stage, source: str, kind: type[m.SendSocket] | type[m.Play], burst: int, rate: int
) -> None:
    script, end, seconds = await flooded(stage, source)
    assert "too many bytes" in end.text
    assert end.is_fault
    taken = sum(len(one.data if isinstance(one, m.SendSocket) else one.audio) for one in script.all(kind))
    assert MIB < taken <= burst + rate * (seconds + 1)


async def test_a_flood_of_log_lines_is_dropped_and_told_with_the_next_line() -> None:
    """The budget is one of seconds, which are the test's own here."""
    now = 1000.0
    async with open_stage(clock=lambda: now) as stage:
        script = await stage.play(
            "for n in range(100): console.log('x' * 9000)\ncall.dtmf(lambda key: console.log(key))"
        )
        written = sum(map(len, script.lines))
        assert LIMITS.log_rate - ops.MAX_LINE <= written <= LIMITS.log_rate
        assert max(map(len, script.lines)) == ops.MAX_LINE
        dropped = 100 - len(script.lines)
        other = await stage.play("console.log('mine is my own')")
        assert other.lines == ["mine is my own"]
        script.send(m.DigitPressed("6"))
        await script.idle()
        assert script.lines[-1] != "6"
        now += 1
        script.send(m.DigitPressed("7"))
        await script.until(lambda: script.lines[-1] == "7")
        assert script.lines[-2] == f"{dropped + 1} lines of log dropped: too many at once"


async def test_an_exception_as_long_as_a_book(stage: Stage) -> None:
    script = await stage.play("raise ValueError('x' * 5_000_000)")
    (text,) = script.failures
    assert len(text) <= ops.MAX_LINE
    assert script.end is None


async def test_the_greatest_message_passes_both_ways_and_none_that_is_greater(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h")
def heard(text):
    ws.send(text)
    try:
        ws.send(text + "x")
    except ValueError as error:
        print(error)
ws.on("message", heard)
ws.connect()
""")
    text = "x" * ops.MAX_MESSAGE
    script.send(m.SocketOpened(1, ""), m.SocketMessage(1, text))
    await script.until(lambda: script.lines or script.failures)
    assert [len(sent.data) for sent in script.all(m.SendSocket)] == [len(text)]
    raw = RAW + f"os.write(3, ({ops.MAX_FRAME} + 1).to_bytes(4, 'little') + bytes([{ops.LOG}]) + bytes(4) + bytes(99))"
    assert "a frame of 2098177 bytes" in (await stage.run(raw).ended()).text


async def test_a_script_that_is_all_nesting(stage: Stage) -> None:
    """The parser has limits of its own; what it makes of them is the script's error, or its end."""
    sources = ["x = " + "(" * 90 + ")" * 90, "x = " + "-" * 250_000 + "1", "x = " + "1+" * 120_000 + "1",
               "x = " + "[" * 5000, "if 1:\n " * 1 + "x = {" + "0:" * 1000, "x = 9 ** 9 ** 9"]  # fmt: skip
    scripts = [stage.run(source) for source in sources]
    honest = await stage.play("print('unmoved')")
    for script in scripts:
        async with asyncio.timeout(PATIENCE):
            while script.end is None and not script.all(m.Wait):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert script.failures or script.end or script.all(m.Wait)
    assert honest.lines == ["unmoved"]


async def test_a_storm_of_starts(stage: Stage) -> None:
    """A hundred at once, far more than the pool holds: each gets its own process, none is refused."""
    scripts = [stage.run(f"print({number})") for number in range(100)]
    for number, script in enumerate(scripts):
        await script.until(lambda s=script: s.all(m.Wait))
        assert script.lines == [str(number)]
        stage.workers.kill(script.call, "seen")
    await asyncio.gather(*(script.ended() for script in scripts))
