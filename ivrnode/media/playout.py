"""What is still to be heard: one queue of items a leg, in the format of the leg.

    append, append ...        ┌────────┬──────────────┬─────────┐
    (converted as it comes) ─>│ item 3 │ item 2, open │ item 1  │─> 20 ms a tick
                              └────────┴──────────────┴─────────┘
      item 1 ends within a frame     item 2 begins in the same frame
      item 2 is open and has less    silence is heard; item 3 waits. Order is the order of first appends
      than a frame
      item done                      all of it was handed out; its last packet is sent before anybody is told

A converter holds a few samples back. While one item follows another in the same format it takes over the converter
with what is in it, so there is no click at the seam; where none follows, what is held back is played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.media.messages import Drained, Event, FirstAudio, ItemDone
from ivrnode.media.wire import FRAME_MS

LIMIT_MS = 300_000
QUEUE_FULL = "queue full"
_MAX_ITEMS = 10_000
_MAX_REMEMBERED = 4096
_ROUNDING = 1e-6

Key = TypeVar("Key")


@dataclass(slots=True, eq=False)
class _Item:
    number: int
    tag: str
    given_ms: float = 0.0  # source audio
    added: int = 0  # bytes of the wire, held-back ones not yet
    taken: int = 0  # of these, in chunks that are wholly handed out
    chunks: deque[bytes] = field(default_factory=deque)
    is_closed: bool = False
    is_cut: bool = False  # not all that was meant to be heard came in
    error: str = ""
    source: AudioFormat | None = None
    converter: Converter | None = None

    def add(self, audio: bytes) -> None:
        if audio:
            self.chunks.append(audio)
            self.added += len(audio)


class Playout:
    """Milliseconds that were heard or are queued count source audio, rounded down; padding and silence never count."""

    __slots__ = (
        "_by_number", "_chunk", "_cut", "_emit", "_format", "_frame_size", "_is_quiet", "_item_ms", "_items", "_leg",
        "_position", "_queued", "_tag_ms",
    )  # fmt: skip

    def __init__(self, leg: int, format: AudioFormat, emit: Callable[[Event], None]) -> None:
        self._leg, self._format, self._emit = leg, format, emit
        self._frame_size = format.size(FRAME_MS)
        self._items: deque[_Item] = deque()
        self._by_number: dict[int, _Item] = {}
        self._chunk = b""  # of the first item, in the course of being handed out
        self._position = 0
        self._queued = 0  # bytes of the wire, the chunk in hand included
        self._is_quiet = True  # since the queue was empty
        self._cut: dict[int, None] = {}  # items that ended while open: what still comes for them is dropped
        self._item_ms: dict[int, float] = {}
        self._tag_ms: dict[str, float] = {}

    # In.

    def append(self, number: int, source: AudioFormat, audio: bytes, *, is_last: bool = True, tag: str = "") -> None:
        """More of item `number`; a number not seen before takes its place at the end."""
        item = self._open_item(number, tag, is_last)
        if item is None:
            return
        if audio:
            ms = len(audio) / source.bytes_per_ms
            if self._queued / self._format.bytes_per_ms + ms > LIMIT_MS:
                self._refuse(item, is_last)
                return
            item.given_ms += ms
            self._add(item, self._convert(item, source, audio))
        item.is_closed = item.is_closed or is_last

    def fail(self, number: int, error: str) -> None:
        """No more will come for this item: it is done with `error` when what is here was heard."""
        item = self._open_item(number, "", is_last=True)
        if item is not None:
            item.is_closed, item.error = True, error

    def _open_item(self, number: int, tag: str, is_last: bool) -> _Item | None:
        """The item to append to; None: it ended before."""
        item = self._by_number.get(number)
        if item is not None:
            return None if item.is_closed else item
        if number in self._cut:
            if is_last:
                del self._cut[number]
            return None
        item = _Item(number, tag)
        self._by_number[number] = item
        self._items.append(item)
        if len(self._items) > _MAX_ITEMS:
            self._refuse(item, is_last)
            return None
        return item

    def _refuse(self, item: _Item, is_last: bool) -> None:
        item.error, item.is_closed, item.is_cut = QUEUE_FULL, True, True
        if not is_last:
            self._remember_cut(item.number)
        if not item.added:
            self._items.remove(item)
            self._done(item, is_stopped=True)

    def _convert(self, item: _Item, source: AudioFormat, audio: bytes) -> bytes:
        if item.source not in (None, source) and item.converter is not None:
            self._add(item, item.converter.flush())
            item.converter = None
        if item.source != source:
            item.source = source
            item.converter = self._converter(item, source)
        return item.converter.convert(audio) if item.converter is not None else audio

    def _converter(self, item: _Item, source: AudioFormat) -> Converter | None:
        """None when nothing is to be converted; that of the item before, if this one carries on in its format."""
        if source == self._format:
            return None
        before = self._items[self._items.index(item) - 1] if self._items[0] is not item else None
        if before is not None and before.is_closed and before.source == source and before.converter is not None:
            converter, before.converter = before.converter, None
            return converter
        return Converter(source, self._format)

    def _add(self, item: _Item, audio: bytes) -> None:
        item.add(audio)
        self._queued += len(audio)

    # Out.

    def next_frame(self) -> bytes | None:
        """The next 20 ms, filled up with silence where the queue ends; None: there is nothing to be heard."""
        start = self._position
        end = start + self._frame_size
        if end < len(self._chunk):
            self._position = end
            return self._chunk[start:end]
        return self._gather()

    def _gather(self) -> bytes | None:
        """A frame in which a chunk ends or begins."""
        frame = b""
        while self._items:
            item = self._items[0]
            missing = self._frame_size - len(frame)
            left = self._left(item)
            if item.is_closed and item.converter is not None and left <= missing:
                self._add(item, item.converter.flush())
                item.converter = None
            elif not item.is_closed and left < missing:
                break
            frame += self._take(item, missing)
            if frame and self._is_quiet:
                self._is_quiet = False
                self._emit(FirstAudio(self._leg))
            if self._left(item) or not item.is_closed:
                break
            self._finish_first()
        if not frame:
            return None
        return frame if len(frame) == self._frame_size else frame + self._format.silence(FRAME_MS)[len(frame) :]

    def _take(self, item: _Item, wanted: int) -> bytes:
        taken = b""
        while True:
            if self._position == len(self._chunk):
                self._put_down_chunk(item)
                if not item.chunks:
                    return taken
                self._chunk = item.chunks.popleft()
            if len(taken) == wanted:
                return taken
            piece = self._chunk[self._position : self._position + wanted - len(taken)]
            self._position += len(piece)
            taken += piece

    def _put_down_chunk(self, item: _Item) -> None:
        item.taken += self._position
        self._queued -= len(self._chunk)
        self._chunk, self._position = b"", 0

    def _finish_first(self) -> None:
        item = self._items.popleft()
        self._done(item, is_stopped=item.is_cut)
        if not self._items:
            self._is_quiet = True
            self._emit(Drained(self._leg))

    # Ended early.

    def mute(self) -> int:
        """Drop everything. Returns the milliseconds that will not be heard."""
        dropped = self.queued_ms
        for item in list(self._items):
            self._drop(item)
        return dropped

    def stop(self, number: int) -> int:
        """Drop one item. Returns the milliseconds that will not be heard; 0 if it is done or unknown."""
        item = self._by_number.get(number)
        if item is None:
            return 0
        dropped = _whole(item.given_ms - self._played(item))
        self._drop(item)
        return dropped

    def _drop(self, item: _Item) -> None:
        if self._items[0] is item:
            self._put_down_chunk(item)
        self._items.remove(item)
        self._queued -= sum(map(len, item.chunks))
        if not item.is_closed:
            self._remember_cut(item.number)
        self._is_quiet = self._is_quiet or not self._items
        self._done(item, is_stopped=True)

    def _done(self, item: _Item, *, is_stopped: bool) -> None:
        del self._by_number[item.number]
        played = min(item.given_ms, item.taken / self._format.bytes_per_ms) if is_stopped else item.given_ms
        _remember(self._item_ms, item.number, played)
        if item.tag:
            _remember(self._tag_ms, item.tag, self._tag_ms.get(item.tag, 0.0) + played)
        self._emit(ItemDone(self._leg, item.number, _whole(played), is_stopped, item.error))

    def _remember_cut(self, number: int) -> None:
        self._cut[number] = None
        if len(self._cut) > _MAX_REMEMBERED:
            del self._cut[next(iter(self._cut))]

    # Questions.

    @property
    def is_empty(self) -> bool:
        return not self._items

    def has(self, number: int) -> bool:
        """True while more of the item may come, and until it is done."""
        return number in self._by_number or number in self._cut

    @property
    def queued_ms(self) -> int:
        return _whole(sum(item.given_ms - self._played(item) for item in self._items))

    def item_ms(self, number: int) -> int:
        item = self._by_number.get(number)
        return _whole(self._played(item) if item else self._item_ms.get(number, 0.0))

    def item_queued_ms(self, number: int) -> int:
        item = self._by_number.get(number)
        return _whole(item.given_ms - self._played(item)) if item else 0

    def tag_ms(self, tag: str) -> int:
        # Only the first item can have been heard in part.
        playing = self._played(self._items[0]) if self._items and self._items[0].tag == tag else 0.0
        return _whole(self._tag_ms.get(tag, 0.0) + playing)

    def _left(self, item: _Item) -> int:
        """Bytes of the first item that were not handed out."""
        return item.added - item.taken - self._position

    def _played(self, item: _Item) -> float:
        taken = item.taken + (self._position if item is self._items[0] else 0)
        return min(item.given_ms, taken / self._format.bytes_per_ms)

    # Another format.

    def change_format(self, format: AudioFormat) -> None:
        """A re-INVITE chose another codec: what is queued is converted, the counts go on."""
        bridge = Converter(self._format, format)
        for item in self._items:
            if item.converter is not None:
                self._add(item, item.converter.flush())
            item.source = item.converter = None
            rest = b"".join(item.chunks)
            if item is self._items[0]:
                rest = self._chunk[self._position :] + rest
                self._put_down_chunk(item)
            rest = bridge.convert(rest)
            if item is self._items[-1]:
                rest += bridge.flush()
            item.chunks.clear()
            item.added = item.taken = round(item.taken * format.bytes_per_ms / self._format.bytes_per_ms)
            item.add(rest)
        self._queued = sum(item.added - item.taken for item in self._items)
        self._format, self._frame_size = format, format.size(FRAME_MS)


def _remember(store: dict[Key, float], key: Key, value: float) -> None:
    store[key] = value
    if len(store) > _MAX_REMEMBERED:
        del store[next(iter(store))]


def _whole(ms: float) -> int:
    return int(ms + _ROUNDING)
