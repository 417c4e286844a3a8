"""The literal keys that one script told us about: shown as *** in every log as long as its call lasts."""

from __future__ import annotations

from collections.abc import Iterable

from ivrnode.log import Log

SHORTEST = 7
"""Shorter words are too common to be taken out of every line."""


class Masks:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._masked: set[str] = set()

    def add(self, values: Iterable[str]) -> None:
        """Masked word by word: `Bearer sk-1` must not show up as `sk-1` in another line."""
        for word in {word for value in values for word in value.split() if len(word) >= SHORTEST} - self._masked:
            self._log.mask(word)
            self._masked.add(word)

    def forget(self) -> None:
        """The script is gone: nothing of its call is masked any longer."""
        for word in self._masked:
            self._log.unmask(word)
        self._masked.clear()
