"""What an operator and a tenant's developer find in the log of a call, during it and after it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from house import House

from ivrnode.net.control import ControlClient, ControlError
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.tenancy.templates import Templates
from ivrnode.tenancy.versions import Note

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

FAULTY = """\
def look_up(number):
    names = {"1": "Ann"}
    return names[number]  # nobody has it

def later():
    console.log("looking")
    look_up("2")

setTimeout(later, 1)
setTimeout(call.hangup, 300)
"""


async def ask(house: House, operation: str, **arguments: object) -> Any:
    def work() -> Any:
        with ControlClient(house.runtime.config.control.socket) as control:
            return control.call(operation, **arguments)

    return await asyncio.to_thread(work)


async def call_log(house: House, id: str, categories: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    def work() -> list[dict[str, Any]]:
        with ControlClient(house.runtime.config.control.socket) as control:
            return list(control.stream("call.log", id=id, categories=categories))

    return await asyncio.to_thread(work)


async def test_a_script_error_is_logged_with_its_own_file_line_and_source(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    house = await open_house(scripts={"700": FAULTY})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    entry = await house.wrote("Traceback", category="SCRIPT")
    assert entry.level == 1
    file = house.folder / "tenants/localhost/nodes/700/ivrnode.py"
    lines = [line for line in entry.text.splitlines() if "^" not in line]  # 3.11 and later underline
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{file}", line 7, in later',
        '    look_up("2")',
        f'  File "{file}", line 3, in look_up',
        "    return names[number]  # nobody has it",
        "KeyError: '2'",
    ]
    await caller.left()


async def test_the_log_of_a_call_that_is_over(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": FAULTY})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await caller.left()
    await house.wrote("script finished", category="SCRIPT")
    assert await ask(house, "call.list") == []
    [row] = await ask(house, "call.list", all=True, tenant="localhost")
    assert (row["node"], row["state"], row["reason"], row["codec"]) == ("700", "ended", "script", "PCMU")
    assert 0 < row["seconds"] < 20 and row["ago"] >= 0
    assert await ask(house, "call.list", all=True, tenant="other") == []
    entries = await call_log(house, row["id"][:6])
    texts = [entry["text"] for entry in entries]
    assert texts == [entry.text for entry in house.lines if entry.call == row["id"]]
    assert "looking" in texts and any(text.startswith("Traceback") for text in texts)
    assert {entry["category"] for entry in await call_log(house, row["id"], ("SCRIPT",))} == {"SCRIPT"}
    with pytest.raises(ControlError, match="nothing is known of a call ffff"):
        await call_log(house, "ffff")


async def test_an_id_may_be_abbreviated(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": "setTimeout(print, 60000)"})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    [row] = await ask(house, "call.list")
    assert await ask(house, "call.hangup", id=row["id"][:4]) is True
    assert await caller.left() == "bye"
    assert await ask(house, "call.hangup", id=row["id"][:3]) is False  # too short to be meant


async def test_settings_that_the_script_declares(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = (
        'SETTINGS = {"greeting": "Hello", "tries": 3, "hours": {"type": "str", "help": "When."}}\n'
        'console.log("settings", json.dumps(dict(settings), sort_keys=True))\n'
    )
    tenant = '[settings]\ntries = "five"\nhours = "9 to 5"\nother = [1]\n'
    house = await open_house(scripts={"700": script}, tenant=tenant)
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    told = await house.wrote("settings {", category="SCRIPT")
    assert told.text == 'settings {"greeting": "Hello", "hours": "9 to 5", "other": [1], "tries": 3}'
    problem = await house.wrote("settings.tries", category="CONFIG")
    assert (problem.level, problem.tenant, problem.call) == (2, "localhost", told.call)
    assert problem.text == "settings.tries is 'five', must be int: the default 3 counts"


async def test_the_log_names_tier_and_version(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"700": "console.log('by hand')"})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("node template, no version yet: edited by hand", category="SCRIPT")
    await caller.left()
    note = Note("ann", datetime(2026, 11, 23, tzinfo=UTC))
    Templates(house.folder / "tenants", ALLOWED).save("console.log('saved')", note, "localhost", "700")
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("node template, version 2", category="SCRIPT")
    await house.wrote("saved", category="SCRIPT")
