"""A request of ours other than INVITE, from sending to its final response, challenges met on the way."""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.sip.authentication import Authentication
from ivrnode.sip.digest import Credentials
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, Response
from ivrnode.sip.transaction import ClientTransaction
from ivrnode.sip.transaction_layer import TransactionLayer

Done = Callable[[Response, float], None]
"""Gets the final response and now."""


class OutgoingRequest:
    """`next_sequence` gives the CSeq number of a repeat with credentials; `done` is called exactly once."""

    __slots__ = ("_authentication", "_done", "_flow", "_layer", "_next_sequence", "_request")

    def __init__(
        self,
        layer: TransactionLayer,
        request: Request,
        flow: Flow,
        credentials: Credentials | None,
        next_sequence: Callable[[], int],
        done: Done,
    ) -> None:
        self._layer = layer
        self._request = request
        self._flow = flow
        self._authentication = Authentication(credentials)
        self._next_sequence = next_sequence
        self._done = done

    def send(self, now: float) -> None:
        self._layer.send_request(self._request, self._flow, self, now)

    def response_received(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        if response.status < 200:
            return
        if self._authentication.answer(self._request, response):
            renew(self._request, self._next_sequence())
            self.send(now)
        else:
            self._done(response, now)


def renew(request: Request, sequence: int) -> None:
    """Make `request` ready to be sent again as a new transaction: next CSeq, no Via."""
    request.headers.remove_first("Via")
    request.headers.set("CSeq", f"{sequence} {request.method}")
