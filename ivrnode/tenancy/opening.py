"""One entry of the operator's `connect_to`: what scripts may reach besides public addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ivrnode.errors import ConfigError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Opening:
    """One entry of `connect_to`: a host name or a network, on one port or on all (0)."""

    name: str
    network: IpNetwork | None
    port: int

    @classmethod
    def parse(cls, entry: str) -> Opening:
        """`host`, `host:port`, `10.0.0.0/8`, `10.0.0.1:8080`, `::1`, `[::1]:8080`, `[fd00::/8]`. Raises ConfigError."""
        text = entry.strip()
        if network := _network(text.removeprefix("[").removesuffix("]")):
            return cls("", network, 0)
        host, _, digits = text.rpartition(":")
        if not host:
            host, digits = text, "0"
        elif not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
            raise ConfigError(f"{entry!r} has no port from 1 to 65535 after the colon", key="connect_to")
        if network := _network(host.removeprefix("[").removesuffix("]")):
            return cls("", network, int(digits))
        if not host or set(host) & set("[]:/@ *"):
            raise ConfigError(f"{entry!r} is neither a host, a network nor one of them with a port", key="connect_to")
        return cls(plain_name(host), None, int(digits))

    def is_for(self, host: str, port: int, address: IpAddress) -> bool:
        if self.port not in (0, port):
            return False
        return address in self.network if self.network is not None else self.name == host


def _network(text: str) -> IpNetwork | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def plain_name(host: str) -> str:
    return host.rstrip(".").lower()
