import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.rtp.packet import RtpPacket
from ivrnode.rtp.rtcp import Goodbye, ReceiverReport, ReportBlock, SenderReport, parse_compound
from ivrnode.rtp.session import Address, RtpSession

SDP = ("192.0.2.1", 4000)
PHONE = ("198.51.100.7", 30000)
THIEF = ("203.0.113.66", 1234)
SOUND = bytes(160)


class Sender:
    """A far end: numbered packets from one address."""

    def __init__(self, session: RtpSession, address: Address, ssrc: int) -> None:
        self.session, self.address, self.ssrc = session, address, ssrc
        self.number = 0

    def send(self, now: float, count: int = 1) -> int:
        """How many were taken."""
        taken = 0
        for _ in range(count):
            packet = RtpPacket(0, self.number, self.number * 160, self.ssrc, SOUND)
            self.number += 1
            taken += self.session.receive(bytes(packet), self.address, now) is not None
        return taken


@pytest.fixture
def session() -> RtpSession:
    session = RtpSession(random.Random(1))
    session.connect(SDP, 0, frozenset({101}), 0.0)
    return session


def test_it_sends_to_the_sdp_address_until_the_first_valid_packet(session: RtpSession) -> None:
    assert session.target == SDP
    phone = Sender(session, PHONE, 7)
    assert phone.send(0.1) == 0  # on probation
    assert session.target == SDP
    assert phone.send(0.12) == 1
    assert session.target == PHONE
    assert session.rtcp_target == (PHONE[0], PHONE[1] + 1)


def test_a_second_sender_cannot_steal_the_session(session: RtpSession) -> None:
    phone, thief = Sender(session, PHONE, 7), Sender(session, THIEF, 8)
    phone.send(0.0, 2)
    for number in range(100):
        assert phone.send(number * 0.02) == 1
        assert thief.send(number * 0.02, 2) == 0
    assert session.target == PHONE
    assert session.garbage == 200


def test_after_5_s_of_silence_another_sender_is_latched(session: RtpSession) -> None:
    phone, other = Sender(session, PHONE, 7), Sender(session, THIEF, 8)
    phone.send(0.0, 10)
    assert other.send(4.9, 5) == 0
    assert other.send(5.1, 5) == 4
    assert session.target == THIEF
    assert session.packets_received == 9 + 4


def test_a_new_sdp_address_is_sent_to_and_the_first_from_elsewhere_is_latched(session: RtpSession) -> None:
    phone, moved = Sender(session, PHONE, 7), Sender(session, ("198.51.100.8", 5000), 9)
    phone.send(0.0, 10)
    session.connect(("192.0.2.2", 6000), 0, frozenset(), 1.0)
    assert session.target == ("192.0.2.2", 6000)
    assert phone.send(1.1, 3) == 3  # what was still on its way is heard, but latches nothing
    assert session.target == ("192.0.2.2", 6000)
    assert moved.send(1.2, 3) == 2
    assert session.target == moved.address
    assert phone.send(1.3, 3) == 0


def test_a_new_sdp_address_but_the_sender_stays_where_it_was(session: RtpSession) -> None:
    phone = Sender(session, PHONE, 7)
    phone.send(0.0, 10)
    session.connect(("192.0.2.2", 6000), 0, frozenset(), 1.0)
    phone.send(2.1)
    assert session.target == PHONE


def test_the_same_sdp_address_again_changes_nothing(session: RtpSession) -> None:
    phone, thief = Sender(session, PHONE, 7), Sender(session, THIEF, 8)
    phone.send(0.0, 10)
    session.connect(SDP, 0, frozenset(), 1.0)
    assert session.target == PHONE
    assert thief.send(1.1, 5) == 0


def test_a_new_ssrc_from_the_same_address_is_a_new_source(session: RtpSession) -> None:
    Sender(session, PHONE, 7).send(0.0, 10)
    again = Sender(session, PHONE, 8)
    assert again.send(0.2, 10) == 9
    assert session.packets_received == 18
    assert session.packets_lost == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_nothing_is_sent_to_nowhere(host: str) -> None:
    session = RtpSession(random.Random(1))
    session.connect((host, 4000), 0, frozenset(), 0.0)
    assert session.target is None


def test_an_unknown_payload_type_is_garbage(session: RtpSession) -> None:
    for number in range(5):
        assert session.receive(bytes(RtpPacket(96, number, 0, 7, SOUND)), PHONE, 0.0) is None
    assert session.garbage == 5
    assert session.target == SDP


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_garbage_changes_nothing(datagrams: list[bytes]) -> None:
    session = RtpSession(random.Random(1))
    session.connect(SDP, 0, frozenset(), 0.0)
    for data in datagrams:
        session.receive(b"\x00" + data, THIEF, 0.0)
        session.receive_rtcp(data, SDP, 0.0)
    assert session.target == SDP
    assert session.packets_received == 0


def test_packets_go_out_in_sequence_and_the_marker_follows_a_pause(session: RtpSession) -> None:
    first, second = (RtpPacket.parse(session.packet(SOUND)) for _ in range(2))
    session.skip(480)
    third = RtpPacket.parse(session.packet(SOUND))
    assert [packet.marker for packet in (first, second, third)] == [True, False, True]
    assert (second.sequence_number - first.sequence_number) & 0xFFFF == 1
    assert (third.sequence_number - second.sequence_number) & 0xFFFF == 1
    assert (third.timestamp - second.timestamp) & 0xFFFFFFFF == 640
    assert first.ssrc == third.ssrc == session.ssrc


def test_reports_tell_what_was_sent_and_how_it_was_received(session: RtpSession) -> None:
    phone = Sender(session, PHONE, 7)
    phone.send(0.0, 5)
    phone.number += 5
    phone.send(0.2, 5)
    session.receive_rtcp(bytes(SenderReport(7, 0x1234567890ABCDEF, 1, 2, 3)), (PHONE[0], 30001), 1.0)
    for _ in range(3):
        session.packet(SOUND)
    report, _, *rest = parse_compound(session.goodbye(2.0))
    assert isinstance(report, SenderReport)
    assert (report.packets, report.octets) == (3, 480)
    (block,) = report.blocks
    assert (block.ssrc, block.packets_lost, block.last_sender_report, block.delay) == (7, 5, 0x567890AB, 65536)
    assert rest == [Goodbye((session.ssrc,))]
    assert session.packets_lost == 5


def test_what_the_far_end_reports_of_us(session: RtpSession) -> None:
    Sender(session, PHONE, 7).send(0.0, 2)
    report = bytes(ReceiverReport(7, (ReportBlock(session.ssrc, 0, 12, 0, 80), ReportBlock(99, 0, 500, 0, 800))))
    session.receive_rtcp(report, THIEF, 1.0)
    assert session.remote_lost == 0
    session.receive_rtcp(report, (PHONE[0], 31001), 1.0)
    assert (session.remote_lost, session.remote_jitter_ms) == (12, 10.0)
    assert session.rtcp_target == (PHONE[0], 31001)


def test_rtcp_on_the_rtp_port_is_understood(session: RtpSession) -> None:
    Sender(session, PHONE, 7).send(0.0, 2)
    report = bytes(ReceiverReport(7, (ReportBlock(session.ssrc, 0, 3, 0, 0),)))
    assert session.receive(report, PHONE, 1.0) is None
    assert session.remote_lost == 3
    assert session.garbage == 0


def test_nothing_sent_is_a_receiver_report(session: RtpSession) -> None:
    report, _ = parse_compound(session.report(1.0))
    assert isinstance(report, ReceiverReport)
