"""The jitter buffer: packets in as they come, one frame of 20 ms out at every tick.

It is a window on the sender's clock. All wire codecs send 8 bytes a millisecond on an 8000 Hz clock, so one byte is one
timestamp unit and packets of any length fit in.

    played ───────┼─ concealed ─┼──────────────────────────┼
             heard up to       next                      newest
                                │<── delay: 40-60 ms at the start, 200 ms at most ──>│

    frame missing, later ones here      it is lost: conceal it, go on
    frame missing, nothing here         wait for one frame of time (concealed); still nothing: go on as if never waited
    a concealed frame comes after all   the delay was too short: go back to it if nothing later was heard; the delay has
                                        grown by its lateness. Loss alone never makes it grow
    delay longer than needed for 5 s    leave out a silent frame
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ivrnode.rtp.packet import timestamp_distance

FRAME = 160  # bytes, and timestamp units, of 20 ms
_MASK = 0xFFFFFFFF
_START_FRAMES = 2  # waited for at the start; the way of the first packet into its tick adds up to 20 ms
_MAX_DELAY = 10 * FRAME
_CALM_FRAMES = 250
_LATE_RUN = 10
_PAUSE_FRAMES = 10


class JitterBuffer:
    """`silence`: one byte, to fill up a part of a frame. `is_silent`: may this frame be left out unnoticed?"""

    __slots__ = (
        "_after_late", "_calm", "_excess", "_heard", "_is_silent", "_late_run", "_least_depth", "_missed", "_next",
        "_packets", "_rest", "_silence", "_starved", "_to_wait", "concealed", "late",
    )  # fmt: skip

    def __init__(self, silence: bytes, is_silent: Callable[[bytes], bool]) -> None:
        self._silence, self._is_silent = silence, is_silent
        self.late = 0
        self.concealed = 0
        self._least_depth = self._calm = self._excess = 0
        self.restart()

    def restart(self) -> None:
        """Forget the sender's clock: it is another sender now. The counters stay."""
        self._packets: dict[int, bytes] = {}  # by timestamp
        self._rest = b""  # of a packet longer than its frame
        self._next = self._heard = 0  # timestamps: to be played; heard up to
        self._to_wait = -1  # frames before the first is played; -1: no packet yet
        self._starved = 0  # frames since there was anything to play
        self._missed: deque[int] = deque(maxlen=_MAX_DELAY // FRAME)
        self._late_run = 0  # packets in order, but before what was heard
        self._after_late = 0
        self._forget_depth()

    def put(self, timestamp: int, payload: bytes) -> None:
        ahead = (timestamp - self._next) & _MASK
        if self._to_wait or ahead + len(payload) > _MAX_DELAY:
            self._put_off_course(timestamp, payload)
        else:
            self._packets[timestamp] = payload
            self._late_run = 0

    def next_frame(self) -> bytes | None:
        """The next 20 ms; None: conceal them."""
        if self._to_wait:
            self._to_wait -= self._to_wait > 0
            return None
        frame = self._packets.pop(self._next, None)
        if frame is None or len(frame) != FRAME:
            return self._assemble(frame)
        self._next = self._heard = (self._next + FRAME) & _MASK
        self._starved = 0
        depth = len(self._packets)
        if depth < self._least_depth:
            self._least_depth = depth
        self._calm += 1
        if self._calm >= _CALM_FRAMES:
            excess = self._least_depth - _START_FRAMES
            self._forget_depth()
            self._excess = excess
            self._gap()  # drops what never can be played
        if self._excess > 0 and depth > _START_FRAMES and self._is_silent(frame):
            self._excess -= 1
            return self.next_frame()
        return frame

    def _put_off_course(self, timestamp: int, payload: bytes) -> None:
        """At the start, before `next`, or far ahead."""
        if self._to_wait < 0:
            self._next, self._to_wait = timestamp, _START_FRAMES
            self._heard = (timestamp - _MAX_DELAY) & _MASK
        ahead = timestamp_distance(timestamp, self._next)
        if ahead < 0:
            self._put_late(timestamp, payload)
            return
        self._late_run = 0
        self._packets[timestamp] = payload
        if ahead + len(payload) > _MAX_DELAY:
            self._shorten()

    def _put_late(self, timestamp: int, payload: bytes) -> None:
        """Its time is over: a double, a straggler, or the first of many that the network held up."""
        if timestamp in self._missed:
            self._missed.remove(timestamp)
            self.late += 1
        before_heard = timestamp_distance(self._heard, timestamp)
        if before_heard <= 0 and self._newest() - timestamp_distance(timestamp, self._next) <= _MAX_DELAY:
            if self._rest:
                self._packets[self._next] = self._rest
                self._rest = b""
            self._packets[timestamp] = payload
            self._next = timestamp
            self._starved = 0
            self._forget_depth()
            return
        self._late_run = self._late_run + 1 if timestamp == self._after_late else 1
        self._after_late = (timestamp + len(payload)) & _MASK
        if self._late_run >= _LATE_RUN and before_heard > _MAX_DELAY:  # the sender set its clock back
            self.restart()
            self.put(timestamp, payload)

    def _assemble(self, head: bytes | None) -> bytes | None:
        """The uncommon ways to a frame: packets of another length, packets missing."""
        frame = self._rest
        while head is not None or len(frame) < FRAME:
            if head is None:
                head = self._packets.pop((self._next + len(frame)) & _MASK, None)
                if head is None:
                    break
            frame += head
            head = None
        if not frame:
            return self._miss()
        self._rest = frame[FRAME:]
        gap = self._gap() if len(frame) < FRAME else FRAME
        self._next = self._heard = (self._next + min(FRAME, gap)) & _MASK
        self._starved = 0
        return frame[:FRAME] + self._silence * (FRAME - len(frame))

    def _miss(self) -> bytes | None:
        """Nothing to play at `next`."""
        gap = self._gap()
        if self._packets:
            if self._starved == 1:  # the time of the frame that was waited for is over already
                self._go_on(1)
                gap -= FRAME
            self._starved = 0
            if gap < FRAME:  # here it goes on, perhaps not at an old frame's edge
                self._next = (self._next + gap) & _MASK
                return self.next_frame()
            self._go_on(1)
        else:
            self._starved += 1
            if self._starved > 1:
                self._go_on(2 if self._starved == 2 else 1)
        # A sender that says nothing for long is silent on purpose: that is no loss.
        self.concealed += self._starved <= _PAUSE_FRAMES
        return None

    def _gap(self) -> int:
        """Units from `next` to the first packet here. What lies before (packets that overlapped) is dropped."""
        distances = {timestamp: timestamp_distance(timestamp, self._next) for timestamp in self._packets}
        self._packets = {t: p for t, p in self._packets.items() if distances[t] >= 0}
        return min((distances[timestamp] for timestamp in self._packets), default=_MAX_DELAY)

    def _go_on(self, frames: int) -> None:
        for _ in range(frames):
            self._missed.append(self._next)
            self._next = (self._next + FRAME) & _MASK

    def _newest(self) -> int:
        """The end of what is here, in units after `next`."""
        return max((timestamp_distance(t, self._next) + len(p) for t, p in self._packets.items()), default=0)

    def _shorten(self) -> None:
        """More than 200 ms wait: leave out the oldest, so that the delay is that of the start again."""
        wanted = self._newest() - _START_FRAMES * FRAME
        kept = {t: p for t, p in self._packets.items() if timestamp_distance(t, self._next) >= wanted}
        if kept:
            self._next = min(kept, key=lambda timestamp: timestamp_distance(timestamp, self._next))
        else:  # one packet longer than the delay
            self._next, payload = max(self._packets.items(), key=lambda item: timestamp_distance(item[0], self._next))
            kept = {self._next: payload}
        self._packets, self._heard, self._rest, self._to_wait = kept, self._next, b"", 0
        self._forget_depth()

    def _forget_depth(self) -> None:
        self._least_depth = _MAX_DELAY // FRAME  # packets that were always there, in the last `calm` frames
        self._calm = 0
        self._excess = 0  # frames to leave out
