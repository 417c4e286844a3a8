"""One RTP session with one far end: whom to send to, whom to believe, what to count (RFC 3550, symmetric RTP RFC 4961).

    connect(remote)          send to the SDP address
    first valid packet       latch: send to where it came from, hear nobody else
    5 s without a packet,    anybody may be latched again
    a new SDP address        send there; who is heard next is latched, the old sender only when no other comes for 1 s

A new source is valid after two packets in sequence from one address (probation, RFC 3550 A.1).
"""

from __future__ import annotations

import random

from ivrnode.errors import ProtocolError
from ivrnode.rtp import rtcp
from ivrnode.rtp.packet import HEADER, MARKER, VERSION_2, RtpPacket, is_rtcp
from ivrnode.rtp.source import CLOCK_RATE, Source

Address = tuple[str, int]

_MASK = 0xFFFFFFFF
_pack = HEADER.pack
_parse = RtpPacket.parse
_SILENCE = 5.0
_PATIENCE = 1.0
_NOWHERE = {"0.0.0.0", "::"}


class RtpSession:
    """Doors: `connect`, `receive`, `receive_rtcp`, `packet` and `skip` (one of them per frame), `report`, `goodbye`."""

    __slots__ = (
        "_audio_type", "_candidate", "_cname", "_latched", "_lost_before", "_moved_at", "_received_before",
        "_remote", "_second", "_sender_report", "_sender_report_at", "_sequence_number", "_timestamp", "_trusted",
        "_types", "garbage", "heard_at", "octets_sent", "packets_sent", "remote_jitter_ms", "remote_lost",
        "rtcp_target", "source", "ssrc", "target",
    )  # fmt: skip

    def __init__(self, ids: random.Random) -> None:
        self.ssrc = ids.getrandbits(32)
        self.target: Address | None = None
        self.rtcp_target: Address | None = None
        self.heard_at: float | None = None
        self.packets_sent = self.octets_sent = 0
        self.garbage = 0
        self.remote_lost = 0
        self.remote_jitter_ms = 0.0
        self.source: Source | None = None
        self._received_before = self._lost_before = 0  # from sources that are gone
        self._cname = f"{ids.getrandbits(64):016x}"  # RFC 7022: short-term, says nothing of us
        self._sequence_number = ids.getrandbits(15)
        self._timestamp = ids.getrandbits(32)
        self._audio_type = 0
        self._second = MARKER  # the header's second octet: marker and payload type
        self._types: frozenset[int] = frozenset()
        self._remote: Address | None = None
        self._latched: Address | None = None
        self._moved_at: float | None = None  # a new SDP address, and nobody latched since
        self._trusted: Address | None = None  # latched, and nothing else to think about
        self._candidate: tuple[Address, int, int] | None = None
        self._sender_report = 0
        self._sender_report_at = 0.0

    def connect(
        self,
        remote: Address | None,
        audio_type: int,
        other_types: frozenset[int],
        now: float,
        remote_rtcp: Address | None = None,
    ) -> None:
        """What offer and answer agreed on: the SDP address, the payload type of audio, others that may come. RTCP goes
        to `remote_rtcp`, without it to the port above (RFC 3550 s11)."""
        self._second = audio_type | self._second & MARKER
        self._audio_type, self._types = audio_type, other_types | {audio_type}
        if remote is not None and (remote[0] in _NOWHERE or not remote[1]):
            remote = None
        if remote is None or remote == self._remote:
            return
        self._remote = self.target = remote
        self.rtcp_target = remote_rtcp or (remote[0], remote[1] + 1)
        if self._latched is not None:
            self._moved_at, self._trusted = now, None

    # What goes out.

    def packet(self, payload: bytes) -> bytes:
        """The next frame of audio, 20 ms after the last one."""
        sequence_number = self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        timestamp = self._timestamp
        self._timestamp = (timestamp + len(payload)) & _MASK
        header = _pack(VERSION_2, self._second, sequence_number, timestamp, self.ssrc)
        self._second = self._audio_type
        self.packets_sent += 1
        self.octets_sent += len(payload)
        return header + payload

    def skip(self, duration: int) -> None:
        """Say nothing for `duration` timestamp units: the clock runs on, the next packet carries the marker."""
        self._timestamp = (self._timestamp + duration) & _MASK
        self._second = self._audio_type | MARKER

    @property
    def timestamp(self) -> int:
        """Of the next frame."""
        return self._timestamp

    def event_packet(self, payload_type: int, payload: bytes, timestamp: int, *, is_first: bool) -> bytes:
        """One packet of a telephone-event; the frame's time itself passes by `skip`."""
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self.packets_sent += 1
        self.octets_sent += len(payload)
        return bytes(RtpPacket(payload_type, self._sequence_number, timestamp, self.ssrc, payload, is_first))

    # What comes in.

    def receive(self, data: bytes, address: Address, now: float) -> RtpPacket | None:
        """A packet of the far end, or None: garbage, a stranger, a source still on probation."""
        try:
            packet = _parse(data)
        except ProtocolError:
            self.garbage += 1
            return None
        payload_type, sequence_number, timestamp, ssrc, _, _ = packet
        measured: int | None = timestamp
        if payload_type != self._audio_type:
            measured = None
            if payload_type not in self._types:
                self._refuse(data, address, now)
                return None
        source = self.source
        if source is None or ssrc != source.ssrc or address != self._trusted:
            source = self._admit(packet, address, now)
            if source is None:
                return None
        if not source.packet_received(sequence_number, measured, now):
            self.garbage += 1
            return None
        self.heard_at = now
        return packet

    def _refuse(self, data: bytes, address: Address, now: float) -> None:
        """A payload type that was not agreed on."""
        if is_rtcp(data):  # a far end that multiplexes without asking (RFC 5761)
            self.receive_rtcp(data, address, now)
        else:
            self.garbage += 1

    def _admit(self, packet: RtpPacket, address: Address, now: float) -> Source | None:
        """Decide on a packet that is not simply the next one of the far end we know."""
        is_known = address == self._latched
        if is_known and self._moved_at is not None and now - self._moved_at >= _PATIENCE:
            self._latch(address)
        if is_known and self.source is not None and packet.ssrc == self.source.ssrc:
            return self.source
        if not is_known and not self._is_open(now):
            self.garbage += 1
            return None
        if self._candidate != (address, packet.ssrc, packet.sequence_number):
            self._candidate = (address, packet.ssrc, (packet.sequence_number + 1) & 0xFFFF)
            return None
        self._candidate = None
        if not is_known:
            self._latch(address)
        self._forget_source()
        self.source = Source.starting_at(packet.ssrc, packet.sequence_number)
        return self.source

    def _is_open(self, now: float) -> bool:
        """May a new address be latched?"""
        if self._latched is None or self._moved_at is not None:
            return True
        return self.heard_at is None or now - self.heard_at >= _SILENCE

    def _latch(self, address: Address) -> None:
        self._latched = self._trusted = self.target = address
        self.rtcp_target = (address[0], address[1] + 1)
        self._moved_at = None

    def _forget_source(self) -> None:
        if self.source is not None:
            self._received_before += self.source.received
            self._lost_before += max(0, self.source.lost)
            self._sender_report = 0

    @property
    def packets_received(self) -> int:
        return self._received_before + (self.source.received if self.source else 0)

    @property
    def packets_lost(self) -> int:
        return self._lost_before + (max(0, self.source.lost) if self.source else 0)

    @property
    def jitter_ms(self) -> float:
        return self.source.jitter * 1000 / CLOCK_RATE if self.source else 0.0

    # RTCP.

    def receive_rtcp(self, data: bytes, address: Address, now: float) -> None:
        """What the far end says of its sending and of our packets."""
        if self.target is None or address[0] != self.target[0]:
            self.garbage += 1
            return
        try:
            reports = rtcp.parse_compound(data)
        except ProtocolError:
            self.garbage += 1
            return
        self.rtcp_target = address
        for report in reports:
            if isinstance(report, rtcp.SenderReport) and self.source and report.ssrc == self.source.ssrc:
                self._sender_report = report.ntp_time >> 16 & _MASK
                self._sender_report_at = now
            if isinstance(report, rtcp.SenderReport | rtcp.ReceiverReport):
                for block in report.blocks:
                    if block.ssrc == self.ssrc:
                        self.remote_lost = max(0, block.packets_lost)
                        self.remote_jitter_ms = block.jitter * 1000 / CLOCK_RATE

    def report(self, now: float) -> bytes:
        """A compound packet: sender report if anything was sent, else receiver report, and our name (s6.4)."""
        return rtcp.compound(self._report(now), rtcp.SourceDescription(self.ssrc, self._cname))

    def goodbye(self, now: float) -> bytes:
        return rtcp.compound(
            self._report(now), rtcp.SourceDescription(self.ssrc, self._cname), rtcp.Goodbye((self.ssrc,))
        )

    def _report(self, now: float) -> rtcp.Report:
        blocks: tuple[rtcp.ReportBlock, ...] = ()
        if self.source:
            delay = int((now - self._sender_report_at) * 65536) & _MASK if self._sender_report else 0
            blocks = (self.source.report(self._sender_report, delay),)
        if not self.packets_sent:
            return rtcp.ReceiverReport(self.ssrc, blocks)
        # s6.4.1: the NTP time may count from any moment, as long as it only serves to tell a round trip.
        ntp_time = int(now * 0x100000000) & 0xFFFFFFFFFFFFFFFF
        return rtcp.SenderReport(self.ssrc, ntp_time, self._timestamp, self.packets_sent, self.octets_sent, blocks)
