"""What outlives a restart, and whom the doorman of a whole house turns away."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from house import House

from patience import PATIENCE

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

ACCOUNT = '[accounts.120]\npassword = "correct horse"\n'
CALLS_BEN = "call.transfer('120')\nsetTimeout(lambda: None, 60000)\n"


async def test_a_registered_phone_is_called_after_a_restart(tmp_path: Path, new_caller: NewCaller) -> None:
    ben, ann = await new_caller(user="120", answers=200), await new_caller()
    async with House(tmp_path, scripts={"700": CALLS_BEN}, tenant=ACCOUNT) as house:
        uri = house.uri("120")
        await ben.phone.register(uri, "120", "correct horse")
    port = uri.rpartition(":")[2]
    config = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n'
    async with House(tmp_path, scripts={"700": CALLS_BEN}, tenant=ACCOUNT, config=config) as house:
        await house.wrote("1 registrations are back")
        await ann.dial(house.uri("700"))
        await asyncio.wait_for(ben.phone.called, PATIENCE)
    assert (tmp_path / "var" / "registrations.json").exists()


async def test_the_keys_of_the_guard_are_obeyed(open_house: OpenHouse) -> None:
    house = await open_house(scripts={}, config="[guard]\nrequests_per_second = 2\ntrusted = []\n")
    port = int(house.uri("1").rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", port))
        for number in range(20):
            stranger.send(
                f"OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{number};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:a@localhost>;tag=1\r\nTo: <sip:localhost>\r\nCall-ID: {number}\r\n"
                "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
            )
        line = await house.wrote("127.0.0.1 sends more than 2 new requests a second")
    assert (line.category, line.level) == ("SIP", 3)
