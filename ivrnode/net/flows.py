"""SIP transports: UDP sockets and TCP connections (RFC 3261 s18), each a Flow for the rooms above.

No message is looked at here: a datagram is handed up whole, a stream is cut by `StreamFramer`.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ivrnode.errors import ConfigError
from ivrnode.log import Log
from ivrnode.sip.flow import Flow
from ivrnode.sip.framing import FramingError, StreamFramer, is_keep_alive

MOST_PER_SOURCE = 100
MOST_UNSENT = 1 << 20
UDP_BUFFER = 4 << 20

Received = Callable[[bytes, Flow], None]
FlowClosed = Callable[[Flow], None]
Address = tuple[str, int]


class Flows:
    """All SIP sockets of a process. `on_message` gets each datagram or framed message, `on_closed` each dead stream,
    `on_refused` a flow of our own over UDP (`connect`) where nobody listens, as ICMP tells."""

    def __init__(
        self, on_message: Received, on_closed: FlowClosed, log: Log, on_refused: FlowClosed = lambda flow: None
    ) -> None:
        self.on_message, self.on_closed, self.on_refused, self.log = on_message, on_closed, on_refused, log
        self.sources: Counter[str] = Counter()
        self.streams: dict[int, StreamConnection] = {}
        self._ids = itertools.count(1)
        self._datagrams: dict[int, DatagramSocket] = {}
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, transport: str, host: str, port: int) -> Address:
        """Open `udp` or `tcp` on host:port (0 = any free port); the address that was bound.

        Raises ConfigError when the port is in use or the address is not ours.
        """
        loop = asyncio.get_running_loop()
        try:
            if transport == "udp":
                return (await self._open_datagrams(local=(host, port))).local
            server = await loop.create_server(lambda: StreamConnection(self, next(self._ids)), host, port)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {transport}:{host}:{port}: {error.strerror or error}; "
                "is another SIP server running? Choose another address or port",
                key="sip.listen",
            ) from None
        self._servers.append(server)
        if self._sweeper is None:
            self._sweep()
        bound: Address = server.sockets[0].getsockname()[:2]
        return bound

    async def connect(self, transport: str, host: str, port: int) -> Flow:
        """A flow of our own to host:port, by `udp` (a socket of its own) or `tcp`. Raises OSError.

        The UDP socket is connected: only so the system tells when the other side refuses, and nobody else is heard.
        """
        if transport not in ("udp", "tcp"):
            raise OSError(f"no transport {transport} here: udp or tcp")
        loop = asyncio.get_running_loop()
        if transport == "udp":
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            remote: Address = infos[0][4][:2]  # type: ignore[assignment]
            return (await self._open_datagrams(remote=remote)).flow(remote)
        _, stream = await loop.create_connection(lambda: StreamConnection(self, next(self._ids)), host, port)
        return stream.flow

    def send(self, data: bytes, flow: Flow) -> None:
        if flow.transport == "udp":
            if endpoint := self._datagrams.get(flow.id):
                endpoint.send(data, flow.remote)
        elif stream := self.streams.get(flow.id):
            stream.send(data)

    def datagram_flow(self, local: Address, remote: Address) -> Flow | None:
        """The flow to `remote` from the UDP socket at `local`; None if we do not listen there."""
        return next((found.flow(remote) for found in self._datagrams.values() if found.local == local), None)

    async def close(self) -> None:
        if self._sweeper:
            self._sweeper.cancel()
        for server in self._servers:
            server.close()
        for stream in list(self.streams.values()):
            stream.abort()
        for endpoint in self._datagrams.values():
            endpoint.close()

    async def _open_datagrams(self, local: Address | None = None, remote: Address | None = None) -> DatagramSocket:
        loop = asyncio.get_running_loop()
        identity = next(self._ids)
        _, endpoint = await loop.create_datagram_endpoint(
            lambda: DatagramSocket(self, identity, remote), local_addr=local, remote_addr=remote
        )
        self._datagrams[identity] = endpoint
        return endpoint

    def _sweep(self) -> None:
        now = time.monotonic()
        for stream in list(self.streams.values()):
            stream.close_if_late(now)
        self._sweeper = asyncio.get_running_loop().call_later(1.0, self._sweep)


class DatagramSocket(asyncio.DatagramProtocol):
    """One UDP socket; its flows differ by their remote address only. `remote`: what it is connected to, if it is."""

    def __init__(self, flows: Flows, identity: int, remote: Address | None) -> None:
        self._flows, self._identity, self._remote = flows, identity, remote
        self._transport: asyncio.DatagramTransport | None = None
        self.local: Address = ("", 0)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.local = transport.get_extra_info("sockname")[:2]
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER)

    def flow(self, remote: Address) -> Flow:
        return Flow("udp", self.local, remote, self._identity)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not is_keep_alive(data):
            self._flows.on_message(data, self.flow((addr[0], addr[1])))

    def error_received(self, exc: Exception) -> None:
        self._flows.log.write("SIP", 6, f"UDP: {exc}")
        if isinstance(exc, ConnectionRefusedError) and self._remote is not None:
            self._flows.on_refused(self.flow(self._remote))

    def send(self, data: bytes, remote: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, None if self._remote else remote)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class StreamConnection(asyncio.Protocol):
    """One TCP connection, either side: one flow (RFC 5626)."""

    def __init__(self, flows: Flows, identity: int) -> None:
        self._flows, self._identity = flows, identity
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self.flow = Flow("tcp", ("", 0), ("", 0), identity)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if peer is None:  # he has gone again already; uvloop does not know any more who it was
            transport.abort()
            return
        remote = peer[:2]
        self.flow = Flow("tcp", transport.get_extra_info("sockname")[:2], remote, self._identity)
        self._flows.sources[remote[0]] += 1
        self._flows.streams[self._identity] = self
        if self._flows.sources[remote[0]] > MOST_PER_SOURCE:
            self._flows.log.write("SIP", 2, f"{remote[0]}: more than {MOST_PER_SOURCE} connections, refused")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data, time.monotonic())
        except FramingError as error:
            self._deliver(error.messages)
            self._flows.log.write("SIP", 3, f"{self.flow.remote[0]}: {error}; connection closed")
            self.close()
            return
        for _ in range(self._framer.take_pings()):
            self.send(b"\r\n")
        self._deliver(messages)

    def _deliver(self, messages: list[bytes]) -> None:
        for message in messages:
            self._flows.on_message(message, self.flow)

    def close_if_late(self, now: float) -> None:
        """A peer that sends half a message holds a connection for 10 s at most."""
        if self._framer.deadline is not None and now > self._framer.deadline:
            self._flows.log.write("SIP", 3, f"{self.flow.remote[0]}: half a message for too long, closed")
            self.abort()

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            self._flows.log.write("SIP", 3, f"{self.flow.remote[0]}: does not read, closed")
            self.abort()

    def close(self) -> None:
        """What is written still goes out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._flows.streams.pop(self._identity, None) is None:
            return
        self._flows.sources[self.flow.remote[0]] -= 1
        if not self._flows.sources[self.flow.remote[0]]:
            del self._flows.sources[self.flow.remote[0]]
        self._flows.on_closed(self.flow)
