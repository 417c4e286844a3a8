"""`host:port` as URIs and Via carry it (RFC 3261 s25.1 hostport): a name, an IPv4 address or an IPv6 reference.

A host is kept in lower case and without the brackets of an IPv6 reference, so it can go to a resolver as it is.
"""

from __future__ import annotations

import ipaddress
import re

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, parse_number

_read_usual = re.compile(r"([A-Za-z0-9._\-]+)(?::([0-9]{1,4}))?").fullmatch
"""A name or IPv4 address without blanks, and a port that cannot be too large."""
_is_name = re.compile(r"[A-Za-z0-9._\-]+").fullmatch


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Read `host[:port]`. Raises ProtocolError; an IPv6 address without brackets is an error (RFC 5118 s4.2)."""
    usual = _read_usual(text)
    if usual:
        host, port = usual.groups()
        return host.lower(), int(port) if port else None
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        rest = rest.lstrip(WHITESPACE)
        if not bracket or (rest and rest[0] != ":"):
            raise ProtocolError("Bad IPv6 host")
        return _read_ipv6(host), _parse_port(rest[1:]) if rest else None
    host, colon, port = text.partition(":")
    host = host.rstrip(WHITESPACE)
    if not _is_name(host):
        raise ProtocolError("Bad host")
    return host.lower(), _parse_port(port) if colon else None


def write_host_port(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _parse_port(text: str) -> int:
    return parse_number(text.strip(WHITESPACE), 65535, "port")


def _read_ipv6(text: str) -> str:
    """The address in lower case. Three colons before an IPv4 tail, a slip in the old grammar, are read as two."""
    if ":::" in text:
        head, _, tail = text.partition(":::")
        if "." not in tail or ":" in tail:  # RFC 5118 s4.10 tolerates this one place only
            raise ProtocolError("Bad IPv6 host")
        text = f"{head}::{tail}"
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise ProtocolError("Bad IPv6 host") from None
    if "%" in text:  # a zone names an interface of the sender's machine
        raise ProtocolError("Bad IPv6 host")
    return text.lower()
