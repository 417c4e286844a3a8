"""What the hall of packets asks of the world: UDP ports for each leg. `net/media/rtp_ports.py` has the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ivrnode.media.messages import Address

Receiver = Callable[[bytes, Address, float], None]  # data, where it came from, now


class PortPair(Protocol):
    """An even RTP port and the odd RTCP port above it. Sending never blocks; it raises OSError when it cannot."""

    @property
    def address(self) -> Address: ...

    @property
    def send_rtp(self) -> Callable[[bytes, Address], object]: ...

    @property
    def send_rtcp(self) -> Callable[[bytes, Address], object]: ...

    def close(self) -> None: ...


class Binder(Protocol):
    def __call__(self, host: str, rtp_received: Receiver, rtcp_received: Receiver) -> PortPair:
        """Raises OSError, with a text for the operator, when no pair is free."""
