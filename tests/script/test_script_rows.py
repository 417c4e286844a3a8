"""Rows of the API that belong to no one part: who may be a handler, what is kept, what is harmless after the end."""

from __future__ import annotations

import dataclasses

import pytest

from ivrnode.script import messages as m
from script.stage import FACTS, Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = dataclasses.replace(
    FACTS, may_record=True, http_url="http://h/call/0123", params={"ivraction": "ask", "cobj": "c0"}
)


async def connected(stage: Stage, source: str) -> Script:
    script = await stage.play('ws = Websocket("ws://h")\n' + source)
    script.send(m.SocketOpened(1, ""))
    await script.idle()
    return script


# Handlers.


@pytest.mark.parametrize(
    "handler",
    [
        "Desk().key",
        "Desk().no_key",
        "Desk().later",
        "Desk()",
        "Desk.of_all",
        "functools.partial(two, 'key')",
        "functools.partial(later_two, 'key')",
        "wrapped",
        "lambda *, loud=True: print('key')",
    ],
)
async def test_whatever_can_be_called_is_a_handler(stage: Stage, handler: str) -> None:
    script = await stage.play(f"""
import functools
class Desk:
    def __call__(self): print("key")
    def key(self, digit): print("key")
    def no_key(self): print("key")
    async def later(self): print("key")
    @staticmethod
    def of_all(digit): print("key")
def two(what, digit): print(what)
async def later_two(what, digit): print(what)
def quietly(fn):
    @functools.wraps(fn)
    def run(*arguments): return fn(*arguments)
    return run
@quietly
def wrapped(digit): print("key")
call.dtmf({handler})
""")
    script.send(m.DigitPressed("1"))
    await script.idle()
    assert (script.lines, script.failures) == (["key"], [])


async def test_every_handler_of_an_event_runs_though_one_fails(stage: Stage) -> None:
    script = await connected(
        stage,
        """
ws.on("message", lambda data: print("first", data))
ws.on("message", lambda data: 1 / 0)
@ws.on("message")
async def third(data): print("third", data)
ws.connect()
""",
    )
    script.send(m.SocketMessage(1, "a"))
    await script.idle()
    assert script.lines == ["first a", "third a"]
    assert len(script.failures) == 1


async def test_handlers_run_in_the_order_they_were_added(stage: Stage) -> None:
    script = await stage.play("for n in range(4): call.on('drained', lambda n=n: print(n))")
    script.send(m.QueueDrained())
    await script.idle()
    assert script.lines == ["0", "1", "2", "3"]


# Defaults.


@pytest.mark.parametrize(
    ("gather", "pressed", "seconds"),
    [("call.gather()", "", 5), ("call.gather()", "1", 3), ("call.gather()", "#", None)],
)
async def test_the_waits_of_a_gather(stage: Stage, gather: str, pressed: str, seconds: int | None) -> None:
    script = stage.start(m.Boot(gather, "ivrnode.py", FACTS, clock=1000.0))
    await script.until(lambda: script.all(m.Wait))
    script.send(*(m.DigitPressed(digit) for digit in pressed))
    assert (await script.idle()).seconds == seconds


async def test_a_gather_takes_32_digits(stage: Stage) -> None:
    script = await stage.play("call.gather(callback=lambda got: print(len(got.digits), got.reason))")
    script.send(*(m.DigitPressed("7") for _ in range(40)))
    await script.idle()
    assert script.lines == ["32 max"]


async def test_a_recording_is_of_both_for_an_hour(stage: Stage) -> None:
    script = await stage.play("call.record()", facts=EVERYTHING)
    assert script.all(m.Request)[0].arguments == {
        "number": 1,
        "channels": 2,
        "max_seconds": 3600,
        "silence": 0,
        "finish": "",
    }


# Globals.


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("toBase64String('text')", "TypeError"),
        ("clearTimeout('1'); clearInterval(print); clearTimeout(-1)", ""),
        ("Websocket('ws://h').header([{'name': 'A', 'value': 'b\\0c'}])", "ValueError: value of header 'A'"),
        ("Websocket('ws://h').header([{'name': 'A\\nB', 'value': 'c'}])", "ValueError: name of header"),
        ("system.http({'colour': 'red'})", "TypeError"),
        ("call.say('x').on('done', 3)", "TypeError: the handler must be a function"),
        ("call.dial('120').on('over', print)", "ValueError: unknown event 'over': one of end"),
        ("settings.secret()", "TypeError"),
    ],
)
async def test_wrong_use(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert error in (script.failures[0] if script.failures else "")
    assert bool(script.failures) is bool(error)


async def test_a_timer_that_an_event_clears_is_not_waited_for(stage: Stage) -> None:
    script = await stage.play("""
timers = [setTimeout(print, 60000), setTimeout(print, 50000), setInterval(print, 40000)]
call.dtmf(lambda key: clearTimeout(timers.pop()))
""")
    for left in (50, 60):
        script.send(m.DigitPressed("1"))
        assert left - 5 < ((await script.idle()).seconds or 0) <= left
    script.send(m.DigitPressed("1"))
    assert await script.idle() == m.Wait(None, 0)


@pytest.mark.parametrize("text", ["QU*JD", "QUJD\n", " QUJD", "QUJDQQ", "QUI=QUI=", "Q===", "ä"])
async def test_what_is_no_base64_is_a_value_error(stage: Stage, text: str) -> None:
    script = await stage.play(f"try:\n    fromBase64String({text!r})\nexcept ValueError:\n    print('no')")
    assert (script.lines, script.failures) == (["no"], [])


async def test_an_address_book_gives_ten_unless_it_is_told(stage: Stage) -> None:
    script = stage.run("print(tables['adrbook'].search(text='ann'))")
    await script.until(lambda: script.all(m.Request))
    [request] = script.all(m.Request)
    assert request.arguments == {"text": "ann", "number": "", "limit": 10}
    script.send(m.Reply(request.request, []))
    await script.until(lambda: script.lines)
    assert script.lines == ["[]"]


# Sockets.


async def test_the_defaults_of_a_socket(stage: Stage) -> None:
    script = await stage.play('Websocket("wss://h/x").connect()')
    assert script.all(m.OpenSocket) == [m.OpenSocket(1, "wss://h/x", (), True, 10)]


async def test_a_plain_close_is_1000(stage: Stage) -> None:
    script = await connected(stage, "ws.on('open', ws.close); ws.connect()")
    assert script.all(m.CloseSocket) == [m.CloseSocket(1, 1000, "")]


async def test_each_connect_begins_anew(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h")
ws.on("close", lambda: (print(ws.subprotocol, ws.buffered), ws.connect(), print(ws.subprotocol, ws.buffered)))
ws.connect()
""")
    script.send(m.SocketOpened(1, "realtime"), m.SocketSent(1, 70), m.SocketClosed(1, 1006, ""))
    await script.idle()
    assert script.lines == ["realtime 70", "None 0"]


async def test_the_error_of_one_connect_is_not_that_of_the_next(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h")
for _ in range(2):
    try:
        await ws.connect()
    except ConnectionError as error:
        print(error)
""")
    script.send(m.SocketFailed(1, "lost"), m.SocketClosed(1, 1006, ""))
    await script.until(lambda: len(script.all(m.OpenSocket)) == 2)
    script.send(m.SocketClosed(2, 1000, "bye"))
    await script.idle()
    assert script.lines == ["lost", "closed: 1000 bye"]


async def test_an_open_that_crosses_a_close_is_not_told(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h")
ws.on("open", lambda: print("open"))
ws.on("close", lambda code: print("close", code))
ws.connect()
ws.close()
call.dtmf(lambda: print(ws.state))
""")
    script.send(m.SocketOpened(1, ""), m.DigitPressed("1"), m.SocketClosed(1, 1000, ""))
    await script.idle()
    assert script.lines == ["closing", "close 1000"]


async def test_headers_go_with_every_connect(stage: Stage) -> None:
    script = await connected(
        stage, 'ws.header([{"name": "A", "value": "b"}]); ws.on("close", lambda: ws.connect()); ws.connect()'
    )
    script.send(m.SocketClosed(1, 1000, ""))
    await script.idle()
    assert [opened.headers for opened in script.all(m.OpenSocket)] == [(("A", "b", False),)] * 2


async def test_what_came_before_the_close_is_still_read(stage: Stage) -> None:
    script = await connected(
        stage,
        """
ws.connect()
@ws.on("close")
async def closed():
    print([data async for data in ws])
    print([data async for data in ws])
""",
    )
    script.send(m.SocketMessage(1, "a"), m.SocketMessage(1, b"b"), m.SocketClosed(1, 1006, ""))
    await script.idle()
    assert script.lines == ["['a', b'b']", "[]"]


async def test_nothing_of_the_last_connect_is_read_in_the_next(stage: Stage) -> None:
    script = await connected(
        stage,
        """
ws.connect()
@ws.on("close")
async def closed():
    ws.connect()
    async for data in ws:
        print(data)
""",
    )
    script.send(m.SocketMessage(1, "old"), m.SocketClosed(1, 1006, ""))
    await script.idle()
    script.send(m.SocketOpened(2, ""), m.SocketMessage(2, "new"))
    await script.idle()
    assert script.lines == ["new"]


async def test_messages_that_come_at_once_wait_for_a_handler_that_is_added_after_connect(stage: Stage) -> None:
    script = await stage.play('ws = Websocket("ws://h")\nawait ws.connect()\nws.on("message", print)')
    script.send(m.SocketOpened(1, ""), m.SocketMessage(1, "a"), m.SocketMessage(1, "b"))
    await script.idle()
    assert script.lines == ["a", "b"]


async def test_a_send_to_a_socket_that_is_not_open_is_told_once_for_each_state(stage: Stage) -> None:
    script = await connected(stage, "ws.connect()\ncall.dtmf(lambda: print(ws.send('x'), ws.send('x')))")
    script.send(m.SocketClosed(1, 1006, ""), m.DigitPressed("1"), m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["send: the websocket is closed, nothing was sent", "False False", "False False"]
    assert not script.all(m.SendSocket)


# After the end.


@pytest.mark.parametrize("facts", [EVERYTHING, FACTS], ids=["allowed", "forbidden"])
async def test_every_other_method_is_harmless_after_the_end(stage: Stage, facts: m.Facts) -> None:
    script = await stage.play(
        """
dial = call.dial("120")
p = call.say("text")
ws = Websocket("ws://h")
ws.on("close", print)
@call.on("hangup")
async def over():
    call.accept(); call.reject("late"); call.http(print); call.http(None); call.dtmf(print); call.dtmf(None)
    dial.hangup(); p.stop(); ws.close(); call.lang = "de"; call.press("1")
    call.on("speech", print); call.on("drained", print)
    again = call.record(); again.stop(); call.stream(codec="pcm16", callback=print, vad=True)
    print(call.getHeader("X"), call.callid, call.withheld_ms, (await again).reason, p.queued_ms, p.played_ms)
    print((await call.gather(say="digits?")).reason, (await call.play(url="prompt:x")).stopped, (await p).stopped)
    print((await call.transfer("120")).ok, (await call.dial("120", {"ivraction": "ask", "cobj": call.callid})).ok)
""",
        facts=facts,
    )
    before = len(script.actions)
    await script.hang_up()
    assert script.failures == []
    assert script.lines == ["None c1f 0 hangup 0 0", "stopped True True", "False False"]
    kinds = {type(action) for action in script.actions[before:]}
    assert kinds <= {m.Log, m.Wait, m.Finished}


async def test_timers_of_the_grace_do_not_hold_it_up(stage: Stage) -> None:
    script = await stage.play("call.on('hangup', lambda: setInterval(print, 20))")
    assert (await script.hang_up()).reason == "finished"


async def test_text_messages_and_mail_may_follow_each_other_in_the_grace(stage: Stage) -> None:
    script = await stage.play(
        """
@call.on("hangup")
async def over(reason):
    for text in ("one", "two"):
        print(text, (await call.sms(text)).ok)
    print((await system.email(to="a@b.example")).ok)
"""
    )
    script.send(m.HungUp("caller", 5.0))
    for count in range(1, 4):
        await script.until(lambda count=count: len(script.all(m.Request)) == count)
        script.send(m.Reply(script.all(m.Request)[-1].request, {"error": ""}))
    assert (await script.ended()).reason == "finished"
    assert script.lines == ["one True", "two True", "True"]
