"""The answer to a request that the house does not take."""

from __future__ import annotations

from collections.abc import Iterable


class RefusedError(Exception):
    """The SIP status, reason and headers to answer with (RFC 3261 s21)."""

    def __init__(self, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.headers = status, reason, tuple(headers)
