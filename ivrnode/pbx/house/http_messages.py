"""A web request that the house asks of the world, and what came of it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

Header = tuple[str, str, bool]
"""(name, value, is_secret). A secret header never follows a redirect to another origin."""

LONGEST_ANSWER = 2 * 1024 * 1024
REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Secrets are filled in. Timeouts in seconds: to connect, then to have the whole answer. `is_operators`: the URL
    comes from the configuration, so the outbound policy for scripts does not apply. `longest`: bytes of the answer."""

    method: str
    url: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    verify: bool = True
    connect_timeout: float = 10.0
    read_timeout: float = 10.0
    redirects: int = REDIRECTS
    is_operators: bool = False
    longest: int = LONGEST_ANSWER

    def __repr__(self) -> str:
        return f"HttpRequest({self.method!r}, {len(self.body)} bytes)"  # a URL and a header may hold a key


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`code` 0: there was none, `error` says why. `is_final`: trying again would not help."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    is_final: bool = True
