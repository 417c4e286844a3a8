"""`call.dial` with `ivraction`: who is called gets the node's script first, and that one decides whether to join.

caller's call ── Announcement ──> phones ring ──answered──> a call of its own ──accept()──> the two talk
     │ his script goes on meanwhile                              └─ reject(), its end ──> the caller is left alone
"""

from __future__ import annotations

from typing import Any

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.connect.connection import Connection
from ivrnode.pbx.connect.switchboard import Switchboard
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.script.messages import Told
from ivrnode.tenancy.tenant import Account

NOT_TAKEN = 603


class Announcement(Connection):
    """The connection of the caller's call once it has been accepted; of `leg`, the called one's, all the time."""

    def __init__(
        self, board: Switchboard, call: Call, request: int, dest: str, timeout: float, params: dict[str, Any]
    ) -> None:
        super().__init__(board, call, request, dest, timeout)
        self._params = params
        self._leg: Call | None = None
        self._is_joined = self._is_over = False
        self._refusal = "not accepted"

    def begin(self, account: Account, now: float) -> None:
        self.call.company.announcements[self.request] = self
        self.call.write("APP", 4, f"dials {self.dest}, to announce the caller")
        self._call_phones(account, now)

    # What the leg's script wants.

    def accept(self, leg: Call, now: float) -> None:
        if self._is_joined:
            return
        if not self.call.may_connect:
            self._refusal = "the caller talks with somebody else"
            leg.end("script", now)
            return
        self._is_joined = True
        self.call.company.connection = self
        leg.company.connection = OtherSide(self.board, leg, self.call)
        self.call.sound.put_aside()
        leg.sound.put_aside()
        self.board.exchange.effects.media(media.Bridge(self.call.party.leg, leg.party.leg))
        self._answer(200, "", now)
        leg.release(now)

    def reject(self, leg: Call, reason: str, now: float) -> None:
        self._refusal = reason or self._refusal
        leg.end("script", now)

    def moved(self, leg: Call) -> None:
        self._leg = leg

    # What the calls tell.

    def press(self, digit: str) -> bool:
        if self._leg is not None:
            self.board.exchange.effects.media(media.SendDigits(self._leg.party.leg, digit))
        return True

    def leg_ended(self, reason: str, now: float) -> None:
        """The called one's call is over."""
        self._leg = None
        if self._is_joined:
            self._end("far_end" if reason == "caller" else reason, now)
        else:
            self.fail(NOT_TAKEN, self._refusal, now)

    def call_ended(self, reason: str, now: float) -> None:
        """The caller's call is over."""
        if self._is_joined:
            self._end(reason, now)
        else:
            self.fail(0, "the call ended", now)

    def hangup(self, now: float) -> None:
        """The script wants its caller back."""
        if self._is_joined:
            self._end("script", now)
        else:
            self.fail(487, "the script hung up", now)

    # The phones.

    def phone_answered(self, party: SipParty, now: float) -> None:
        self._outcall = None
        try:
            self._leg = self.board.announce(self.call, party, self.dest, self._params, now)
        except RefusedError as refused:
            party.hangup(now)
            self.board.exchange.effects.media(media.Close(party.leg))
            self.fail(refused.status, refused.reason, now)
        else:
            self._leg.company.host = self

    def fail(self, status: int, reason: str, now: float) -> None:
        if not self._is_over:
            self.call.write("SCRIPT", 2, f"{self.dest} was not reached: {status} {reason}")
            self._finish(now)
            self._answer(status, reason, now)

    def _end(self, reason: str, now: float) -> None:
        if not self._is_over:
            self._finish(now)
            if self.call.company.connection is self:
                self.call.take_back(now)
            self.call.tell(Told(self.request, "end", {"reason": reason}))

    def _finish(self, now: float) -> None:
        self._is_over = True
        self._stop(now)
        self.call.company.announcements.pop(self.request, None)
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.company.host = None
            leg.end("transferred", now)

    def _result(self, status: int, reason: str) -> dict[str, Any]:
        return {"ok": status == 200, "code": status, "reason": reason}


class OtherSide(Connection):
    """The connection of the called one's call: his keys go to the caller."""

    def __init__(self, board: Switchboard, leg: Call, caller: Call) -> None:
        super().__init__(board, leg, 0, "", 0)
        self._caller = caller

    def press(self, digit: str) -> bool:
        self.board.exchange.effects.media(media.SendDigits(self._caller.party.leg, digit))
        return True

    def call_ended(self, reason: str, now: float) -> None:
        """`Announcement.leg_ended` is told."""
