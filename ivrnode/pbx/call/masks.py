"""The literal keys that one script told us about: shown as *** in its tenant's log as long as its call lasts. In no
other tenant's: a script could call any word a key."""

from __future__ import annotations

from collections.abc import Iterable

from ivrnode.errors import ScriptError
from ivrnode.log import Log

SHORTEST = 7
"""Shorter words are too common to be taken out of every line."""
MOST = 100
"""Words of one call: each is looked for in every line."""


class Masks:
    def __init__(self, log: Log, tenant: str) -> None:
        self._log, self._tenant = log, tenant
        self._masked: set[str] = set()

    def add(self, values: Iterable[str]) -> None:
        """Masked word by word: `Bearer sk-1` must not show up as `sk-1` in another line. Raises ScriptError when there
        are too many to keep them all out of the log."""
        new = {word for value in values for word in value.split() if len(word) >= SHORTEST} - self._masked
        if len(self._masked) + len(new) > MOST:
            raise ScriptError(f"more than {MOST} words in the secret headers of one call")
        for word in new:
            self._log.mask(word, self._tenant)
            self._masked.add(word)

    def forget(self) -> None:
        """The script is gone: nothing of its call is masked any longer."""
        for word in self._masked:
            self._log.unmask(word, self._tenant)
        self._masked.clear()
