"""The wires on the desk: SIP messages and RTP packets in memory, without loss, jitter or delay.

RTP is handed over at once. A SIP message waits for `deliver`: whoever sends it is still in the middle of something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.media.messages import Address
from ivrnode.media.ports import Receiver

NODE = "192.0.2.1"
"""The address of the core and its media (RFC 5737: an address that nobody has)."""
SIP_PORT = 5060

SipReceiver = Callable[[bytes, Address], None]  # data, where it came from


@dataclass(slots=True)
class Clock:
    """Seconds, simulated."""

    now: float


class Network:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sip: dict[Address, SipReceiver] = {}
        self._sent: deque[tuple[bytes, Address, Address]] = deque()
        self._rtp: dict[Address, Receiver] = {}
        self._next_port = 40_000

    def join(self, address: Address, receiver: SipReceiver) -> None:
        self._sip[address] = receiver

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send a SIP message; one to an address where nobody is gets lost."""
        self._sent.append((data, source, target))

    def deliver(self) -> bool:
        """Hand over the next SIP message. False: there is none."""
        if not self._sent:
            return False
        data, source, target = self._sent.popleft()
        if receiver := self._sip.get(target):
            receiver(data, source)
        return True

    def bind(self, host: str, rtp_received: Receiver, rtcp_received: Receiver) -> Ports:
        """A pair of ports for a leg (`media.ports.Binder`)."""
        address = (host, self._next_port)
        self._next_port += 2
        self._rtp[address] = rtp_received
        self._rtp[host, address[1] + 1] = rtcp_received
        return Ports(self, address)

    def carry(self, data: bytes, source: Address, target: Address) -> None:
        if receiver := self._rtp.get(target):
            receiver(data, source, self._clock.now)

    def release(self, address: Address) -> None:
        self._rtp.pop(address, None)
        self._rtp.pop((address[0], address[1] + 1), None)


class Ports:
    """`media.ports.PortPair`."""

    def __init__(self, network: Network, address: Address) -> None:
        self._network, self.address = network, address

    def send_rtp(self, data: bytes, target: Address) -> None:
        self._network.carry(data, self.address, target)

    def send_rtcp(self, data: bytes, target: Address) -> None:
        self._network.carry(data, (self.address[0], self.address[1] + 1), target)

    def close(self) -> None:
        self._network.release(self.address)
