"""`AuthField`: what challenges and credentials look like: a scheme and its parameters (RFC 3261 s25.1, RFC 7616 s3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, is_quoted, is_token, quote, split_list, unquote
from ivrnode.sip.parameters import MAX_PARAMETERS

_UNQUOTED = frozenset({"algorithm", "nc", "qop", "stale"})
"""In credentials these are bare; many servers refuse `qop="auth"` there (RFC 7616 s3.4)."""


@dataclass(frozen=True, slots=True)
class AuthField:
    """Value of WWW-Authenticate, Proxy-Authenticate, Authorization or Proxy-Authorization.

    `scheme` and the names in `parameters` are in lower case; the values are without quotes.
    """

    scheme: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> AuthField:
        """Raises ProtocolError, also when a parameter stands twice: two readers could believe different ones."""
        scheme, _, tail = text.strip(WHITESPACE).replace("\t", " ").partition(" ")
        pieces = split_list(tail)
        if not is_token(scheme) or len(pieces) > MAX_PARAMETERS:
            raise ProtocolError("Bad credentials or challenge")
        parameters: dict[str, str] = {}
        for piece in pieces:
            if not piece:
                continue
            name, equals, value = piece.partition("=")
            name = name.rstrip(WHITESPACE).lower()
            value = value.lstrip(WHITESPACE)
            if not equals or not is_token(name) or name in parameters:
                raise ProtocolError("Bad authentication parameter")
            if value.startswith('"') and not is_quoted(value):
                raise ProtocolError("Bad authentication value")
            parameters[name] = unquote(value)
        return cls(scheme.lower(), parameters)


def write_challenge(parameters: Iterable[tuple[str, str]]) -> str:
    """A Digest challenge: every value in quotes but `algorithm` and `stale` (RFC 7616 s3.3)."""
    return _write(parameters, _UNQUOTED - {"qop"})


def write_credentials(parameters: Iterable[tuple[str, str]]) -> str:
    """Digest credentials: every value in quotes but `algorithm`, `qop` and `nc` (RFC 7616 s3.4)."""
    return _write(parameters, _UNQUOTED)


def _write(parameters: Iterable[tuple[str, str]], unquoted: frozenset[str]) -> str:
    shown = [f"{name}={value if name in unquoted else quote(value)}" for name, value in parameters]
    return "Digest " + ", ".join(shown)
