import pytest
from hypothesis import given
from hypothesis import strategies as st
from torture_messages import SDP, lines, plain

from ivrnode.sip.framing import PATIENCE, FramingError, StreamFramer, is_keep_alive
from ivrnode.sip.message import MAX_BODY, MAX_HEAD, MessageError, parse_message

ONE = plain("OPTIONS sip:a@b SIP/2.0")
TWO = lines("INVITE sip:a@b SIP/2.0\nContent-Length\n : @", SDP)
THREE = lines("INVITE sip:a@b SIP/2.0\nl: @", b"\r\n\r\n\r\n\r\n")


def fault(framer: StreamFramer, data: bytes, now: float = 0.0) -> FramingError:
    with pytest.raises(FramingError) as caught:
        framer.feed(data, now)
    return caught.value


def test_several_messages_in_one_read() -> None:
    assert StreamFramer().feed(ONE + TWO + THREE, 0.0) == [ONE, TWO, THREE]


def test_one_message_in_many_reads() -> None:
    framer = StreamFramer()
    got = [framer.feed(TWO[index : index + 1], 0.0) for index in range(len(TWO))]
    assert got == [[]] * (len(TWO) - 1) + [[TWO]]


def test_a_keep_alive_and_two_messages_in_one_read() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n" + ONE + TWO, 0.0) == [ONE, TWO]
    assert framer.take_pings() == 1
    assert framer.take_pings() == 0


def test_pings_in_pieces() -> None:
    framer = StreamFramer()
    for byte in b"\r\n\r\n\r\n\r\n":
        assert framer.feed(bytes([byte]), 0.0) == []
        assert framer.deadline is None
    assert framer.take_pings() == 2
    framer.feed(b"\r\n", 0.0)
    assert framer.take_pings() == 0
    assert framer.feed(ONE, 0.0) == [ONE]
    framer.feed(b"\r\n", 0.0)
    assert framer.take_pings() == 0  # the message between the two line ends parted them


@given(st.lists(st.sampled_from([ONE, TWO, THREE, b"\r\n\r\n"]), max_size=6), st.data())
def test_any_cuts_give_the_same_messages(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer = StreamFramer()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += framer.feed(stream[start:end], 0.0)
    assert got == [piece for piece in pieces if piece != b"\r\n\r\n"]
    assert framer.take_pings() == pieces.count(b"\r\n\r\n")
    assert framer.deadline is None


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_give_messages_or_a_framing_error(reads: list[bytes]) -> None:
    framer = StreamFramer()
    try:
        for read in reads:
            assert all(framer.feed(read.replace(b"x", b"\r\n\r\n"), 0.0))
    except FramingError as error:
        assert error.status in (400, 413, 513)


@pytest.mark.parametrize(
    ("length", "status"),
    [(None, 400), ("-1", 400), ("x", 400), ("", 400), ("1\r\nl: 1", 400), (str(MAX_BODY + 1), 413), ("9" * 30, 400)],
)
def test_a_head_without_a_usable_length_is_handed_over_to_be_answered(length: str | None, status: int) -> None:
    head = plain("INVITE sip:a@b SIP/2.0", Content_Length=length)
    error = fault(StreamFramer(), ONE + head + b"body")
    assert error.status == status
    assert error.messages == [ONE, head]
    with pytest.raises(MessageError) as caught:
        parse_message(error.messages[-1], is_stream=True)
    assert caught.value.status == status
    assert caught.value.request is not None


def test_too_long_a_head() -> None:
    error = fault(StreamFramer(), ONE + b"X: " + b"y" * MAX_HEAD)
    assert (error.status, error.messages) == (513, [ONE])
    assert fault(StreamFramer(), b"X: " + b"y" * MAX_HEAD + b"\r\nl: 0\r\n\r\n").messages == []


def test_half_a_message_waits_for_ten_seconds_only() -> None:
    framer = StreamFramer()
    assert framer.deadline is None
    framer.feed(ONE + TWO[:20], 100.0)
    assert framer.deadline == 100.0 + PATIENCE
    framer.feed(TWO[20:40], 105.0)
    assert framer.deadline == 100.0 + PATIENCE
    assert framer.feed(TWO[40:], 109.0) == [TWO]
    assert framer.deadline is None
    framer.feed(TWO[:20], 200.0)
    assert fault(framer, TWO[20:30], 200.1 + PATIENCE).status == 408


def test_is_keep_alive() -> None:
    assert all(map(is_keep_alive, (b"", b"\r\n\r\n", b"\0", b"\0\0\0\0", b" \r\n")))
    assert not is_keep_alive(ONE)
