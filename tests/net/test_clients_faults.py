"""Outgoing WebSockets against peers that do wrong, on purpose or not: raw TCP servers on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from heard import Clock, Heard
from websockets.utils import accept_key

from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_client import CLOSE_TIMEOUT, MAX_SLOW_FRAMES, PING_INTERVAL
from ivrnode.net.outbound.websocket_clients import Key, WebsocketClients

KEY: Key = ("call", 1)
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(first: int, payload: bytes = b"", mask: bool = False) -> bytes:
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    return head + (bytes(4) if mask else b"") + payload


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, then: bytes = b"") -> None:
    """Answer the handshake as a server does; `then` leaves in the same segment."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
    accept = accept_key(lines["Sec-WebSocket-Key"])
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n" + then
    )
    await writer.drain()


class Street:
    """The clients under test and one raw peer a call of `serve`."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.heard = Heard()
        self.clock = Clock()
        self.clients = WebsocketClients(OutboundPolicy(["127.0.0.0/8"]), self.heard, self.clock)
        self._stack = stack
        self._peers: set[asyncio.Task[None]] = set()

    async def serve(self, peer: Peer, receive_buffer: int = 0) -> str:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._peers.add(task)
            try:
                await peer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self._peers.discard(task)
                writer.transport.abort()

        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        if receive_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        server = await asyncio.start_server(meet, sock=listening)
        self._stack.callback(server.close)
        return f"ws://127.0.0.1:{listening.getsockname()[1]}/"

    async def opened(self, peer: Peer, receive_buffer: int = 0) -> None:
        self.clients.open(KEY, await self.serve(peer, receive_buffer), (), True, 5)
        assert await self.heard.next() == ("opened", KEY, "")

    async def leave(self) -> None:
        await self.clients.stop()
        for task in list(self._peers):
            task.cancel()
        await asyncio.gather(*self._peers)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        street = Street(stack)
        yield street
        await street.leave()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Open, read nothing more."""
    await shake_hands(reader, writer)
    await asyncio.Event().wait()


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Open, read everything, say nothing."""
    await shake_hands(reader, writer)
    while await reader.read(65536):
        pass


async def test_nobody_listens(street: Street) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        street.clients.open(KEY, f"ws://127.0.0.1:{bound.getsockname()[1]}/", (), True, 5)
        assert await street.heard.next() == ("failed", KEY, "connection refused")
        assert await street.heard.next() == ("closed", KEY, 1006, "")


async def test_a_server_that_never_answers_runs_into_the_time_limit(street: Street) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    street.clients.open(KEY, await street.serve(silent), (), True, 0.1)
    assert await street.heard.next() == ("failed", KEY, "no connection within 0.1 s")
    assert await street.heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff" * 600,
        b"a" * 100_000,
        b"HTTP/1.1 101 Switching",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\n\r\nuntil the end",
    ],
)
async def test_rubbish_instead_of_a_handshake(street: Street, rubbish: bytes) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(rubbish)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    street.clients.open(KEY, await street.serve(peer), (), True, 5)
    event, _, error = await street.heard.next()
    assert event == "failed"
    assert error.startswith(
        ("handshake failed", "the connection ended", "the server answered HTTP", "connection reset")
    )
    assert await street.heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(0x81, b"masked", mask=True), 1002),
        (frame(0x83, b"reserved opcode"), 1002),
        (frame(0x8F, b""), 1002),
        (frame(0xC1, b"compressed"), 1002),
        (frame(0x80, b"continuation of nothing"), 1002),
        (frame(0x01, b"a") + frame(0x81, b"no continuation"), 1002),
        (frame(0x09, b"fragmented ping"), 1002),
        (frame(0x89, b"p" * 126), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, struct.pack("!H", 1005)), 1002),
        (frame(0x88, struct.pack("!H", 999)), 1002),
        (frame(0x88, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x01, b"\xc3") + frame(0x80, b"\x28"), 1007),
        (struct.pack("!BBQ", 0x82, 127, 1 << 63), 1009),
        (struct.pack("!BBQ", 0x82, 127, 3 << 20), 1009),
    ],
)
async def test_wrong_frames_fail_and_say_why_on_the_wire(street: Street, bad: bytes, code: int) -> None:
    closes: asyncio.Queue[bytes] = asyncio.Queue()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, then=frame(0x81, b"fine") + bad + frame(0x81, b"never told"))
        head = await reader.readexactly(6)
        payload = await reader.readexactly(head[1] & 0x7F)
        closes.put_nowait(bytes(byte ^ head[2 + at % 4] for at, byte in enumerate(payload)))

    await street.opened(peer)
    assert await street.heard.next() == ("message", KEY, "fine")
    event, _, error = await street.heard.next()
    assert event == "failed"
    assert error.startswith("protocol error: ")
    assert (await street.heard.next())[:3] == ("closed", KEY, code)
    assert struct.unpack("!H", (await closes.get())[:2]) == (code,)
    assert street.heard.rest() == []


async def test_a_close_frame_without_a_code_is_1005(street: Street) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, then=frame(0x88))

    await street.opened(peer)
    assert await street.heard.next() == ("closed", KEY, 1005, "")


async def test_tcp_that_ends_inside_a_frame_is_1006(street: Street) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, then=frame(0x81, b"whole") + frame(0x81, b"cut off")[:-1])
        writer.close()
        await writer.wait_closed()

    await street.opened(peer)
    assert await street.heard.next() == ("message", KEY, "whole")
    assert await street.heard.next() == ("closed", KEY, 1006, "")


async def test_a_peer_that_does_not_read_fails_over_4_mb(street: Street) -> None:
    await street.opened(deaf, receive_buffer=4096)
    for _ in range(20):
        street.clients.send(KEY, b"x" * (1 << 20))
        await asyncio.sleep(0)  # one turn of the loop: the message is written
    told = [await street.heard.next()]
    while told[-1][0] == "sent":
        told.append(await street.heard.next())
    buffered = [entry[2] for entry in told[:-1]]
    assert buffered
    assert buffered == sorted(buffered)
    assert buffered[-1] <= 4 << 20
    assert told[-1] == ("failed", KEY, "the peer does not read: more than 4 MB unsent")
    assert await street.heard.next() == ("closed", KEY, 1006, "")
    assert street.heard.rest() == []


async def test_over_4_mb_in_one_turn_fail_as_well(street: Street) -> None:
    await street.opened(deaf, receive_buffer=4096)
    for _ in range(10):
        street.clients.send(KEY, b"x" * (1 << 20))
    assert await street.heard.next() == ("failed", KEY, "the peer does not read: more than 4 MB unsent")
    assert await street.heard.next() == ("closed", KEY, 1006, "")


async def test_buffered_goes_back_to_zero_when_the_peer_reads_again(street: Street) -> None:
    go = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await go.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        while await reader.read(65536):
            pass

    await street.opened(slow, receive_buffer=4096)
    street.clients.send(KEY, b"x" * (7 << 19))
    event, _, buffered = await street.heard.next()
    assert (event, 0 < buffered <= 4 << 20) == ("sent", True)
    go.set()
    while buffered:
        event, _, buffered = await street.heard.next()
        assert event == "sent"


async def test_no_pong_in_time_fails(street: Street) -> None:
    await street.opened(mute)
    street.clock.now += PING_INTERVAL - 0.1
    street.clients.tick()
    street.clock.now += 0.1
    street.clients.tick()  # the ping
    street.clock.now += PING_INTERVAL - 0.1
    street.clients.tick()
    assert street.heard.rest() == []
    street.clock.now += 0.1
    street.clients.tick()
    assert await street.heard.next() == ("failed", KEY, "no pong")
    assert await street.heard.next() == ("closed", KEY, 1006, "")


async def test_a_pong_that_answers_no_ping_does_not_count(street: Street) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.readexactly(10)  # the ping: 2 + 4 mask + 4
        writer.write(frame(0x8A, b"else") + frame(0x81, b"seen"))
        await reader.read()

    await street.opened(peer)
    street.clock.now += PING_INTERVAL
    street.clients.tick()
    assert await street.heard.next() == ("message", KEY, "seen")
    street.clock.now += PING_INTERVAL
    street.clients.tick()
    assert await street.heard.next() == ("failed", KEY, "no pong")


async def test_a_peer_that_does_not_answer_our_close_is_given_up(street: Street) -> None:
    await street.opened(mute)
    street.clients.close(KEY, 1000, "bye")
    street.clock.now += CLOSE_TIMEOUT - 0.1
    street.clients.tick()
    street.clock.now += 0.1
    assert street.heard.rest() == []
    street.clients.tick()
    assert await street.heard.next() == ("closed", KEY, 1006, "")


async def test_a_peer_that_closes_but_keeps_tcp_open_is_given_up_with_its_code(street: Street) -> None:
    echoed = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, then=frame(0x88, struct.pack("!H", 1001) + b"later"))
        await reader.readexactly(6 + 7)
        echoed.set()
        await reader.read()

    await street.opened(peer)
    await echoed.wait()
    street.clock.now += CLOSE_TIMEOUT
    street.clients.tick()
    assert await street.heard.next() == ("closed", KEY, 1001, "later")


@pytest.mark.parametrize("small", [frame(0x89), frame(0x8A), frame(0x00)], ids=["pings", "pongs", "fragments"])
async def test_a_flood_of_frames_that_say_nothing_ends_the_socket(street: Street, small: bytes) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, then=frame(0x01, b"a"))
        writer.write(small * (MAX_SLOW_FRAMES + 10))
        while await reader.read(65536):
            pass

    await street.opened(peer)
    assert await street.heard.next() == ("failed", KEY, "protocol error: too many control frames and fragments")
    street.clock.now += CLOSE_TIMEOUT
    street.clients.tick()
    assert (await street.heard.next())[:3] == ("closed", KEY, 1008)


async def test_a_message_that_trickles_in_comes_whole(street: Street) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        for byte in frame(0x81, b"d" * 300):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await reader.read()

    await street.opened(peer)
    assert await street.heard.next() == ("message", KEY, "d" * 300)
