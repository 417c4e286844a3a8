from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.media.messages import Drained, Event, FirstAudio, ItemDone
from ivrnode.media.playout import LIMIT_MS, Playout
from sound import decibels, tone, tone_level

ULAW, ALAW = AudioFormat("g711_ulaw", 8000), AudioFormat("g711_alaw", 8000)
PCM24 = AudioFormat("pcm16", 24000)
PCM8 = AudioFormat("pcm16", 8000)


def playout(wire: AudioFormat = ULAW) -> tuple[Playout, list[Event]]:
    events: list[Event] = []
    return Playout(1, wire, events.append), events


def frames(queue: Playout, count: int) -> bytes:
    """What is heard in so many frames, without those in which nothing is."""
    return b"".join(queue.next_frame() or b"" for _ in range(count))


def test_items_follow_each_other_within_a_frame() -> None:
    queue, events = playout()
    queue.append(1, ULAW, b"a" * 100)
    queue.append(2, ULAW, b"b" * 30)
    queue.append(3, ULAW, b"c" * 100)
    assert queue.next_frame() == b"a" * 100 + b"b" * 30 + b"c" * 30
    assert events == [FirstAudio(1), ItemDone(1, 1, 12), ItemDone(1, 2, 3)]
    assert queue.next_frame() == b"c" * 70 + b"\xff" * 90
    assert events[-2:] == [ItemDone(1, 3, 12), Drained(1)]
    assert queue.next_frame() is None


def test_an_item_filled_later_holds_the_order() -> None:
    queue, events = playout()
    queue.append(1, PCM24, b"", is_last=False)
    queue.append(2, ULAW, b"b" * 160)
    assert queue.next_frame() is None
    queue.append(1, ULAW, b"a" * 200, is_last=False)
    assert queue.next_frame() == b"a" * 160
    assert queue.next_frame() is None  # 5 ms wait for more, they are not torn off
    queue.append(1, ULAW, b"a" * 120)
    assert queue.next_frame() == b"a" * 160
    assert queue.next_frame() == b"b" * 160
    assert [event.item for event in events if isinstance(event, ItemDone)] == [1, 2]


def test_a_failed_item_plays_what_it_has_and_then_says_why() -> None:
    queue, events = playout()
    queue.append(1, ULAW, b"a" * 80, is_last=False)
    queue.append(2, ULAW, b"b" * 80)
    queue.fail(1, "no voice")
    queue.fail(3, "no text")
    assert queue.next_frame() == b"a" * 80 + b"b" * 80
    done = [event for event in events if isinstance(event, ItemDone)]
    assert done == [ItemDone(1, 1, 10, error="no voice"), ItemDone(1, 2, 10), ItemDone(1, 3, 0, error="no text")]
    assert events[-1] == Drained(1)


def test_mute_drops_all_and_says_how_much() -> None:
    queue, events = playout()
    queue.append(1, ULAW, bytes(1600), tag="x")
    queue.append(2, ULAW, bytes(800), is_last=False)
    frames(queue, 3)
    assert queue.queued_ms == 240
    assert queue.mute() == 240
    assert [event for event in events if isinstance(event, ItemDone)] == [
        ItemDone(1, 1, 60, is_stopped=True),
        ItemDone(1, 2, 0, is_stopped=True),
    ]
    assert not any(isinstance(event, Drained) for event in events)
    assert queue.next_frame() is None
    assert (queue.queued_ms, queue.tag_ms("x"), queue.item_ms(1)) == (0, 60, 60)
    queue.append(2, ULAW, bytes(800), is_last=False)  # the rest of a say that was cut
    queue.append(2, ULAW, bytes(800))
    assert queue.next_frame() is None
    queue.append(3, ULAW, b"new" * 100)
    assert queue.next_frame() == (b"new" * 100)[:160]


def test_stop_drops_one_item_only() -> None:
    queue, events = playout()
    for number in (1, 2, 3):
        queue.append(number, ULAW, bytes((number,)) * 320)
    frames(queue, 1)
    assert queue.stop(2) == 40
    assert queue.stop(1) == 20
    assert queue.stop(1) == queue.stop(9) == 0
    assert frames(queue, 3) == b"\3" * 320
    assert events[1:] == [
        ItemDone(1, 2, 0, is_stopped=True),
        ItemDone(1, 1, 20, is_stopped=True),
        ItemDone(1, 3, 40),
        Drained(1),
    ]


def test_what_does_not_fit_into_300_s_is_refused() -> None:
    queue, events = playout()
    queue.append(1, ULAW, bytes(8 * (LIMIT_MS - 10)), is_last=False)
    queue.append(2, PCM24, bytes(48 * 20))
    assert events == [ItemDone(1, 2, 0, is_stopped=True, error="queue full")]
    queue.append(1, ULAW, bytes(8 * 20), is_last=False)
    queue.append(1, ULAW, bytes(8))
    assert queue.queued_ms == LIMIT_MS - 10
    heard = frames(queue, LIMIT_MS // 20 + 1)
    assert len(heard) == 8 * LIMIT_MS  # the last frame is filled up
    assert events[2:] == [ItemDone(1, 1, LIMIT_MS - 10, is_stopped=True, error="queue full"), Drained(1)]
    queue.append(3, ULAW, bytes(160))
    assert queue.next_frame() == bytes(160)


def test_an_open_item_may_last_for_longer_than_300_s_as_long_as_it_is_heard() -> None:
    queue, events = playout()
    for _ in range(400):
        queue.append(1, ULAW, bytes(8000), is_last=False)
        assert len(frames(queue, 50)) == 8000
    assert not any(isinstance(event, ItemDone) for event in events)
    assert queue.item_ms(1) == 400_000


def test_converted_pieces_join_without_a_click_or_a_hole() -> None:
    pcm = tone(1000, 24000, 1000)
    queue, events = playout()
    pieces = range(0, len(pcm), 2002)
    for number, start in enumerate(pieces):
        queue.append(number, PCM24, pcm[start : start + 2002], tag="tone")
    heard = frames(queue, 60)
    whole = Converter(PCM24, ULAW)
    expected = whole.convert(pcm) + whole.flush()
    assert heard[: len(expected)] == expected
    assert abs(len(expected) - 8000) <= 8
    assert queue.tag_ms("tone") == 1000
    assert [event.item for event in events if isinstance(event, ItemDone)] == list(range(len(pieces)))


def test_a_tone_keeps_its_level_on_every_wire() -> None:
    for wire in (ULAW, ALAW, AudioFormat("g722", 16000)):
        for rate in (8000, 16000, 24000):
            queue, _ = playout(wire)
            source = AudioFormat("pcm16", rate)
            pcm = tone(1000, rate, 1000)
            for start in range(0, len(pcm), rate // 5):
                queue.append(start, source, pcm[start : start + rate // 5])
            back = Converter(wire, PCM8)
            heard = back.convert(frames(queue, 50)) + back.flush()
            middle = heard[1600:-1600]
            assert abs(decibels(tone_level(middle, 1000, 8000) / 10000)) < 1


def test_another_wire_in_the_middle() -> None:
    queue, events = playout()
    pcm = tone(700, 8000, 400)
    queue.append(1, PCM8, pcm[: len(pcm) // 2])
    queue.append(2, PCM24, tone(700, 24000, 200)[:4800], is_last=False)
    first = frames(queue, 5)
    queue.change_format(ALAW)
    queue.append(2, PCM24, tone(700, 24000, 200)[4800:])
    second = frames(queue, 20)
    assert abs(len(first) + len(second) - 3200) <= 160
    level = tone_level(Converter(ALAW, PCM8).convert(second)[:1600], 700, 8000)
    assert abs(decibels(level / 10000)) < 1
    assert [event for event in events if isinstance(event, ItemDone)] == [ItemDone(1, 1, 200), ItemDone(1, 2, 200)]


def test_questions_about_items_and_tags() -> None:
    queue, _ = playout()
    queue.append(1, ULAW, bytes(804), tag="a")
    queue.append(2, ULAW, bytes(804), tag="a")
    frames(queue, 6)
    assert queue.item_ms(1) == 100
    assert queue.item_ms(2) == 19
    assert queue.item_queued_ms(2) == 81
    assert queue.tag_ms("a") == 120
    assert queue.tag_ms("unknown") == queue.item_ms(9) == queue.item_queued_ms(9) == 0
    frames(queue, 10)
    assert queue.tag_ms("a") == 201


def test_first_audio_is_told_once_after_each_silence() -> None:
    queue, events = playout()
    for _ in range(2):
        queue.append(1, ULAW, bytes(320))
        frames(queue, 5)
    assert [type(event) for event in events] == [FirstAudio, ItemDone, Drained] * 2


class PlayoutStory(RuleBasedStateMachine):
    """Any order of doors: nothing is lost, doubled or out of order, and no count exceeds what was given."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.events = playout()
        self.given: dict[int, int] = {}
        self.open: list[int] = []
        self.next = 1
        self.marks = 0
        self.expected: list[tuple[int, bytes]] = []  # in the order of the queue: item, byte still to be heard
        self.heard_of: dict[int, int] = {}

    @rule(size=st.integers(0, 500), is_last=st.booleans())
    def append_new(self, size: int, is_last: bool) -> None:
        self._append(self.next, size, is_last)
        self.next += 1

    @precondition(lambda self: self.open)
    @rule(place=st.integers(0, 5), size=st.integers(0, 500), is_last=st.booleans())
    def append_more(self, place: int, size: int, is_last: bool) -> None:
        self._append(self.open[place % len(self.open)], size, is_last)

    def _append(self, item: int, size: int, is_last: bool) -> None:
        audio = bytes((self.marks + place) % 251 for place in range(size))
        self.marks += size
        self.queue.append(item, ULAW, audio, is_last=is_last, tag="t")
        if item not in self.given:
            self.given[item] = 0
            self.open.append(item)
        self.given[item] += size
        at = max((place + 1 for place, (owner, _) in enumerate(self.expected) if owner <= item), default=0)
        self.expected[at:at] = [(item, bytes((byte,))) for byte in audio]
        if is_last:
            self.open.remove(item)

    @rule(count=st.integers(1, 6))
    def hear(self, count: int) -> None:
        for _ in range(count):
            frame = self.queue.next_frame()
            ready = self._ready()
            if not ready:
                assert frame is None
                continue
            assert frame == b"".join(byte for _, byte in ready).ljust(160, b"\xff")
            for owner, _ in ready:
                self.heard_of[owner] = self.heard_of.get(owner, 0) + 1
            del self.expected[: len(ready)]

    def _ready(self) -> list[tuple[int, bytes]]:
        """The next frame: up to the first open item, and of that one only what fills the frame."""
        barrier = self.open[0] if self.open else self.next
        ready = [mark for mark in self.expected if mark[0] < barrier][:160]
        of_open = [mark for mark in self.expected if mark[0] == barrier]
        missing = 160 - len(ready)
        return ready + of_open[:missing] if len(of_open) >= missing else ready

    @rule()
    def mute(self) -> None:
        assert abs(self.queue.mute() - len(self.expected) / 8) <= 1
        self.expected.clear()
        self.open.clear()

    @precondition(lambda self: self.given)
    @rule(place=st.integers(0, 20))
    def stop(self, place: int) -> None:
        item = list(self.given)[place % len(self.given)]
        self.queue.stop(item)
        self.expected = [(owner, byte) for owner, byte in self.expected if owner != item]
        if item in self.open:
            self.open.remove(item)

    @invariant()
    def counts_are_true(self) -> None:
        assert abs(self.queue.queued_ms - len(self.expected) / 8) <= 1
        for item, size in self.given.items():
            assert self.queue.item_ms(item) == self.heard_of.get(item, 0) // 8 <= size // 8
        done = [event for event in self.events if isinstance(event, ItemDone)]
        assert len({event.item for event in done}) == len(done)
        for event in done:
            assert event.played_ms == self.heard_of.get(event.item, 0) // 8
            assert event.is_stopped or event.played_ms == self.given[event.item] // 8


TestPlayoutStory = PlayoutStory.TestCase
TestPlayoutStory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@example([72, 480], 1)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=20), st.integers(0, 30))
def test_played_is_never_more_than_given_whatever_is_converted(sizes: list[int], heard: int) -> None:
    queue, events = playout()
    for number, size in enumerate(sizes):
        queue.append(number, PCM24, bytes(2 * size), tag="t")
    frames(queue, heard)
    given = sum(sizes) * 2 // 48
    sent = heard * 20 + 2 * len(sizes)  # what an item leaves in the converter is heard at the start of the next one
    assert queue.tag_ms("t") <= min(given, sent)
    assert queue.tag_ms("t") + queue.queued_ms <= given
    queue.mute()
    total = sum(event.played_ms for event in events if isinstance(event, ItemDone))
    assert total <= queue.tag_ms("t") <= min(given, sent)
