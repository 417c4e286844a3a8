"""`call.dial` to a node: its script speaks with the caller, who is back with the first one when it has ended.

caller ──leg─┬─ the call that dials: its script waits, its stream is silent
             └─ guest: a call of its own, with the dialled node's script ──end──> over
"""

from __future__ import annotations

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.assignment import Assignment
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.connect.dial import Dial
from ivrnode.pbx.party.sip_party import Guest

_LEFT = ("script", "finished", "transferred")


class NodeDial(Dial):
    """The connection of the caller's call, and the host of `leg`, the call of the node."""

    _leg: Call | None = None

    def lend(self, assignment: Assignment, now: float) -> None:
        """The caller is the node's until it ends."""
        self.call.company.connection = self
        self.call.write("APP", 4, f"dials {self.dest}, a node")
        self.call.sound.put_aside()
        exchange = self.board.exchange
        guest = Guest(self.call.party, exchange.new_leg(), exchange.effects)
        exchange.effects.media(media.Join(guest.leg, self.call.party.leg))
        self._leg = self.board.adopt(assignment, guest, now)
        self._leg.company.host = self
        self._answer(200, "", now)

    # What the caller's call tells.

    def press(self, digit: str) -> bool:
        if self._leg is not None:
            self._leg.press(digit)
        return True

    def call_ended(self, reason: str, now: float) -> None:
        self._dismiss(now)
        self._tell_end(reason)

    def hangup(self, now: float) -> None:
        self._dismiss(now)
        self._party_left("script", now)

    def _dismiss(self, now: float) -> None:
        """For the node's script its caller has hung up."""
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.company.host = None
            leg.end("caller", now)

    # What the node's call tells.

    def accept(self, leg: Call, now: float) -> None:
        """They talk already."""

    def reject(self, leg: Call, reason: str, now: float) -> None:
        leg.end("script", now)

    def moved(self, leg: Call) -> None:
        self._leg = leg

    def leg_ended(self, reason: str, now: float) -> None:
        self._leg = None
        self._party_left("far_end" if reason in _LEFT else reason, now)
