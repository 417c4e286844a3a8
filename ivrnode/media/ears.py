"""All who listen to one leg: the stream, whoever wants to know of speech or of keys in tones, the recording.

heard, said ─┬─> Voice ─┬─> Speech
             │          └─> Gate
             ├─> Tap ─> (Gate) ─> Audio
             ├─> Keys ─> Digit
             └─> Recorder ─> Recorded
"""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.audio.format import AudioFormat
from ivrnode.media.gate import Gate
from ivrnode.media.keys import Keys
from ivrnode.media.messages import Audio, Digit, Event, Speech, Withheld
from ivrnode.media.recorder import Recorder
from ivrnode.media.tap import Tap
from ivrnode.media.voice import QUIET_MS, Voice


class Ears:
    """`source`: the format of what is fed. `is_open` while anybody listens; when that may have changed, `on_change` is
    called."""

    __slots__ = (
        "_emit", "_gate", "_is_watched", "_keys", "_leg", "_on_change", "_recorder", "_source", "_stream", "_tap",
        "_voice", "is_open",
    )  # fmt: skip

    def __init__(
        self, leg: int, source: AudioFormat, emit: Callable[[Event], None], on_change: Callable[[], None]
    ) -> None:
        self._leg, self._source, self._emit, self._on_change = leg, source, emit, on_change
        self.is_open = self._is_watched = False
        self._stream = 0
        self._tap: Tap | None = None
        self._gate: Gate | None = None
        self._voice: Voice | None = None
        self._keys: Keys | None = None
        self._recorder: Recorder | None = None

    def feed(self, heard: bytes, said: bytes) -> None:
        """20 ms of each direction."""
        if self._voice is not None:
            self._listen_for_speech(self._voice, heard, said)
        if self._tap is not None:
            chunk = self._tap.feed(heard)
            if chunk:
                self._hand_over(self._tap, chunk)
        if self._keys is not None and (key := self._keys.feed(heard)):
            self._emit(Digit(self._leg, key))
        if self._recorder is not None:
            self._recorder.feed(heard, said)

    def overhear(self, heard: bytes, said: bytes, silence: bytes) -> None:
        """20 ms of each direction that are not for the script: a recording has them, and the ear for speech with it."""
        if self._recorder is None:
            self.feed(silence, silence)
            return
        if self._voice is not None:
            self._listen_for_speech(self._voice, heard, said)
        if self._tap is not None:
            chunk = self._tap.feed(silence)
            if chunk:
                self._hand_over(self._tap, chunk)
        self._recorder.feed(heard, said)

    def _listen_for_speech(self, voice: Voice, heard: bytes, said: bytes) -> None:
        for edge in voice.feed(heard, said):
            if self._gate is not None:
                self._gate.turn(edge)
            if self._is_watched:
                self._emit(Speech(self._leg, edge.is_speech, 0 if edge.is_speech else QUIET_MS))

    def _hand_over(self, tap: Tap, chunk: bytes) -> None:
        if self._gate is None or self._voice is None:
            self._emit(Audio(self._leg, chunk, self._stream))
            return
        end = self._voice.now_ms
        for passing in self._gate.feed(chunk, end - tap.interval_ms, end):
            self._emit(Audio(self._leg, passing, self._stream))

    def change_source(self, source: AudioFormat) -> None:
        self._source = source
        for listener in (self._tap, self._voice, self._keys, self._recorder):
            if listener is not None:
                listener.change_source(source)

    def stream(
        self, target: AudioFormat, interval_ms: int, pre_roll_ms: int = 0, hang_over_ms: int = 0, number: int = 0
    ) -> None:
        """Begin the stream `number`, with a gate if there is a hang-over."""
        self._stream = number
        self._tap = Tap(self._source, target, interval_ms)
        if hang_over_ms > 0:
            is_speech = self._voice is not None and self._voice.is_speech
            self._gate = Gate(pre_roll_ms, hang_over_ms, is_speech=is_speech)
        self._changed()

    def stop_stream(self) -> None:
        tap, gate = self._tap, self._gate
        if tap is None:
            return
        rest = tap.stop()
        if rest:
            self._hand_over(tap, rest)
        if gate is not None:
            gate.close()
            withheld = gate.withheld_bytes
            self._emit(Withheld(self._leg, int(withheld / tap.target.bytes_per_ms), withheld))
        self._tap = self._gate = None
        self._changed()

    def watch(self, is_on: bool) -> None:
        if is_on and not self._is_watched and self._voice is not None and self._voice.is_speech:
            self._emit(Speech(self._leg, is_speech=True))
        self._is_watched = is_on
        self._changed()

    def hear_keys(self) -> None:
        if self._keys is None:
            self._keys = Keys(self._source)
        self._changed()

    def record(self, is_on: bool) -> None:
        if is_on and self._recorder is None:
            self._recorder = Recorder(self._leg, self._source, self._emit)
        elif not is_on and self._recorder is not None:
            self._recorder.stop()
            self._recorder = None
        self._changed()

    @property
    def is_recording(self) -> bool:
        return self._recorder is not None

    def close(self, *, keeps_recording: bool = False) -> None:
        """Nobody listens any more; but for a recording that is to be kept, and the ear for speech with it."""
        self.stop_stream()
        self._keys = None
        if not (keeps_recording and self.is_recording):
            self.record(is_on=False)
            self.watch(is_on=False)

    def _changed(self) -> None:
        if self._gate is None and not self._is_watched:
            self._voice = None
        elif self._voice is None:
            self._voice = Voice(self._source)
        listeners = (self._tap, self._recorder, self._keys)
        self.is_open = self._is_watched or any(listener is not None for listener in listeners)
        self._on_change()
