"""`CSeq`: the number and method that order requests in a dialog (RFC 3261 s20.16)."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import is_token, parse_number

MAX_NUMBER = 2**32 - 1
"""RFC 3261 s8.1.1.5 asks senders to stay below 2**31; 32 bits are read, as some phones start at random."""


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises ProtocolError."""
        pieces = text.split(None, 2)
        if len(pieces) != 2 or not is_token(pieces[1]):
            raise ProtocolError("Bad CSeq")
        return cls(parse_number(pieces[0], MAX_NUMBER, "CSeq"), pieces[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
