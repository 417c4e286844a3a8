import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.rtp.telephone_event import DIGITS, DigitReceiver, DigitSender


def event(digit: str, duration: int, *, is_end: bool = False) -> bytes:
    return struct.pack("!BBH", DIGITS.index(digit), (0x80 if is_end else 0) | 10, duration)


def press(digit: str) -> list[bytes]:
    """The packets of one press of 80 ms, the last one three times."""
    return [event(digit, 160 * n) for n in (1, 2, 3)] + [event(digit, 640, is_end=True)] * 3


def receive(packets: list[tuple[int, bytes]]) -> str:
    receiver = DigitReceiver()
    return "".join(receiver.receive(timestamp, payload) or "" for timestamp, payload in packets)


def test_one_press_is_one_key_and_the_same_key_again_is_another() -> None:
    packets = [(1000, payload) for payload in press("5")] + [(3000, payload) for payload in press("5")]
    assert receive(packets) == "55"


@pytest.mark.parametrize("kept", [slice(0, 1), slice(0, 3), slice(3, 6), slice(5, 6), slice(2, 4)])
def test_lost_packets_change_nothing(kept: slice) -> None:
    packets = [(number * 4000, payload) for number, digit in enumerate("12#") for payload in press(digit)[kept]]
    assert receive(packets) == "12#"


def test_a_straggler_of_an_earlier_key_is_no_key() -> None:
    packets = [(1000, press("1")[0]), (3000, press("2")[0]), (1000, press("1")[5]), (3000, press("2")[5])]
    assert receive(packets) == "12"


def test_the_timestamp_may_wrap() -> None:
    assert receive([(0xFFFFFF00, press("1")[0]), (0x100, press("2")[0])]) == "12"


def test_a_key_held_for_more_than_8_s_is_one_key() -> None:
    start = 1000
    packets = [(start, event("7", 0xFFFF)), ((start + 0xFFFF) & 0xFFFFFFFF, event("7", 800))]
    assert receive(packets) == "7"


def test_other_events_are_no_keys_and_too_short_ones_an_error() -> None:
    assert receive([(1, struct.pack("!BBH", 16, 0, 160))]) == ""
    with pytest.raises(ProtocolError):
        DigitReceiver().receive(1, b"\x01\x02\x03")


@given(st.text(DIGITS, max_size=6))
def test_what_is_sent_is_received(digits: str) -> None:
    sender = DigitSender()
    sender.add(digits)
    packets, frame, timestamp = [], 0, 0
    while sender.is_busy:
        payloads = sender.next_frame()
        if sender.is_first:
            timestamp = frame * 160
        packets += [(timestamp, payload) for payload in payloads]
        frame += 1
    assert receive(packets) == digits
    assert frame == 10 * len(digits)


def test_a_key_lasts_100_ms_and_ends_three_times() -> None:
    sender = DigitSender()
    sender.add("9x")
    frames = [sender.next_frame() for _ in range(10)]
    assert not sender.is_busy
    assert [len(payloads) for payloads in frames] == [1, 1, 1, 1, 3, 0, 0, 0, 0, 0]
    assert frames[0] == [event("9", 160)]
    assert frames[4] == [event("9", 800, is_end=True)] * 3
