"""Where log entries go: the console, a file of JSON lines, and whoever follows the log through the control socket.

A sink must never end a call, and what a script or a far end writes must stay inside its entry: in text for people,
control characters are escaped and further lines are marked; in JSON both come for free.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from ivrnode.log import CATEGORIES, Entry, Log
from ivrnode.tenancy.document import unknown

FOLLOW_BACKLOG = 1000
_CONTINUED = "\n    | "
Clock = Callable[[], float]
"""Seconds since the epoch."""


def entry_fields(entry: Entry, at: float) -> dict[str, Any]:
    """An entry as JSON; `time` is local time with its offset (RFC 3339)."""
    moment = datetime.fromtimestamp(at).astimezone()
    return {
        "time": moment.isoformat(timespec="milliseconds"),
        "category": entry.category,
        "level": entry.level,
        "tenant": entry.tenant,
        "call": entry.call,
        "text": entry.text,
    }


def entry_line(fields: dict[str, Any]) -> str:
    """`2026-11-23 12:00:00.000 SCRIPT 5 example.com 3f9c: text`. A line of the console always begins with a time."""
    origin = " ".join(escaped(fields[key]) for key in ("tenant", "call") if fields[key])
    moment = fields["time"][:23].replace("T", " ")
    text = _CONTINUED.join(escaped(line) for line in fields["text"].rstrip("\r\n").split("\n"))
    return f"{moment} {fields['category']} {fields['level']}{' ' + origin if origin else ''}: {text}"


def escaped(text: str) -> str:
    """`text` with every character written out that could move the cursor or turn the reading direction."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ConsoleSink:
    def __init__(self, stream: TextIO | None = None, clock: Clock = time.time) -> None:
        self._stream, self._clock = stream or sys.stderr, clock

    def __call__(self, entry: Entry) -> None:
        try:
            self._stream.write(entry_line(entry_fields(entry, self._clock())) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a closed terminal must not end calls


class FileSink:
    """JSON lines, put away as FILE.1, FILE.2 ... when the file is full; the oldest goes."""

    def __init__(self, path: Path, most_bytes: int, keep: int, clock: Clock = time.time) -> None:
        """Opens the file at once: raises OSError, so that a wrong path shows at start."""
        self._path, self._most, self._keep, self._clock = path, most_bytes, keep, clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _append_to(path)
        self._has_failed = False

    def __call__(self, entry: Entry) -> None:
        line = json.dumps(entry_fields(entry, self._clock())) + "\n"
        try:
            if self._file.closed:  # the last rotation failed half-way
                self._file = _append_to(self._path)
            if self._file.tell() and self._file.tell() + len(line) > self._most:
                self._rotate()
            self._file.write(line)
            self._file.flush()
            self._has_failed = False
        except (OSError, ValueError) as error:
            if not self._has_failed:  # once: a full disk must not flood the console as well
                print(f"log file {self._path}: {error}", file=sys.stderr)
            self._has_failed = True

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        try:
            if self._keep:
                for number in range(self._keep - 1, 0, -1):
                    if (old := self._numbered(number)).exists():
                        old.replace(self._numbered(number + 1))
                self._path.replace(self._numbered(1))
            else:
                self._path.unlink(missing_ok=True)
        finally:
            self._file = _append_to(self._path)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _append_to(path: Path) -> TextIO:
    """Who calls whom is nothing for every user of the machine: a group may be let in to read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640), "a", encoding="ascii")


class Follower:
    """The log as an async generator of JSON entries. A slow reader loses the oldest ones and is told how many."""

    def __init__(self, log: Log, tenant: str = "", categories: Collection[str] = (), clock: Clock = time.time) -> None:
        """`categories`: none = all."""
        self._log, self._tenant, self._categories, self._clock = log, tenant, categories, clock
        self._waiting: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._has_news = asyncio.Event()

    def __call__(self, entry: Entry) -> None:
        if self._tenant not in ("", entry.tenant) or (self._categories and entry.category not in self._categories):
            return
        if len(self._waiting) == FOLLOW_BACKLOG:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(entry_fields(entry, self._clock()))
        self._has_news.set()

    async def entries(self) -> AsyncGenerator[dict[str, Any]]:
        self._log.add_sink(self)
        try:
            while True:
                await self._has_news.wait()
                self._has_news.clear()
                while self._waiting:
                    if self._dropped:
                        entry = Entry("GENERAL", 3, f"{self._dropped} entries were too fast to follow")
                        self._dropped = 0
                        yield entry_fields(entry, self._clock())
                    yield self._waiting.popleft()
        finally:
            self._log.remove_sink(self)


def check_categories(names: Collection[str]) -> Collection[str]:
    """`names` as they are. Raises ValueError for one that does not exist."""
    for name in names:
        if name not in CATEGORIES:
            raise ValueError(f"unknown log category {name!r}: one of {' '.join(CATEGORIES)}")
    return names


def log_operations(log: Log, tenants: Callable[[], Collection[str]]) -> dict[str, Callable[..., Any]]:
    """The operations on the log for `ControlServer`: log.levels, log.level, log.follow. `tenants`: those that are."""

    def known(tenant: str) -> str:
        if tenant and tenant not in (names := tenants()):
            raise ValueError(unknown(tenant, "tenant", names))
        return tenant

    def levels(tenant: str = "") -> dict[str, int]:
        return log.levels(known(tenant))

    def level(category: str, level: int, tenant: str = "") -> None:
        log.set_level(category, level, known(tenant))

    def follow(tenant: str = "", categories: Collection[str] = ()) -> AsyncGenerator[dict[str, Any]]:
        return Follower(log, known(tenant), check_categories(categories)).entries()

    return {"log.levels": levels, "log.level": level, "log.follow": follow}
