"""The user agent: the one door of the SIP room (RFC 3261 s8).

```
  receive(data, flow, now) ┐                        ┌▶ to_send():  (bytes, Flow), in the order of sending
  tick(now)                ├▶ UserAgent ── drain ───┤
  flow_closed(flow, now)   ┘   │   │                └▶ events():   facts for the house
  invite, register, request    │   └ InviteSession, Registration: what lives longer than one request
  respond, session.accept, …   └ TransactionLayer: repeats, duplicates, timers
```
After every call of any method, drain both. Nothing that comes from the network makes a door raise: faults are answered
where an answer is due, and counted in `faults`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials
from ivrnode.sip.events import Asked, Event, Responded
from ivrnode.sip.flow import Flow
from ivrnode.sip.inspection import inspect
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.message import MessageError, Request, Response, parse_message
from ivrnode.sip.outgoing_request import OutgoingRequest
from ivrnode.sip.refusal import RefusalError
from ivrnode.sip.registration import Registration
from ivrnode.sip.transaction import ServerTransaction
from ivrnode.sip.transaction_layer import TransactionLayer, server_key, stamp_source
from ivrnode.sip.uri import Uri

ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REGISTER", "MESSAGE", "NOTIFY")

_NEEDS_DIALOG = frozenset(("BYE", "UPDATE", "INFO", "NOTIFY"))


class UserAgent:
    """Both sides of SIP for one node: sessions, registrations and loose requests.

    `ids` gives tags, branches and Call-IDs (pass a `SystemRandom`); `sent_by` our (host, port) as the peers of a flow
    see it; `user` is the user part of our Contact; `allow` the methods that are not refused with 405. `admits` is asked
    about each new request, and told whether it belongs to a call: one that it does not admit gets no answer.
    """

    def __init__(
        self,
        ids: Random,
        sent_by: Callable[[Flow], tuple[str, int]],
        user: str = "ivrnode",
        allow: Sequence[str] = ALLOW,
        admits: Callable[[Request, Flow, bool, float], bool] = lambda request, flow, is_expected, now: True,
    ) -> None:
        self.layer = TransactionLayer(ids, sent_by)
        self.allow_text = ", ".join(allow)
        self._allow = tuple(allow)
        self._admits = admits
        self._user = user
        self._events: list[Event] = []
        self._sessions: dict[tuple[str, str], InviteSession] = {}
        self._sessions_of_flow: dict[Flow, set[InviteSession]] = {}
        self._registrations: dict[Flow, set[Registration]] = {}
        self._request_count = 0

    @property
    def faults(self) -> Counter[str]:
        """How often the network brought what could not be used, by kind."""
        return self.layer.faults

    @property
    def session_count(self) -> int:
        """Sessions that a request could still be for."""
        return len(self._sessions)

    def has_session_over(self, flow: Flow) -> bool:
        """Whether the requests of some session come and go over `flow`."""
        return flow in self._sessions_of_flow

    # Doors.

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram, one WebSocket frame or one framed message of a stream."""
        try:
            message = parse_message(data, is_stream=flow.transport in ("tcp", "tls"))
        except MessageError as error:
            self._refuse_unreadable(error, flow, now)
            return
        if isinstance(message, Response):
            self.layer.response_received(message, now)
        else:
            self._request_received(message, flow, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A stream flow died: whoever waits on it hears 503, its sessions end with `transport`."""
        for registration in self._registrations.pop(flow, ()):
            registration.flow_closed()
        self.layer.flow_closed(flow, now)
        for session in list(self._sessions_of_flow.get(flow, ())):
            session.flow_closed()

    def flow_refused(self, flow: Flow, now: float) -> None:
        """Nobody listens at the far end of a datagram flow: whoever waits for an answer over it hears 503 at once
        (RFC 3261 s18.4). Sessions and registrations live on: the far end may be back before they need it."""
        self.layer.flow_refused(flow, now)

    def tick(self, now: float) -> None:
        """Fire what is due."""
        self.layer.deadlines.fire(now)

    def next_deadline(self) -> float | None:
        """When `tick` is next of use."""
        return self.layer.deadlines.next()

    def to_send(self) -> list[tuple[bytes, Flow]]:
        return self.layer.to_send()

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    # What the house asks.

    def invite(
        self,
        target: Uri,
        flow: Flow,
        now: float,
        *,
        from_: NameAddr,
        to: NameAddr | None = None,
        body: bytes = b"",
        credentials: Credentials | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> InviteSession:
        """Call `target` over `flow`. Without `body` (SDP) the far end makes the offer. 401 and 407 are met.

        Raises ValueError for CR, LF or NUL in what is given.
        """
        request = self._new_request("INVITE", target, from_, to or NameAddr("", target), headers)
        request.body = body
        tag = request.from_.tag or ""
        session = InviteSession(self, request, flow, local_tag=tag, is_incoming=False, credentials=credentials)
        session.start(request, now)
        self._add_session(session)
        return session

    def register(
        self,
        aor: Uri,
        registrar: Uri,
        flow: Flow,
        now: float,
        *,
        credentials: Credentials | None = None,
        expires: int = 300,
    ) -> Registration:
        """Register our Contact of `flow` for `aor`, and keep it registered until `registration.unregister(now)`."""
        registration = Registration(self, aor, registrar, flow, credentials, expires)
        self._registrations.setdefault(flow, set()).add(registration)
        registration.send(now)
        return registration

    def request(
        self,
        method: str,
        target: Uri,
        flow: Flow,
        now: float,
        *,
        from_: NameAddr,
        to: NameAddr | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        credentials: Credentials | None = None,
    ) -> int:
        """Send a request outside any dialog, such as OPTIONS. Its `Responded` carries the number returned here."""
        self._request_count += 1
        number = self._request_count
        request = self._new_request(method, target, from_, to or NameAddr("", target), headers)
        request.body = body

        def done(response: Response, now: float) -> None:
            self.emit(Responded(number, response))

        OutgoingRequest(self.layer, request, flow, credentials, lambda: request.cseq.number + 1, done).send(now)
        return number

    def respond(
        self,
        asked: Asked,
        status: int,
        now: float,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer what was asked. A body needs its Content-Type among `headers`."""
        response = asked.request.response(status, reason, to_tag=self.layer.new_tag())
        for name, value in headers:
            response.headers.add(name, value)
        response.body = body
        asked.transaction.respond(response, now)

    # For sessions and registrations.

    def emit(self, event: Event) -> None:
        self._events.append(event)

    def contact(self, flow: Flow) -> str:
        """Our Contact as peers of `flow` reach us."""
        parameter = "" if flow.transport == "udp" else f";transport={flow.transport.replace('wss', 'ws')}"
        return f"<sip:{self._user}@{self.layer.address(flow)}{parameter}>"

    def move_session(self, session: InviteSession, flow: Flow) -> None:
        """The far end's target came over another flow: requests go there from now on."""
        if session.flow != flow:
            self._unwatch(session)
            session.flow = flow
            self._watch(session)

    def forget_session(self, session: InviteSession) -> None:
        """No request can be for `session` any more."""
        self._sessions.pop((session.call_id, session.local_tag), None)
        self._unwatch(session)

    def forget_registration(self, registration: Registration) -> None:
        """It was taken back."""
        others = self._registrations.get(registration.flow, set())
        others.discard(registration)
        if not others:
            self._registrations.pop(registration.flow, None)

    # Behind the doors.

    def _request_received(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "ACK":
            self._ack_received(request, now)
            return
        key = server_key(request, request.method)
        if self.layer.repeat_received(key, now):
            return
        if not self._admits(request, flow, self._is_expected(request), now):
            self.faults["not admitted"] += 1
            return
        transaction = self.layer.request_received(request, key, flow, now)
        try:
            if request.method == "CANCEL":
                self._cancel_received(request, transaction, now)
            else:
                inspect(request, self._allow, is_merged=self.layer.is_merged(transaction))
                self._dispatch(request, transaction, flow, now)
        except ProtocolError as error:
            self.faults[f"refused {error.status}"] += 1
            headers = error.headers if isinstance(error, RefusalError) else ()
            reason = None if isinstance(error, RefusalError) else str(error)
            self.respond(Asked(request, flow, transaction), error.status, now, reason, headers)

    def _is_expected(self, request: Request) -> bool:
        """Whether `request` belongs to a call that is under way."""
        if request.method == "CANCEL":
            return self.layer.find_cancelled(request) is not None
        tag = request.to.tag
        return tag is not None and (request.call_id, tag) in self._sessions

    def _dispatch(self, request: Request, transaction: ServerTransaction, flow: Flow, now: float) -> None:
        tag = request.to.tag
        if tag is None:
            if request.method in _NEEDS_DIALOG:
                raise RefusalError(481)
            if request.method == "INVITE":
                self._invite_received(request, transaction, flow)
            else:
                self.emit(Asked(request, flow, transaction))
            return
        session = self._sessions.get((request.call_id, tag))
        if session is None:
            raise RefusalError(481)
        session.request_received(request, transaction, flow, now)

    def _invite_received(self, request: Request, transaction: ServerTransaction, flow: Flow) -> None:
        session = InviteSession(self, request, flow, local_tag=self.layer.new_tag(), is_incoming=True)
        session.invite_received(transaction)
        self._add_session(session)

    def _ack_received(self, request: Request, now: float) -> None:
        if self.layer.ack_received(request, now):
            return
        session = self._sessions.get((request.call_id, request.to.tag or ""))
        if session is None:
            self.faults["ack without session"] += 1
        else:
            session.ack_received(request, now)

    def _cancel_received(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """A CANCEL that finds its INVITE gets 200; what becomes of the INVITE is its owner's (RFC 3261 s9.2)."""
        invite = self.layer.find_cancelled(request)
        if invite is None:
            raise RefusalError(481)
        transaction.respond(request.response(200, to_tag=invite.local_tag or self.layer.new_tag()), now)
        if invite.owner is not None:
            invite.owner.cancel_received(request, now)

    def _refuse_unreadable(self, error: MessageError, flow: Flow, now: float) -> None:
        """Answer without a transaction what can be answered at all."""
        self.faults[f"unreadable {error.status}"] += 1
        if error.request is not None and self._admits(error.request, flow, False, now):
            stamp_source(error.request, flow)
            response = error.request.response(error.status, str(error), to_tag=self.layer.new_tag())
            self.layer.send(bytes(response), flow)

    def _new_request(
        self, method: str, target: Uri, from_: NameAddr, to: NameAddr, headers: Iterable[tuple[str, str]]
    ) -> Request:
        request = Request(method, target)
        own = request.headers
        own.add("Max-Forwards", "70")
        own.add("From", str(from_ if from_.tag else from_.with_parameter("tag", self.layer.new_tag())))
        own.add("To", str(to))
        own.add("Call-ID", self.layer.new_call_id())
        own.add("CSeq", f"1 {method}")
        for name, value in headers:
            if name.lower() == "max-forwards":
                own.set(name, value)  # a bridged call carries its caller's, less one
            else:
                own.add(name, value)
        return request

    def _add_session(self, session: InviteSession) -> None:
        self._sessions[session.call_id, session.local_tag] = session
        self._watch(session)

    def _watch(self, session: InviteSession) -> None:
        self._sessions_of_flow.setdefault(session.flow, set()).add(session)

    def _unwatch(self, session: InviteSession) -> None:
        others = self._sessions_of_flow.get(session.flow)
        if others is not None:
            others.discard(session)
            if not others:
                del self._sessions_of_flow[session.flow]
