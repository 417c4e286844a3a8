"""What each tenant has used of the world lately, and whether he may use more.

    take("acme.example", "dials", 1, now, call="7c..")  ->  ""           counted
                                                        ->  "quota dials_per_hour: 300 are used up"

A use is counted in every rule that it falls under, or in none. Windows slide: at no moment has more than the limit
been used in the last second, minute or hour. They are kept in slices, so a window costs the same whatever happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ivrnode.tenancy.quotas import QuotaLimits
from ivrnode.tenancy.tenant import Tenant

SLICES = 60
MEGABYTE = 1_000_000


class Rule(NamedTuple):
    """`name` is a field of QuotaLimits. `seconds` 0: counted for the whole of one call. `unit`: amount of one."""

    name: str
    seconds: float
    unit: int = 1


RULES: dict[str, tuple[Rule, ...]] = {
    "connections": (Rule("connections_per_minute", 60),),
    "requests": (Rule("requests_per_minute", 60), Rule("connections_per_minute", 60)),
    "bytes_out": (Rule("megabytes_out_per_minute", 60, MEGABYTE),),
    "hooks": (Rule("hooks_per_minute", 60),),
    "log_lines": (Rule("log_lines_per_second", 1),),
    "transfers": (Rule("transfers_per_call", 0), Rule("transfers_per_hour", 3600)),
    "dials": (Rule("dials_per_call", 0), Rule("dials_per_hour", 3600)),
    "sms": (Rule("sms_per_call", 0), Rule("sms_per_hour", 3600)),
    "emails": (Rule("emails_per_call", 0), Rule("emails_per_hour", 3600)),
}


_DEFAULTS = QuotaLimits()


class Window:
    """A sum over the last `seconds`; 0 = over all time."""

    __slots__ = ("_seconds", "_slices", "total")

    def __init__(self, seconds: float) -> None:
        self.total = 0
        self._seconds = seconds
        self._slices: deque[tuple[float, int]] = deque()  # begin of the slice, amount in it

    def forget_old(self, now: float) -> None:
        while self._slices and self._slices[0][0] + self._seconds * (1 + 1 / SLICES) <= now:
            self.total -= self._slices.popleft()[1]

    def add(self, amount: int, now: float) -> None:
        self.total += amount
        if not self._seconds:
            return
        if self._slices and now < self._slices[-1][0] + self._seconds / SLICES:
            begin, before = self._slices.pop()
            self._slices.append((begin, before + amount))
        else:
            self._slices.append((now, amount))


class Quotas:
    """`tenant_of(domain)` is asked at every use, so an edit of the rules counts at once. A tenant that is gone while
    its calls are still up has the defaults."""

    def __init__(self, tenant_of: Callable[[str], Tenant | None]) -> None:
        self._tenant_of = tenant_of
        self._windows: dict[tuple[str, str], Window] = {}
        self._call_rules = {rule.name for rules in RULES.values() for rule in rules if not rule.seconds}

    def take(self, tenant: str, what: str, amount: int, now: float, call: str = "") -> str:
        """ "" when `amount` of `what` (a key of RULES) may be used and is counted now, else which rule forbids it.

        `call` names the call that uses it: without it the rules `*_per_call` are passed over.
        """
        found = self._tenant_of(tenant)
        limits = found.quotas if found is not None else _DEFAULTS
        counted: list[Window] = []
        for rule in RULES[what]:
            if not rule.seconds and not call:
                continue
            limit: int = getattr(limits, rule.name)
            window = self._window(tenant if rule.seconds else call, rule)
            if rule.seconds:
                window.forget_old(now)
            if window.total + amount > limit * rule.unit:
                return f"quota {rule.name}: {limit} are used up" if limit else f"quota {rule.name}: 0 are allowed"
            counted.append(window)
        for window in counted:
            window.add(amount, now)
        return ""

    def forget(self, call: str) -> None:
        """The call is over: what it used itself counts no longer, what its tenant used still does."""
        for name in self._call_rules:
            self._windows.pop((call, name), None)

    def _window(self, owner: str, rule: Rule) -> Window:
        found = self._windows.get((owner, rule.name))
        if found is None:
            found = self._windows[owner, rule.name] = Window(rule.seconds)
        return found
