"""`Websocket`: the script's side. The connection itself is tested with the clients."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL_EVENTS = """
ws = Websocket("wss://h/path")
ws.on("open", lambda: print("open", ws.state, ws.subprotocol))
ws.on("message", lambda data: print("message", repr(data)))
ws.on("error", lambda text: print("error", text))
ws.on("close", lambda code, reason: print("close", code, repr(reason), ws.state))
"""


async def connected(stage: Stage, source: str) -> Script:
    script = await stage.play(source)
    script.send(m.SocketOpened(script.all(m.OpenSocket)[-1].socket, "realtime"))
    await script.idle()
    return script


async def test_a_life(stage: Stage) -> None:
    script = await connected(stage, ALL_EVENTS + "ws.connect(); print(ws.state)")
    script.send(
        m.SocketMessage(1, "text"), m.SocketMessage(1, b"\0"), m.SocketFailed(1, "lost"), m.SocketClosed(1, 1006, "")
    )
    await script.idle()
    assert script.lines == [
        "connecting", "open open realtime", "message 'text'", "message b'\\x00'", "error lost", "close 1006 '' closed",
    ]  # fmt: skip


async def test_headers(stage: Stage) -> None:
    script = await stage.play("""
ws = Websocket("ws://h", verify=False)
same = ws.header([{"name": "Authorization", "value": "Bearer k", "secret": True}, {"name": "A", "value": "b", "c": 1}])
ws.header([{"name": "User-Agent", "value": "x"}])
ws.connect(timeout=3)
print(same is ws)
""")
    assert script.all(m.OpenSocket) == [
        m.OpenSocket(
            1,
            "ws://h",
            (("Authorization", "Bearer k", True), ("A", "b", False), ("User-Agent", "x", False)),
            False,
            3.0,
        )
    ]
    assert script.lines == ["Websocket.header: unknown key 'c' ignored", "True"]


async def test_send(stage: Stage) -> None:
    script = await connected(
        stage,
        """
ws = Websocket("ws://h")
print(ws.send("too early"), ws.send("still too early"))
ws.connect()
@ws.on("open")
def opened():
    print(ws.send("text"), ws.send(b"\\x01"), ws.send({"ü": [1, None]}), ws.send(bytearray(b"2")))
""",
    )
    assert [sent.data for sent in script.all(m.SendSocket)] == ["text", b"\x01", '{"ü":[1,null]}', b"2"]
    assert script.lines == ["send: the websocket is new, nothing was sent", "False False", "True True True True"]


async def test_the_greatest_message_both_ways(stage: Stage) -> None:
    script = await connected(
        stage, 'ws = Websocket("ws://h"); ws.connect(); ws.on("message", lambda data: ws.send(data))'
    )
    script.send(m.SocketMessage(1, b"x" * (2 << 20)))
    await script.until(lambda: script.all(m.SendSocket))
    assert len(script.all(m.SendSocket)[0].data) == 2 << 20


async def test_long_messages_and_short_ones_in_one_go(stage: Stage) -> None:
    script = await connected(
        stage, 'ws = Websocket("ws://h"); ws.connect(); ws.on("message", lambda data: ws.send(data))'
    )
    sent = [bytes([number]) * size for number, size in enumerate((1, 100_000, 2, 20_000, 16_384, 3, 40_000, 40_000, 1))]
    script.send(*(m.SocketMessage(1, data) for data in sent))
    await script.until(lambda: len(script.all(m.SendSocket)) == len(sent))
    assert [message.data for message in script.all(m.SendSocket)] == sent


async def test_many_messages_stay_in_order(stage: Stage) -> None:
    script = await connected(
        stage, 'ws = Websocket("ws://h"); ws.connect(); ws.on("message", lambda data: ws.send(data))'
    )
    for number in range(200):
        script.send(m.SocketMessage(1, f"{number} " + "x" * (number % 7) * 1000))
    await script.idle()
    assert [str(sent.data).split(" ", 1)[0] for sent in script.all(m.SendSocket)] == [str(n) for n in range(200)]


async def test_close_is_harmless_before_connect_and_twice(stage: Stage) -> None:
    script = await connected(
        stage, ALL_EVENTS + "ws.close(); ws.connect(); setTimeout(lambda: (ws.close(4000, 'bye'), ws.close()), 0)"
    )
    assert script.all(m.CloseSocket) == [m.CloseSocket(1, 4000, "bye")]
    script.send(m.SocketClosed(1, 4000, "bye"))
    await script.idle()
    assert script.lines[-1] == "close 4000 'bye' closed"


async def test_a_new_connect_has_a_new_number(stage: Stage) -> None:
    script = await connected(stage, ALL_EVENTS + "ws.connect(); ws.on('close', lambda: ws.connect())")
    script.send(m.SocketClosed(1, 1006, ""))
    await script.idle()
    script.send(m.SocketOpened(2, ""))
    await script.idle()
    assert [opened.socket for opened in script.all(m.OpenSocket)] == [1, 2]
    assert script.lines[-1] == "open open None"


async def test_connect_is_awaitable(stage: Stage) -> None:
    script = await connected(stage, 'ws = Websocket("ws://h"); await ws.connect(); print(ws.state)')
    assert script.lines == ["open"]


async def test_a_failed_connect_raises_for_those_who_await_it(stage: Stage) -> None:
    source = """
ws = Websocket("ws://h")
ws.connect()
other = Websocket("ws://h")
try:
    await other.connect()
except ConnectionError as error:
    print("caught", error)
"""
    script = await stage.play(source)
    for number in (1, 2):
        script.send(m.SocketFailed(number, "blocked by outbound policy"), m.SocketClosed(number, 1006, ""))
    await script.idle()
    assert script.lines == ["caught blocked by outbound policy"]
    assert script.failures == []


async def test_async_for(stage: Stage) -> None:
    script = await connected(
        stage,
        """
ws = Websocket("ws://h")
ws.connect()
async for data in ws:
    print(data)
print("over", ws.state)
""",
    )
    script.send(m.SocketMessage(1, "a"), m.SocketMessage(1, "b"))
    await script.idle()
    script.send(m.SocketMessage(1, "c"), m.SocketClosed(1, 1000, ""))
    await script.idle()
    assert script.lines == ["a", "b", "c", "over closed"]


async def test_a_thousand_messages_are_kept(stage: Stage) -> None:
    script = await connected(
        stage, 'ws = Websocket("ws://h"); ws.connect()\ncall.dtmf(lambda: print(len(ws._messages)))'
    )
    for number in range(1010):
        script.send(m.SocketMessage(1, str(number)))
        if number % 100 == 0:
            await script.idle()
    script.send(m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["more than 1000 messages wait that nobody takes: dropped", "1000"]


async def test_buffered(stage: Stage) -> None:
    script = await connected(stage, 'ws = Websocket("ws://h"); ws.connect(); call.dtmf(lambda: print(ws.buffered))')
    script.send(m.SocketSent(1, 70_000), m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["70000"]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("Websocket('http://h')", "ValueError: url must begin with ws:// or wss://"),
        ("Websocket(7)", "TypeError: url must be str"),
        ("Websocket('ws://h', verify=1)", "TypeError: verify must be bool"),
        ("Websocket('ws://h').header([{'name': 'A', 'value': 'b\\r\\nC: d'}])", "ValueError: value of header 'A'"),
        ("Websocket('ws://h').header([{'name': 'A'}])", "TypeError: value of a header must be str"),
        ("Websocket('ws://h').header({'name': 'A'})", "TypeError: list must be list"),
        ("Websocket('ws://h').on('data', print)", "ValueError: unknown event 'data': one of open message error close"),
        ("Websocket('ws://h').close(1005)", "ValueError: code must be"),
        ("Websocket('ws://h').close(1000, 'x' * 124)", "ValueError: reason must not be longer"),
        ("Websocket('ws://h').connect(timeout=0)", "ValueError: timeout must be from"),
        ("Websocket('ws://h').send(5)", "TypeError: data must be"),
        ("ws = Websocket('ws://h'); ws.connect(); ws.connect()", "RuntimeError: connect: the websocket is connecting"),
        ("[Websocket('ws://h').connect() for _ in range(5)]", "RuntimeError: a call has 4 websockets at most"),
        ("async for x in Websocket('ws://h'): pass", "RuntimeError: the websocket has not been connected"),
    ],
)
async def test_wrong_use(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert error in script.failures[0]


async def test_too_long_a_message(stage: Stage) -> None:
    script = await connected(
        stage, "ws = Websocket('ws://h'); ws.connect(); ws.on('open', lambda: ws.send(b'x' * ((2 << 20) + 1)))"
    )
    assert "ValueError: data must not be longer" in script.failures[0]
