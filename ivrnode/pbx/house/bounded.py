"""A table that strangers fill: of so many entries the one goes that was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Bounded(Generic[V]):
    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> V | None:
        return self._entries.get(key)

    def use(self, key: str, new: Callable[[], V]) -> V:
        """The entry of `key`, a new one if there is none; it is the last to go."""
        entry = self._entries.get(key)
        if entry is None:
            entry = new()
            self.put(key, entry)
        else:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: V) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        self._entries.pop(key, None)
