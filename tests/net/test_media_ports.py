import socket
from collections.abc import Iterator

import pytest

from ivrnode.media.messages import Address
from ivrnode.media.ports import PortPair
from ivrnode.net.media.rtp_ports import RtpPorts

HOST = "127.0.0.1"


class Heard:
    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []

    def __call__(self, data: bytes, address: Address, now: float) -> None:
        assert now > 0
        self.datagrams.append((data, address))


@pytest.fixture
def free_range() -> tuple[int, int]:
    """Four ports in a row, even first, that nobody held a moment ago."""
    for _ in range(100):
        with RtpPortsOf((0, 0)) as ports:
            port: int = ports.bind(HOST, Heard(), Heard()).address[1]
        if port < 65_000:
            return port, port + 3
    raise AssertionError("no ports")


class RtpPortsOf(RtpPorts):
    def __enter__(self) -> "RtpPortsOf":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@pytest.fixture
def ports() -> Iterator[RtpPorts]:
    with RtpPortsOf() as ports:
        yield ports


def bind(ports: RtpPorts) -> PortPair:
    return ports.bind(HOST, Heard(), Heard())


def test_a_pair_is_an_even_port_and_the_next_one(ports: RtpPorts) -> None:
    rtp, rtcp = Heard(), Heard()
    pair = ports.bind(HOST, rtp, rtcp)
    assert pair.address[0] == HOST
    assert pair.address[1] % 2 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((HOST, 0))
        sender.sendto(b"sound", pair.address)
        sender.sendto(b"report", (HOST, pair.address[1] + 1))
        while len(rtp.datagrams) + len(rtcp.datagrams) < 2:
            ports.receive(1.0)
        assert rtp.datagrams == [(b"sound", sender.getsockname())]
        assert rtcp.datagrams == [(b"report", sender.getsockname())]
        pair.send_rtp(b"answer", sender.getsockname())
        assert sender.recvfrom(100) == (b"answer", pair.address)


def test_pairs_come_from_the_range_and_it_may_be_full(free_range: tuple[int, int]) -> None:
    with RtpPortsOf(free_range) as ports:
        pairs = [bind(ports), bind(ports)]
        assert sorted(pair.address[1] for pair in pairs) == [free_range[0], free_range[0] + 2]
        with pytest.raises(OSError, match=f"no RTP port pair is free on {HOST} in {free_range[0]}-{free_range[1]}"):
            bind(ports)
        pairs[0].close()
        assert bind(ports).address == pairs[0].address


@pytest.mark.parametrize("offset", [0, 1])
def test_a_port_that_another_process_holds_is_passed_over(free_range: tuple[int, int], offset: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, RtpPortsOf(free_range) as ports:
        other.bind((HOST, free_range[0] + offset))
        assert bind(ports).address[1] == free_range[0] + 2
        with pytest.raises(OSError, match="no RTP port pair is free"):
            bind(ports)


@pytest.mark.parametrize("ports_range", [(0, 0), (20000, 20100)])
def test_an_address_that_is_not_ours(ports_range: tuple[int, int]) -> None:
    with RtpPortsOf(ports_range) as ports, pytest.raises(OSError, match=r"192\.0\.2\.77"):
        ports.bind("192.0.2.77", Heard(), Heard())


def test_a_closed_pair_hears_nothing(ports: RtpPorts) -> None:
    heard = Heard()
    pair, other = ports.bind(HOST, heard, Heard()), bind(ports)
    other.send_rtp(b"sound", pair.address)
    pair.close()
    ports.receive(0.0)
    assert heard.datagrams == []


def test_a_watched_descriptor_ends_the_wait(ports: RtpPorts) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ports.watch(ours.fileno())
        assert not ports.receive(0.0)
        theirs.send(b"x")
        assert ports.receive(5.0)
