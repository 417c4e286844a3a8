"""What the user agent tells the house. Every event is a fact; the house answers by calling methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, Response
from ivrnode.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from ivrnode.sip.invite import InviteSession
    from ivrnode.sip.registration import Registration

EndReason: TypeAlias = Literal["bye", "cancel", "no_ack", "timeout", "transport", "hangup"]
"""bye, cancel: the far end's; hangup: ours; no_ack: our 200 was never (or not fully) acknowledged; timeout: the far end
no longer knows or answers the dialog; transport: its stream flow died."""

HeaderList: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is no call: REGISTER, OPTIONS, MESSAGE. Answer it with `UserAgent.respond`."""

    request: Request
    flow: Flow
    transaction: ServerTransaction


@dataclass(frozen=True, slots=True)
class Invited:
    """A call came in. `offer` is its SDP, None for a late offer. Answer with `session.ring`, `accept` or `reject`."""

    session: InviteSession
    request: Request
    offer: bytes | None


@dataclass(frozen=True, slots=True)
class Rang:
    """Our call got a provisional response 101-199. `body` is its SDP (early media), if it has one."""

    session: InviteSession
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Our INVITE or re-INVITE got its 2xx. `body` is the answer, and the ACK is sent.

    When our INVITE had no body, `body` is the far end's offer, `is_offer` is true, and the ACK waits for
    `session.accept(answer, now)`.
    """

    session: InviteSession
    body: bytes
    is_offer: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Our call came to nothing: the final status, 408 for no answer, 503 for a lost flow. The session is over."""

    session: InviteSession
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK to our 200 came. `body` is the far end's answer to an offer of ours, else None."""

    session: InviteSession
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Offered:
    """A re-INVITE or UPDATE wants new media (`offer` None: wants our offer). Answer with `accept` or `reject`."""

    session: InviteSession
    offer: bytes | None
    flow: Flow


@dataclass(frozen=True, slots=True)
class ReinviteRefused:
    """Our re-INVITE was refused: media stay as they were, the session lives on."""

    session: InviteSession
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO came in the dialog and is answered already."""

    session: InviteSession
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Referred:
    """Our REFER got its answer: 2xx, and then `Notified` if `is_followed`, or why not (408: none came)."""

    session: InviteSession
    status: int
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Notified:
    """How the call goes that a REFER of ours asked for. After `is_final` nothing more is told: status 200 or higher,
    or a provisional one when the far end stopped to look. May come before `Referred`."""

    session: InviteSession
    status: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: exactly once for each that did not end by `Rejected`.

    `headers` are those of the far end's BYE or CANCEL, empty for other reasons.
    """

    session: InviteSession
    reason: EndReason
    headers: HeaderList


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar knows us for `expires` seconds more. Comes with every refresh; 0 after `unregister`."""

    registration: Registration
    expires: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """The registrar refused (or did not answer: 408). The registration tries again by itself unless the flow died."""

    registration: Registration
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Responded:
    """The final response to `UserAgent.request`; 408 for no answer, 503 for a lost flow."""

    request_id: int
    response: Response


Event: TypeAlias = (
    Asked
    | Invited
    | Rang
    | Accepted
    | Rejected
    | Confirmed
    | Offered
    | ReinviteRefused
    | InfoReceived
    | Referred
    | Notified
    | Ended
    | Registered
    | RegistrationFailed
    | Responded
)
