"""Where a tenant's script may connect to: public addresses, and what the operator's `connect_to` opens.

A script names a host; what counts is the address. So the name is resolved here, every address is judged, and the
caller connects to an address that passed, never to the name again: a name that answers differently the second time
(DNS rebinding) gains nothing. Special-purpose addresses: RFC 6890; carrier NAT: RFC 6598; IPv4 inside IPv6: RFC 4291
s2.5.5 (mapped), RFC 6052 (NAT64); 6to4 and its relays are closed altogether (RFC 7526).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ivrnode.errors import IvrNodeError
from ivrnode.tenancy.opening import IpAddress, Opening, plain_name

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) -> addresses as text, best first. Raises OSError when the name cannot be resolved."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")  # RFC 9637; not every Python knows it
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOOKUP_THREADS = 32
"""A name server that does not answer holds a thread for seconds: enough of them that one tenant's names do not delay
another's, and a pool of their own so that nothing else waits behind them."""


class OutboundBlockedError(IvrNodeError):
    """The policy forbids this connection. The text is the same for every reason: it tells a script nothing more."""

    def __init__(self) -> None:
        super().__init__("blocked by outbound policy")


class OutboundPolicy:
    """Public addresses only, unless `connect_to` names the host or a network around the address."""

    def __init__(self, connect_to: Iterable[str] = (), resolver: Resolver | None = None) -> None:
        """Raises ConfigError for an entry that cannot be read. `resolver` defaults to the system's."""
        self._openings = [Opening.parse(entry) for entry in connect_to]
        self._resolver = resolver or _SystemResolver()

    def check(self, host: str, port: int, addresses: Iterable[str]) -> list[str]:
        """Those of `addresses` that `host` may be reached at, in their order. Raises OutboundBlockedError for none."""
        name = plain_name(host)
        allowed = [str(address) for address in map(_unmapped, addresses) if self._is_allowed(name, port, address)]
        if not allowed:
            raise OutboundBlockedError
        return allowed

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to connect to, best first. Raises OutboundBlockedError; OSError when there is no such name."""
        return self.check(host, port, await self._resolver(host, port))

    def _is_allowed(self, host: str, port: int, address: IpAddress) -> bool:
        return is_public(address) or any(opening.is_for(host, port, address) for opening in self._openings)


def is_public(address: IpAddress) -> bool:
    """Whether the address is one host on the public internet, also after an IPv4 address inside it was taken out."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(address.packed[12:]))
        if address not in _GLOBAL_UNICAST or address in _SIX_TO_FOUR or address in _DOCUMENTATION:
            return False
    elif address in _RELAYS:
        return False
    return address.is_global and not address.is_multicast


class _SystemResolver:
    """getaddrinfo in threads of its own: it also reads the hosts file and every odd spelling of an IPv4 address."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._look_up, host, port)

    @staticmethod
    def _look_up(host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label that IDNA does not allow
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unmapped(text: str) -> IpAddress:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
