"""Scripts and the stand-in service on the desk; the default script as the client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ivrnode.realtime.server import RealtimeServer
from ivrnode.realtime.voice import ToneVoice
from ivrnode.sim.caller import Caller
from ivrnode.sim.desk import Desk
from ivrnode.sim.studio import Studio
from ivrnode.sim.web import LaidOutWeb
from ivrnode.testing import Ivr

Write = Callable[[str], Path]
DEFAULT = Path(__file__).parents[2] / "ivrnode" / "tenancy" / "default" / "ivrnode.py"


def test_a_conversation(ivr: Ivr) -> None:
    ivr.service(
        [
            {"turn": 1, "say": "We are open from nine to five. Anything else?"},
            {"turn": 2, "say": "Goodbye then.", "call": "hang_up"},
        ]
    )
    caller = ivr.call(DEFAULT)
    assert caller.hears("How can I help you")
    caller.says("What are your opening hours?")
    assert caller.hears("we are open from nine to five")
    assert caller.hears("anything else")
    caller.says("No, thank you.")
    assert caller.hears("goodbye then")
    caller.waits(10)
    assert caller.hung_up == "script"
    for what in ("connected to api.openai.com", "hears speech begin", "calls the tool hang_up({})"):
        assert what in caller.timeline


def test_barge_in(ivr: Ivr) -> None:
    ivr.service([{"turn": 1, "say": "This is the first of many sentences. The second one nobody lets me finish."}])
    caller = ivr.call(DEFAULT)
    caller.says("Tell me a story.")
    assert caller.hears("the first of many sentences")
    caller.says("Stop it!", interrupts=True)
    assert not caller.hears("nobody lets me finish", within=5)
    assert "tells the service that" in caller.timeline


@pytest.mark.parametrize("fault", ["refuse", "refuse=503", "refuse=hang", "bad-key", "sunset", "no-update", "drop=3"])
def test_faults_end_in_an_apology(ivr: Ivr, fault: str) -> None:
    ivr.service(faults=[fault])
    caller = ivr.call(DEFAULT)
    assert caller.hears("sorry", within=40)
    caller.waits(30)
    assert caller.hung_up == "script"


def test_a_stalled_service_is_found_out(ivr: Ivr, write: Write) -> None:
    ivr.service(faults=["stall=5"])
    caller = ivr.call(
        write("""
ws = Websocket("wss://api.example.com/v1?model=m")
ws.header([{"name": "Authorization", "value": "Bearer x"}])
ws.on("error", console.log)
ws.on("close", console.log)
ws.connect()
""")
    )
    caller.waits(60)
    assert caller.log == ["no pong", "1006 "]
    assert 44 < caller.seconds < 46


def test_rules_from_a_file(ivr: Ivr, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nsay = "A file told me so."\n', "utf-8")
    ivr.service(rules)
    caller = ivr.call(DEFAULT)
    caller.says("Who told you?")
    assert caller.hears("a file told me so")


@pytest.fixture
def server() -> Iterator[str]:
    """The stand-in on a real socket, in a thread of its own; its URL."""
    loop = asyncio.new_event_loop()
    server = RealtimeServer(ToneVoice())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield server.url
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_against_a_real_server(ivrnode_studio: Studio, tmp_path: Path, write: Write, server: str) -> None:
    script = write("""
ws = Websocket("wss://elsewhere.example/any?model=m")
ws.header([{"name": "Authorization", "value": "Bearer x"}])
ws.on("message", lambda text: (console.log(json.loads(text)["type"]), ws.close()))
ws.on("close", lambda code, reason: console.log(code))
ws.connect()
""")
    desk = Desk(ivrnode_studio, tmp_path / "tenants", LaidOutWeb())
    try:
        desk.use_server(server)
        caller = Caller(desk, desk.tenant.add_node(script))
        caller.waits(10)
        assert caller.log == ["session.created", "1000"]
        assert caller.hung_up == "finished"
    finally:
        desk.close()
