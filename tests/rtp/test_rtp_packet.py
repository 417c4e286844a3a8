import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.rtp.packet import RtpPacket, is_rtcp, timestamp_distance

PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=400),
    marker=st.booleans(),
)


@given(PACKETS)
def test_what_is_written_is_parsed(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


@given(st.binary(max_size=80))
@example(b"")
@example(b"\xa0" + bytes(11))
@example(b"\xb0" + bytes(14) + b"\xff")
def test_anything_else_is_a_protocol_error(data: bytes) -> None:
    try:
        packet = RtpPacket.parse(data)
    except ProtocolError:
        return
    assert data[0] >> 6 == 2
    assert len(packet.payload) <= len(data) - 12


def test_optional_parts_are_left_out() -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 8, 7, 8, 9)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"ext!"
    data = header + b"csrc" * 2 + extension + b"sound" + b"\0\0\3"
    assert RtpPacket.parse(data) == RtpPacket(8, 7, 8, 9, b"sound", marker=True)


@pytest.mark.parametrize("last", [0, 200])
def test_padding_longer_than_the_packet_or_empty(last: int) -> None:
    with pytest.raises(ProtocolError):
        RtpPacket.parse(struct.pack("!BBHII", 0xA0, 0, 1, 2, 3) + bytes((1, 2, last)))


def test_rtcp_is_told_apart() -> None:
    assert is_rtcp(b"\x80\xc8\x00\x06\x00\x00\x00\x01")
    assert not is_rtcp(bytes(RtpPacket(0, 1, 2, 3, b"sound")))
    assert not is_rtcp(bytes(RtpPacket(8, 1, 2, 3, b"sound", marker=True)))


@given(st.integers(0, 0xFFFFFFFF), st.integers(-0x7FFFFFFF, 0x7FFFFFFF))
def test_distance_wraps(start: int, distance: int) -> None:
    assert timestamp_distance((start + distance) & 0xFFFFFFFF, start) == distance
