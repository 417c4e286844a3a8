"""A flow: the way a message came, and the way its answers and the dialog's requests go back (RFC 5626 s3, RFC 3581)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["udp", "tcp", "tls", "ws", "wss"]


@dataclass(frozen=True, slots=True)
class Flow:
    """One transport path between our address and theirs.

    `local` and `remote` are (host, port) as the socket tells them, IPv6 hosts without brackets. `id` names the
    connection of a stream flow (unique while the process lives) or the socket of a datagram flow.
    """

    transport: Transport
    local: tuple[str, int]
    remote: tuple[str, int]
    id: int = 0

    def __str__(self) -> str:
        """Where it leads, for people: `udp:192.0.2.1:5060`, `tcp:[2001:db8::1]:5060`."""
        host, port = self.remote
        return f"{self.transport}:[{host}]:{port}" if ":" in host else f"{self.transport}:{host}:{port}"

    @property
    def is_stream(self) -> bool:
        """Whether messages arrive whole, in order and once: such flows need no repeats (RFC 3261 s17)."""
        return self.transport != "udp"
