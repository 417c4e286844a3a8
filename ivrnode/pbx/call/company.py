"""Who the caller of one call is with besides his script: somebody he talks with, somebody who is called for him."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from ivrnode.sip import events as sip

Leg = TypeVar("Leg")
Leg_contra = TypeVar("Leg_contra", contravariant=True)


class Companion(Protocol):
    """Somebody whom the caller is being connected with, or talks with."""

    def press(self, digit: str) -> bool:
        """A key of the caller; True: it went to who talks with him."""

    def drained(self, now: float) -> None:
        """The script's last sound was heard."""

    def refer_told(self, event: sip.Referred | sip.Notified, now: float) -> None:
        """How the far end follows a REFER."""

    def call_ended(self, reason: str, now: float) -> None:
        """The call is over, whatever is under way."""


class Announced(Companion, Protocol):
    """Somebody called for the caller, who does not talk with him yet."""

    def hangup(self, now: float) -> None:
        """The script does not want him any more."""


class Host(Protocol[Leg_contra]):
    """What a call was dialled for: it has a script of its own, for the caller of another call."""

    def accept(self, leg: Leg_contra, now: float) -> None:
        """Its script wants to have the two joined."""

    def reject(self, leg: Leg_contra, reason: str, now: float) -> None:
        """Its script does not want it."""

    def moved(self, leg: Leg_contra) -> None:
        """It went on to another node: `leg` is its call now."""

    def leg_ended(self, reason: str, now: float) -> None:
        """It is over."""


class Company(Generic[Leg]):
    """`connection`: he is being connected, or talks. `announcements`, by request: called ones whose script has not
    accepted yet. `host`: what this call itself was dialled for."""

    def __init__(self) -> None:
        self.connection: Companion | None = None
        self.announcements: dict[int, Announced] = {}
        self.host: Host[Leg] | None = None

    def press(self, digit: str) -> bool:
        """A key; True: it went to who talks with him."""
        return self.connection is not None and self.connection.press(digit)

    def drained(self, now: float) -> None:
        """The script's last sound was heard."""
        if self.connection is not None:
            self.connection.drained(now)

    def refer_told(self, event: sip.Referred | sip.Notified, now: float) -> None:
        if self.connection is not None:
            self.connection.refer_told(event, now)

    def part(self, reason: str, now: float) -> None:
        """It is over, with everybody."""
        self.dismiss(reason, now)
        if self.host is not None:
            self.host.leg_ended(reason, now)

    def dismiss(self, reason: str, now: float) -> None:
        """Whom the script has called goes."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.call_ended(reason, now)
        for announcement in list(self.announcements.values()):
            announcement.call_ended(reason, now)
