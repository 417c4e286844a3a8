"""What can go wrong with a speech service, on demand. Each fault is a switch of the command and a step of a brain."""

from __future__ import annotations

from collections.abc import Iterable

from ivrnode.errors import ConfigError

# Name: what the client sees. `=N` after an answer's fault: only for the first N answers, else for all.
HANDSHAKE_FAULTS = {
    "refuse": "HTTP 401 instead of the upgrade (=503: that status, =hang: no answer at all)",
    "bad-key": "the socket opens, then closes with 3000",
    "sunset": "an error event beta_api_shape_disabled, then close 4000",
}
SESSION_FAULTS = {
    "no-update": "session.update is never answered",
    "expire": "close 1001 after =N seconds; expires_at fits",
    "stall": "after =N seconds nothing is read or sent any more, the socket stays open",
    "drop": "after =N seconds the TCP connection is lost without a close frame",
    "noise": "ping and unknown events between the others, extra fields in them",
}
ANSWER_FAULTS = {
    "failed": "response.done with status failed and no audio",
    "no-answer": "the response never starts",
    "big": "one delta of 1 MB",
    "late": "deltas after the response was cancelled",
    "two-items": "two audio items in one response, overlapping",
    "shuffle": "transcripts out of order",
    "bad-tool": "calls an unknown tool with arguments that are not JSON",
}
_DEFAULT_VALUES = {"refuse": "401", "expire": "60", "stall": "0", "drop": "0", "bad-tool": "1"}
_SECONDS = ("expire", "stall", "drop")
FAULTS = HANDSHAKE_FAULTS | SESSION_FAULTS | ANSWER_FAULTS


class Faults:
    """The faults that are on, each with its value as text."""

    def __init__(self, values: dict[str, str] | None = None) -> None:
        self._values = dict(values or {})

    @classmethod
    def parse(cls, switches: Iterable[str]) -> Faults:
        """Read `name` or `name=value` texts. Raises ConfigError."""
        faults = cls()
        for switch in switches:
            name, _, value = switch.partition("=")
            faults.switch_on(name, value)
        return faults

    def switch_on(self, name: str, value: str = "") -> None:
        """Raises ConfigError for an unknown name or a value that does not fit."""
        if name not in FAULTS:
            raise ConfigError(f"unknown fault {name!r}: one of {' '.join(FAULTS)}")
        value = value or _DEFAULT_VALUES.get(name, "")
        try:
            if name in _SECONDS and float(value) < 0:
                raise ValueError
            if name in ANSWER_FAULTS and value and int(value) < 1:
                raise ValueError
        except ValueError:
            raise ConfigError(f"fault {name}: {value!r} is not a number that fits: {FAULTS[name]}") from None
        if name == "refuse" and value not in ("401", "503", "hang"):
            raise ConfigError(f"fault refuse: {value!r} is not 401, 503 or hang")
        self._values[name] = value

    def copy(self) -> Faults:
        """One socket's own switches: those of answers count down."""
        return Faults(self._values)

    def is_on(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> str:
        """ "" when it is off."""
        return self._values.get(name, "")

    def seconds(self, name: str) -> float | None:
        """None when it is off."""
        return float(self._values[name]) if self._values.get(name) else None

    def take(self, name: str) -> bool:
        """Does this fault concern the answer that is being made? Counts it off."""
        if name not in self._values:
            return False
        if left := self._values[name]:
            self._values[name] = str(int(left) - 1)
            if left == "1":
                del self._values[name]
        return True
