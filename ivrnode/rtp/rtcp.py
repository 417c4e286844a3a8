"""RTCP (RFC 3550 s6): sender and receiver reports, SDES with a CNAME, BYE, in compound packets.

|V=2|P|  count  |  PT: SR=200 RR=201 SDES=202 BYE=203  |  length in words - 1  |  body ... |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ivrnode.errors import ProtocolError

SR, RR, SDES, BYE = 200, 201, 202, 203
_HEADER = struct.Struct("!BBH")
_SSRC = struct.Struct("!I")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_CNAME = 1


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one source is received (s6.4.1). `delay` since its last sender report in 1/65536 s, `jitter` in timestamp
    units, `last_sender_report` the middle 32 bits of its NTP time."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int = 0
    delay: int = 0

    @classmethod
    def parse(cls, data: bytes, offset: int) -> ReportBlock:
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(data, offset)
        lost = loss & 0xFFFFFF
        return cls(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, last, delay)

    def __bytes__(self) -> bytes:
        lost = max(-0x800000, min(0x7FFFFF, self.packets_lost)) & 0xFFFFFF
        loss = self.fraction_lost << 24 | lost
        return _BLOCK.pack(
            self.ssrc, loss, self.highest_sequence, min(self.jitter, 0xFFFFFFFF), self.last_sender_report, self.delay
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """`ntp_time`: 32.32 bits fixed point."""

    ssrc: int
    ntp_time: int
    rtp_time: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = _SENDER.pack(self.ssrc, self.ntp_time, self.rtp_time, self.packets, self.octets & 0xFFFFFFFF)
        return _packet(SR, len(self.blocks), body + b"".join(map(bytes, self.blocks)))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        return _packet(RR, len(self.blocks), _SSRC.pack(self.ssrc) + b"".join(map(bytes, self.blocks)))


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """One chunk with a CNAME (s6.5.1), the one item that every report must carry."""

    ssrc: int
    cname: str

    def __bytes__(self) -> bytes:
        name = self.cname.encode()[:255]
        chunk = _SSRC.pack(self.ssrc) + bytes((_CNAME, len(name))) + name
        # s6.5: the list ends with a null octet, then on to the next 32 bit boundary.
        return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        return _packet(BYE, len(self.ssrcs), b"".join(map(_SSRC.pack, self.ssrcs)))


Report = SenderReport | ReceiverReport | SourceDescription | Goodbye


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def compound(*reports: Report) -> bytes:
    """One datagram; a report comes first (s6.1)."""
    return b"".join(map(bytes, reports))


def parse_compound(data: bytes) -> list[Report]:
    """The reports of one datagram, unknown kinds left out. Raises ProtocolError when it is no RTCP (s6.1, A.2)."""
    reports: list[Report] = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise ProtocolError("RTCP header cut off")
        first, kind, words = _HEADER.unpack_from(data, offset)
        if first >> 6 != 2:
            raise ProtocolError(f"RTCP version {first >> 6}")
        end = offset + 4 + 4 * words
        if end > len(data):
            raise ProtocolError("RTCP packet cut off")
        try:
            report = _parse(kind, first & 0x1F, data[offset + 4 : end])
        except struct.error as error:
            raise ProtocolError(f"RTCP packet {kind} is shorter than it says") from error
        if report:
            reports.append(report)
        offset = end
    if not reports:
        raise ProtocolError("no RTCP packet of a known kind")
    return reports


def _parse(kind: int, count: int, body: bytes) -> Report | None:
    if kind == SR:
        ssrc, ntp_time, rtp_time, packets, octets = _SENDER.unpack_from(body)
        return SenderReport(ssrc, ntp_time, rtp_time, packets, octets, _blocks(body, _SENDER.size, count))
    if kind == RR:
        (ssrc,) = _SSRC.unpack_from(body)
        return ReceiverReport(ssrc, _blocks(body, _SSRC.size, count))
    if kind == SDES and count:
        return _description(body)
    if kind == BYE:
        return Goodbye(tuple(_SSRC.unpack_from(body, 4 * number)[0] for number in range(count)))
    return None


def _blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    return tuple(ReportBlock.parse(body, offset + number * _BLOCK.size) for number in range(count))


def _description(body: bytes) -> SourceDescription | None:
    """The first chunk's CNAME; None when it has none."""
    (ssrc,) = _SSRC.unpack_from(body)
    offset = 4
    while offset + 2 <= len(body) and body[offset]:
        kind, length = body[offset], body[offset + 1]
        if kind == _CNAME:
            return SourceDescription(ssrc, body[offset + 2 : offset + 2 + length].decode("utf-8", "replace"))
        offset += 2 + length
    return None
