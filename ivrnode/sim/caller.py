"""The virtual caller: he dials a node, listens, speaks, presses keys. What he does takes simulated time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ivrnode.audio.wav import interleave, read_wav, write_wav
from ivrnode.errors import IvrNodeError
from ivrnode.rtp.telephone_event import DIGITS
from ivrnode.sim.desk import Desk
from ivrnode.sim.timeline import Moment, to_json, to_text
from ivrnode.sim.witness import Report
from ivrnode.sim.words import words_of

_RATE = 8000
_SILENCE = 0.7  # seconds after which the node has finished, as far as a caller can tell
_PATIENCE = 30.0
_AFTER_THE_END = 7.0


class CallError(IvrNodeError):
    """The call was not answered."""


class Finding:
    """Whether something was so, and in words what was so instead."""

    def __init__(self, is_so: bool, text: str) -> None:
        self._is_so, self._text = is_so, text

    def __bool__(self) -> bool:
        return self._is_so

    def __repr__(self) -> str:
        return f"<{self._text}>"


class Caller:
    """Times are seconds. Every method that waits returns early when the call has ended."""

    def __init__(
        self, desk: Desk, extension: str, number: str = "0301234567", name: str = "", lang: str = "en"
    ) -> None:
        """Dial. Raises CallError when nobody answers."""
        self._desk, self._lang = desk, lang
        self._phone = desk.add_phone(number, name)
        self._report = Report(self._phone, desk.clock)
        desk.witness.reports.append(self._report)
        self._since = 0.0
        self._seen_errors = 0
        self._phone.dial(extension)
        desk.run(lambda: self._phone.is_up or self._phone.refusal or self.hung_up, _PATIENCE)
        if self._phone.refusal:
            raise CallError(f"the call to {extension} was refused: {self._phone.refusal}")

    # What he does.

    def says(self, text: str, *, interrupts: bool = False) -> None:
        """Speak with the product's voice: when the node has fallen silent, or at once."""
        self._speak(*self._desk.voice(text, self._lang), f'says "{text}"', interrupts)

    def plays(self, wav: Path | str, *, interrupts: bool = False) -> None:
        """Let a WAV file be heard instead of a voice. Raises ProtocolError for what is no WAV, OSError."""
        self._speak(*read_wav(Path(wav).read_bytes()), f"plays {Path(wav).name}", interrupts)

    def presses(self, digits: str) -> None:
        """Press keys, one after the other: 0.2 s each. Raises ValueError for what is on no phone."""
        if odd := set(digits.upper()) - set(DIGITS):
            raise ValueError(f"no phone has the key {min(odd)!r}: 0-9 * # A-D")
        self._acts(f"presses {digits}")
        self._phone.handset.press(digits)
        self._run(lambda: not self._phone.handset.is_busy, _PATIENCE)

    def waits(self, seconds: float) -> None:
        self._run(lambda: False, seconds)

    def hangs_up(self) -> None:
        self._acts("hangs up")
        self._phone.hang_up()
        self._run(lambda: False, 0)

    # What he hears.

    def hears(self, text: str, within: float = 10.0) -> Finding:
        """Are these words heard, whole sentences of them, within so many seconds and after what was asked for last?

        Known from what the script gives to `call.say` and what the stand-in says, and checked on the wire. Case and
        punctuation do not count. Raises ValueError for a text without a word.
        """
        if not words_of(text):
            raise ValueError(f"hears({text!r}) asks for no words: ask for some, or use hears_sound()")
        words = self._report.words
        if self._run(lambda: words.find(text), within) or words.find(text):
            return Finding(True, f'heard "{text}"')
        heard = f'"{words.unclaimed}"' if words.unclaimed else "no words"
        silent = f'; said, but not heard: "{" ".join(words.lost)}"' if words.lost else ""
        return Finding(False, f'not heard within {within:g} s: "{text}"; since the last that was: {heard}{silent}')

    def hears_sound(self, min_seconds: float = 0.3, within: float = 10.0) -> Finding:
        """Is there sound of some length, after what he did last?"""
        ear = self._phone.handset.ear
        is_so = self._run(lambda: ear.longest_since(self._since) >= min_seconds, within)
        longest = ear.longest_since(self._since)
        return Finding(is_so, f"sound of {longest:.2f} s within {within:g} s, {min_seconds:g} s wanted")

    def hears_silence(self, seconds: float = 1.0, within: float = _PATIENCE) -> Finding:
        """Is it silent for so long?"""
        ear = self._phone.handset.ear
        is_so = self._run(lambda: ear.silent_for >= seconds, within)
        return Finding(is_so, f"silent for {ear.silent_for:.2f} s, {seconds:g} s wanted within {within:g} s")

    # What became of it.

    @property
    def hung_up(self) -> str | None:
        """Why the call ended, in the words of `call.on("hangup")`; None while it is up."""
        call = self._report.call
        return (call.reason or None) if call is not None and not self._phone.is_up else None

    @property
    def is_transferred(self) -> bool:
        """True when the script has sent him to somebody else, and is over."""
        return self._report.call is not None and self._report.call.reason == "transferred"

    @property
    def log(self) -> list[str]:
        """The lines of the SCRIPT log."""
        return list(self._report.log)

    @property
    def errors(self) -> list[str]:
        """Those that are errors: an exception in the script, a kill, a script that could not start."""
        self._seen_errors = len(self._report.errors)
        return list(self._report.errors)

    @property
    def unseen_errors(self) -> list[str]:
        """Errors since `errors` was looked at last."""
        return self._report.errors[self._seen_errors :]

    @property
    def seconds(self) -> float:
        """How long the call has been up."""
        return len(self._phone.handset.said) / 2 / _RATE

    @property
    def moments(self) -> list[Moment]:
        return self._report.moments()

    @property
    def timeline(self) -> str:
        """What happened, for people."""
        return to_text(self.moments)

    def to_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 2),
            "hung_up": self.hung_up,
            "errors": self.errors,
            "timeline": to_json(self.moments),
        }

    def save(self, wav: Path | str) -> None:
        """Write the call as stereo WAV: left what the caller says, right what he hears."""
        handset = self._phone.handset
        write_wav(Path(wav), interleave(bytes(handset.said), bytes(handset.heard)), _RATE, channels=2)

    # How.

    def _speak(self, pcm: bytes, rate: int, what: str, interrupts: bool) -> None:
        if not interrupts:
            self._run(lambda: self._phone.handset.ear.silent_for >= _SILENCE, _PATIENCE)
        if self.hung_up:
            return
        self._acts(what)
        self._phone.handset.say(pcm, rate)
        self._run(lambda: not self._phone.handset.is_busy, len(pcm) / 2 / rate + 1)

    def _acts(self, what: str) -> None:
        self._since = self._report.now
        self._report.add("caller", what)

    def _run(self, until: Any, seconds: float) -> bool:
        """Until it is so or the call is over; then its script has its grace, so that the log is whole."""
        is_so = False

        def is_enough() -> bool:
            nonlocal is_so
            is_so = bool(until())
            return is_so or self.hung_up is not None

        self._desk.run(is_enough, seconds)
        call = self._report.call
        if call is not None and self.hung_up is not None:
            self._desk.run(lambda: call.id not in self._desk.core.calls, _AFTER_THE_END)
        return is_so
