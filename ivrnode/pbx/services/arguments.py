"""The arguments of a script's Request, looked at before they are used: the worker that sent them may be hostile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ivrnode.errors import ScriptError

LONGEST_TEXT = 8192
_has_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]").search


class Arguments:
    """Each getter raises ScriptError that names the argument when it is of another type or beyond the limits."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def text(self, name: str, default: str | None = None, *, most: int = LONGEST_TEXT) -> str:
        """Up to `most` characters, none of them NUL or half of a pair. Without `default` it must be there."""
        value = self._given.get(name, default)
        if not isinstance(value, str) or len(value) > most or "\0" in value or not _is_unicode(value):
            raise ScriptError(f"{name} must be text of up to {most} characters")
        return value

    def line(self, name: str, default: str | None = None, *, most: int = LONGEST_TEXT) -> str:
        """Text without line breaks, of ASCII and of Unicode, and other control characters."""
        value = self.text(name, default, most=most)
        if _has_control(value):
            raise ScriptError(f"{name} must not have line breaks or control characters")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ScriptError(f"{name} must be a number from {low:g} to {high:g}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise ScriptError(f"{name} must be true or false")
        return value

    def rows(self, name: str, *, most: int) -> list[Any]:
        """A list of up to `most` of whatever; empty when it is left out."""
        value = self._given.get(name, [])
        if not isinstance(value, list) or len(value) > most:
            raise ScriptError(f"{name} must be a list of up to {most}")
        return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
