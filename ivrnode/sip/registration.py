"""Our own registration at a registrar, a trunk's or a phone's: kept alive until told otherwise (RFC 3261 s10.2).

```
  REGISTER ─ 200 ─▶ Registered ── half the time ──▶ REGISTER …
      │ 423: longer, at once
      └ else ─▶ RegistrationFailed ── 60 s, 120 s … 30 min, or Retry-After ──▶ REGISTER
                                   └─ flow dead: no more, a new flow needs a new registration
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrnode.errors import ProtocolError
from ivrnode.sip.digest import Credentials
from ivrnode.sip.events import Registered, RegistrationFailed
from ivrnode.sip.flow import Flow
from ivrnode.sip.grammar import parse_number
from ivrnode.sip.host import write_host_port
from ivrnode.sip.message import Request, Response
from ivrnode.sip.outgoing_request import OutgoingRequest
from ivrnode.sip.uri import Uri

if TYPE_CHECKING:
    from ivrnode.sip.user_agent import UserAgent

FIRST_PAUSE = 60.0
LONGEST_PAUSE = 1800.0


class Registration:
    """One address of record at one registrar over one flow. Made by `UserAgent.register`."""

    def __init__(
        self, agent: UserAgent, aor: Uri, registrar: Uri, flow: Flow, credentials: Credentials | None, expires: int
    ) -> None:
        self._agent = agent
        self._credentials = credentials
        self._call_id = agent.layer.new_call_id()
        self._tag = agent.layer.new_tag()
        self._sequence = 0
        self._expires = expires
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self._is_asking = False
        self._is_wanted = True
        self._is_flow_dead = False
        self.aor = aor
        self.registrar = registrar
        self.flow = flow
        self.is_registered = False

    def unregister(self, now: float) -> None:
        """Take our binding back. Ends in `Registered` with `expires` 0; does nothing the second time."""
        if self._is_wanted:
            self._is_wanted = False
            if not self._is_flow_dead and not self._is_asking:
                self.send(now)

    def send(self, now: float) -> None:
        """Register, refresh or take back now. One request at a time (RFC 3261 s10.2)."""
        self._due = 0.0
        self._is_asking = True
        request = Request("REGISTER", self.registrar)
        headers = request.headers
        headers.add("Max-Forwards", "70")
        headers.add("From", f"<{self.aor}>;tag={self._tag}")
        headers.add("To", f"<{self.aor}>")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._next_sequence()} REGISTER")
        headers.add("Contact", self._agent.contact(self.flow))
        headers.add("Expires", str(self._expires if self._is_wanted else 0))
        headers.add("Supported", "path")
        layer = self._agent.layer
        is_last = not self._is_wanted

        def done(response: Response, now: float) -> None:
            self._answered(response, is_last, now)

        OutgoingRequest(layer, request, self.flow, self._credentials, self._next_sequence, done).send(now)

    def flow_closed(self) -> None:
        """The stream flow died, and the binding with it (RFC 5626 s4.4)."""
        if self._is_wanted and not self._is_flow_dead:
            self._is_flow_dead = True
            self.is_registered = False
            self._agent.emit(RegistrationFailed(self, 503, "Flow Closed"))

    def timer_fired(self, timer: str, now: float) -> None:
        if self._due and now >= self._due and self._is_wanted and not self._is_flow_dead:
            self.send(now)

    def _answered(self, response: Response, is_last: bool, now: float) -> None:
        self._is_asking = False
        if self._is_flow_dead:
            return  # told already
        if is_last:
            self._agent.forget_registration(self)
        if not self._is_wanted and not is_last:
            self.send(now)  # `unregister` had to wait for this answer
        elif 200 <= response.status < 300:
            expires = 0 if is_last else self._granted(response)
            self.is_registered = expires > 0
            self._pause = FIRST_PAUSE
            if not is_last:
                self._wait(max(min(expires, self._expires) / 2, 1.0), now)
            self._agent.emit(Registered(self, expires))
        elif response.status == 423 and (longer := _seconds(response, "Min-Expires")) > self._expires:
            self._expires = longer
            self.send(now)
        else:
            self.is_registered = False
            if not is_last:
                self._wait(_seconds(response, "Retry-After") or self._pause, now)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._agent.emit(RegistrationFailed(self, response.status, response.reason))

    def _granted(self, response: Response) -> int:
        """The time in our Contact of the 200, else in its Expires, else what we asked for (RFC 3261 s10.2.4)."""
        address = self._agent.layer.address(self.flow)
        for contact in response.contacts:
            expires = contact.parameter("expires") or ""
            if write_host_port(contact.uri.host, contact.uri.port) == address and expires:
                return _number(expires)
        return self._expires if response.expires is None else response.expires

    def _wait(self, seconds: float, now: float) -> None:
        self._due = now + seconds
        self._agent.layer.deadlines.add(self._due, self, "refresh")

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence


def _seconds(response: Response, name: str) -> int:
    """A number of seconds at the start of a field; 0 when there is none (Retry-After may carry a comment)."""
    return _number((response.headers.get(name) or "").replace("(", ";").partition(";")[0].strip())


def _number(text: str) -> int:
    try:
        return parse_number(text, 2**31, "seconds")
    except ProtocolError:
        return 0
