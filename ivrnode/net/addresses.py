"""Which address of ours a peer sees: goes into Via, Contact and SDP (RFC 3261 s18.1.1).

Towards peers inside `local_nets` the interface's own address; towards all others `external_host`, if one is set.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from functools import lru_cache

from ivrnode.config import Listen
from ivrnode.errors import ConfigError
from ivrnode.net.outbound.policy import is_public

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class LocalAddresses:
    def __init__(self, external_host: str = "", local_nets: Sequence[IpNetwork] = ()) -> None:
        self._external_host, self._local_nets = external_host, tuple(local_nets)

    def towards(self, remote_host: str) -> str:
        """Our address as the peer at `remote_host` (an IP literal) reaches it."""
        if self._external_host and not self._is_local(remote_host):
            return self._external_host
        return interface_address(remote_host)

    def _is_local(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        if address.is_loopback:
            return True
        return any(address.version == net.version and address in net for net in self._local_nets)


def check_privacy(listens: Sequence[Listen]) -> None:
    """ConfigError when a stranger could reach one of them: all interfaces, or a public address."""
    for listen in listens:
        address = ipaddress.ip_address(listen.host)
        if address.is_unspecified or is_public(address):
            text = f"{listen} is open to strangers: --unsafe-scripts listens on loopback and private addresses only"
            raise ConfigError(text, key="sip.listen")


@lru_cache(maxsize=4096)
def interface_address(remote_host: str) -> str:
    """The address of the interface that packets to `remote_host` leave by. Sends nothing: connects a UDP socket."""
    family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote_host, 9))
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return str(probe.getsockname()[0])
