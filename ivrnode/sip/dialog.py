"""The dialog: what two ends remember of each other between requests (RFC 3261 s12).

```
  UAS: from_request ─▶ early ─ 2xx sent ─▶ confirmed        route set: Record-Route as it stands
  UAC: from_response ▶ early ─ 2xx came ─▶ confirmed        route set: Record-Route turned round
```
"""

from __future__ import annotations

from typing import Literal

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.message import Request, Response
from ivrnode.sip.uri import Uri


class Dialog:
    """One peer relation, named by Call-ID, local tag and remote tag.

    `local` and `remote` are From and To as they stand in our requests, tags included. `route_set` is in the order of
    our requests. `remote_sequence` is None until the far end sent a request.
    """

    __slots__ = (
        "_allow", "call_id", "local", "local_sequence", "local_tag", "remote", "remote_sequence", "remote_tag",
        "remote_target", "route_set", "state",
    )  # fmt: skip

    def __init__(
        self, call_id: str, local: str, local_tag: str, remote: str, remote_tag: str | None, remote_target: Uri
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.route_set: tuple[NameAddr, ...] = ()
        self.local_sequence = 0
        self.remote_sequence: int | None = None
        self.state: Literal["early", "confirmed"] = "early"
        self._allow: frozenset[str] = frozenset()

    @classmethod
    def from_request(cls, invite: Request, local_tag: str) -> Dialog:
        """The UAS side (RFC 3261 s12.1.1). Raises ProtocolError when there is no Contact to answer to."""
        target = _contact(invite)
        if target is None:
            raise ProtocolError("Missing Contact", 400)
        local, remote = _text(invite, "To"), _text(invite, "From")
        dialog = cls(invite.call_id, f"{local};tag={local_tag}", local_tag, remote, invite.from_.tag, target)
        dialog.route_set = tuple(invite.record_routes)
        dialog.remote_sequence = invite.cseq.number
        dialog._hear_allow(invite)
        return dialog

    @classmethod
    def from_response(cls, invite: Request, response: Response) -> Dialog:
        """The UAC side (RFC 3261 s12.1.2). A response without Contact leaves the target that the INVITE went to."""
        target = _contact(response) or invite.uri
        local_tag = invite.from_.tag or ""
        local, remote = _text(invite, "From"), _text(response, "To")
        dialog = cls(invite.call_id, local, local_tag, remote, response.to.tag, target)
        dialog.route_set = tuple(reversed(response.record_routes))
        dialog.local_sequence = invite.cseq.number
        return dialog

    def request(self, method: str, *, sequence: int | None = None) -> Request:
        """A request in the dialog, along the route set (RFC 3261 s12.2.1.1). `sequence` is given for ACK only."""
        if sequence is None:
            sequence = self.next_sequence()
        target, routes = self.remote_target, [str(route) for route in self.route_set]
        if self.route_set and self.route_set[0].uri.parameter("lr") is None:
            # A strict router wants to be the Request-URI itself; our target goes last (RFC 3261 s16.12).
            target, routes = self.route_set[0].uri, [*routes[1:], f"<{target}>"]
        request = Request(method, target)
        headers = request.headers
        for route in routes:
            headers.add("Route", route)
        headers.add("Max-Forwards", "70")
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{sequence} {method}")
        return request

    def next_sequence(self) -> int:
        """The CSeq number of our next request."""
        self.local_sequence += 1
        return self.local_sequence

    def is_in_order(self, sequence: int) -> bool:
        """Take the CSeq number of a request of theirs. False when it is not higher than the last (RFC 3261 s12.2.2)."""
        if self.remote_sequence is not None and sequence <= self.remote_sequence:
            return False
        self.remote_sequence = sequence
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """A re-INVITE, an UPDATE or their 2xx moved the far end (RFC 3261 s12.2.1.2, s12.2.2)."""
        self.remote_target = _contact(message) or self.remote_target
        self._hear_allow(message)

    def allows(self, method: str) -> bool:
        """Whether the far end named `method` in the Allow of its INVITE or 2xx (RFC 3261 s20.5)."""
        return method in self._allow

    def confirm(self, response: Response) -> None:
        """The 2xx came: its Record-Route and Contact are the ones that count (RFC 3261 s13.2.2.4)."""
        self.route_set = tuple(reversed(response.record_routes))
        self.refresh_target(response)
        self.state = "confirmed"

    def _hear_allow(self, message: Request | Response) -> None:
        methods = message.headers.get_all("Allow")
        if methods:
            self._allow = frozenset(method.strip().upper() for method in methods)


def _text(message: Request | Response, name: str) -> str:
    """From and To go back as they came, for some peers compare more than tags."""
    return message.headers.get(name) or ""


def _contact(message: Request | Response) -> Uri | None:
    contacts = message.contacts
    return contacts[0].uri if contacts else None
