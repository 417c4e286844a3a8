"""The life of a script: top level, handlers, errors, and the order of the end."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from patience import PATIENCE
from script.stage import FACTS, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_top_level_returns_at_once(stage: Stage) -> None:
    script = await stage.play('call.say("Hello"); call.play(codec="g711_ulaw", audio=b"x"); print("on")')
    assert [type(action) for action in script.actions] == [m.Say, m.Play, m.Log, m.Wait]
    assert script.all(m.Wait) == [m.Wait(None, 0)]


async def test_a_waiting_top_level_counts_as_a_task(stage: Stage) -> None:
    script = await stage.play("call.dtmf(lambda: go.set())\ngo = asyncio.Event()\nawait go.wait()\nprint('went')")
    assert script.all(m.Wait)[-1].tasks == 1
    script.send(m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["went"]
    assert script.all(m.Wait)[-1].tasks == 0


@pytest.mark.parametrize("define", ["def", "async def"])
@pytest.mark.parametrize("parameters", ["", "digit", "digit, more=None", "*digits"])
async def test_handlers_plain_or_async_with_fewer_arguments(stage: Stage, define: str, parameters: str) -> None:
    script = await stage.play(f"{define} key({parameters}):\n    print('key')\ncall.dtmf(key)")
    script.send(m.DigitPressed("1"))
    await script.idle()
    assert (script.lines, script.failures) == (["key"], [])


async def test_a_slow_await_delays_no_audio(stage: Stage) -> None:
    script = await stage.play("""
async def slow(digit):
    await asyncio.Event().wait()
call.dtmf(slow)
call.stream(callback=lambda audio: print(len(audio)))
""")
    script.send(m.DigitPressed("1"), m.AudioHeard(b"x", 1), m.AudioHeard(b"xx", 1))
    await script.idle()
    assert script.lines == ["1", "2"]


async def test_async_handlers_start_in_the_order_of_events(stage: Stage) -> None:
    script = await stage.play("""
async def key(digit):
    print("start", digit)
    await asyncio.sleep(0)
    print("end", digit)
call.dtmf(key)
""")
    script.send(*(m.DigitPressed(digit) for digit in "123"))
    await script.idle()
    assert [line for line in script.lines if line.startswith("start")] == ["start 1", "start 2", "start 3"]
    assert len(script.lines) == 6


async def test_an_exception_in_a_handler_is_told_with_its_line_and_the_call_goes_on(stage: Stage) -> None:
    script = await stage.play("""
def deep(digit):
    return 1 // int(digit)
def key(digit):
    print(deep(digit))
call.dtmf(key)
""")
    script.send(m.DigitPressed("0"), m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["1"]
    (failed,) = script.all(m.Failed)
    assert (failed.line, failed.is_fatal) == (3, False)
    assert failed.text.startswith('Traceback (most recent call last):\n  File "ivrnode.py", line 5, in key\n')
    assert "    return 1 // int(digit)\n" in failed.text
    assert failed.text.endswith("ZeroDivisionError: integer division or modulo by zero")
    assert "runtime.py" not in failed.text


@pytest.mark.parametrize(
    ("source", "line", "error"),
    [
        ("x = 1\nraise ValueError('top')", 2, "ValueError: top"),
        ("await asyncio.sleep(0)\n\nraise ValueError('top')", 3, "ValueError: top"),
        ("x = 1\nx = = 2", 2, "SyntaxError: invalid syntax"),
        ("if x:\ny = 1", 2, "IndentationError"),
        ("x = '\0'", 0, "null byte"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("def f():\n    f()\nf()", 2, "RecursionError"),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", 3, "E"),
        ("import json\njson.loads('{')", 2, "JSONDecodeError"),
        ("raise ExceptionGroup('g', [ValueError('a')])", 1, "ValueError: a"),
        ("(" * 300 + ")" * 300, 1, "too many nested parentheses"),
    ],
)
async def test_an_exception_at_top_level_is_fatal(stage: Stage, source: str, line: int, error: str) -> None:
    script = await stage.play(source)
    (failed,) = script.all(m.Failed)
    assert error in failed.text
    assert failed.is_fatal
    assert failed.line == line


async def test_unused_keyboard_interrupt_in_a_handler(stage: Stage) -> None:
    script = await stage.play("def key():\n    raise KeyboardInterrupt\ncall.dtmf(key)")
    script.send(m.DigitPressed("1"), m.DigitPressed("1"))
    await script.idle()
    assert [failed.is_fatal for failed in script.all(m.Failed)] == [False, False]


async def test_an_exception_in_an_async_handler_or_task(stage: Stage) -> None:
    script = await stage.play("""
async def key(digit):
    await asyncio.sleep(0)
    {}[digit]
call.dtmf(key)
""")
    script.send(m.DigitPressed("7"))
    await script.idle()
    (failed,) = script.all(m.Failed)
    assert (failed.line, failed.is_fatal) == (4, False)
    assert "KeyError: '7'" in failed.text


async def test_the_order_of_the_end(stage: Stage) -> None:
    script = stage.run("""
ws = Websocket("ws://h")
ws.on("close", lambda code, reason: print("close", code, reason))
setTimeout(lambda: print("never"), 50)
p = call.say("a long text")
p.on("done", lambda: print("playback", p.stopped))
def first(reason):
    print("hangup", reason, p.done)
    for act in (call.hangup, call.mute, call.stream, lambda: call.say("x"), lambda: call.dtmf(None)):
        act()
    print(call.queued_ms, call.say("x").done)
    call.lang = "de"
call.on("hangup", first)
@call.on("hangup")
async def second():
    await asyncio.sleep(0.05)
    print("slow handler done", ws.send("last words"))
async def waits():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled")
        raise
    finally:
        await asyncio.sleep(0.01)
        print("cleaned up")
asyncio.create_task(waits())
await ws.connect()
print("open")
await asyncio.Event().wait()
""")
    await script.until(lambda: script.all(m.OpenSocket))
    script.send(m.SocketOpened(1, ""))
    await script.until(lambda: "open" in script.lines)
    before = len(script.actions)
    script.send(m.HungUp("caller", PATIENCE))
    await script.until(lambda: script.all(m.CloseSocket))
    assert script.all(m.CloseSocket) == [m.CloseSocket(1, 1001, "call ended")]
    script.send(m.SocketClosed(1, 1001, "call ended"))
    end = await script.ended()
    assert script.lines[1:] == [
        "playback True", "hangup caller True", "0 True", "cancelled", "cleaned up", "slow handler done True",
        "close 1001 call ended",
    ]  # fmt: skip
    assert end.reason == "finished"
    assert isinstance(script.actions[-1], m.Finished)
    assert script.failures == []
    assert not {m.Say, m.Hangup, m.Ask, m.Stream, m.ListenDigits, m.SetLang} & {
        type(action) for action in script.actions[before:]
    }


async def test_async_hangup_handlers_hold_the_sockets_open_for_a_second_at_most(stage: Stage) -> None:
    source = """
ws = Websocket("ws://h")
ws.connect()
@call.on("hangup")
async def for_ever():
    await asyncio.Event().wait()
"""
    script = stage.start(m.Boot(source, "ivrnode.py", FACTS, clock=1000.0))
    await script.until(lambda: script.all(m.Wait))
    script.send(m.HungUp("caller", PATIENCE), m.Clock(1000.95))
    await script.idle()
    assert not script.all(m.CloseSocket)
    script.send(m.Clock(1001.05))
    await script.until(lambda: script.all(m.CloseSocket))
    stage.workers.kill(script.call, "seen enough")
    assert (await script.ended()).text == "seen enough"


async def test_a_top_level_that_fails_after_the_end_is_no_reason_for_an_apology(stage: Stage) -> None:
    script = await stage.play("try:\n    await asyncio.Event().wait()\nfinally:\n    1 / 0")
    assert (await script.hang_up()).reason == "finished"
    [failure] = script.all(m.Failed)
    assert "ZeroDivisionError" in failure.text and not failure.is_fatal


async def test_the_grace_ends_what_does_not_end(stage: Stage) -> None:
    script = await stage.play("call.on('hangup', asyncio.Event().wait)")
    end = await script.hang_up(grace=0.1)
    assert (end.reason, end.is_fault) == ("killed", False)


async def test_nothing_raises_after_the_end(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h")
@call.on("hangup")
async def gone():
    print(call.say("x").stopped, call.play(codec="pcm16", audio=b"ab").done, call.mute(), call.queued_ms)
    print((await call.say("y")).done, call.say("z").stop(), ws.send("x"), ws.close())
    call.hangup(drain=True); call.stream(callback=print); call.stream(); call.dtmf(print); call.log("still logs")
    print(call.played_ms("tag"), setTimeout(print, 60_000) > 0)
    try:
        await ws.connect()
    except ConnectionError as error:
        print(error)
""")
    end = await script.hang_up()
    assert script.failures == []
    assert script.lines == [
        "True True 0 0", "send: the websocket is new, nothing was sent", "True 0 False None", "still logs", "0 True",
        "the call is over",
    ]  # fmt: skip
    assert end.reason == "finished"
    assert not script.all(m.Ask)  # nobody could answer


async def test_a_hangup_handler_may_use_the_sockets_that_it_holds_open(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h"); ws.connect()
ws.on("close", lambda: print("close", ws.send("late")))
@call.on("hangup")
async def gone():
    print(ws.send("last words"))
    print(await anext(ws))
""")
    script.send(m.SocketOpened(1, ""), m.HungUp("caller", 5.0))
    await script.until(lambda: script.all(m.SendSocket))
    assert not script.all(m.CloseSocket)
    script.send(m.SocketMessage(1, "answer"))
    await script.until(lambda: script.all(m.CloseSocket))
    script.send(m.SocketClosed(1, 1001, "call ended"))
    await script.ended()
    assert script.all(m.SendSocket) == [m.SendSocket(1, "last words")]
    assert script.lines == ["True", "answer", "send: the websocket is closed, nothing was sent", "close False"]


async def test_one_call_knows_nothing_of_another(stage: Stage) -> None:
    first = await stage.play("import math; math.secret = 1; shared = 2; json.x = 3")
    second = await stage.play("import math; print(hasattr(math, 'secret'), 'shared' in globals(), hasattr(json, 'x'))")
    assert first.failures == []
    assert second.lines == ["False False False"]


async def test_ten_thousand_lines_of_source(stage: Stage) -> None:
    script = await stage.play("\n".join(f"x{n} = {n}" for n in range(10_000)) + "\nprint(x9999)")
    assert script.lines == ["9999"]
