"""The transaction layer: finds the transaction of each message, writes Via, keeps what is to be sent (RFC 3261 s17).

```
  receive ─▶ UserAgent ─▶ TransactionLayer ─▶ ServerTransaction / ClientTransaction ─▶ owner
                                 │  └─ Deadlines (every timer of every machine, sessions included)
                                 └─ outbox: (bytes, flow) in the order of sending
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from ivrnode.sip.deadlines import Deadlines
from ivrnode.sip.flow import Flow
from ivrnode.sip.host import write_host_port
from ivrnode.sip.message import Request, Response
from ivrnode.sip.transaction import ClientOwner, ClientTransaction, ServerTransaction, Transaction
from ivrnode.sip.via import MAGIC_COOKIE, Via

ServerKey = tuple[object, ...]


class TransactionLayer:
    """All transactions of one user agent. `sent_by` tells the (host, port) that peers of a flow reach us at."""

    def __init__(self, ids: Random, sent_by: Callable[[Flow], tuple[str, int]]) -> None:
        self.deadlines = Deadlines()
        self.faults: Counter[str] = Counter()
        self._ids = ids
        self._sent_by = sent_by
        self._outbox: list[tuple[bytes, Flow]] = []
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._clients: dict[tuple[object, ...], ClientTransaction] = {}
        self._merge_keys: dict[tuple[object, ...], ServerTransaction] = {}
        self._of_stream: dict[int, set[Transaction]] = {}

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    # What comes in.

    def repeat_received(self, key: ServerKey, now: float) -> bool:
        """Whether a request with this key, no ACK, was here before and is dealt with."""
        known = self._servers.get(key)
        if known is not None:
            known.request_received(now)
        return known is not None

    def request_received(self, request: Request, key: ServerKey, flow: Flow, now: float) -> ServerTransaction:
        """The transaction of a new `request`, no ACK, which is stamped with its source before anyone answers it."""
        stamp_source(request, flow)
        merge_key = None if request.to.tag else _merge_key(request)
        transaction = ServerTransaction(self, request, key, merge_key, flow)
        self._servers[key] = transaction
        if merge_key is not None:
            self._merge_keys.setdefault(merge_key, transaction)
        self._watch(transaction)
        transaction.start(now)
        return transaction

    def is_merged(self, transaction: ServerTransaction) -> bool:
        """Whether the same request came here before by another way (RFC 3261 s8.2.2.2)."""
        key = transaction.merge_key
        return key is not None and self._merge_keys.get(key) is not transaction

    def ack_received(self, request: Request, now: float) -> bool:
        """Whether `request`, an ACK, belonged to a 3xx-6xx and is dealt with."""
        transaction = self._servers.get(server_key(request, "INVITE"))
        return transaction is not None and transaction.ack_received(now)

    def find_cancelled(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL means (RFC 3261 s9.2)."""
        return self._servers.get(server_key(cancel, "INVITE"))

    def response_received(self, response: Response, now: float) -> None:
        if len(response.vias) > 1:
            self.faults["response for another"] += 1  # RFC 3261 s8.1.3.3
            return
        transaction = self._clients.get((response.top_via.branch, response.cseq.method))
        if transaction is None:
            self.faults["response without request"] += 1
            return
        transaction.response_received(response, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A stream flow died: end its transactions at once, with 503 to those who wait for an answer."""
        for transaction in list(self._of_stream.get(flow.id, ())):
            transaction.flow_closed(now)

    def flow_refused(self, flow: Flow, now: float) -> None:
        """The far end of a datagram flow does not listen: end our requests to it."""
        for transaction in [client for client in self._clients.values() if client.flow == flow]:
            transaction.flow_closed(now)

    # What goes out.

    def send_request(
        self, request: Request, flow: Flow, owner: ClientOwner, now: float, branch: str = ""
    ) -> ClientTransaction:
        """Put our Via on `request` and send it in a new transaction. `branch` is given for CANCEL only.

        Raises ValueError, and sends nothing, for CR, LF or NUL in the request.
        """
        branch = branch or self._new_branch()
        request.headers.insert_first("Via", self._via(flow, branch))
        transaction = ClientTransaction(self, request, (branch, request.method), flow, owner)
        transaction.start(now)
        self._clients[transaction.key] = transaction
        self._watch(transaction)
        return transaction

    def send_ack(self, ack: Request, flow: Flow) -> bytes:
        """Send the ACK to a 2xx, which is a transaction of its own (RFC 3261 s13.2.2.4). Returns what was sent."""
        ack.headers.insert_first("Via", self._via(flow, self._new_branch()))
        data = bytes(ack)
        self.send(data, flow)
        return data

    def send(self, data: bytes, flow: Flow) -> None:
        self._outbox.append((data, flow))

    def to_send(self) -> list[tuple[bytes, Flow]]:
        sent, self._outbox = self._outbox, []
        return sent

    def new_tag(self) -> str:
        return f"{self._ids.getrandbits(64):016x}"

    def new_call_id(self) -> str:
        return f"{self._ids.getrandbits(128):032x}"

    def random(self, low: float, high: float) -> float:
        return self._ids.uniform(low, high)

    def address(self, flow: Flow) -> str:
        """Our host:port on `flow`, as it stands in Via and Contact."""
        return write_host_port(*self._sent_by(flow))

    def _new_branch(self) -> str:
        return f"{MAGIC_COOKIE}{self._ids.getrandbits(96):024x}"

    def _via(self, flow: Flow, branch: str) -> str:
        return f"SIP/2.0/{flow.transport.upper()} {self.address(flow)};branch={branch};rport"

    # What transactions ask of their layer.

    def start_timer(self, transaction: Transaction, timer: str, delay: float, now: float) -> None:
        self.deadlines.add(now + delay, transaction, timer)

    def forget_server(self, transaction: ServerTransaction) -> None:
        self._servers.pop(transaction.key, None)
        key = transaction.merge_key
        if key is not None and self._merge_keys.get(key) is transaction:
            del self._merge_keys[key]
        self._unwatch(transaction)

    def forget_client(self, transaction: ClientTransaction) -> None:
        self._clients.pop(transaction.key, None)
        self._unwatch(transaction)

    def _watch(self, transaction: Transaction) -> None:
        if transaction.flow.is_stream:
            self._of_stream.setdefault(transaction.flow.id, set()).add(transaction)

    def _unwatch(self, transaction: Transaction) -> None:
        if transaction.flow.is_stream:
            others = self._of_stream.get(transaction.flow.id)
            if others is not None:
                others.discard(transaction)
                if not others:
                    del self._of_stream[transaction.flow.id]


def stamp_source(request: Request, flow: Flow) -> None:
    """Write where `request` came from into its top Via (RFC 3261 s18.2.1, RFC 3581 s4)."""
    via = request.top_via
    host, port = flow.remote
    wants_port = via.parameter("rport") is not None
    if wants_port or via.host != host:
        stamped = via.with_parameter("received", host)
        if wants_port:
            stamped = stamped.with_parameter("rport", str(port))
        request.replace_top_via(stamped)


def server_key(request: Request, method: str) -> ServerKey:
    """What makes a request the same transaction (RFC 3261 s17.2.3). ACK and CANCEL ask with their INVITE's method."""
    via = request.top_via
    branch = via.branch
    if branch and branch.startswith(MAGIC_COOKIE):
        return branch, via.host, via.port, method
    # An RFC 2543 peer. The To tag is left out, for the ACK carries ours and the INVITE none; CSeq tells the rest apart.
    return str(request.uri), request.from_.tag, request.call_id, request.cseq.number, _without_source(via), method


def _without_source(via: Via) -> str:
    return f"{via.transport} {via.host}:{via.port};{via.branch}"


def _merge_key(request: Request) -> tuple[object, ...]:
    return request.call_id, request.from_.tag, request.cseq.number, request.method
