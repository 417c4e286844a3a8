"""What the script of one call hears of its caller: the stream, keys, whether he speaks; and what is recorded of both.

    media: Audio, Digit, Speech, Recorded ──> Hearing ─┬─> script: AudioHeard, DigitPressed, Told
                                                       └─> Recording ─> its file

A key goes to a recording that waits for it, else to the script if it listens, else it is kept for later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ivrnode.media import messages as media
from ivrnode.pbx.call.recording import Recording
from ivrnode.pbx.house.effects import Effects
from ivrnode.script import messages as script

EARLY_DIGITS = 64
OF_THE_CALL = 0
"""The subject of news that no request has begun."""


class Hearing:
    """`recordings`: the one that is on; before it those whose last part is still to come."""

    def __init__(
        self,
        leg: int,
        effects: Effects,
        tell: Callable[[script.Event], None],
        write: Callable[[str, int, str], None],
    ) -> None:
        self._leg, self._effects, self._tell, self._write = leg, effects, tell, write
        self._digits: deque[str] = deque(maxlen=EARLY_DIGITS)
        self._is_streaming = self._is_listening = self._is_closed = False
        self._watcher = 0  # the request that wants to know when there is speech
        self._withheld_ms = 0
        self.recordings: deque[Recording] = deque()

    @property
    def is_idle(self) -> bool:
        """True when nothing of the caller can reach the script any more."""
        return not (self._is_streaming or self._is_listening or self.recordings)

    # What the script wants.

    def stream(self, action: script.Stream) -> None:
        self._is_streaming = bool(action.codec)
        self._command(
            media.Stream(
                self._leg,
                action.codec,
                action.rate,
                action.interval_ms,
                action.pre_roll_ms,
                action.hang_over_ms,
                action.stream,
            )
        )

    def listen(self, is_on: bool) -> None:
        """Keys that came before come first."""
        self._is_listening = is_on
        while is_on and self._digits:
            self._tell(script.DigitPressed(self._digits.popleft()))

    def watch(self, request: int) -> None:
        """Tell this request of speech from here on."""
        self._watcher = request
        self._command(media.Watch(self._leg, is_on=True))

    def record(self, recording: Recording) -> None:
        """Begin; one that is on is stopped."""
        if self.recordings:
            self.recordings[-1].stop("stopped")
        self.recordings.append(recording)
        if recording.wish.silence:
            self._command(media.Watch(self._leg, is_on=True))
        self._command(media.Record(self._leg, is_on=True))

    # What happened.

    def digit(self, digit: str) -> None:
        self._write("APP", 6, f"key {digit}")
        if self.recordings and self.recordings[-1].is_finished_by(digit):
            return
        if self._is_listening:
            self._tell(script.DigitPressed(digit))
        else:
            self._digits.append(digit)

    def told(self, event: media.Speech | media.Withheld | media.Recorded, now: float, *, is_private: bool) -> None:
        """`is_private`: the caller speaks with somebody else, which is for a recording alone."""
        match event:
            case media.Recorded() if self.recordings:
                self.recordings[0].add(event)
                if event.is_last:
                    self._finish_first()
            case media.Speech():
                if self._watcher and not is_private:
                    self._tell(script.Told(self._watcher, "speech", {"speaking": event.is_speech}))
                for recording in self.recordings:
                    recording.heard_speech(event, now)
            case media.Withheld():
                self._withheld_ms += event.ms
                self._write("MEDIA", 5, f"VAD gate: {event.ms / 1000:.1f} s ({event.bytes} bytes) were not handed over")
                self._tell(script.Told(OF_THE_CALL, "withheld", {"ms": self._withheld_ms}))

    def _finish_first(self) -> None:
        self.recordings.popleft().finish()
        self._rest()

    def _rest(self) -> None:
        """Nobody needs to know any more when there is speech."""
        if not self._watcher and not any(recording.wish.silence for recording in self.recordings):
            self._command(media.Watch(self._leg, is_on=False))

    def dismiss(self) -> None:
        """The script is gone; what it has begun to record goes on."""
        if self._watcher:
            self._watcher = 0
            self._rest()

    def close(self) -> None:
        """The leg is gone, and with it all that was still to be recorded."""
        self._is_closed = True
        while self.recordings:
            self.recordings.popleft().finish()

    def _command(self, command: media.Command) -> None:
        if not self._is_closed:
            self._effects.media(command)
