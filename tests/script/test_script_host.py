from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ScriptError
from ivrnode.script import messages as m
from ivrnode.script import ops
from ivrnode.script.frames import FrameParser
from ivrnode.script.host import ScriptHost
from ivrnode.script.limits import Bucket, Limits

FACTS = m.Facts("id", "en", "1", "2", "", "t", "700")
LIMITS = Limits(queue_frames=10, queue_bytes=5000, audio_waiting=4, audio_waiting_bytes=10_000)


def frame(op: int, number: int = 0, payload: bytes = b"") -> bytes:
    return ops.HEADER.pack(len(payload), op, number) + payload


def wait(handled: int, seconds: float = -1, tasks: int = 0) -> bytes:
    return frame(ops.WAIT, handled, ops.WAIT_BODY.pack(seconds, tasks))


def ready(limits: Limits = LIMITS) -> ScriptHost:
    host = ScriptHost(limits)
    assert host.receive(frame(ops.READY), 0) == [m.Ready()]
    host.send(m.Boot("pass", "ivrnode.py", FACTS))
    write_all(host)
    host.receive(wait(1), 0)
    return host


def write_all(host: ScriptHost) -> list[int]:
    parser, written = FrameParser(), []
    while data := host.to_send():
        written += [op for op, _, _ in parser.feed(data)]
    return written


def test_nothing_may_come_before_ready() -> None:
    with pytest.raises(ScriptError, match="before it was locked down"):
        ScriptHost(LIMITS).receive(frame(ops.LOG, 5, b"x"), 0)


def test_a_failed_lock_down_says_why() -> None:
    with pytest.raises(ScriptError, match="seccomp"):
        ScriptHost(LIMITS).receive(frame(ops.FAILED, 0, b"\1seccomp: no"), 0)


def test_the_event_at_hand_and_its_cpu() -> None:
    host = ScriptHost(LIMITS)
    host.receive(frame(ops.READY), 0)
    assert host.oldest == 0
    host.send(m.Boot("pass", "ivrnode.py", FACTS))
    assert (host.oldest, host.cpu_allowed) == (1, 1.0)
    host.send(m.Wake())
    host.receive(frame(ops.DONE, 1), 0)
    assert (host.oldest, host.cpu_allowed) == (2, 0.25)
    assert host.receive(wait(2, 0.5), 0) == [m.Wait(0.5, 0)]
    assert host.oldest == 0


def test_wait_is_told_only_when_nothing_is_on_its_way_to_the_script() -> None:
    host = ready()
    host.send(m.Wake())
    host.send(m.DigitPressed("1"))
    assert host.receive(wait(2), 0) == []
    assert host.receive(wait(3), 0) == [m.Wait(None, 0)]


DONE = m.PlaybackDone(7, 60, False, "")


def test_the_end_of_a_sound_wakes_nobody_who_does_not_wait_for_it() -> None:
    host = ready()
    host.send(DONE)
    host.send(m.QueueDrained())
    assert not host.has_to_send
    assert host.oldest == 0
    host.send(m.DigitPressed("1"))
    assert write_all(host) == [ops.PLAYED, ops.DRAINED, ops.DIGIT]
    assert host.receive(wait(4), 0) == [m.Wait(None, 0)]


def test_a_script_that_gets_idle_says_so_whatever_is_kept_back() -> None:
    host = ready()
    host.send(m.DigitPressed("1"))
    host.send(DONE)
    assert host.receive(wait(2, 0.5), 0) == [m.Wait(0.5, 0)]


@pytest.mark.parametrize(("item", "event", "op"), [(7, DONE, ops.PLAYED), (0, m.QueueDrained(), ops.DRAINED)])
def test_who_waits_for_the_end_of_a_sound_is_told_at_once(item: int, event: m.Event, op: int) -> None:
    host = ready()
    host.receive(frame(ops.AWAIT, item), 0)
    host.send(event)
    assert write_all(host) == [op]


@pytest.mark.parametrize(("item", "event", "op"), [(7, DONE, ops.PLAYED), (0, m.QueueDrained(), ops.DRAINED)])
def test_who_waits_for_what_was_kept_back_is_told_at_once(item: int, event: m.Event, op: int) -> None:
    host = ready()
    host.send(event)
    host.receive(frame(ops.AWAIT, 8), 0)
    assert not host.has_to_send
    host.receive(frame(ops.AWAIT, item), 0)
    assert write_all(host) == [op]


def test_not_much_is_kept_back() -> None:
    host = ready(Limits())
    for item in range(65):
        assert not host.has_to_send
        host.send(m.PlaybackDone(item + 1, 60, False, ""))
    assert host.has_to_send


def test_wishes_that_came_too_late_are_forgotten() -> None:
    host = ready(Limits(frames_burst=20_000))
    host.receive(b"".join(frame(ops.AWAIT, item) for item in range(1, ops.MAX_AWAITED + 2)), 0)
    assert len(host._awaited) == ops.MAX_AWAITED
    host.send(m.PlaybackDone(1, 60, False, ""))
    assert not host.has_to_send
    host.send(m.PlaybackDone(2, 60, False, ""))
    assert write_all(host) == [ops.PLAYED, ops.PLAYED]


@pytest.mark.parametrize("handled", [0, 1, 3])
def test_acknowledging_what_was_not_sent(handled: int) -> None:
    host = ready()
    host.send(m.Wake())
    with pytest.raises(ScriptError, match="acknowledges"):
        host.receive(frame(ops.DONE, handled), 0)


def test_a_result_is_no_event() -> None:
    host = ready()
    host.send(m.Result(1, 2))
    assert host.oldest == 0


def test_audio_that_the_script_is_too_slow_for_is_dropped_and_counted() -> None:
    host = ready()
    for _ in range(6):
        host.send(m.AudioHeard(b"x"))
        write_all(host)
    assert host.audio_dropped == 2
    host.receive(wait(3), 0)  # two of four chunks dealt with
    for _ in range(3):
        host.send(m.AudioHeard(b"x"))
    assert host.audio_dropped == 3


def test_audio_is_dropped_by_size_as_well() -> None:
    host = ready(Limits(audio_waiting_bytes=1000))
    for _ in range(4):
        host.send(m.AudioHeard(bytes(480)))
        write_all(host)
    assert host.audio_dropped == 1


def test_a_full_queue_loses_its_audio_first_then_the_worker() -> None:
    host = ready()
    host.send(m.AudioHeard(b"sent"))
    write_all(host)
    host.send(m.AudioHeard(b"kept back"))
    for _ in range(9):
        host.send(m.DigitPressed("1"))
    host.send(m.DigitPressed("2"))
    assert host.audio_dropped == 1
    with pytest.raises(ScriptError, match="does not read"):
        host.send(m.DigitPressed("3"))
    assert write_all(host) == [ops.DIGIT] * 10
    assert host.receive(wait(12), 0) == [m.Wait(None, 0)]  # boot, the audio that was sent, ten digits


def test_the_queue_is_bounded_in_bytes() -> None:
    host = ready()
    host.send(m.SocketMessage(1, b"x" * 4000))
    with pytest.raises(ScriptError, match="does not read"):
        host.send(m.SocketMessage(1, b"x" * 4000))


def test_what_was_asked_for_has_room_of_its_own() -> None:
    host = ready(Limits(queue_bytes=5000, answer_bytes=20_000))
    for number in range(4):
        host.send(m.Reply(number, body=b"x" * 4000))
    host.send(m.Told(1, "request", body=b"x" * 3000))
    host.send(m.SocketMessage(1, b"x" * 4000))
    with pytest.raises(ScriptError, match="does not read"):
        host.send(m.Reply(5, body=b"x" * 4000))
    assert write_all(host) == [ops.REPLY] * 4 + [ops.TOLD, ops.SOCKET_BINARY]
    host.send(m.Reply(5, body=b"x" * 19_000))  # and has it again


def test_many_sounds_may_end_at_once() -> None:
    host = ready(Limits(queue_frames=10, answers=300))
    for item in range(1, 301):
        host.receive(frame(ops.AWAIT, item), 0)
        host.send(m.PlaybackDone(item, 0, True, ""))
    host.send(m.DigitPressed("1"))
    host.receive(frame(ops.AWAIT, 301), 0)
    with pytest.raises(ScriptError, match="does not read"):
        host.send(m.PlaybackDone(301, 0, True, ""))
    assert write_all(host) == [ops.PLAYED] * 300 + [ops.DIGIT]


@pytest.mark.parametrize(
    "events",
    [
        [m.DigitPressed("1")] * 5,
        [m.SocketMessage(1, b"x" * 600)] * 2,
        [m.Reply(1, body=b"x" * 600), m.SocketMessage(1, b"x" * 500)],
    ],
)
def test_who_has_much_to_read_is_behind_until_all_is_sent(events: list[m.Event]) -> None:
    host = ready(Limits(hold_frames=4, hold_bytes=1000))
    for event in events:
        assert not host.is_behind
        host.send(event)
    assert host.is_behind
    write_all(host)
    assert not host.is_behind


def test_too_many_calls() -> None:
    host = ready(Limits(frames_burst=10, frames_rate=5))
    host.receive(frame(ops.LOG, 5, b"x") * 9, 0)
    with pytest.raises(ScriptError, match="calls a second"):
        host.receive(frame(ops.LOG, 5, b"x") * 2, 0)


def test_a_frame_in_too_many_pieces() -> None:
    host = ready(Limits(frames_burst=10, frames_rate=5))
    host.receive(frame(ops.LOG, 5, b"x" * 500)[:100], 0)
    with pytest.raises(ScriptError, match="small pieces"):
        for _ in range(10):
            host.receive(b"x", 0)


def test_acknowledgements_cost_nothing() -> None:
    host = ready(Limits(frames_burst=2, frames_rate=0))
    for number in range(2, 50):
        host.send(m.Wake())
        write_all(host)
        host.receive(wait(number), 0)


def test_too_many_bytes_audio_apart() -> None:
    host = ready(Limits(bytes_burst=3000, bytes_rate=1000, audio_burst=10_000, audio_rate=0))
    host.receive(frame(ops.PLAY, 1, ops.PLAY_HEAD.pack(0, 8000, False, 0) + bytes(8000)), 0)
    host.receive(frame(ops.SEND_BINARY, 1, bytes(2900)), 0)
    with pytest.raises(ScriptError, match="bytes"):
        host.receive(frame(ops.SEND_BINARY, 1, bytes(1000)), 0.5)
    with pytest.raises(ScriptError, match="bytes"):
        host.receive(frame(ops.PLAY, 2, ops.PLAY_HEAD.pack(0, 8000, False, 0) + bytes(8000)), 9)


def test_log_lines_are_dropped_counted_and_cut() -> None:
    host = ready(Limits(log_rate=20_000))
    lines = host.receive(frame(ops.LOG, 5, b"x" * 9000) * 3, 0)
    assert [len(line.text) for line in lines if isinstance(line, m.Log)] == [ops.MAX_LINE] * 2
    later = host.receive(frame(ops.LOG, 5, b"y"), 1)
    assert later == [m.Log(3, "1 lines of log dropped: too many at once"), m.Log(5, "y")]


def test_sockets_are_counted_until_they_are_closed() -> None:
    host = ready()
    body = b'{"url":"ws://h","headers":[],"verify":true,"timeout":3}'
    for number in range(1, 5):
        host.receive(frame(ops.SOCKET_OPEN, number, body), 0)
    host.send(m.SocketClosed(2, 1006, ""))
    host.receive(frame(ops.SOCKET_OPEN, 5, body), 0)
    with pytest.raises(ScriptError, match="sockets"):
        host.receive(frame(ops.SOCKET_OPEN, 6, body), 0)


def test_a_socket_number_is_used_once() -> None:
    host = ready()
    body = b'{"url":"ws://h","headers":[],"verify":true,"timeout":3}'
    with pytest.raises(ScriptError, match="sockets"):
        host.receive(frame(ops.SOCKET_OPEN, 1, body) * 2, 0)


@given(st.lists(st.sampled_from(["audio", "digit", "write", "ack"]), max_size=200))
def test_the_queue_never_passes_its_bounds_and_numbers_agree(steps: list[str]) -> None:
    host = ready()
    delivered = handled = 1  # as the worker counts: boot
    try:
        for step in steps:
            if step == "audio":
                host.send(m.AudioHeard(bytes(300)))
            elif step == "digit":
                host.send(m.DigitPressed("1"))
            elif step == "write":
                delivered += len(list(FrameParser().feed(host.to_send())))
            elif step == "ack" and delivered > handled:
                handled = delivered
                host.receive(wait(handled), 0)
            assert len(host._queue) <= LIMITS.queue_frames
            assert sum(len(data) for data, _ in host._queue) == host._queue_bytes <= LIMITS.queue_bytes
    except ScriptError:
        return
    delivered += len(write_all(host))
    if delivered > handled:
        assert host.receive(wait(delivered), 0) == [m.Wait(None, 0)]
    assert host.oldest == 0
    assert host._audio_waiting_bytes == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 120)), max_size=60))
def test_a_bucket_gives_burst_and_rate_and_no_more(takes: list[tuple[float, int]]) -> None:
    bucket, now, given_away = Bucket(100, 10), 1000.0, 0
    for pause, amount in takes:
        now += pause
        if bucket.take(amount, now):
            given_away += amount
        assert given_away <= 100 + 10 * (now - 1000.0) + 1e-6
    assert bucket.take(100, now + 10)
