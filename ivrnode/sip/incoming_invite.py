"""One INVITE or re-INVITE of the far end, from its arrival until its ACK; and an UPDATE that carries an offer.

```
  OPEN ── 1xx ──▶ OPEN ── accept: 2xx ──▶ ANSWERED ── ACK ──▶ DONE          RFC 3261 s13.3, s14.2
   │                                      │  T1, 2 T1 … T2: 2xx again, on every transport
   └─── reject: 3xx-6xx ──▶ DONE          └─ 64 T1 without ACK ──▶ DONE, and the session says BYE

  OPEN ── accept: 200, reject: 3xx-6xx ──▶ DONE                             UPDATE, RFC 3311 s5.2
```
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.sip.multipart import SDP
from ivrnode.sip.transaction import T1, T2, ServerTransaction
from ivrnode.sip.transaction_layer import TransactionLayer

RING_AGAIN_AFTER = 60.0
"""A ringing that lasts is told again every minute, or proxies on the way give up (RFC 3261 s13.3.1.1)."""


class _State(Enum):
    OPEN = auto()
    ANSWERED = auto()
    DONE = auto()


class InviteListener(Protocol):
    """The session that an INVITE of the far end belongs to."""

    def invite_cancelled(self, cancel: Request, now: float) -> None: ...
    def ack_missing(self, now: float) -> None: ...


class IncomingOffer:
    """An UPDATE with an offer. It is answered once: `accept` and `reject` do nothing after that."""

    __slots__ = ("_request", "_state", "_transaction", "flow", "has_offer", "local_tag")

    def __init__(
        self, request: Request, transaction: ServerTransaction, flow: Flow, local_tag: str, *, has_offer: bool = True
    ) -> None:
        self._request: Request | None = request
        self._transaction = transaction
        self._state = _State.OPEN
        self.flow = flow
        self.local_tag = local_tag
        self.has_offer = has_offer

    @property
    def is_open(self) -> bool:
        """No final response was sent."""
        return self._state is _State.OPEN

    @property
    def is_done(self) -> bool:
        """Answered, and nothing more is awaited."""
        return self._state is _State.DONE

    @property
    def request(self) -> Request:
        """The request, while it is open; then it is let go."""
        if self._request is None:
            raise LookupError("this request has been answered")
        return self._request

    def accept(self, body: bytes, headers: Iterable[tuple[str, str]], now: float) -> None:
        if self._state is _State.OPEN:
            self._respond(200, None, headers, now, body)
            self.stop()

    def reject(self, status: int, reason: str | None, headers: Iterable[tuple[str, str]], now: float) -> None:
        if self._state is _State.OPEN:
            self._respond(status, reason, headers, now)
            self.stop()

    def stop(self) -> None:
        """The session is over by other means: send nothing more."""
        self._state = _State.DONE
        self._request = None

    def _respond(
        self, status: int, reason: str | None, headers: Iterable[tuple[str, str]], now: float, body: bytes = b""
    ) -> None:
        response = self.request.response(status, reason, to_tag=self.local_tag)
        for name, value in headers:
            response.headers.add(name, value)
        if body:
            response.headers.add("Content-Type", SDP)
            response.body = body
        self._transaction.respond(response, now)


class IncomingInvite(IncomingOffer):
    """`has_offer` False: a late offer, ours goes into the 2xx and their answer comes in the ACK."""

    __slots__ = ("_interval", "_layer", "_listener", "_ring_again_at", "_sequence")

    def __init__(
        self,
        layer: TransactionLayer,
        listener: InviteListener,
        request: Request,
        transaction: ServerTransaction,
        flow: Flow,
        local_tag: str,
        *,
        has_offer: bool,
    ) -> None:
        super().__init__(request, transaction, flow, local_tag, has_offer=has_offer)
        self._layer = layer
        self._listener: InviteListener | None = listener
        self._sequence = request.cseq.number
        self._interval = T1
        self._ring_again_at = 0.0
        transaction.owner = self
        transaction.local_tag = local_tag

    def ring(self, status: int, reason: str | None, headers: Iterable[tuple[str, str]], now: float) -> None:
        """Send a provisional response, and again every minute until the final one or another."""
        if self._state is _State.OPEN:
            self._respond(status, reason, headers, now)
            self._await_ring(now)

    def accept(self, body: bytes, headers: Iterable[tuple[str, str]], now: float) -> None:
        if self._state is _State.OPEN:
            self._respond(200, None, headers, now, body)
            self._state = _State.ANSWERED
            self._request = None
            self._layer.deadlines.add(now + self._interval, self, "repeat")
            self._layer.deadlines.add(now + 64 * T1, self, "no_ack")

    def ack_received(self, sequence: int) -> bool:
        """Whether an ACK with this CSeq number ends the repeats of our 2xx. False for a repeat of that ACK."""
        if self._state is not _State.ANSWERED or sequence != self._sequence:
            return False
        self.stop()
        return True

    def stop(self) -> None:
        """Let the session go: transaction and deadlines live on for 32 s, and must not hold it that long."""
        super().stop()
        self._listener = None
        self._transaction.owner = None

    def cancel_received(self, request: Request, now: float) -> None:
        """CANCEL of an open INVITE makes it 487; a later one changes nothing (RFC 3261 s9.2)."""
        listener = self._listener
        if self._state is _State.OPEN and listener is not None:
            self.reject(487, None, (), now)
            listener.invite_cancelled(request, now)

    def timer_fired(self, timer: str, now: float) -> None:
        if timer == "ring":
            if self._state is _State.OPEN and now >= self._ring_again_at:
                self._transaction.repeat_provisional(now)
                self._await_ring(now)
        elif self._state is not _State.ANSWERED:
            return
        elif timer == "no_ack":
            listener = self._listener
            self.stop()
            if listener is not None:
                listener.ack_missing(now)
        else:
            self._transaction.repeat_success(now)
            self._interval = min(2 * self._interval, T2)
            self._layer.deadlines.add(now + self._interval, self, "repeat")

    def _await_ring(self, now: float) -> None:
        self._ring_again_at = now + RING_AGAIN_AFTER
        self._layer.deadlines.add(self._ring_again_at, self, "ring")
