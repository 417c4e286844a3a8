"""A far end that talks: what a call and a bridge need to know of it, whatever it speaks."""

from __future__ import annotations

from typing import Protocol

from ivrnode.sip.invite import InviteSession


class Party(Protocol):
    """`leg`: its leg of media. `session`: its SIP session, which for a guest is told to somebody else."""

    leg: int
    is_guest: bool
    session: InviteSession

    @property
    def name(self) -> str:
        """Where it is, for the log."""

    def renegotiate(self, body: bytes | None, now: float) -> None:
        """It wants other media: hold, resume, another address."""

    def hangup(self, now: float) -> None:
        """Terminal, harmless twice."""
