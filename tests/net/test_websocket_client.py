"""The fast lane and the library must agree: any frames, cut into any pieces, are the same messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from ivrnode.net.outbound.websocket_client import WebsocketClient
from ivrnode.net.outbound.websocket_request import MAX_MESSAGE, WebsocketRequest

REQUEST = WebsocketRequest.build("ws://peer.example/", [])


class Wire(asyncio.Transport):
    """A transport that keeps what is written and never is full."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Told:
    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.failures: list[str] = []
        self.closes: list[tuple[int, str]] = []

    def opened(self, subprotocol: str) -> None: ...
    def sent(self, buffered: int) -> None: ...
    def message(self, data: str | bytes) -> None:
        self.messages.append(data)

    def failed(self, error: str) -> None:
        self.failures.append(error)

    def closed(self, code: int, reason: str) -> None:
        self.closes.append((code, reason))


def handshake(written: bytes) -> bytes:
    key = written.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
    )


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return (data[begin:end] for begin, end in pairwise(places))


async def run(stream: bytes, cuts: list[int]) -> Told:
    """Feed a client the handshake and `stream` in pieces, then the end of TCP."""
    told, wire = Told(), Wire()
    client = WebsocketClient(REQUEST, told, lambda client: None, lambda: 0.0)
    client.connection_made(wire)
    client.flush()
    for piece in pieces(handshake(wire.written) + stream, cuts):
        client.data_received(piece)
    client.eof_received()
    client.connection_lost(None)
    await client.handshake
    return told


def by_the_library(stream: bytes) -> list[str | bytes]:
    """The messages that the library alone finds in `stream`."""
    protocol = ClientProtocol(parse_uri("ws://peer.example/"), state=State.OPEN, max_size=MAX_MESSAGE)
    protocol.receive_data(stream)
    messages: list[str | bytes] = []
    parts: list[Frame] = []
    for event in protocol.events_received():
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            parts.append(event)
            if event.fin:
                data = b"".join(part.data for part in parts)
                try:
                    messages.append(data.decode() if parts[0].opcode is Opcode.TEXT else data)
                except UnicodeDecodeError:
                    break
                parts = []
    return messages


def frames() -> st.SearchStrategy[list[bytes]]:
    text = st.text(max_size=200).map(lambda text: [Frame(Opcode.TEXT, text.encode())])
    binary = st.binary(max_size=200).map(lambda data: [Frame(Opcode.BINARY, data)])
    large = st.integers(120, 70000).map(lambda size: [Frame(Opcode.TEXT, b"l" * size)])
    control = st.sampled_from([Opcode.PING, Opcode.PONG]).map(lambda opcode: [Frame(opcode, b"1234")])
    parted = st.lists(st.binary(max_size=50), min_size=2, max_size=4).map(
        lambda parts: [
            Frame(Opcode.BINARY if not at else Opcode.CONT, part, fin=at == len(parts) - 1)
            for at, part in enumerate(parts)
        ]
    )
    group = st.one_of(text, binary, large, control, parted)
    return st.lists(group, max_size=12).map(
        lambda groups: [frame.serialize(mask=False) for group in groups for frame in group]
    )


@given(frames(), st.lists(st.integers(0, 1 << 20), max_size=20))
def test_any_pieces_are_the_same_messages(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(sent)
    told = asyncio.run(run(stream, cuts))
    assert told.messages == by_the_library(stream)
    assert told.failures == []
    assert told.closes == [(1006, "")]


@given(frames(), st.lists(st.integers(0, 1 << 20), max_size=20), st.lists(st.integers(0, 12), max_size=4))
def test_who_is_held_delivers_nothing_until_it_may_go_on(sent: list[bytes], cuts: list[int], holds: list[int]) -> None:
    """`holds`: after how many messages."""
    stream = b"".join(sent)

    async def play() -> None:
        told, wire, clock = Told(), Wire(), [0.0]
        client = WebsocketClient(REQUEST, told, lambda client: None, lambda: clock[0])
        client.connection_made(wire)
        client.flush()
        client.data_received(handshake(wire.written))
        deliver = told.message

        def message(data: str | bytes) -> None:
            deliver(data)
            if len(told.messages) in holds:
                client.hold(True)

        told.message = message  # type: ignore[method-assign]
        for piece in pieces(stream, cuts):
            client.data_received(piece)
            while wire.is_paused:
                count = len(told.messages)
                assert count in holds
                clock[0] += 100  # far beyond the time that a pong may take
                client.tick(clock[0])
                client.data_received(b"")
                assert len(told.messages) == count and not told.failures
                client.hold(False)
                await asyncio.sleep(0)
        assert told.messages == by_the_library(stream)

    asyncio.run(play())


@given(frames(), st.binary(max_size=60), st.lists(st.integers(0, 1 << 20), max_size=20))
@settings(max_examples=300)
def test_rubbish_raises_nothing_and_is_told_like_the_library_would(
    sent: list[bytes], rubbish: bytes, cuts: list[int]
) -> None:
    stream = b"".join(sent) + rubbish
    told = asyncio.run(run(stream, cuts))
    assert told.messages == by_the_library(stream)
    assert len(told.failures) <= 1
    assert len(told.closes) == 1
