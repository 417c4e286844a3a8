"""`NameAddr`: the value of From, To, Contact, Route, Record-Route and their like (RFC 3261 s20.10, s25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, has_control, quote, quoted_end, split_list, unquote
from ivrnode.sip.parameters import Parameters, find_parameter, parse_parameters, replace_parameter, write_parameters
from ivrnode.sip.uri import Uri

_NOT_IN_NAME = re.compile(r'[",:;@>\x00-\x08\x0a-\x1f\x7f]')
_CONTROL = dict.fromkeys((*range(0x20), 0x7F))


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`display_name` is the meaning of the text, without quotes; `parameters` are those outside the brackets."""

    display_name: str
    uri: Uri
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Read one value. Raises ProtocolError."""
        return _parse(text)

    @classmethod
    def _parse(cls, text: str) -> NameAddr:
        text = text.strip(WHITESPACE)
        name = ""
        start = 0
        if text.startswith('"'):
            # Control characters may stand escaped in quotes (RFC 4475 s3.1.1.2) but have no place on any display.
            start = quoted_end(text, 0)
            name = unquote(text[:start])
            if has_control(name):
                name = name.translate(_CONTROL)
        opening = text.find("<", start)
        if opening < 0:
            if start:
                raise ProtocolError("Display name without an address in brackets")
            return cls._parse_bare(text)
        between = text[start:opening].strip(WHITESPACE)
        if between:
            if start or _NOT_IN_NAME.search(between):
                raise ProtocolError("Bad display name")
            name = between
        closing = text.find(">", opening)
        if closing < 0:
            raise ProtocolError("Unclosed angle bracket")
        return cls(name, Uri.parse(text[opening + 1 : closing]), _parse_tail(text[closing + 1 :]))

    @classmethod
    def _parse_bare(cls, text: str) -> NameAddr:
        """An address without brackets: all parameters belong to the header field (RFC 3261 s20.10)."""
        address, semicolon, tail = text.partition(";")
        if "?" in address or "," in address:
            raise ProtocolError("Address needs angle brackets")
        uri = Uri.parse(address.rstrip(WHITESPACE))
        return cls("", uri, parse_parameters(tail) if semicolon else ())

    @classmethod
    def parse_list(cls, text: str) -> list[NameAddr]:
        """Read values separated by commas; empty ones are passed over."""
        return [cls.parse(piece) for piece in split_list(text) if piece]

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{write_parameters(self.parameters)}"

    @property
    def tag(self) -> str | None:
        """The tag of From or To; None when there is none (RFC 3261 s19.3)."""
        return find_parameter(self.parameters, "tag")

    def parameter(self, name: str) -> str | None:
        """Value of the parameter as written, quotes included; "" for a name alone, None when there is none."""
        return find_parameter(self.parameters, name)

    def with_parameter(self, name: str, value: str | None) -> NameAddr:
        return NameAddr(self.display_name, self.uri, replace_parameter(self.parameters, name, value))


@lru_cache(maxsize=1024)
def _parse(text: str) -> NameAddr:
    """From and To come again in every message of their dialog, and a value never changes."""
    return NameAddr._parse(text)


def _parse_tail(text: str) -> Parameters:
    if not text or not (text := text.strip(WHITESPACE)):
        return ()
    if text[0] != ";":
        raise ProtocolError("Text after the address")
    return parse_parameters(text[1:])
