"""The engine in a world on a desk: a virtual clock, a far end per leg, no socket."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.media.engine import Engine
from ivrnode.media.messages import Address, Close, Command, Connect, Event, LoadReport, Open, Start
from ivrnode.media.ports import PortPair, Receiver
from ivrnode.rtp.packet import RtpPacket

TURN = 0.005
_EPSILON = 1e-6  # so that a turn is due when its time has come, whatever floats make of it
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9}
Kind = TypeVar("Kind")


@dataclass
class Wire:
    """The ports of one leg, and all that was sent through them."""

    address: Address
    rtp_received: Receiver
    rtcp_received: Receiver
    now: Callable[[], float]
    sent: list[tuple[float, RtpPacket, Address]] = field(default_factory=list)
    reports: list[tuple[float, bytes, Address]] = field(default_factory=list)
    is_closed: bool = False

    def send_rtp(self, data: bytes, address: Address) -> None:
        self.sent.append((self.now(), RtpPacket.parse(data), address))

    def send_rtcp(self, data: bytes, address: Address) -> None:
        self.reports.append((self.now(), data, address))

    def close(self) -> None:
        self.is_closed = True


class Phone:
    """The far end of a leg. Says what `voice` gives, 20 ms every 20 ms; hears what the leg sends."""

    address = ("198.51.100.7", 4000)

    def __init__(self, wire: Wire, codec: str = "PCMU") -> None:
        self.wire, self.codec = wire, codec
        self.voice: Iterator[bytes] = iter(())
        self.fate: Callable[[int], int] = lambda number: 1  # how often a packet arrives
        self.number = 0
        self.timestamp = 5000
        self.ssrc = 77

    def say(self, pcm: bytes, rate: int) -> None:
        """Start to talk, packet by packet."""
        converter = Converter(AudioFormat("pcm16", rate), WIRE_FORMATS[self.codec])
        wire = converter.convert(pcm) + converter.flush()
        self.voice = (wire[start : start + 160] for start in range(0, len(wire) // 160 * 160, 160))

    def talk(self, now: float) -> None:
        """One tick of its own clock."""
        payload = next(self.voice, None)
        if payload is not None:
            self.send(PAYLOAD_TYPES[self.codec], payload, now)
        self.timestamp += 160

    def send(self, payload_type: int, payload: bytes, now: float) -> None:
        packet = RtpPacket(payload_type, self.number & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc, payload)
        for _ in range(self.fate(self.number)):
            self.wire.rtp_received(bytes(packet), self.address, now)
        self.number += 1

    def heard(self, since: float = 0.0) -> bytes:
        """Wire bytes of all packets sent to it, in the order they came."""
        return b"".join(packet.payload for at, packet, _ in self.wire.sent if at >= since)

    def heard_pcm(self, rate: int = 8000, since: float = 0.0) -> bytes:
        converter = Converter(WIRE_FORMATS[self.codec], AudioFormat("pcm16", rate))
        return converter.convert(self.heard(since)) + converter.flush()


class Desk:
    def __init__(self) -> None:
        self.now = 1000.0
        self.wires: list[Wire] = []
        self.phones: list[Phone] = []
        self.events: list[Event | LoadReport] = []
        self.is_full = False
        self.engine = Engine(self._bind, random.Random(7))
        self._turns = 0

    def _bind(self, host: str, rtp_received: Receiver, rtcp_received: Receiver) -> PortPair:
        if self.is_full:
            raise OSError("no RTP port pair is free")
        address = (host, 10000 + 2 * len(self.wires))
        self.wires.append(Wire(address, rtp_received, rtcp_received, lambda: self.now))
        return self.wires[-1]

    def call(self, leg: int = 1, codec: str = "PCMU", *, is_talking: bool = True) -> Phone:
        """A leg that is open, connected and may play at once, because its phone already talks silence."""
        self.command(Open(leg, "192.0.2.1"))
        phone = Phone(self.wires[-1], codec)
        self.phones.append(phone)
        self.command(self.connect(leg, codec), Start(leg))
        if is_talking:
            phone.voice = iter([WIRE_FORMATS[codec].silence(20)] * 3)
            self.run(0.08)
        return phone

    def connect(self, leg: int, codec: str = "PCMU", direction: str = "sendrecv") -> Connect:
        return Connect(leg, Phone.address, codec, PAYLOAD_TYPES[codec], 101, direction)

    def command(self, *commands: Command) -> None:
        for command in commands:
            self.engine.command(command, self.now)
        self.events += self.engine.events()

    def run(self, seconds: float) -> None:
        """Let time pass: every phone talks every 20 ms, the engine ticks when it wants to."""
        for _ in range(round(seconds / TURN)):
            self._turns += 1
            self.now = 1000.0 + self._turns * TURN + _EPSILON
            if self._turns % 4 == 0:
                for phone in self.phones:
                    phone.talk(self.now)
            self.catch_up()

    def sleep(self, seconds: float) -> None:
        """The engine's process does not run for so long."""
        self._turns += round(seconds / TURN)
        self.now = 1000.0 + self._turns * TURN + _EPSILON

    def catch_up(self) -> None:
        while (due := self.engine.next_tick) is not None and due <= self.now:
            self.engine.tick(self.now)
        self.events += self.engine.events()

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def end(self, leg: int = 1) -> None:
        self.command(Close(leg))
