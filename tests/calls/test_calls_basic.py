"""The first things a caller meets: the greeting, keys, sound both ways, the end."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from ivrnode.net.phone import PhoneError

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse


async def test_a_greeting_is_heard_and_the_node_hangs_up_after_it(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": 'call.say("Good morning.")'})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    assert await caller.left() == "bye"
    [greeting] = caller.ear.stretches(gap_ms=600)
    assert greeting.start_ms < 1000
    assert 400 < greeting.end_ms - greeting.start_ms < 2000
    assert (await house.wrote("ended: finished")).category == "APP"


async def test_an_unknown_number_is_refused(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": ""})
    caller = await new_caller()
    with pytest.raises(PhoneError) as refused:
        await caller.dial(house.uri("999"))
    assert refused.value.status == 401


async def test_a_call_over_ipv6_is_heard(open_house: OpenHouse, new_caller: NewCaller) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    house = await open_house(
        scripts={"700": 'call.say("Good morning.")'},
        config='[sip]\nlisten = ["udp:[::1]:0"]\n[media]\nports = [0, 0]\n',
    )
    caller = await new_caller()
    await caller.dial(f"sip:700@[::1]:{house.runtime.listening[0][2]}")
    assert await caller.left() == "bye"
    assert caller.ear.stretches(gap_ms=600)
