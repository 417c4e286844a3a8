"""The INVITE session: one call leg, whichever side began it (RFC 3261 s13, s14, s15).

```
  incoming                                             outgoing

  INVITED ─ reject, hangup, CANCEL ─▶ ENDED            CALLING ─ final, hangup ─▶ ENDED
     │ accept: 200                                        │ 2xx came, ACK sent
     ▼                                                    ▼
  ANSWERED ─ no ACK in 32 s, BYE, hangup ─▶ ENDED      CONFIRMED ─ BYE, hangup, flow dead ─▶ ENDED
     │ ACK
     ▼
  CONFIRMED (as on the right)
```
A session composes an `IncomingInvite` or `OutgoingInvite` (the one INVITE that is under way) and a `Dialog`. ENDED is
what the house sees: ACK, BYE or CANCEL that are still owed go out behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from ivrnode.sip import events
from ivrnode.sip.body import readable_description, session_description
from ivrnode.sip.dialog import Dialog
from ivrnode.sip.digest import Credentials
from ivrnode.sip.events import EndReason, HeaderList
from ivrnode.sip.flow import Flow
from ivrnode.sip.headers import Headers
from ivrnode.sip.incoming_invite import IncomingInvite, IncomingOffer
from ivrnode.sip.message import Request, Response
from ivrnode.sip.multipart import SDP
from ivrnode.sip.outgoing_invite import MOST_FORKS, OutgoingInvite
from ivrnode.sip.outgoing_request import Done, OutgoingRequest
from ivrnode.sip.referral import Referral, is_followed
from ivrnode.sip.refusal import RefusalError
from ivrnode.sip.transaction import ServerTransaction
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from ivrnode.sip.user_agent import UserAgent

_DIALOG_IS_GONE = (408, 481)
"""Answers to a request in the dialog that end it (RFC 3261 s12.2.1.2)."""


class SessionState(Enum):
    INVITED = "invited"
    CALLING = "calling"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class InviteSession:
    """One INVITE usage, made by the user agent. The methods of the house may be called in any state.

    What no longer fits (a call that was cancelled meanwhile, a second `hangup`) does nothing, for an event may always
    be on its way. `request` is the INVITE that made the session, theirs or ours.
    """

    def __init__(
        self,
        agent: UserAgent,
        request: Request,
        flow: Flow,
        *,
        local_tag: str,
        is_incoming: bool,
        credentials: Credentials | None = None,
    ) -> None:
        self._agent = agent
        self._layer = agent.layer
        self._credentials = credentials
        self._incoming: IncomingOffer | None = None
        self._outgoing: OutgoingInvite | None = None
        self._early: dict[str | None, Dialog] = {}
        self._wanted_offer: bytes | None = None
        self._bye_headers: HeaderList = ()
        self._is_bye_sent = False
        self._retry_at = 0.0
        self._referral: Referral | None = None
        self.request = request
        self.flow = flow
        self.local_tag = local_tag
        self.is_incoming = is_incoming
        self.call_id = request.call_id
        self.dialog: Dialog | None = None
        self.state = SessionState.INVITED if is_incoming else SessionState.CALLING

    # What the house asks.

    def ring(self, now: float, status: int = 180, reason: str | None = None) -> None:
        """Send a provisional response 101-199."""
        if self.state is SessionState.INVITED and isinstance(self._incoming, IncomingInvite):
            self._incoming.ring(status, reason, [("Contact", self._agent.contact(self.flow))], now)

    def accept(self, body: bytes, now: float) -> None:
        """Take what is open: the INVITE, a re-INVITE or UPDATE (200 with `body`), or the offer in the 2xx to an INVITE
        of ours without one (ACK with `body`). `body` is the SDP answer, or our offer when theirs is late."""
        if self._incoming is not None and self._incoming.is_open:
            if self.state is SessionState.INVITED:
                self.state = SessionState.ANSWERED
            else:
                self._refresh_target(self._incoming.request, self._incoming.flow)
            headers = [("Contact", self._agent.contact(self.flow)), ("Allow", self._agent.allow_text)]
            self._incoming.accept(body, headers, now)
            self._try_reinvite(now)
        elif self.state is SessionState.CONFIRMED and self._owes_ack:
            self._pay_ack(body)
            self._try_reinvite(now)

    def reject(
        self, status: int, now: float, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Refuse what is open with a 3xx-6xx. Refusing the first INVITE ends the session."""
        if self._incoming is not None and self._incoming.is_open:
            self._incoming.reject(status, reason, headers, now)
            if self.state is SessionState.INVITED:
                self._end("hangup", ())
                self._forget()
            self._try_reinvite(now)

    def hangup(self, now: float, headers: Iterable[tuple[str, str]] = ()) -> None:
        """End the session in whatever state it is, once: final response 480, CANCEL or BYE, carrying `headers`.

        Raises ValueError, and does nothing, for CR, LF or NUL in `headers`.
        """
        self._bye_headers = self._bye_headers or tuple(Headers(headers))
        match self.state:
            case SessionState.INVITED:
                self.reject(480, now, headers=self._bye_headers)
            case SessionState.CALLING if self._outgoing is not None:
                self._outgoing.cancel(self._bye_headers, now)
            case SessionState.CONFIRMED:
                self._send_bye(now)
        self._end("hangup", ())  # ANSWERED: BYE has to wait for the ACK (RFC 3261 s15)

    def send_info(self, content_type: str, body: bytes, now: float) -> None:
        """Send an INFO in the dialog (RFC 6086 s3)."""
        if self.dialog is not None and self.state in (SessionState.ANSWERED, SessionState.CONFIRMED):
            info = self.dialog.request("INFO")
            info.headers.add("Content-Type", content_type)
            info.body = body
            self._send(info, self.dialog, self._info_done, now)

    def refer(self, target: Uri, now: float, referred_by: str = "") -> None:
        """Ask the far end to call `target` instead of us (RFC 3515). Ends in `Referred`, then `Notified`.

        `referred_by` is our URI (RFC 3892). Raises ValueError for CR, LF or NUL.
        """
        if self.dialog is not None and self.state is SessionState.CONFIRMED:
            self._referral = Referral(self.dialog.request("REFER"), target, referred_by)
            self._send(self._referral.request, self.dialog, self._refer_done, now)

    def reinvite(self, body: bytes, now: float) -> None:
        """Offer new media; without `body`, ask for the far end's offer. Waits until no other offer is under way.

        Ends in `Accepted` or `ReinviteRefused`. 491 is met by trying again (RFC 3261 s14.1).
        """
        if self.state is not SessionState.ENDED:
            self._wanted_offer = body
            self._try_reinvite(now)

    # What the far end asks: called by the user agent.

    def invite_received(self, transaction: ServerTransaction) -> None:
        """The INVITE that made this session. Raises ProtocolError when it cannot make a dialog or a session."""
        offer = session_description(self.request)
        self.dialog = Dialog.from_request(self.request, self.local_tag)
        self._open_invite(self.request, transaction, self.flow, offer)
        self._agent.emit(events.Invited(self, self.request, offer))

    def request_received(self, request: Request, transaction: ServerTransaction, flow: Flow, now: float) -> None:
        """A request in the dialog, other than ACK and CANCEL. Raises ProtocolError with the status to answer."""
        dialog = self._dialog_with(request.from_.tag)
        if dialog is None or (self.state is SessionState.ENDED and request.method != "BYE"):
            raise RefusalError(481)
        if not dialog.is_in_order(request.cseq.number):
            raise RefusalError(500)
        match request.method:
            case "BYE":
                self._bye_received(request, transaction, now)
            case "INVITE":
                self._reinvite_received(request, transaction, flow)
            case "UPDATE":
                self._update_received(request, transaction, flow, dialog, now)
            case "INFO":
                transaction.respond(request.response(200), now)
                self._agent.emit(events.InfoReceived(self, request.headers.get("Content-Type") or "", request.body))
            case "NOTIFY":
                if self._referral is None:
                    raise RefusalError(481)
                news = self._referral.notify_received(request)
                transaction.respond(request.response(200), now)
                if news is not None:
                    self._agent.emit(events.Notified(self, *news))
            case "OPTIONS":
                headers = [("Allow", self._agent.allow_text), ("Accept", SDP)]
                self._agent.respond(events.Asked(request, flow, transaction), 200, now, None, headers)
            case _:
                self._agent.emit(events.Asked(request, flow, transaction))

    def ack_received(self, ack: Request, now: float) -> None:
        """An ACK to a 2xx."""
        incoming = self._incoming
        if not isinstance(incoming, IncomingInvite) or self._dialog_with(ack.from_.tag) is None:
            return
        if not incoming.ack_received(ack.cseq.number):
            return
        body = None if incoming.has_offer else readable_description(ack)
        if self.state is SessionState.ENDED:
            self._send_bye(now)  # hangup() had to wait for this ACK
        elif not incoming.has_offer and body is None:
            self._send_bye(now)  # our offer was not answered (RFC 3261 s13.2.2.4)
            self._end("no_ack", ())
        else:
            if self.state is SessionState.ANSWERED or body is not None:
                self._agent.emit(events.Confirmed(self, body))
            self.state = SessionState.CONFIRMED
            self._try_reinvite(now)

    def flow_closed(self) -> None:
        """The stream flow of this session died, and nothing can be said on it any more."""
        if self._incoming is not None:
            self._incoming.stop()
        self._end("transport", ())
        self._forget()

    # What its INVITEs tell.

    def invite_cancelled(self, cancel: Request, now: float) -> None:
        if self.state is SessionState.INVITED:
            self._end("cancel", tuple(cancel.headers))
            self._forget()
        else:
            self._try_reinvite(now)

    def ack_missing(self, now: float) -> None:
        """64*T1 without ACK ends the session with BYE (RFC 3261 s13.3.1.4, s14.2)."""
        self._send_bye(now)
        self._end("no_ack", ())

    def provisional_received(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        if self.state is not SessionState.CALLING:
            return
        tag = response.to.tag
        if tag is not None and tag not in self._early and len(self._early) < MOST_FORKS:
            self._early[tag] = Dialog.from_response(invite.request, response)
        self._agent.emit(events.Rang(self, response.status, readable_description(response)))

    def success_received(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        if self.state is SessionState.CALLING:
            self._confirm(invite, response)
        elif self.dialog is None or response.to.tag != self.dialog.remote_tag:
            self._dismiss(invite, response, now)
            return
        elif self.state is SessionState.ENDED:
            self._acknowledge(invite, self.dialog, b"")  # our BYE is out already
            return
        else:
            self.dialog.refresh_target(response)
        body = readable_description(response) or b""
        if invite.has_offer:
            self._pay_ack(b"")
        self._agent.emit(events.Accepted(self, body, is_offer=not invite.has_offer))
        self._try_reinvite(now)

    def failure_received(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        self._outgoing = None
        if self.state is SessionState.CALLING:
            self.state = SessionState.ENDED
            self._agent.emit(events.Rejected(self, response.status, response.reason))
        if self.state is SessionState.ENDED:
            self._forget()
        elif response.status in _DIALOG_IS_GONE:
            self._send_bye(now)
            self._end("timeout", ())
        elif response.status == 491:
            if self._wanted_offer is None:
                self._wanted_offer = invite.request.body
            # The end that chose the Call-ID waits longer, so the two do not meet again (RFC 3261 s14.1).
            low, high = (0.0, 2.0) if self.is_incoming else (2.1, 4.0)
            self._retry_at = now + self._layer.random(low, high)
            self._layer.deadlines.add(self._retry_at, self, "reinvite")
        else:
            self._agent.emit(events.ReinviteRefused(self, response.status, response.reason))
            self._try_reinvite(now)

    def timer_fired(self, timer: str, now: float) -> None:
        """The pause after 491 is over."""
        self._try_reinvite(now)

    # Requests of theirs.

    def _open_invite(self, request: Request, transaction: ServerTransaction, flow: Flow, offer: bytes | None) -> None:
        has_offer = offer is not None
        self._incoming = IncomingInvite(
            self._layer, self, request, transaction, flow, self.local_tag, has_offer=has_offer
        )

    def _bye_received(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(request.response(200), now)
        if self._incoming is not None:
            self._incoming.reject(487, None, (), now)  # RFC 3261 s15.1.2
            self._incoming.stop()
        if self._outgoing is not None:
            self._outgoing.cancel((), now)
        self._end("bye", tuple(request.headers))
        self._forget()

    def _reinvite_received(self, request: Request, transaction: ServerTransaction, flow: Flow) -> None:
        self._check_offer_fits()
        offer = session_description(request)
        self._open_invite(request, transaction, flow, offer)
        self._agent.emit(events.Offered(self, offer, flow))

    def _update_received(
        self, request: Request, transaction: ServerTransaction, flow: Flow, dialog: Dialog, now: float
    ) -> None:
        """RFC 3311 s5.2. Without a body it only refreshes the target."""
        offer = session_description(request)
        update = IncomingOffer(request, transaction, flow, self.local_tag)
        if offer is None:
            dialog.refresh_target(request)
            self._agent.move_session(self, flow)
            update.accept(b"", [("Contact", self._agent.contact(flow))], now)
        else:
            self._check_offer_fits()
            self._incoming = update
            self._agent.emit(events.Offered(self, offer, flow))

    def _check_offer_fits(self) -> None:
        """Raises RefusalError while another offer is under way (RFC 3261 s14.2, RFC 3311 s5.2)."""
        if self._incoming is not None and self._incoming.is_open:
            raise RefusalError(500, ("Retry-After", str(int(self._layer.random(0, 10)))))
        if self._is_negotiating:
            raise RefusalError(491)

    def _refresh_target(self, request: Request, flow: Flow) -> None:
        if self.dialog is not None:
            self.dialog.refresh_target(request)
            self._agent.move_session(self, flow)

    # Requests of ours.

    def start(self, invite: Request, now: float) -> None:
        """Send `invite`, the first one (by the user agent) or a re-INVITE."""
        invite.headers.add("Contact", self._agent.contact(self.flow))
        invite.headers.add("Allow", self._agent.allow_text)
        if invite.body:
            invite.headers.add("Content-Type", SDP)
        next_sequence = self.dialog.next_sequence if self.dialog else lambda: invite.cseq.number + 1
        self._outgoing = OutgoingInvite(self._layer, self, invite, self.flow, self._credentials, next_sequence)
        self._outgoing.send(now)

    @property
    def _is_negotiating(self) -> bool:
        """An offer is under way, theirs or ours: no second one may cross it."""
        return self._outgoing is not None or (self._incoming is not None and not self._incoming.is_done)

    def _try_reinvite(self, now: float) -> None:
        if self._wanted_offer is None or self.dialog is None or self.state is not SessionState.CONFIRMED:
            return
        if not self._is_negotiating and now >= self._retry_at:
            invite = self.dialog.request("INVITE")
            invite.body, self._wanted_offer = self._wanted_offer, None
            self.start(invite, now)

    def _confirm(self, invite: OutgoingInvite, response: Response) -> None:
        """The first 2xx decides which of the early dialogs is the call."""
        tag = response.to.tag
        dialog = self._early.get(tag) or Dialog.from_response(invite.request, response)
        dialog.confirm(response)
        dialog.local_sequence = invite.request.cseq.number
        self._early = {}
        self.dialog = dialog
        self.state = SessionState.CONFIRMED

    def _dismiss(self, invite: OutgoingInvite, response: Response, now: float) -> None:
        """A 2xx that crossed our CANCEL, or one of another branch of a fork: ACK, then BYE (RFC 3261 s13.2.2.4)."""
        dialog = Dialog.from_response(invite.request, response)
        self._acknowledge(invite, dialog, b"")
        self._send(dialog.request("BYE"), dialog, self._bye_done, now)

    @property
    def _owes_ack(self) -> bool:
        return self._outgoing is not None and self._outgoing.is_over

    def _pay_ack(self, body: bytes) -> None:
        if self._outgoing is not None and self.dialog is not None:
            self._acknowledge(self._outgoing, self.dialog, body)
            self._outgoing = None

    def _acknowledge(self, invite: OutgoingInvite, dialog: Dialog, body: bytes) -> None:
        ack = dialog.request("ACK", sequence=invite.request.cseq.number)
        if body:
            ack.headers.add("Content-Type", SDP)
            ack.body = body
        invite.acknowledge(ack, dialog.remote_tag)

    def _send_bye(self, now: float) -> None:
        if self._owes_ack:
            self._pay_ack(b"")
        if self._incoming is not None:
            self._incoming.reject(487, None, (), now)
        if self._outgoing is not None:
            self._outgoing.cancel((), now)  # a re-INVITE that rings would be waited for without end
        if self.dialog is not None and not self._is_bye_sent:
            self._is_bye_sent = True
            bye = self.dialog.request("BYE")
            for name, value in self._bye_headers:
                bye.headers.add(name, value)
            self._send(bye, self.dialog, self._bye_done, now)

    def _send(self, request: Request, dialog: Dialog, done: Done, now: float) -> None:
        OutgoingRequest(self._layer, request, self.flow, self._credentials, dialog.next_sequence, done).send(now)

    def _bye_done(self, response: Response, now: float) -> None:
        """Until here the session stays known, to say 200 to a BYE that crossed ours."""
        if self.state is SessionState.ENDED:
            self._forget()

    def _refer_done(self, response: Response, now: float) -> None:
        self._agent.emit(events.Referred(self, response.status, is_followed(response)))
        if response.status >= 300:
            self._referral = None
        self._info_done(response, now)

    def _info_done(self, response: Response, now: float) -> None:
        if response.status in _DIALOG_IS_GONE and self.state is SessionState.CONFIRMED:
            self._send_bye(now)
            self._end("timeout", ())

    # Both.

    def _dialog_with(self, remote_tag: str | None) -> Dialog | None:
        if self.dialog is None:
            return self._early.get(remote_tag)
        return self.dialog if self.dialog.remote_tag == remote_tag else None

    def _end(self, reason: EndReason, headers: HeaderList) -> None:
        if self.state is not SessionState.ENDED:
            self.state = SessionState.ENDED
            self._agent.emit(events.Ended(self, reason, headers))

    def _forget(self) -> None:
        self._agent.forget_session(self)
