"""Where scripts may connect to: every kind of address, the operator's openings, names that change their mind."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ConfigError
from ivrnode.net.outbound.policy import OutboundBlockedError, OutboundPolicy, is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2002:c0a8:101::1",
    "192.88.99.1",
    "3fff::1",
    "64:ff9b:1::7f00:1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert OutboundPolicy().check("example.org", 443, [address]) == [address]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_blocked(address: str) -> None:
    with pytest.raises(OutboundBlockedError, match=r"^blocked by outbound policy$"):
        OutboundPolicy().check("example.org", 443, [address])


def test_only_the_allowed_addresses_of_a_name_are_left() -> None:
    assert OutboundPolicy().check("example.org", 443, ["10.0.0.1", "8.8.8.8", "::1"]) == ["8.8.8.8"]


def test_a_mapped_address_is_connected_to_as_what_it_is() -> None:
    assert OutboundPolicy().check("example.org", 443, ["::ffff:8.8.8.8"]) == ["8.8.8.8"]


def test_no_address_is_blocked() -> None:
    with pytest.raises(OutboundBlockedError):
        OutboundPolicy().check("example.org", 443, [])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "is_open"),
    [
        ("ai.local", "ai.local", 443, "10.0.0.5", True),
        ("ai.local", "AI.Local.", 8080, "127.0.0.1", True),
        ("AI.local.", "ai.local", 80, "127.0.0.1", True),
        ("ai.local", "x.ai.local", 443, "10.0.0.5", False),
        ("ai.local:8080", "ai.local", 8080, "10.0.0.5", True),
        ("ai.local:8080", "ai.local", 8081, "10.0.0.5", False),
        ("127.0.0.1", "localhost", 1, "127.0.0.1", True),
        ("127.0.0.1", "localhost", 1, "127.0.0.2", False),
        ("127.0.0.1", "localhost", 1, "::ffff:127.0.0.1", True),
        ("127.0.0.1:9000", "localhost", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "localhost", 9001, "127.0.0.1", False),
        ("10.0.0.0/8", "any", 443, "10.9.9.9", True),
        ("10.0.0.0/8", "any", 443, "11.0.0.1", True),  # public
        ("10.0.0.0/8", "any", 443, "192.168.0.1", False),
        ("10.0.0.0/8:443", "any", 443, "10.9.9.9", True),
        ("10.0.0.0/8:443", "any", 80, "10.9.9.9", False),
        ("::1", "any", 443, "::1", True),
        ("[::1]", "any", 443, "::1", True),
        ("[::1]:8080", "any", 8080, "::1", True),
        ("[::1]:8080", "any", 8081, "::1", False),
        ("fd00::/8", "any", 443, "fd00::5", True),
        ("[fd00::/8]:443", "any", 443, "fd00::5", True),
        ("[fd00::/8]:443", "any", 444, "fd00::5", False),
    ],
)
def test_openings(entry: str, host: str, port: int, address: str, is_open: bool) -> None:
    policy = OutboundPolicy([entry])
    if is_open:
        assert policy.check(host, port, [address])
    else:
        with pytest.raises(OutboundBlockedError):
            policy.check(host, port, [address])


@pytest.mark.parametrize(
    "entry", ["", "host:", "host:0", "host:65536", "host:x", "ws://host", "a b", "[::1]:", "*.org"]
)
def test_an_opening_that_cannot_be_read_names_itself(entry: str) -> None:
    with pytest.raises(ConfigError, match="connect_to"):
        OutboundPolicy([entry])


async def test_each_resolution_is_judged_by_itself() -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    policy = OutboundPolicy(resolver=rebinding)
    assert await policy.resolve("rebind.example", 443) == ["8.8.8.8"]
    with pytest.raises(OutboundBlockedError):
        await policy.resolve("rebind.example", 443)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "::1"])
async def test_the_system_s_resolver_meets_the_policy(host: str) -> None:
    with pytest.raises(OutboundBlockedError):
        await OutboundPolicy().resolve(host, 443)


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b"])
async def test_what_is_no_name_cannot_be_resolved(host: str) -> None:
    with pytest.raises(socket.gaierror):
        await OutboundPolicy().resolve(host, 443)


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_judged_like_ipv4(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    assert is_public(ipaddress.IPv6Address((0xFFFF << 32) | number)) == is_public(address)
    assert is_public(ipaddress.IPv6Address((0x64FF9B << 96) | number)) == is_public(address)


@given(st.ip_addresses())
def test_public_is_never_special(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.version == 4 and address in ipaddress.IPv4Network("100.64.0.0/10"))
    )
    # What `is_private` says of a mapped address differs between Python versions; the test above judges those.
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    assert is_mapped or not (special and is_public(address))


@given(st.text(max_size=40))
def test_any_text_is_an_opening_or_a_config_error(entry: str) -> None:
    try:
        OutboundPolicy([entry])
    except ConfigError as error:
        assert error.key == "connect_to"


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_opening_for_an_address_opens_it(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    entry = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if mapped is None:
        assert OutboundPolicy([entry]).check("any", port, [str(address)]) == [str(address)]
