"""`Uri`: SIP and SIPS URIs (RFC 3261 s19.1), tel URIs (RFC 3966), and any other scheme as opaque text.

User, password, parameters and headers stay as written, escapes included, so a URI goes back as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote as percent_encode
from urllib.parse import unquote as percent_decode

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import is_token
from ivrnode.sip.host import parse_host_port, write_host_port
from ivrnode.sip.parameters import MAX_PARAMETERS, Parameters, find_parameter, replace_parameter, write_parameters

UriHeaders = tuple[tuple[str, str], ...]

_is_text = re.compile(r'[^\x00-\x20\x7f<>"]+').fullmatch
_is_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*").fullmatch
_is_telephone_number = re.compile(r"\+?[0-9A-Fa-f*#().\-]+").fullmatch
_USER_UNRESERVED = "-_.!~*'()&=+$,;?/"
_RESERVED = frozenset(";/?:@&=+$,")
_MUST_AGREE = ("transport", "user", "ttl", "method", "maddr")


@dataclass(frozen=True, slots=True)
class Uri:
    """`scheme` and `host` are in lower case; an IPv6 host has no brackets.

    A tel URI has its number in `user` and no host. Any scheme other than sip, sips and tel has all of its text after
    the colon in `user`. `user` "" means none; `port` None means none was written.
    """

    scheme: str
    user: str = ""
    password: str | None = None
    host: str = ""
    port: int | None = None
    parameters: Parameters = ()
    headers: UriHeaders = ()

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Raises ProtocolError for text that is no URI."""
        return _parse(text)

    @classmethod
    def of_user(cls, user: str, host: str, port: int | None = None) -> Uri:
        """A SIP URI of plain text: what a user part cannot hold, such as `@`, is escaped (RFC 3261 s19.1.2)."""
        return cls("sip", percent_encode(user, safe=_USER_UNRESERVED, errors="surrogateescape"), None, host, port)

    def __str__(self) -> str:
        if not self.host:
            return f"{self.scheme}:{self.user}{write_parameters(self.parameters)}"
        who = ""
        if self.user:
            who = f"{self.user}@" if self.password is None else f"{self.user}:{self.password}@"
        text = f"{self.scheme}:{who}{write_host_port(self.host, self.port)}{write_parameters(self.parameters)}"
        if self.headers:
            text += "?" + "&".join([f"{name}={value}" for name, value in self.headers])
        return text

    @property
    def plain_user(self) -> str:
        """The user with its escapes decoded: for comparing with names in a directory, not for writing."""
        return percent_decode(self.user, errors="surrogateescape") if "%" in self.user else self.user

    @property
    def address_of_record(self) -> str:
        """Who is meant, for look-ups: no password, port, parameter or escape (RFC 3261 s10.3 step 5)."""
        if not self.host:
            return f"{self.scheme}:{self.plain_user}"
        return f"sip:{self.plain_user}@{self.host}" if self.user else f"sip:{self.host}"

    def parameter(self, name: str) -> str | None:
        """Value of the parameter as written; "" for a name alone such as `lr`, None when there is none."""
        return find_parameter(self.parameters, name)

    def with_parameter(self, name: str, value: str | None) -> Uri:
        parameters = replace_parameter(self.parameters, name, value)
        return Uri(self.scheme, self.user, self.password, self.host, self.port, parameters, self.headers)

    def matches(self, other: Uri) -> bool:
        """Equality by the rules of RFC 3261 s19.1.4; a default port differs from none."""
        return (
            self.scheme == other.scheme
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and _decode(self.user) == _decode(other.user)
            and _decode(self.password or "") == _decode(other.password or "")
            and _parameters_agree(self, other)
            and _header_set(self) == _header_set(other)
        )


@lru_cache(maxsize=1024)
def _parse(text: str) -> Uri:
    """A URI comes again in every message of its dialog and with every refresh, and its value never changes."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _is_text(rest):
        raise ProtocolError("Bad URI")
    scheme = scheme.lower()
    if scheme not in ("sip", "sips"):
        return _parse_other(scheme, rest)
    user, at, where = rest.partition("@")
    password = None
    if not at:
        user, where = "", rest
    else:
        if ":" in user:
            user, _, password = user.partition(":")
        if not user:
            raise ProtocolError("Empty user in URI")
    headers: UriHeaders = ()
    if "?" in where:
        where, _, tail = where.partition("?")
        headers = _parse_headers(tail)
    parameters: Parameters = ()
    if ";" in where:
        where, _, tail = where.partition(";")
        parameters = _parse_parameters(tail)
    host, port = parse_host_port(where)
    return Uri(scheme, user, password, host, port, parameters, headers)


def _parse_other(scheme: str, text: str) -> Uri:
    if not _is_scheme(scheme):
        raise ProtocolError("Bad URI scheme")
    if scheme != "tel":
        return Uri(scheme, text)
    number, semicolon, tail = text.partition(";")
    if not _is_telephone_number(number):
        raise ProtocolError("Bad telephone number")
    return Uri("tel", number, parameters=_parse_parameters(tail) if semicolon else ())


def _parse_parameters(text: str) -> Parameters:
    """URI parameters know no quotes and no blanks, so they split plainly."""
    pieces = text.split(";")
    if len(pieces) > MAX_PARAMETERS:
        raise ProtocolError("Too many URI parameters")
    parameters: list[tuple[str, str | None]] = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not name or "@" in value:
            raise ProtocolError("Bad URI parameter")
        parameters.append((name, value if equals else None))
    return tuple(parameters)


def _parse_headers(text: str) -> UriHeaders:
    pieces = text.split("&")
    if len(pieces) > MAX_PARAMETERS:
        raise ProtocolError("Too many URI headers")
    headers = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not equals or not is_token(name):
            raise ProtocolError("Bad URI header")
        headers.append((name, value))
    return tuple(headers)


def _decode(text: str) -> str:
    """Decode every escape but those of reserved characters: `%3B` and `;` differ in meaning (RFC 3261 s19.1.4)."""
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    decoded = [first]
    for piece in rest:
        character = percent_decode("%" + piece[:2], encoding="latin-1")
        decoded.append(("%" + piece[:2].upper() if character in _RESERVED else character) + piece[2:])
    return "".join(decoded)


def _parameters_agree(one: Uri, other: Uri) -> bool:
    mine = {name.lower(): _decode(value or "").lower() for name, value in one.parameters}
    theirs = {name.lower(): _decode(value or "").lower() for name, value in other.parameters}
    if any(mine.get(name) != theirs.get(name) for name in _MUST_AGREE):
        return False
    return all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())


def _header_set(uri: Uri) -> frozenset[tuple[str, str]]:
    return frozenset((name.lower(), _decode(value)) for name, value in uri.headers)
