"""One RTP packet (RFC 3550 s5.1), parsed and written.

 0                   1                   2                   3
|V=2|P|X|  CC   |M|     PT      |       sequence number         |
|                           timestamp                           |
|                             ssrc                              |
|  csrc ...  |  extension, when X  |  payload  |  padding, when P  |
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ivrnode.errors import ProtocolError

HEADER = struct.Struct("!BBHII")
VERSION_2 = 0x80
MARKER = 0x80
_EXTENSION = struct.Struct("!HH")
_unpack = HEADER.unpack_from
_new = tuple.__new__  # a named tuple's own constructor takes as long as all the rest of `parse`


class RtpPacket(NamedTuple):
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Raises ProtocolError when `data` is no RTP packet. CSRCs, extension and padding are left out."""
        if len(data) < 12:
            raise ProtocolError("shorter than an RTP header")
        first, second, sequence_number, timestamp, ssrc = _unpack(data)
        payload = data[12:] if first == VERSION_2 else _payload(data, first)
        return _new(cls, (second & 0x7F, sequence_number, timestamp, ssrc, payload, second > 0x7F))

    def __bytes__(self) -> bytes:
        second = self.payload_type | (MARKER if self.marker else 0)
        return HEADER.pack(VERSION_2, second, self.sequence_number, self.timestamp, self.ssrc) + self.payload


def _payload(data: bytes, first: int) -> bytes:
    """What is between the optional parts of the header and the padding."""
    if first >> 6 != 2:
        raise ProtocolError(f"RTP version {first >> 6}")
    start, end = HEADER.size + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if start + _EXTENSION.size > end:
            raise ProtocolError("header extension cut off")
        _, words = _EXTENSION.unpack_from(data, start)
        start += _EXTENSION.size + 4 * words
    if first & 0x20:
        # RFC 3550 s5.1: the last octet counts the padding, itself included.
        padding = data[-1]
        if padding == 0:
            raise ProtocolError("padding of no octets")
        end -= padding
    if start > end:
        raise ProtocolError("optional parts longer than the packet")
    return data[start:end]


def is_rtcp(data: bytes) -> bool:
    """Told apart from RTP on one port by its second octet (RFC 5761 s4)."""
    return len(data) >= 8 and 192 <= data[1] <= 223


def timestamp_distance(later: int, earlier: int) -> int:
    """How far `later` is after `earlier` on a clock of 32 bits that wraps; negative when it is before."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000
