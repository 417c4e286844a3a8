"""What the far end hears: the queue, and behind it one item at a time, while nothing of the queue is heard.

    queue        ▆▆▆▆▆▆▆            ▆▆▆▆
    background          ▃▃▃▃▃▃▃▃▃▃▃▃└ dropped        begins when the queue is empty
    given     ^            ^ another one takes its place

The background counts like any other sound (`played_ms`, `ItemDone`), but neither `Drained` nor `queued_ms` knows of it.
"""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.audio.format import AudioFormat
from ivrnode.media.messages import Event, ItemDone
from ivrnode.media.playout import Playout


class Layers:
    """A `Playout` with another one behind it, which is made when it is needed and holds one item. `next_frame` is the
    queue's own until then: every leg calls it every 20 ms."""

    __slots__ = ("_behind", "_emit", "_format", "_is_heard", "_leg", "_queue", "next_frame")

    def __init__(self, leg: int, format: AudioFormat, emit: Callable[[Event], None]) -> None:
        self._leg, self._format, self._emit = leg, format, emit
        self._queue = Playout(leg, format, emit)
        self._behind: Playout | None = None
        self._is_heard = False
        self.next_frame: Callable[[], bytes | None] = self._queue.next_frame

    # In.

    def append(
        self,
        number: int,
        source: AudioFormat,
        audio: bytes,
        *,
        is_last: bool = True,
        tag: str = "",
        is_background: bool = False,
    ) -> None:
        """As `Playout.append`. A new item of the background ends the one that is there."""
        playout = self._background(number) if is_background else self._queue
        playout.append(number, source, audio, is_last=is_last, tag=tag)

    def fail(self, number: int, error: str) -> None:
        self._of(number).fail(number, error)

    def _background(self, number: int) -> Playout:
        if self._behind is None:
            self._behind = Playout(self._leg, self._format, self._told)
            self.next_frame = self._next_frame
        if not self._behind.has(number):
            self._drop_background()
        return self._behind

    def _told(self, event: Event) -> None:
        if type(event) is ItemDone:
            self._emit(event)

    # Out.

    def _next_frame(self) -> bytes | None:
        behind = self._behind
        frame = self._queue.next_frame()
        if frame is not None or behind is None:
            if self._is_heard:
                self._drop_background()
        elif self._is_heard or self._queue.is_empty:
            frame = behind.next_frame()
            self._is_heard = not behind.is_empty
        return frame

    # Ended early.

    def mute(self) -> int:
        """Drop everything. Returns the milliseconds that will not be heard."""
        return self._queue.mute() + self._drop_background()

    def stop(self, number: int) -> int:
        return self._of(number).stop(number)

    def _drop_background(self) -> int:
        self._is_heard = False
        return self._behind.mute() if self._behind is not None else 0

    # Questions.

    @property
    def is_empty(self) -> bool:
        return self._queue.is_empty

    @property
    def queued_ms(self) -> int:
        return self._queue.queued_ms

    def item_ms(self, number: int) -> int:
        return self._queue.item_ms(number) + (self._behind.item_ms(number) if self._behind is not None else 0)

    def item_queued_ms(self, number: int) -> int:
        return self._of(number).item_queued_ms(number)

    def tag_ms(self, tag: str) -> int:
        return self._queue.tag_ms(tag) + (self._behind.tag_ms(tag) if self._behind is not None else 0)

    def _of(self, number: int) -> Playout:
        """Where the item is; the queue, if it is nowhere."""
        return self._behind if self._behind is not None and self._behind.has(number) else self._queue

    # Another format.

    def change_format(self, format: AudioFormat) -> None:
        self._format = format
        for playout in (self._queue, self._behind):
            if playout is not None:
                playout.change_format(format)
