"""A phone that calls where nobody listens: the system knows it at once (ICMP), and so does the phone."""

from __future__ import annotations

import asyncio
import socket

import pytest
from click.testing import CliRunner

from ivrnode.commands.phone import phone as phone_command
from ivrnode.log import Log
from ivrnode.net.flows import Flows
from ivrnode.net.phone import Phone, PhoneError
from ivrnode.sip.flow import Flow

FAR_BELOW_TIMER_B = 20.0


@pytest.fixture
def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def test_a_call_to_a_closed_port_fails_at_once(closed_port: int) -> None:
    async with asyncio.timeout(FAR_BELOW_TIMER_B), Phone(Log()) as phone:
        with pytest.raises(PhoneError, match=f"nobody listens at udp:127.0.0.1:{closed_port}") as caught:
            await phone.dial(f"sip:700@127.0.0.1:{closed_port}")
    assert caught.value.status == 503


async def test_a_registration_at_a_closed_port_fails_at_once(closed_port: int) -> None:
    async with asyncio.timeout(FAR_BELOW_TIMER_B), Phone(Log()) as phone:
        with pytest.raises(PhoneError, match="nobody listens"):
            await phone.register(f"sip:40@127.0.0.1:{closed_port}", "40", "secret")


def test_the_command_says_it(closed_port: int) -> None:
    result = CliRunner().invoke(phone_command, ["dial", f"sip:700@127.0.0.1:{closed_port}"])
    assert result.exit_code == 1
    assert f"not answered: 503 connection refused: nobody listens at udp:127.0.0.1:{closed_port}" in result.output


async def test_a_peer_that_answers_is_heard_and_no_other() -> None:
    heard: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
    flows = Flows(lambda data, flow: heard.put_nowait((data, flow)), lambda flow: None, Log())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        peer.bind(("127.0.0.1", 0))
        flow = await flows.connect("udp", *peer.getsockname())
        flows.send(b"OPTIONS", flow)
        stranger.sendto(b"not from the peer", flow.local)
        peer.sendto(b"SIP/2.0 200 OK", flow.local)
        data, came_over = await asyncio.wait_for(heard.get(), FAR_BELOW_TIMER_B)
    await flows.close()
    assert (data, came_over) == (b"SIP/2.0 200 OK", flow)
