"""A network on the desk: user agents face to face on a virtual clock, with loss, doubling and reordering on demand.

```
  Peer ─ agent.to_send() ─▶ Network ── maybe lost, doubled, delayed ──▶ agent.receive() ─ Peer.events
```
`Probe` is the other kind of face: raw requests by hand against one agent, and what it sent back, parsed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeVar

from ivrnode.sip.address import NameAddr
from ivrnode.sip.events import Event
from ivrnode.sip.flow import Flow, Transport
from ivrnode.sip.message import Request, Response, parse_message
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

E = TypeVar("E")

OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"192.0.2.1", b"192.0.2.2")

Address = tuple[str, int]


class Peer:
    """A user agent at an address. `events` is all that it told; `sent` all that it sent, parsed, with the moment."""

    def __init__(self, network: Network, address: Address, transport: Transport, seed: int) -> None:
        self.network = network
        self.address = address
        self.transport = transport
        self.agent = UserAgent(Random(seed), lambda flow: address, user=f"user{seed}")
        self.events: list[Event] = []
        self.sent: list[tuple[float, Request | Response]] = []
        self.on_event: Callable[[Peer, Event], None] = lambda peer, event: None

    @property
    def name(self) -> NameAddr:
        return NameAddr("", Uri("sip", "someone", host=self.address[0]))

    def flow_to(self, other: Peer) -> Flow:
        return Flow(self.transport, self.address, other.address, 1)

    def call(self, other: Peer, body: bytes = OFFER, **more: Any) -> Any:
        target = Uri("sip", "callee", host=other.address[0], port=other.address[1])
        session = self.agent.invite(target, self.flow_to(other), self.network.now, from_=self.name, body=body, **more)
        self.network.drain()
        return session

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def sent_at(self, what: str) -> list[float]:
        """When it sent requests of a method, or responses of a status."""
        return [when for when, message in self.sent if _label(message) == what]

    def messages(self, what: str) -> list[Any]:
        return [message for _, message in self.sent if _label(message) == what]


class Network:
    def __init__(self, seed: int = 0) -> None:
        self.now = 1000.0
        self.random = Random(seed)
        self.loss = 0.0
        self.doubling = 0.0
        self.delays = (0.01, 0.01)
        self.drops: Callable[[Request | Response], bool] = lambda message: False
        self.peers: dict[Address, Peer] = {}
        self._flying: list[tuple[float, int, bytes, Peer, Flow]] = []
        self._count = 0

    def add(self, host: str, port: int = 5060, transport: Transport = "udp") -> Peer:
        peer = Peer(self, (host, port), transport, len(self.peers) + 1)
        self.peers[peer.address] = peer
        return peer

    def drain(self) -> None:
        """Carry off what every agent has to send, and let the peers hear their events, until nobody has more."""
        busy = True
        while busy:
            busy = False
            for peer in self.peers.values():
                for data, flow in peer.agent.to_send():
                    busy = True
                    self._carry(peer, data, flow)
                for event in peer.agent.events():
                    busy = True
                    peer.events.append(event)
                    peer.on_event(peer, event)

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at each deadline and arrival."""
        end = self.now + seconds
        self.drain()
        while (moment := self._next_moment()) is not None and moment <= end:
            self.now = max(self.now, moment)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, data, peer, flow = heapq.heappop(self._flying)
                peer.agent.receive(data, flow, self.now)
                self.drain()
            for peer in self.peers.values():
                peer.agent.tick(self.now)
                self.drain()
        self.now = end

    def _carry(self, sender: Peer, data: bytes, flow: Flow) -> None:
        message = parse_message(data, is_stream=flow.transport in ("tcp", "tls"))
        sender.sent.append((self.now, message))
        receiver = self.peers.get(flow.remote)
        if receiver is None or self.drops(message):
            return
        copies = 2 if self.random.random() < self.doubling else 1
        for _ in range(copies):
            if self.random.random() >= self.loss:
                self._count += 1
                arrival = self.now + self.random.uniform(*self.delays)
                back = Flow(flow.transport, flow.remote, flow.local, flow.id)
                heapq.heappush(self._flying, (arrival, self._count, data, receiver, back))

    def _next_moment(self) -> float | None:
        moments = [peer.agent.next_deadline() for peer in self.peers.values()]
        moments.append(self._flying[0][0] if self._flying else None)
        return min((moment for moment in moments if moment is not None), default=None)


class Probe:
    """Raw requests against one agent. Every call hands back what the agent sent since the last, parsed."""

    def __init__(self, transport: Transport = "udp", **more: Any) -> None:
        self.now = 1000.0
        self.flow = Flow(transport, ("192.0.2.9", 5060), ("198.51.100.7", 40000), 7)
        self.agent = UserAgent(Random(1), lambda flow: ("192.0.2.9", 5060), **more)
        self.events: list[Event] = []
        self.flows: list[Flow] = []

    def send(self, data: str | bytes, flow: Flow | None = None) -> list[Any]:
        self.agent.receive(data if isinstance(data, bytes) else data.encode(), flow or self.flow, self.now)
        return self.drain()

    def drain(self) -> list[Any]:
        self.events += self.agent.events()
        sent = self.agent.to_send()
        self.flows += [flow for _, flow in sent]
        return [parse_message(data) for data, _ in sent]

    def wait(self, seconds: float) -> list[tuple[float, Any]]:
        """Let time pass; hands back what was sent meanwhile, each with the seconds since the start."""
        start, end = self.now, self.now + seconds
        sent: list[tuple[float, Any]] = []
        while (moment := self.agent.next_deadline()) is not None and moment <= end:
            self.now = max(self.now, moment)
            self.agent.tick(self.now)
            sent += [(self.now - start, message) for message in self.drain()]
        self.now = end
        return sent

    def last(self, kind: type[E]) -> E:
        return next(event for event in reversed(self.events) if isinstance(event, kind))

    def count(self, kind: type[E]) -> int:
        return sum(isinstance(event, kind) for event in self.events)


def text(
    method: str,
    *,
    branch: str = "z9hG4bK1",
    to_tag: str = "",
    cseq: int = 1,
    call_id: str = "call-1",
    from_tag: str = "from-1",
    body: bytes = b"",
    headers: str = "",
    contact: str = "<sip:phone@198.51.100.7:40000>",
    via: str = "",
    cseq_method: str = "",
) -> bytes:
    """A request as a phone at 198.51.100.7:40000 would write it."""
    via = via or f"SIP/2.0/UDP 198.51.100.7:40000;branch={branch};rport"
    tag = f";tag={to_tag}" if to_tag else ""
    lines = [
        f"{method} sip:node@192.0.2.9 SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        f"From: <sip:phone@example.com>;tag={from_tag}",
        f"To: <sip:node@example.com>{tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {cseq_method or method}",
    ]
    if contact:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    lines += [line for line in headers.split("\n") if line]
    if "content-length" not in headers.lower():
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _label(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else str(message.status)


def statuses(messages: list[Any]) -> Iterator[int]:
    return (message.status for message in messages if isinstance(message, Response))
