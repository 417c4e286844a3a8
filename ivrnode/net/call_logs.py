"""What was logged of each call, kept in memory for a while: also of calls that are over.

Bounded three ways: a call that talks too much loses its oldest entries and says how many; the calls that have been
silent for longest go when there are too many calls, or too much of all.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from ivrnode.log import Entry
from ivrnode.net.log_sinks import Clock, check_categories, entry_fields
from ivrnode.pbx.operations import by_prefix

MOST_CALLS = 2000
MOST_OF_A_CALL = 1 << 20
MOST_OF_ALL = 64 << 20
"""Bytes, of text and of what holds it."""
_FRAME = 300


@dataclass(slots=True)
class _Record:
    entries: deque[tuple[float, Entry]] = field(default_factory=deque)
    size: int = 0
    dropped: int = 0


class CallLogs:
    """A sink of the log."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._size = 0

    def __call__(self, entry: Entry) -> None:
        if not entry.call:
            return
        record = self._records.get(entry.call)
        if record is None:
            record = self._records[entry.call] = _Record()
        else:
            self._records.move_to_end(entry.call)
        record.entries.append((self._clock(), entry))
        self._grow(record, _size(entry))
        while record.size > MOST_OF_A_CALL and len(record.entries) > 1:
            self._grow(record, -_size(record.entries.popleft()[1]))
            record.dropped += 1
        while len(self._records) > MOST_CALLS or (self._size > MOST_OF_ALL and len(self._records) > 1):
            _, oldest = self._records.popitem(last=False)
            self._size -= oldest.size

    def entries(self, id: str, categories: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """A call's entries in order, as JSON, of these categories (none: of all). `id` may be abbreviated.

        Raises ValueError when no call or more than one has it.
        """
        name = by_prefix(id, self._records)
        if name is None:
            raise ValueError(f"nothing is known of a call {id}: `ivrnode call list --all` shows those there were")
        record = self._records[name]
        if record.dropped:
            first, entry = record.entries[0]
            text = f"{record.dropped} entries before this are no longer there"
            yield entry_fields(Entry("GENERAL", 3, text, entry.tenant, entry.call), first)
        for at, entry in list(record.entries):
            if not categories or entry.category in categories:
                yield entry_fields(entry, at)

    def _grow(self, record: _Record, by: int) -> None:
        record.size += by
        self._size += by


def _size(entry: Entry) -> int:
    return len(entry.text) + _FRAME


def call_log_operations(logs: CallLogs) -> dict[str, Callable[..., Any]]:
    """The operation call.log for `ControlServer`: entry by entry, as all of them may be longer than one frame."""

    async def log(id: str, categories: Collection[str] = ()) -> AsyncGenerator[dict[str, Any]]:
        for entry in logs.entries(id, check_categories(categories)):
            yield entry

    return {"call.log": log}
