"""`call.transfer`: the caller goes to somebody else for good, and the script ends.

WAITING ──queue drained, 30 s──> ┌ a node: handed over at once ──────────────────────> done
(drain)                          │ a phone: rings ──answered──> done, bridged until either side leaves
                                 └ REFER, where the caller's phone does it ──NOTIFY 200──> done, he hangs up
                                          └─ not answered, refused ──> the caller is back with the script
"""

from __future__ import annotations

from typing import Any

from ivrnode.pbx.connection import Connection
from ivrnode.pbx.refusal import RefusedError
from ivrnode.sip import events as sip
from ivrnode.sip.status import reason_of
from ivrnode.sip.uri import Uri
from ivrnode.tenancy.tenant import Account, IvrNode

MOST_DRAIN = 30.0


class Transfer(Connection):
    _is_waiting = _is_refer = _has_worked = False
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
        if not self._is_refer or self._has_worked:
            return
        if isinstance(event, sip.Referred):
            if event.status >= 300:
                self.fail(event.status, f"REFER was refused: {reason_of(event.status)}", now)
            elif not event.is_followed:
                self._referred_away(now)
        elif 200 <= event.status < 300:
            self._referred_away(now)
        elif event.is_final:
            status = event.status if event.status >= 300 else 0
            self.fail(status, reason_of(status) or "the far end did not say how it went", now)

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
        elif isinstance(self._found, Account):
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
        self.board.agenda.set(self, now + self._timeout, lambda at: self.fail(408, "no answer", at))

    def _referred_away(self, now: float) -> None:
        self._work(now)
        self.call.end("transferred", now)

    def _hand_over(self, node: IvrNode, now: float) -> None:
        try:
            assignment = self.board.assign(self.call, node)
        except RefusedError as refused:
            self.fail(refused.status, refused.reason, now)
            return
        self.call.sound.put_aside()
        self.call.company.connection = None
        self._work(now)
        self.call.release(lambda at: self.board.hand_over(self.call, assignment, at), now)

    def _connected(self, now: float) -> None:
        self._work(now)
        self.call.release(lambda _: None, now)

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
