"""The core's side of one worker, without sockets or clocks: budgets, the queue's bounds, acknowledgements.

    events --send--> frames, numbered 1, 2, 3 … --to_send--> worker
    actions <-- receive <-- frames; DONE and WAIT say how many events are dealt with

The end of a sound that the script does not wait for wakes nobody: it is told with whatever is told next.

What a script may not do raises ScriptError from `receive` or `send`; the owner then kills the worker.
"""

from __future__ import annotations

from collections import deque

from ivrnode.errors import ScriptError
from ivrnode.script import messages as m
from ivrnode.script import ops
from ivrnode.script.frames import Acknowledgement, Await, FrameParser, decode, encode
from ivrnode.script.limits import Bucket, Limits

_BOOT = 1  # Boot is always the first event
_WRITE = 32 * 1024
_ANSWERS = (m.Reply, m.Told, m.PlaybackDone)
_MOST_KEPT = 64


class ScriptHost:
    """One worker as the core sees it. `is_ready` after the lock-down, `is_finished` after Finished.

    `is_behind` while much waits for it: what can be kept back at its source should be, before the queue is full.
    """

    def __init__(self, limits: Limits) -> None:
        self.is_ready = self.is_finished = self.is_behind = False
        self.audio_dropped = 0
        self._limits = limits
        self._parser = FrameParser(limits.frame)
        self._frames = Bucket(limits.frames_burst, limits.frames_rate)
        self._bytes = Bucket(limits.bytes_burst, limits.bytes_rate)
        self._audio = Bucket(limits.audio_burst, limits.audio_rate)
        self._log = Bucket(limits.log_rate, limits.log_rate)
        self._lines_dropped = 0
        self._queue: deque[tuple[bytes, type[m.Event]]] = deque()
        self._queue_bytes = 0  # in it, answers apart
        self._answers = self._answer_bytes = 0  # in it
        self._sent = 0  # events given to `send`
        self._handled = 0  # of these, dealt with by the script
        self._audio_waiting: deque[tuple[int, int]] = deque()  # number of the event, its size
        self._audio_waiting_bytes = 0
        self._sockets: set[int] = set()
        self._awaited: dict[int, None] = {}  # items, in the order of the wishes; 0: the end of the queue
        self._kept: list[m.PlaybackDone | m.QueueDrained] = []

    @property
    def oldest(self) -> int:
        """The number of the event that the script is at (0: it is idle), for the watchdog."""
        return self._handled + 1 if self._handled < self._sent else 0

    @property
    def cpu_allowed(self) -> float:
        """Seconds of CPU for the event that the script is at."""
        limits = self._limits
        return (limits.cpu_start_ms if self._handled < _BOOT else limits.cpu_event_ms) / 1000

    # To the worker.

    def send(self, event: m.Event) -> None:
        """Queue one event. Audio that finds too much waiting is dropped and counted; ScriptError: the queue is full."""
        if isinstance(event, (m.PlaybackDone, m.QueueDrained)) and self._can_wait(event):
            self._kept.append(event)
            return
        if self._kept:
            self._release_kept()
        self._put(event)

    def _can_wait(self, event: m.PlaybackDone | m.QueueDrained) -> bool:
        return _item(event) not in self._awaited and len(self._kept) < _MOST_KEPT

    @property
    def has_to_send(self) -> bool:
        return bool(self._queue)

    def _release_kept(self) -> None:
        kept, self._kept = self._kept, []
        for event in kept:
            self._put(event)

    def _put(self, event: m.Event) -> None:
        frame, kind = encode(event), type(event)
        size = len(frame)
        is_audio = kind is m.AudioHeard
        if is_audio and self._is_audio_full():
            self.audio_dropped += 1
            return
        if self._is_full(size, kind):
            self._drop_queued_audio()
            if self._is_full(size, kind):
                raise ScriptError(f"it does not read: {len(self._queue)} events wait for it")
        if kind is not m.Result:
            self._sent += 1
        if is_audio:
            self._audio_waiting.append((self._sent, size))
            self._audio_waiting_bytes += size
        elif type(event) is m.SocketClosed:
            self._sockets.discard(event.socket)
        elif type(event) is m.PlaybackDone:
            self._awaited.pop(event.item, None)
        self._queue.append((frame, kind))
        if kind in _ANSWERS:
            self._answers += 1
            self._answer_bytes += size
        else:
            self._queue_bytes += size
        limits = self._limits
        if len(self._queue) > limits.hold_frames or self._queue_bytes + self._answer_bytes > limits.hold_bytes:
            self.is_behind = True

    def to_send(self) -> bytes:
        """The next frames to write, few enough to be taken at once as a rule; b"" when there are none."""
        frames, size = [], 0
        while self._queue and size < _WRITE:
            frame, kind = self._queue.popleft()
            frames.append(frame)
            size += len(frame)
            if kind in _ANSWERS:
                self._answers -= 1
                self._answer_bytes -= len(frame)
            else:
                self._queue_bytes -= len(frame)
        if not self._queue:
            self.is_behind = False
        return b"".join(frames)

    def _is_full(self, size: int, kind: type[m.Event]) -> bool:
        """What the script has asked for has room of its own: it may come all at once, as with one `mute` the end of
        five minutes of short sounds."""
        limits = self._limits
        if kind in _ANSWERS:
            return self._answers >= limits.answers or self._answer_bytes + size > limits.answer_bytes
        is_long = len(self._queue) - self._answers >= limits.queue_frames
        return is_long or self._queue_bytes + size > limits.queue_bytes

    def _is_audio_full(self) -> bool:
        limits = self._limits
        return (
            len(self._audio_waiting) >= limits.audio_waiting
            or self._audio_waiting_bytes >= limits.audio_waiting_bytes
            or self._is_full(0, m.AudioHeard)
        )

    def _drop_queued_audio(self) -> None:
        """Make room. The worker counts events as they come, so what was never written takes its number with it."""
        kept = deque(entry for entry in self._queue if entry[1] is not m.AudioHeard)
        for _ in range(len(self._queue) - len(kept)):
            _, size = self._audio_waiting.pop()
            self._audio_waiting_bytes -= size
            self._queue_bytes -= size
            self._sent -= 1
            self.audio_dropped += 1
        self._queue = kept

    # From the worker.

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[m.Action]:
        """The actions in these bytes of the stream. Raises ScriptError when the script broke a rule."""
        actions: list[m.Action] = []
        is_whole = False
        for op, number, payload in self._parser.feed(data):
            is_whole = True
            action = decode(op, number, payload)
            if isinstance(action, Acknowledgement):
                self._acknowledge(action, actions)
                continue
            if isinstance(action, Await):
                self._await(action.item, now)
                continue
            if not self.is_ready:
                self._before_ready(action)
            self._charge(action, len(payload), now)
            if type(action) is m.Log:
                self._pass_log(action, now, actions)
                continue
            if type(action) is m.OpenSocket:
                self._open_socket(action)
            elif type(action) is m.Finished:
                self.is_finished = True
            actions.append(action)
        if not is_whole and len(data) < ops.PACKET and not self._frames.take(1, now):
            raise ScriptError("it sends its frames in too small pieces")
        return actions

    def _await(self, item: int, now: float) -> None:
        self._charge_frame(now)
        self._awaited[item] = None
        if len(self._awaited) > ops.MAX_AWAITED:  # a wish that came when the end was told already stays here
            del self._awaited[next(iter(self._awaited))]
        if any(_item(event) == item for event in self._kept):
            self._release_kept()  # it ended before the script's wish came

    def _before_ready(self, action: m.Action) -> None:
        if isinstance(action, m.Failed):
            raise ScriptError(action.text)  # a step of the lock-down failed
        if not isinstance(action, m.Ready):
            raise ScriptError("it spoke before it was locked down")
        self.is_ready = True

    def _acknowledge(self, done: Acknowledgement, actions: list[m.Action]) -> None:
        if not self._handled < done.handled <= self._sent:
            raise ScriptError("it acknowledges what was never sent")
        self._handled = done.handled
        waiting = self._audio_waiting
        while waiting and waiting[0][0] <= done.handled:
            self._audio_waiting_bytes -= waiting.popleft()[1]
        # Idle means that nothing is on its way to the script either: only then can the call know what is left.
        if done.wait is not None and done.handled == self._sent:
            actions.append(done.wait)

    def _charge(self, action: m.Action, size: int, now: float) -> None:
        self._charge_frame(now)
        bucket = self._audio if type(action) is m.Play else self._bytes
        if not bucket.take(size, now):
            raise ScriptError("it sends too many bytes")

    def _charge_frame(self, now: float) -> None:
        if not self._frames.take(1, now):
            raise ScriptError(f"more than {self._limits.frames_rate} calls a second")

    def _pass_log(self, line: m.Log, now: float, actions: list[m.Action]) -> None:
        if not self._log.take(len(line.text), now):
            self._lines_dropped += 1
            return
        if self._lines_dropped:
            actions.append(m.Log(3, f"{self._lines_dropped} lines of log dropped: too many at once"))
            self._lines_dropped = 0
        actions.append(line)

    def _open_socket(self, action: m.OpenSocket) -> None:
        if action.socket in self._sockets or len(self._sockets) >= ops.MAX_SOCKETS:
            raise ScriptError("it opens more sockets than it may")
        self._sockets.add(action.socket)


def _item(event: m.PlaybackDone | m.QueueDrained) -> int:
    """Which one it is the end of; 0: of the queue."""
    return event.item if isinstance(event, m.PlaybackDone) else 0
