"""`Via`: one hop of the way a request came (RFC 3261 s20.42, RFC 3581)."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, is_token, parse_number
from ivrnode.sip.host import parse_host_port, write_host_port
from ivrnode.sip.parameters import Parameters, find_parameter, parse_parameters, replace_parameter, write_parameters

MAGIC_COOKIE = "z9hG4bK"


@dataclass(frozen=True, slots=True)
class Via:
    """`transport` is in upper case. `host` and `port` are the sent-by; an IPv6 host has no brackets."""

    protocol: str
    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one value; blanks around slashes, colon and semicolons are allowed. Raises ProtocolError."""
        hop, semicolon, tail = text.partition(";")
        protocol, where = _split_protocol(hop)
        transport, _, sent_by = where.partition(" ")
        if not is_token(transport):
            raise ProtocolError("Bad Via transport")
        host, port = parse_host_port(sent_by.strip(WHITESPACE))
        return cls(protocol, transport.upper(), host, port, parse_parameters(tail) if semicolon else ())

    def __str__(self) -> str:
        sent_by = write_host_port(self.host, self.port)
        return f"{self.protocol}/{self.transport} {sent_by}{write_parameters(self.parameters)}"

    @property
    def branch(self) -> str | None:
        return find_parameter(self.parameters, "branch") or None

    @property
    def received(self) -> str | None:
        """Address that the request came from, without brackets (RFC 5118 s4.5 allows both forms)."""
        received = find_parameter(self.parameters, "received")
        return received.strip("[]") if received else None

    @property
    def rport(self) -> int | None:
        """Port that the request came from; None also while it is only asked for (`parameter("rport")` is "" then)."""
        try:
            return parse_number(find_parameter(self.parameters, "rport") or "", 65535, "rport")
        except ProtocolError:
            return None

    def parameter(self, name: str) -> str | None:
        """Value of the parameter as written; "" for a name alone such as `rport`, None when there is none."""
        return find_parameter(self.parameters, name)

    def with_parameter(self, name: str, value: str | None) -> Via:
        parameters = replace_parameter(self.parameters, name, value)
        return Via(self.protocol, self.transport, self.host, self.port, parameters)


def _split_protocol(hop: str) -> tuple[str, str]:
    """Protocol with version, and what follows their slash: the transport, a blank, the sent-by."""
    if hop.startswith("SIP/2.0/") and "\t" not in hop:
        return "SIP/2.0", hop[8:].lstrip(" ")
    pieces = [piece.strip(WHITESPACE) for piece in hop.replace("\t", " ").split("/", 2)]
    if len(pieces) != 3 or not is_token(pieces[0]) or not is_token(pieces[1]):
        raise ProtocolError("Bad Via protocol")
    return f"{pieces[0].upper()}/{pieces[1]}", pieces[2]
