"""Log categories with levels 0 (most important) to 9 (debug), one threshold per category, for all or per tenant.

The log knows no files and no clock: sinks get each entry that passes its threshold. Secrets are masked here, once, for
every sink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CATEGORIES = (
    "GENERAL", "SIP", "MEDIA", "APP", "WEBCLIENT", "SCRIPT", "TLS", "TRUNK", "REGISTER", "EMAIL", "CONFIG", "DNS",
    "WEBSERVER",
)  # fmt: skip
DEFAULT_LEVELS = dict.fromkeys(CATEGORIES, 4) | {"SCRIPT": 5}


@dataclass(frozen=True, slots=True)
class Entry:
    category: str
    level: int
    text: str
    tenant: str = ""
    call: str = ""


Sink = Callable[[Entry], None]


class Log:
    """The one log of a process. `write` is cheap when the threshold stops it: ask `is_on` before costly texts."""

    def __init__(self) -> None:
        self._levels = dict(DEFAULT_LEVELS)
        self._tenant_levels: dict[tuple[str, str], int] = {}
        self._sinks: list[Sink] = []
        self._secrets: dict[str, dict[str, int]] = {}  # by tenant, "" for all

    def add_sink(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def remove_sink(self, sink: Sink) -> None:
        self._sinks.remove(sink)

    def set_level(self, category: str, level: int, tenant: str = "") -> None:
        """Let entries of `category` up to `level` through. Raises ValueError for an unknown category or level."""
        if category not in self._levels:
            raise ValueError(f"unknown log category {category!r}: one of {' '.join(CATEGORIES)}")
        if not 0 <= level <= 9:
            raise ValueError(f"log level {level} is not from 0 (most important) to 9 (debug)")
        if tenant:
            self._tenant_levels[category, tenant] = level
        else:
            self._levels[category] = level

    def levels(self, tenant: str = "") -> dict[str, int]:
        return {
            category: self._tenant_levels.get((category, tenant), level) for category, level in self._levels.items()
        }

    def is_on(self, category: str, level: int, tenant: str = "") -> bool:
        threshold = self._tenant_levels.get((category, tenant)) if tenant and self._tenant_levels else None
        return level <= (self._levels[category] if threshold is None else threshold)

    def write(self, category: str, level: int, text: str, *, tenant: str = "", call: str = "") -> None:
        if not self.is_on(category, level, tenant):
            return
        for owner in {"", tenant} & self._secrets.keys():
            for secret in self._secrets[owner]:
                if secret in text:
                    text = text.replace(secret, "***")
        entry = Entry(category, level, text, tenant, call)
        for sink in self._sinks:
            sink(entry)

    def mask(self, secret: str, tenant: str = "") -> None:
        """Show `secret` as *** in every entry, or in those of one tenant, until `unmask` was called as often. Too short
        values are left alone."""
        if len(secret) >= 4:
            secrets = self._secrets.setdefault(tenant, {})
            secrets[secret] = secrets.get(secret, 0) + 1

    def unmask(self, secret: str, tenant: str = "") -> None:
        secrets = self._secrets.get(tenant, {})
        count = secrets.get(secret, 0)
        if count > 1:
            secrets[secret] = count - 1
        elif secrets.pop(secret, None) and not secrets:
            del self._secrets[tenant]
