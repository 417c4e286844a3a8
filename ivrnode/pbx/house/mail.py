"""One mail, ready to be sent. Plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parseaddr

from ivrnode.errors import ScriptError
from ivrnode.tenancy.gateways import ADDRESS

_is_address = re.compile(ADDRESS).fullmatch


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`name` is shown, `address` is used (RFC 5322 s3.4)."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """`"Ann" <ann@acme.example>` or the address alone. Raises ScriptError."""
        name, address = parseaddr(text)
        if not _is_address(address) or not name.isprintable():
            raise ScriptError(f"{text!r:.80} is no e-mail address")
        return cls(name, address)

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Mail:
    """`body` is plain text. `recording`: the id of one to be attached, or ""."""

    sender: Mailbox
    recipients: tuple[Mailbox, ...]
    subject: str
    body: str
    recording: str = ""
