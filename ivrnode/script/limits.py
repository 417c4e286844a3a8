"""What one script may use, and the bucket that measures a rate. Every figure is a default; the unit is in its name
or beside it."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.script import ops

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one worker. Bursts are what may come at once, rates what may come for long."""

    memory: int = 64 * MIB  # RLIMIT_DATA above the size at fork
    address_space: int = 96 * MIB  # RLIMIT_AS above the size at fork
    cpu_event_ms: int = 250
    cpu_start_ms: int = 1000  # compiling and the top level
    cpu_call_seconds: int = 390  # RLIMIT_CPU, a backstop: 30 s + 5 % of a call of two hours
    frame: int = ops.MAX_FRAME
    frames_burst: int = 2000
    frames_rate: int = 500
    bytes_burst: int = 4 * MIB  # audio apart
    bytes_rate: int = 1 * MIB
    audio_burst: int = 32 * MIB  # twice what the playout queue holds at most
    audio_rate: int = 2 * MIB
    log_rate: int = 64 * KIB
    queue_frames: int = 256  # unsent; then audio is dropped, then the worker killed
    queue_bytes: int = 4 * MIB  # what was asked for apart
    answers: int = 16 * KIB  # unsent; what was asked for, as the end of each sound: five minutes of 20 ms are 15,000
    answer_bytes: int = (ops.MAX_HTTP + 2) * ops.MAX_FRAME  # unsent: all web requests at once, as long as may be
    hold_frames: int = 64  # unsent; then what can wait has to, until all is sent
    hold_bytes: int = 1 * MIB
    audio_waiting: int = 256  # chunks that the script has not dealt with
    audio_waiting_bytes: int = 2 * MIB
    ready_seconds: float = 2.0


class Bucket:
    """Holds `burst` at most, gets `rate` a second. `take` says whether there was enough."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, burst: float, rate: float) -> None:
        self._burst, self._rate = burst, rate
        self._level = burst
        self._at = 0.0

    def take(self, amount: float, now: float) -> bool:
        if amount > self._level or now - self._at > 1:
            # Only looked at when it matters: most frames find the bucket full enough without any sum.
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
            self._at = now
        if amount > self._level:
            return False
        self._level -= amount
        return True
