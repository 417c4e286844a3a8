from hypothesis import given, settings
from hypothesis import strategies as st

from ivrnode.rtp.jitter import FRAME, JitterBuffer

SILENCE = b"\xff"
Arrival = tuple[float, int, bytes]


def sound(number: int) -> bytes:
    return number.to_bytes(2, "big") * (FRAME // 2)


def stream(count: int, start: int = 1000) -> list[Arrival]:
    """Packets of 20 ms, each on time: (seconds, timestamp, payload)."""
    return [(number * 0.02, (start + FRAME * number) & 0xFFFFFFFF, sound(number)) for number in range(count)]


def play(arrivals: list[Arrival], ticks: int, buffer: JitterBuffer | None = None) -> list[int | None]:
    """The numbers of the frames in the order played; None is a concealed one."""
    buffer = buffer or JitterBuffer(SILENCE, lambda frame: False)
    coming = sorted(arrivals, key=lambda arrival: arrival[0])
    played: list[int | None] = []
    for tick in range(ticks):
        while coming and coming[0][0] <= 0.01 + tick * 0.02:
            _, timestamp, payload = coming.pop(0)
            buffer.put(timestamp, payload)
        frame = buffer.next_frame()
        assert frame is None or len(frame) == FRAME
        played.append(None if frame is None else int.from_bytes(frame[:2], "big"))
    return played


def numbers(played: list[int | None]) -> list[int]:
    return [number for number in played if number is not None]


def test_it_starts_after_40_to_60_ms_and_then_plays_every_frame() -> None:
    assert play(stream(50), 52) == [None, None, *range(50)]


def test_the_timestamp_may_wrap() -> None:
    assert play(stream(50, start=0xFFFFFFFF - 10 * FRAME), 52) == [None, None, *range(50)]


def test_a_lost_packet_is_concealed_in_its_place_and_the_delay_stays() -> None:
    played = play([arrival for number, arrival in enumerate(stream(50)) if number not in (10, 20, 21, 22)], 52)
    expected: list[int | None] = [None, None, *range(50)]
    expected[12] = expected[22] = expected[23] = expected[24] = None
    assert played == expected


def test_packets_held_up_by_the_network_are_all_heard_later() -> None:
    buffer = JitterBuffer(SILENCE, lambda frame: False)
    held = [(max(at, 0.3) if 10 <= number < 16 else at, *rest) for number, (at, *rest) in enumerate(stream(50))]
    played = play([(at, timestamp, payload) for at, timestamp, payload in held], 60, buffer)
    assert numbers(played) == list(range(50))
    assert buffer.late == 1


def test_reordering_within_the_delay_is_put_right() -> None:
    mixed = [
        (at + 0.03 if number % 7 == 3 else at, timestamp, payload)
        for number, (at, timestamp, payload) in enumerate(stream(50))
    ]
    assert play(mixed, 52) == [None, None, *range(50)]


def test_doubles_are_heard_once() -> None:
    doubled = stream(50) + [(at + 0.045, timestamp, payload) for at, timestamp, payload in stream(50)]
    buffer = JitterBuffer(SILENCE, lambda frame: False)
    assert play(doubled, 52, buffer) == [None, None, *range(50)]
    assert buffer.late == 0


def test_packets_of_other_lengths() -> None:
    for length in (10, 30, 60):
        size = 8 * length
        packets = [(n * length, n * size, bytes((n,)) * size) for n in range(900 // length)]
        buffer = JitterBuffer(SILENCE, lambda frame: False)
        heard = b""
        for at in range(0, 920, 20):
            for sent_at, timestamp, payload in packets:
                if at - 20 < sent_at <= at:
                    buffer.put(timestamp, payload)
            heard += buffer.next_frame() or b""
        assert len(heard) >= 44 * FRAME
        assert heard == b"".join(payload for _, _, payload in packets)[: len(heard)]


def test_a_sender_that_pauses_goes_on_with_the_delay_it_had() -> None:
    played = play([arrival for number, arrival in enumerate(stream(100)) if not 20 <= number < 60], 102)
    assert played == [None, None, *range(20), *[None] * 40, *range(60, 100)]


def test_the_delay_shrinks_in_silence_after_it_had_to_grow() -> None:
    for is_silent, gained in ((True, True), (False, False)):
        buffer = JitterBuffer(SILENCE, lambda frame, is_silent=is_silent: is_silent)  # type: ignore[misc]
        held = [(max(at, 0.3) if 10 <= n < 16 else at, ts, payload) for n, (at, ts, payload) in enumerate(stream(900))]
        played = play(held, 905, buffer)
        # At the end of a stream of no loss, the delay is what the last packet waited.
        delay = played.index(899) - 899
        assert (delay <= 3) is gained


def test_more_than_200_ms_are_never_kept() -> None:
    buffer = JitterBuffer(SILENCE, lambda frame: False)
    for _, timestamp, payload in stream(300):
        buffer.put(timestamp, payload)
    waiting = 0
    while buffer.next_frame() is not None:
        waiting += 1
    assert waiting <= 10


def test_a_sender_that_sets_its_clock_back_is_heard_again() -> None:
    second = [(1.0 + at, timestamp, payload) for at, timestamp, payload in stream(50, start=0x80000000)]
    third = [(2.0 + at, timestamp, payload) for at, timestamp, payload in stream(50, start=5)]
    played = numbers(play(stream(50) + second + third, 152))
    assert len(played) > 135


STORIES = st.lists(
    st.tuples(st.sampled_from(["on time", "lost", "double"]), st.integers(0, 400)), min_size=1, max_size=120
)


@given(STORIES)
@settings(max_examples=200)
def test_whatever_the_network_does_no_frame_is_heard_twice_or_out_of_order(story: list[tuple[str, int]]) -> None:
    arrivals: list[Arrival] = []
    for (at, timestamp, payload), (fate, delay) in zip(stream(len(story)), story, strict=True):
        if fate != "lost":
            arrivals.append((at + delay / 1000, timestamp, payload))
        if fate == "double":
            arrivals.append((at + delay / 500, timestamp, payload))
    played = numbers(play(arrivals, len(story) + 60))
    assert played == sorted(set(played))


@given(st.sets(st.integers(1, 99)))
def test_loss_alone_never_makes_the_delay_grow(lost: set[int]) -> None:
    arrivals = [arrival for number, arrival in enumerate(stream(100)) if number not in lost]
    played = play(arrivals, 110)
    for tick, number in enumerate(played):
        assert number is None or tick == number + 2


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=500)), max_size=60))
def test_any_timestamps_and_lengths(packets: list[tuple[int, bytes]]) -> None:
    buffer = JitterBuffer(SILENCE, lambda frame: False)
    for timestamp, payload in packets:
        buffer.put(timestamp, payload)
        frame = buffer.next_frame()
        assert frame is None or len(frame) == FRAME
    for _ in range(20):
        frame = buffer.next_frame()
        assert frame is None or len(frame) == FRAME
