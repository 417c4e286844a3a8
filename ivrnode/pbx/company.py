"""Who the caller of one call is with besides his script: somebody he talks with, somebody who is called for him."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ivrnode.pbx.announcement import Announcement
    from ivrnode.pbx.call import Call
    from ivrnode.pbx.connection import Connection
    from ivrnode.sip import events as sip


class Host(Protocol):
    """What a call was dialled for: it has a script of its own, for the caller of another call."""

    def accept(self, leg: Call, now: float) -> None:
        """Its script wants to have the two joined."""

    def reject(self, leg: Call, reason: str, now: float) -> None:
        """Its script does not want it."""

    def moved(self, leg: Call) -> None:
        """It went on to another node: `leg` is its call now."""

    def leg_ended(self, reason: str, now: float) -> None:
        """It is over."""


class Company:
    """`connection`: he is being connected, or talks. `announcements`, by request: called ones whose script has not
    accepted yet. `host`: what this call itself was dialled for."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.announcements: dict[int, Announcement] = {}
        self.host: Host | None = None

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

    def pass_host(self, call: Call) -> None:
        """`call` takes the place of this one."""
        host, self.host = self.host, None
        if host is not None:
            call.company.host = host
            host.moved(call)

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
