"""A caller on his way to somebody else, and then with him: what `transfer` and `dial` have in common.

    begin ──> the script's sound is put away, it rings ──answered──> Bridge ──either side leaves──> over
                                                       └─failed────> the caller is back with the script

A call has one connection at a time. The call tells it of keys, of its own end and of the far end's NOTIFYs.
"""

from __future__ import annotations

from typing import Any

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.directory import caller_of
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.connect.bridge import Bridge
from ivrnode.pbx.connect.outcall import Outcall
from ivrnode.pbx.connect.switchboard import Switchboard
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.sip import events as sip
from ivrnode.tenancy.tenant import Account


class Connection:
    """`request`: the script's, answered once. `dest`: as the script wrote it. `timeout`: seconds that it may ring."""

    def __init__(self, board: Switchboard, call: Call, request: int, dest: str, timeout: float) -> None:
        self.board, self.call, self.request, self.dest = board, call, request, dest
        self._timeout = timeout
        self._outcall: Outcall | None = None
        self._bridge: Bridge | None = None

    # What the call tells.

    def press(self, digit: str) -> bool:
        """A key of the caller; True: it went to who talks with him, and is nothing for the script."""
        if self._bridge is None:
            return False
        self._bridge.press(digit)
        return True

    def drained(self, now: float) -> None:
        """The script's last sound was heard."""

    def refer_told(self, event: sip.Referred | sip.Notified, now: float) -> None:
        """How the far end follows a REFER."""

    def call_ended(self, reason: str, now: float) -> None:
        """The call is over, whatever is under way."""
        if self._bridge is not None:
            self._bridge.hangup(now)
        else:
            self._stop(now)
            self._answer(0, "the call ended", now)

    # Who is called.

    def phone_rang(self, now: float) -> None:
        self.call.write("APP", 6, f"{self.dest} rings")

    def phones_failed(self, status: int, reason: str, now: float) -> None:
        self.fail(status, reason, now)

    def phone_answered(self, party: SipParty, now: float) -> None:
        self._outcall = None
        self.call.write("APP", 4, f"connected with {self.dest} at {party.name}")
        self._bridge = Bridge(self.board.exchange, self.call.party.leg, party, self.call.write, self._party_left)
        self._connected(now)

    # For transfer and dial.

    def _ring(self, account: Account, now: float) -> None:
        self._put_aside()
        self._call_phones(account, now)

    def _call_phones(self, account: Account, now: float) -> None:
        request = self.call.party.session.request
        hops = request.max_forwards if self.call.party.session.is_incoming else None
        try:
            calls = self.board.directory.phones(self.call.tenant, account, caller_of(self.call.facts), hops, now)
        except RefusedError as refused:
            self.fail(refused.status, refused.reason, now)
            return
        self._outcall = Outcall(self.board.exchange, self.board.agenda, calls, self, self._timeout, now)

    def _put_aside(self) -> None:
        """The caller hears it ring, and nothing of the script."""
        self.call.sound.put_aside()
        self.board.exchange.effects.media(media.Ring(self.call.party.leg))

    def fail(self, status: int, reason: str, now: float) -> None:
        """It came to nothing: the caller is back with the script."""
        self._stop(now)
        self.call.write("SCRIPT", 2, f"{self.dest} was not reached: {status} {reason}")
        self.call.take_back(now)
        self._answer(status, reason, now)

    def _stop(self, now: float) -> None:
        if self._outcall is not None:
            self._outcall.cancel(now)
            self._outcall = None

    def _connected(self, now: float) -> None:
        """The two talk."""
        raise NotImplementedError

    def _party_left(self, reason: str, now: float) -> None:
        """Who was called has hung up."""
        raise NotImplementedError

    def _answer(self, status: int, reason: str, now: float) -> None:
        """The script's request is answered; 200: it worked."""
        self.call.reply(self.request, self._result(status, reason))

    def _result(self, status: int, reason: str) -> dict[str, Any]:
        return {"ok": status == 200, "dest": self.dest, "code": status, "reason": reason}
