"""Somebody at an address of his own, who writes SIP by hand to the core of a `World`."""

from __future__ import annotations

from itertools import count

from world import AT_CORE, World, sdp

from ivrnode.media import messages as media
from ivrnode.sip.digest import Credentials, authorize
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, Response, parse_message

_numbers = count(1)


class Stranger:
    """`last`: the last final answer that he got."""

    def __init__(self, world: World, host: str = "198.51.100.7", port: int = 5060) -> None:
        self._world = world
        self.flow = Flow("udp", AT_CORE.local, (host, port), 1)
        self.last: Response | None = None

    def send(self, data: bytes) -> int | None:
        """The status of what came back last; None for silence."""
        desk = self._world.desk
        before = len(desk.sip)
        self._world.core.sip_received(data, self.flow, self._world.now)
        answers = [parse_message(raw) for raw, flow in desk.sip[before:] if flow == self.flow]
        del desk.sip[before:]
        found = [answer for answer in answers if isinstance(answer, Response) and answer.status >= 180]
        if found:
            self.last = found[-1]
        return found[-1].status if found else None

    def write(self, method: str, headers: str = "", user: str = "700", body: bytes = b"", to_tag: str = "") -> bytes:
        number = next(_numbers)
        host = f"[{self.flow.remote[0]}]" if ":" in self.flow.remote[0] else self.flow.remote[0]
        tag = f";tag={to_tag}" if to_tag else ""
        call = "" if "Call-ID" in headers else f"Call-ID: call-{number}\r\n"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:{user}@localhost SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{self.flow.remote[1]};branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:stranger@localhost>;tag=stranger\r\nTo: <sip:{user}@localhost>{tag}\r\n{call}"
            f"CSeq: {number} {method}\r\nContact: <sip:stranger@{host}:{self.flow.remote[1]}>\r\n"
            f"{headers}{kind}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def request(self, method: str) -> Request:
        message = parse_message(self.write(method))
        assert isinstance(message, Request)
        return message

    def ask(self, method: str, headers: str = "") -> int | None:
        return self.send(self.write(method, headers))

    def options(self) -> int | None:
        return self.ask("OPTIONS")

    def challenge(self, user: str = "40") -> list[str]:
        """The challenges that answer a REGISTER without a password; none for silence."""
        if self.send(self.write("REGISTER", user=user)) is None or self.last is None:
            return []
        return self.last.headers.get_all("WWW-Authenticate")

    def register(self, user: str, password: str, expires: int = 3600, nonce: list[str] | None = None) -> int | None:
        """Both requests of it. `nonce`: challenges to answer instead of asking for some."""
        challenges = nonce or self.challenge(user)
        if not challenges:
            return None
        value = authorize(challenges, Credentials(user, password), "REGISTER", f"sip:{user}@localhost", b"", 1)
        headers = f"Authorization: {value}\r\nExpires: {expires}\r\n"
        return self.send(self.write("REGISTER", headers, user=user))

    def call(self, user: str) -> Response:
        """A call that is answered; the 200."""
        data = self.write("INVITE", user=user, body=sdp())
        self.send(data)
        self._world.core.media_told(media.Opened(self._world.leg, ("0.0.0.0", 40_000)), self._world.now)
        answers = [parse_message(raw) for raw, flow in self._world.desk.sip if flow == self.flow]
        self._world.desk.sip.clear()
        answer = answers[-1]
        assert isinstance(answer, Response) and answer.status == 200
        ack = self.write("ACK", f"Call-ID: {answer.call_id}\r\n", user, to_tag=answer.to.tag or "")
        cseq = f"CSeq: {answer.cseq.number} ACK".encode()
        self.send(b"\r\n".join(cseq if line.startswith(b"CSeq") else line for line in ack.split(b"\r\n")))
        return answer

    def bye(self, answer: Response) -> int | None:
        return self.send(self.write("BYE", f"Call-ID: {answer.call_id}\r\n", to_tag=answer.to.tag or ""))
