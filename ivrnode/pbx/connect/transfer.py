"""`call.transfer`: the caller goes to somebody else for good, and the script ends.

WAITING ──queue drained, 30 s──> ┌ a node: handed over at once ──────────────────────> done
(drain)                          │ a phone: rings ──answered──> done, bridged until either side leaves
                                 └ REFER, where the caller's phone does it ──NOTIFY 200──> done, he hangs up
                             │                     └─ that call fails ──> the caller is back with the script
                             └─ refused, no NOTIFY within 5 s ──> a node or a phone, as above
"""

from __future__ import annotations

from typing import Any

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.connect.connection import Connection
from ivrnode.pbx.connect.outcall import NO_ANSWER
from ivrnode.sip import events as sip
from ivrnode.sip.invite import SessionState
from ivrnode.sip.status import reason_of
from ivrnode.sip.uri import Uri
from ivrnode.tenancy.tenant import Account, IvrNode

MOST_DRAIN = 30.0
NEWS_SECONDS = 5.0
"""A phone that takes a REFER tells of it at once (RFC 3515 s2.4.4)."""


class Transfer(Connection):
    _is_waiting = _is_refer = _has_worked = False
    _why_no_refer = ""
    _patient_until = 0.0
    _found: IvrNode | Account

    def begin(self, found: IvrNode | Account, now: float, *, is_drained: bool) -> None:
        self._found = found
        self.call.company.connection = self
        self.call.write("APP", 4, f"transfer to {self.dest}")
        if is_drained and self.call.sound.has_items:
            self._is_waiting = True
            self.board.agenda.set(self, now + MOST_DRAIN, self._connect)
        else:
            self._connect(now)

    def drained(self, now: float) -> None:
        if self._is_waiting:
            self._connect(now)

    def refer_told(self, event: sip.Referred | sip.Notified, now: float) -> None:
        """A phone that is there after all has the call, also while we try it ourselves."""
        if self._has_worked:
            return
        match event:
            case sip.Referred(status=status) if status >= 300:
                self._refer_failed(f"REFER was refused: {status} {reason_of(status)}", now)
            case sip.Referred(is_followed=False):
                self._referred_away(now)
            case sip.Notified(status=status) if 200 <= status < 300:
                self._referred_away(now)
            case sip.Notified(status=status) if self._is_refer and event.is_final:
                status = status if status >= 300 else 0
                self.fail(status, reason_of(status) or "the far end did not say how it went", now)
            case sip.Notified() if self._is_refer:
                self.board.agenda.set(self, self._patient_until, lambda at: self.fail(*NO_ANSWER, at))

    def fail(self, status: int, reason: str, now: float) -> None:
        super().fail(status, f"{reason} ({self._why_no_refer})" if self._why_no_refer else reason, now)

    def call_ended(self, reason: str, now: float) -> None:
        if self._bridge is not None or not self._has_worked:
            super().call_ended(reason, now)

    def _connect(self, now: float) -> None:
        self._is_waiting = False
        self.board.agenda.set(self, None)
        dialog = self.call.party.session.dialog
        is_refer = self.call.node.transfer_method == "refer" and not self.call.party.is_guest
        if is_refer and dialog is not None and dialog.allows("REFER"):
            self._refer(now)
        else:
            self._join(now)

    def _join(self, now: float) -> None:
        if isinstance(self._found, Account):
            self._ring(self._found, now)
        else:
            self._hand_over(self._found, now)

    def _refer(self, now: float) -> None:
        """The target as the caller's phone would dial it: beside the number that it called."""
        self._is_refer = True
        self._put_aside()
        session = self.call.party.session
        here = session.request.uri
        target = Uri.of_user(self.dest, here.host, here.port)
        session.refer(target, now, str(Uri.of_user(self.call.node.extension, here.host, here.port)))
        self._patient_until = now + self._timeout
        at = now + min(NEWS_SECONDS, self._timeout)
        self.board.agenda.set(self, at, lambda at: self._refer_failed("nothing was told after REFER", at))

    def _refer_failed(self, why: str, now: float) -> None:
        """We join the two ourselves, as with a phone that does not know REFER."""
        if not self._is_refer or self.call.party.session.state is SessionState.ENDED:
            return  # with its session the call ends at once
        self._is_refer, self._why_no_refer = False, why
        self.board.agenda.set(self, None)
        self.call.write("APP", 3, f"transfer to {self.dest}: {why}; bridged instead")
        self._join(now)

    def _referred_away(self, now: float) -> None:
        self._stop(now)
        self._is_refer = True
        self._work(now)
        self.call.end("transferred", now)

    def _hand_over(self, node: IvrNode, now: float) -> None:
        try:
            assignment = self.board.assign(self.call, node)
        except RefusedError as refused:
            self.fail(refused.status, refused.reason, now)
            return
        self.call.sound.put_aside()
        self.board.exchange.effects.media(media.Unbridge(self.call.party.leg))
        self.call.company.connection = None
        self._work(now)
        self.call.release(now, lambda at: self.board.hand_over(self.call, assignment, at))

    def _connected(self, now: float) -> None:
        self._work(now)
        self.call.release(now)

    def _party_left(self, reason: str, now: float) -> None:
        self.call.end("transferred", now)

    def _work(self, now: float) -> None:
        self._has_worked = True
        self.board.agenda.set(self, None)
        self._answer(200, "", now)

    def _stop(self, now: float) -> None:
        self.board.agenda.set(self, None)
        super()._stop(now)

    def _result(self, status: int, reason: str) -> dict[str, Any]:
        return super()._result(status, reason) | {"method": "refer" if self._is_refer else "bridge"}
