"""Keys, templates, accounts and the operator's hands, on running calls."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from ivrnode.net.control import ControlClient
from ivrnode.net.phone import PhoneError

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

WAITS = "setTimeout(lambda: None, 60000)"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_each_key_comes_once_and_in_order(transport: str, open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = "call.dtmf(lambda digit: console.log('key', digit) or (call.hangup() if digit == '#' else None))"
    house = await open_house(scripts={"700": script})
    caller = await new_caller()
    await caller.dial(house.uri("700", transport))
    caller.phone.press("1290*#")
    await caller.left()
    keys = [entry.text for entry in house.lines if entry.text.startswith("key ") and entry.category == "SCRIPT"]
    assert keys == [f"key {digit}" for digit in "1290*#"]


async def test_an_edit_counts_from_the_next_call_on(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": f"console.log('first edition'); {WAITS}"})
    first, second = await new_caller(), await new_caller()
    await first.dial(house.uri("700"))
    await house.wrote("first edition")
    house.write_script("700", f"console.log('second edition'); {WAITS}")
    await second.dial(house.uri("700"))
    await house.wrote("second edition")
    assert not first.phone.ended.done()


async def test_a_node_for_accounts_asks_who_calls(open_house: OpenHouse, new_caller: NewCaller) -> None:
    tenant = '[accounts.40]\npassword = "correct horse"\n[nodes.800]\naccess = "accounts"\n'
    house = await open_house(scripts={"700": WAITS}, tenant=tenant)
    house.write_script("800", WAITS)
    stranger, liar, friend = await new_caller(), await new_caller(user="40"), await new_caller(user="40")
    host = house.uri("40").partition("@")[2]
    with pytest.raises(PhoneError) as refused:
        await stranger.dial(house.uri("800"))
    assert refused.value.status == 401
    with pytest.raises(PhoneError) as wrong:
        await liar.phone.register(f"sip:40@{host}", "40", "wrong")
    assert wrong.value.status == 401
    assert await friend.phone.register(f"sip:40@{host}", "40", "correct horse") >= 60
    await friend.dial(house.uri("800"))
    assert (await house.wrote("40 from udp", category="REGISTER")).level == 4
    await friend.phone.unregister()
    await house.wrote("200, 0 contacts", category="REGISTER")


async def test_a_full_tenant_is_refused_with_480(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": WAITS}, tenant="")
    path = house.folder / "tenants/localhost/tenant.toml"
    path.write_text(path.read_text("utf-8").replace("max_calls = 100", "max_calls = 1"), "utf-8")
    first, second = await new_caller(), await new_caller()
    await first.dial(house.uri("700"))
    with pytest.raises(PhoneError) as refused:
        await second.dial(house.uri("700"))
    assert refused.value.status == 480


async def test_the_operator_sees_and_ends_calls(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": f"call.on('hangup', lambda reason: console.log('over', reason)); {WAITS}"})
    caller = await new_caller()
    await caller.dial(house.uri("700"))

    def ask(operation: str, **arguments: object) -> Any:
        with ControlClient(house.runtime.config.control.socket) as control:
            return control.call(operation, **arguments)

    [call] = await asyncio.to_thread(ask, "call.list")
    assert (call["node"], call["tenant"], call["state"], call["codec"]) == ("700", "localhost", "answered", "PCMU")
    assert await asyncio.to_thread(ask, "call.hangup", id=call["id"]) is True
    assert await caller.left() == "bye"
    await house.wrote("over admin", category="SCRIPT")


async def test_shutting_down_ends_calls_in_order(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": f"call.on('hangup', lambda reason: console.log('over', reason)); {WAITS}"})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("start ", category="SCRIPT")
    house.runtime.core.shut_down(time.monotonic())
    assert await caller.left() == "bye"
    await house.wrote("over shutdown", category="SCRIPT")
    with pytest.raises(PhoneError) as refused:
        await (await new_caller()).dial(house.uri("700"))
    assert refused.value.status == 503
