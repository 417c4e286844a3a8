"""The circuit breaker of each tenant: who makes workers be killed again and again gets none for a while.

    CLOSED ──5 kills within 10 min──> OPEN ──10 min──> one call tries ──ended well──> CLOSED
                                       ^                    └──killed──> OPEN
                                       └── a new save of the template, or the operator: CLOSED

Each kill costs the machine a process, a line in the kernel's log and its caller an apology; starting the same script
for the next caller helps nobody.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ivrnode.script.messages import Boot

KILLS = 5
WINDOW = 600.0
PAUSE = 600.0
TRIAL = 60.0
"""Seconds after which a trial counts as lost sight of, so that a call of two hours does not hold up all others."""


@dataclass(slots=True)
class _Record:
    """What is known of one tenant. `versions`: the template that was killed, by node."""

    kills: deque[float] = field(default_factory=deque)
    versions: dict[str, tuple[str, int]] = field(default_factory=dict)
    open_until: float = 0.0
    trial_until: float = 0.0


class Breaker:
    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def seconds_open(self, tenant: str, boot: Boot, now: float) -> float:
        """0: the script may start. Else it may not; so many seconds are left, as far as is known."""
        record = self._records.get(tenant)
        if record is None or not record.open_until:
            return 0.0
        if record.versions.get(boot.facts.node, _version(boot)) != _version(boot):
            self.reset(tenant)
            return 0.0
        until = max(record.open_until, record.trial_until)
        if now < until:
            return until - now
        record.trial_until = now + TRIAL
        return 0.0

    def killed(self, tenant: str, boot: Boot, now: float) -> bool:
        """A script of the tenant was killed or crashed. True when this opens the breaker."""
        record = self._records.setdefault(tenant, _Record())
        record.kills.append(now)
        record.versions[boot.facts.node] = _version(boot)
        while record.kills[0] <= now - WINDOW:
            record.kills.popleft()
        was_trial = record.open_until and now >= record.open_until
        if now < record.open_until or not (was_trial or len(record.kills) >= KILLS):
            return False
        record.open_until, record.trial_until = now + PAUSE, 0.0
        record.kills.clear()
        return True

    def ended_well(self, tenant: str, now: float) -> None:
        """A script of the tenant came to its end: if that was the trial, the breaker is closed again."""
        record = self._records.get(tenant)
        if record is not None and record.open_until and now >= record.open_until:
            self.reset(tenant)

    def reset(self, tenant: str) -> bool:
        """Let the tenant's scripts start again. False: they could anyway."""
        record = self._records.pop(tenant, None)
        return record is not None and record.open_until > 0


def _version(boot: Boot) -> tuple[str, int]:
    return boot.filename, hash(boot.source)
