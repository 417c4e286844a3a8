"""UDP port pairs for RTP and RTCP, and the private epoll that reads them all.

One epoll for all pairs costs the event loop one descriptor, and a packet one `recvfrom`: half of what a datagram
transport each costs.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from ivrnode.media.messages import Address
from ivrnode.media.ports import PortPair, Receiver

_BATCH = 256  # packets between two looks at the clock
_LONGEST = 0.002  # seconds of packets after which others have their turn
_MAX_DATAGRAM = 2048
_EXPEDITED = 0xB8  # DSCP EF (RFC 3246), what networks know voice by
_ANY_ATTEMPTS = 100


class RtpPorts:
    """`ports`: the range (low, high), both included; (0, 0) = any free pair the kernel gives."""

    def __init__(self, ports: tuple[int, int] = (0, 0)) -> None:
        self._low, self._high = ports
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Callable[[int], tuple[bytes, Address]], Receiver]] = {}
        self._pairs: set[_Pair] = set()
        first = self._low + self._low % 2
        self._even_ports = range(first, self._high, 2)
        # Starting anywhere and going round: packets of the call before find their port closed for long.
        self._turn = random.randrange(len(self._even_ports)) if self._even_ports else 0

    def fileno(self) -> int:
        """Of the epoll: readable when any port is."""
        return self._epoll.fileno()

    def watch(self, descriptor: int) -> None:
        """Let `receive` return when this one is readable, too."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def receive(self, timeout: float = 0.0) -> bool:
        """Wait up to `timeout` seconds (-1 = for ever), hand over what has come. True: a watched one is readable."""
        has_other, readers = False, self._readers
        ready = self._epoll.poll(timeout, _BATCH)
        now = began = time.monotonic()
        while ready:
            has_packet = False
            for descriptor, _ in ready:
                reader = readers.get(descriptor)
                if reader is None:
                    has_other = True
                    continue
                has_packet = True
                receive, received = reader
                try:
                    data, address = receive(_MAX_DATAGRAM)
                except OSError:  # an ICMP error of an earlier packet, or nothing there after all
                    continue
                received(data, address, now)
            # A port may hold more than one packet; but a flood must not keep us from what else is to be done.
            now = time.monotonic()
            ready = self._epoll.poll(0, _BATCH) if has_packet and now - began < _LONGEST else []
        return has_other

    def bind(self, host: str, rtp_received: Receiver, rtcp_received: Receiver) -> PortPair:
        """Raises OSError when no pair is free or `host` is no address of this machine."""
        for rtp, rtcp in self._bound(host):
            pair = _Pair(rtp, rtcp, self._release)
            self._pairs.add(pair)
            for udp, received in ((rtp, rtp_received), (rtcp, rtcp_received)):
                self._readers[udp.fileno()] = (udp.recvfrom, received)
                self._epoll.register(udp.fileno(), select.EPOLLIN)
            return pair
        raise OSError(errno.EADDRINUSE, f"no RTP port pair is free on {host} in {self._low}-{self._high}")

    def close(self) -> None:
        for pair in list(self._pairs):
            pair.close()
        self._epoll.close()

    def _bound(self, host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
        """At most one pair of sockets."""
        for port in self._candidates(host):
            try:
                rtp = _udp(host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            try:
                yield rtp, _udp(host, port + 1)
            except OSError:
                rtp.close()
                continue
            return

    def _candidates(self, host: str) -> Iterator[int]:
        """Even ports to try."""
        if not self._even_ports:
            for _ in range(_ANY_ATTEMPTS):
                with _udp(host, 0) as probe:
                    port = probe.getsockname()[1]
                yield port - port % 2
            return
        ours = {pair.address[1] for pair in self._pairs}
        for _ in self._even_ports:
            port = self._even_ports[self._turn]
            self._turn = (self._turn + 1) % len(self._even_ports)
            if port not in ours:
                yield port

    def _release(self, pair: _Pair) -> None:
        self._pairs.discard(pair)
        for udp in (pair.rtp, pair.rtcp):
            del self._readers[udp.fileno()]
            self._epoll.unregister(udp.fileno())


class _Pair:
    def __init__(self, rtp: socket.socket, rtcp: socket.socket, release: Callable[[_Pair], None]) -> None:
        self.rtp, self.rtcp = rtp, rtcp
        self.send_rtp, self.send_rtcp = rtp.sendto, rtcp.sendto
        self.address: Address = rtp.getsockname()[:2]
        self._release = release

    def close(self) -> None:
        self._release(self)
        self.rtp.close()
        self.rtcp.close()


def _udp(host: str, port: int) -> socket.socket:
    is_v6 = ":" in host
    udp = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        with suppress(OSError):  # a mark on the packets, nothing that a call hangs on
            if is_v6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED)
            else:
                udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED)
        udp.bind((host, port))
    except OSError as error:
        udp.close()
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {host}:{port}") from error
    return udp
