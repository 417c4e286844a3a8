"""`;name=value` lists as header fields and URIs carry them (RFC 3261 s25.1 generic-param, uri-parameters).

Values stay as written, quotes included: what a phone put into `+sip.instance` goes back byte for byte (RFC 5626 s4.1).
`grammar.unquote` gives their meaning.
"""

from __future__ import annotations

import re

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, has_control, is_quoted, is_token, split_list

Parameters = tuple[tuple[str, str | None], ...]
"""Pairs in their order; None as value means a name alone, such as `lr`."""

MAX_PARAMETERS = 64

_is_plain = re.compile(r'[^\x00-\x20\x7f"<>,;\\]+').fullmatch
_USUAL = frozenset({"tag", "branch", "rport", "received", "lr", "transport", "expires", "q", "ob", "reg-id"})
"""Names that need no closer look."""


def parse_parameters(text: str) -> Parameters:
    """Read header parameters, without the leading semicolon. Raises ProtocolError."""
    pieces = split_list(text, ";")
    if len(pieces) > MAX_PARAMETERS:
        raise ProtocolError("Too many parameters")
    parameters: list[tuple[str, str | None]] = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if name not in _USUAL:
            name = name.rstrip(WHITESPACE)
            if not is_token(name):
                raise ProtocolError("Bad parameter name")
        if not equals:
            parameters.append((name, None))
            continue
        if not _is_plain(value):
            value = value.lstrip(WHITESPACE)
            if not _is_plain(value) and (has_control(value) or not is_quoted(value)):
                raise ProtocolError("Bad parameter value")
        parameters.append((name, value))
    return tuple(parameters)


def write_parameters(parameters: Parameters) -> str:
    """The text of `parameters`, with the leading semicolon; "" for none."""
    if not parameters:
        return ""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in parameters])


def find_parameter(parameters: Parameters, name: str) -> str | None:
    """Value of the first parameter of that name in any case; "" for a name alone, None when there is none."""
    wanted = name.lower()
    for found, value in parameters:
        if found == wanted or found.lower() == wanted:
            return value or ""
    return None


def replace_parameter(parameters: Parameters, name: str, value: str | None) -> Parameters:
    """Parameters with the first one of that name given a new value in its place, or with a new one at the end."""
    wanted = name.lower()
    for index, (found, _) in enumerate(parameters):
        if found.lower() == wanted:
            return (*parameters[:index], (found, value), *parameters[index + 1 :])
    return (*parameters, (name, value))
