"""One INVITE or re-INVITE of ours, from sending to its final response and the repeats of that (RFC 3261 s13.2, s9.1).

```
  send ─▶ CALLING ─ 1xx ─▶ RINGING ─ 2xx ─▶ up; each repeat of it gets the same ACK again
             │                │    └ 401, 407 once each ─▶ sent anew with credentials and the next CSeq
             │ cancel: wait   │ cancel: CANCEL goes out; 64 T1 later we stop waiting
             └── 3xx-6xx, 408, 503 ─▶ up
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ivrnode.sip.authentication import Authentication, copy_credentials
from ivrnode.sip.digest import Credentials
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, Response
from ivrnode.sip.outgoing_request import renew
from ivrnode.sip.transaction import T1, ClientTransaction
from ivrnode.sip.transaction_layer import TransactionLayer

MOST_FORKS = 32
"""So many far ends may answer one INVITE. Of more nothing is kept: one answer after another would fill the memory."""


class AnswerListener(Protocol):
    """The session that an INVITE of ours belongs to."""

    def provisional_received(self, invite: OutgoingInvite, response: Response, now: float) -> None: ...
    def success_received(self, invite: OutgoingInvite, response: Response, now: float) -> None: ...
    def failure_received(self, invite: OutgoingInvite, response: Response, now: float) -> None: ...


class OutgoingInvite:
    """`success_received` comes once per remote tag; `failure_received` at most once, and not after a success."""

    __slots__ = (
        "_acknowledgements", "_authentication", "_cancel_headers", "_flow", "_has_provisional", "_layer", "_listener",
        "_next_sequence", "_transaction", "is_over", "request",
    )  # fmt: skip

    def __init__(
        self,
        layer: TransactionLayer,
        listener: AnswerListener,
        request: Request,
        flow: Flow,
        credentials: Credentials | None,
        next_sequence: Callable[[], int],
    ) -> None:
        self._layer = layer
        self._listener = listener
        self._flow = flow
        self._authentication = Authentication(credentials)
        self._next_sequence = next_sequence
        self._transaction: ClientTransaction | None = None
        self._has_provisional = False
        self._cancel_headers: tuple[tuple[str, str], ...] | None = None
        self._acknowledgements: dict[str | None, bytes] = {}
        self.request = request
        self.is_over = False

    @property
    def has_offer(self) -> bool:
        return bool(self.request.body)

    def send(self, now: float) -> None:
        self._has_provisional = False
        self._transaction = self._layer.send_request(self.request, self._flow, self, now)

    def cancel(self, headers: Iterable[tuple[str, str]], now: float) -> None:
        """Take the INVITE back. CANCEL itself waits for a provisional response (RFC 3261 s9.1)."""
        if self._cancel_headers is None and not self.is_over:
            self._cancel_headers = tuple(headers)
            if self._has_provisional:
                self._send_cancel(now)

    def acknowledge(self, ack: Request, tag: str | None) -> None:
        """Send the ACK to the 2xx that came from `tag`, and keep it for the repeats of that 2xx."""
        copy_credentials(self.request, ack)
        self._acknowledgements[tag] = self._layer.send_ack(ack, self._flow)

    def response_received(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        if transaction is not self._transaction:
            return  # the answer to our CANCEL, or a late one to an INVITE that was challenged
        if response.status < 200:
            self._provisional_received(response, now)
        elif response.status < 300:
            self._success_received(response, now)
        elif self.is_over:
            return
        elif self._cancel_headers is None and self._authentication.answer(self.request, response):
            renew(self.request, self._next_sequence())
            self.send(now)
        else:
            self.is_over = True
            self._listener.failure_received(self, response, now)

    def timer_fired(self, timer: str, now: float) -> None:
        """64*T1 after CANCEL: without a final response the INVITE counts as cancelled (RFC 3261 s9.1)."""
        if not self.is_over and self._transaction is not None:
            self.is_over = True
            self._transaction.abandon(now)
            self._listener.failure_received(self, self.request.response(487), now)

    def _provisional_received(self, response: Response, now: float) -> None:
        was_calling, self._has_provisional = not self._has_provisional, True
        if self._cancel_headers is not None:
            if was_calling:
                self._send_cancel(now)
        elif response.status > 100:
            self._listener.provisional_received(self, response, now)

    def _success_received(self, response: Response, now: float) -> None:
        """Each remote tag is a dialog of its own: a proxy may have forked our INVITE (RFC 3261 s13.2.2.4)."""
        self.is_over = True
        tag = response.to.tag
        known = self._acknowledgements.get(tag)
        if known is None and len(self._acknowledgements) < MOST_FORKS:
            self._acknowledgements[tag] = b""
            self._listener.success_received(self, response, now)
        elif known:
            self._layer.send(known, self._flow)

    def _send_cancel(self, now: float) -> None:
        """CANCEL repeats the INVITE's target, route, branch and CSeq number (RFC 3261 s9.1)."""
        invite = self.request
        cancel = Request("CANCEL", invite.uri)
        for name in ("Route", "Max-Forwards", "From", "To", "Call-ID"):
            cancel.headers.copy_from(invite.headers, name)
        cancel.headers.add("CSeq", f"{invite.cseq.number} CANCEL")
        for name, value in self._cancel_headers or ():
            cancel.headers.add(name, value)
        self._layer.send_request(cancel, self._flow, self, now, branch=invite.top_via.branch or "")
        self._layer.deadlines.add(now + 64 * T1, self, "cancelled")
