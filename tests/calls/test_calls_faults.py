"""A fault costs its own call at most, and its caller hears an apology, never silence."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from house import echo

from ivrnode.errors import ConfigError
from ivrnode.net.phone import PhoneError
from patience import PATIENCE
from sound import tone

if TYPE_CHECKING:
    from house import Caller, House

    from conftest import NewCaller, OpenHouse

HOSTILE = {
    "loop": ("while True: pass", "CPU"),
    "late-loop": ("def spin():\n    while True: pass\nsetTimeout(spin, 100)", "CPU"),
    "memory": ("data = [bytes(1 << 20) for _ in range(1000)]", "MemoryError"),
    "log-flood": ("while True: console.log('x' * 8000)", "script killed"),
    "call-flood": ("while True: call.play(codec='g711_ulaw', audio=b'x')", "script killed"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "exception": ("call.say('One')\nraise RuntimeError('no')", "RuntimeError: no"),
    "syntax": ("def broken(:", "ivrnode.py:1"),
}


async def hold_a_tone(house: House, caller: Caller) -> None:
    """A neighbour: an echo call with a tone on it."""
    await caller.dial(house.uri("echo"))
    caller.phone.play(tone(1000, 8000, 30_000, 8000), 8000)
    await caller.sound()


@pytest.mark.slow
async def test_bad_scripts_end_in_an_apology_and_the_neighbour_hears_nothing_of_it(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    scripts = {name: text for name, (text, _) in HOSTILE.items()}
    house = await open_house(scripts=scripts | {"echo": echo()}, tenant='fallback_text = "Sorry, this went wrong."')
    neighbour = await new_caller()
    await hold_a_tone(house, neighbour)
    began = neighbour.ear.now_ms

    async def suffer(name: str) -> None:
        caller = await new_caller()
        await caller.dial(house.uri(name))
        assert await caller.left() == "bye", name
        assert sum(stretch.end_ms - stretch.start_ms for stretch in caller.ear.stretches()) > 800, name

    await asyncio.gather(*map(suffer, HOSTILE))
    for name, (_, logged) in HOSTILE.items():
        call = next(entry.call for entry in house.lines if f"answered phone for {name} " in entry.text)
        lines = [entry.text for entry in house.lines if entry.call == call and entry.category == "SCRIPT"]
        assert any(word in line for line in lines for word in logged.split("|")), (name, lines)
    await neighbour.reach(began + 1500)
    neighbour.check_tone(began, neighbour.ear.now_ms - 200)


async def test_rubbish_on_every_socket_disturbs_no_call(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(scripts={"echo": echo()})
    neighbour = await new_caller()
    await hold_a_tone(house, neighbour)
    began, dice = neighbour.ear.now_ms, random.Random(4475)
    ports = {name: port for name, _, port in house.runtime.listening}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _ in range(500):
            rubbish = dice.randbytes(dice.randrange(1400))
            udp.sendto(rubbish, ("127.0.0.1", ports["udp"]))
            udp.sendto(b"INVITE sip:echo@x SIP/2.0\r\n" + rubbish, ("127.0.0.1", ports["udp"]))
            await asyncio.sleep(0)
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["tcp"])
        writer.write(dice.randbytes(70_000))
        await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    await neighbour.reach(began + 2000)
    neighbour.check_tone(began, neighbour.ear.now_ms - 200)
    caller = await new_caller()
    await caller.dial(house.uri("echo"))


async def test_a_full_range_of_ports_is_refused_in_order(open_house: OpenHouse, new_caller: NewCaller) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        low = probe.getsockname()[1] // 2 * 2
    config = f"[media]\nports = [{low}, {low + 1}]\nin_process = true\n"
    house = await open_house(scripts={"echo": echo()}, config=config)
    first, second, third = await new_caller(), await new_caller(), await new_caller()
    await first.dial(house.uri("echo"))
    with pytest.raises(PhoneError) as refused:
        await second.dial(house.uri("echo"))
    assert refused.value.status == 503
    assert (await house.wrote("port", category="MEDIA")).level == 1
    first.phone.hangup()
    await house.wrote("ended: caller")
    await third.dial(house.uri("echo"))


async def test_a_port_in_use_is_named(open_house: OpenHouse) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on udp:127.0.0.1:{port}.*in use"):
            await open_house(scripts={}, config=f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n')


@pytest.mark.slow
async def test_a_service_that_refuses_ends_in_an_apology(open_house: OpenHouse, new_caller: NewCaller) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    house = await open_house(
        scripts={"700": ""},
        config=f'[scripts]\nconnect_to = ["127.0.0.1"]\n[settings]\nurl = "ws://127.0.0.1:{port}/"\n'
        '[secrets.openai]\nvalue = "sk-secret-value"\nhosts = ["127.0.0.1"]\n',
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    assert await caller.left() == "bye"
    assert sum(stretch.end_ms - stretch.start_ms for stretch in caller.ear.stretches()) > 3000
    assert (await house.wrote("", category="WEBCLIENT")).text
    assert any(entry.category == "WEBCLIENT" and entry.level == 3 for entry in house.lines)
    assert not any("sk-secret-value" in entry.text for entry in house.lines)


@pytest.mark.slow
async def test_when_the_media_process_dies_its_calls_end_and_the_next_one_works(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    house = await open_house(scripts={"echo": echo()}, config="[media]\nports = [0, 0]\n")
    caller, later = await new_caller(), await new_caller()
    await hold_a_tone(house, caller)
    os.kill(house.runtime.world.media_pid, signal.SIGKILL)
    assert await caller.left() == "bye"
    await house.wrote("the media process died", category="MEDIA")
    await hold_a_tone(house, later)


async def test_a_fault_of_ours_in_one_tick_is_logged_and_ends_no_call(
    open_house: OpenHouse, new_caller: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(scripts={"echo": echo()})
    neighbour = await new_caller()
    await hold_a_tone(house, neighbour)
    broken = iter([True])

    def tick(now: float) -> None:
        if next(broken, False):
            raise ZeroDivisionError("a bug")
        type(house.runtime.core).tick(house.runtime.core, now)

    with monkeypatch.context() as patch:
        patch.setattr(house.runtime.core, "tick", tick)
        entry = await house.wrote("internal error", category="GENERAL")
    assert "ZeroDivisionError: a bug" in entry.text
    house.lines.remove(entry)
    began = neighbour.ear.now_ms
    await neighbour.reach(began + 1300)
    neighbour.check_tone(began, neighbour.ear.now_ms - 200)
