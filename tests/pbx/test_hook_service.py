"""`call.http` on the desk: who is let in, what the script is told, when there is no answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import World

from ivrnode.pbx.service_table import offer_services
from ivrnode.pbx.services.hooks import AT_ONCE, LONGEST_BODY, PATIENCE, HookAnswer, HookRequest
from ivrnode.script import messages as script

if TYPE_CHECKING:
    from recording_desk import Desk

TENANT = 'access = "public"\n[quotas]\nhooks_per_minute = 20\n[nodes.700]\n'


class Door:
    """A call with a handler, and what those who ask at its URL get."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hooks = offer_services(world.core)
        world.core._reception._web_url = lambda: "http://h/call/"  # type: ignore[method-assign]
        self.answers: list[HookAnswer] = []
        self.session = world.call()
        self.token = next(iter(world.desk.scripts.values())).facts.http_url.removeprefix("http://h/call/")
        world.act(script.Request(1, "hook"))

    def ask(self, body: bytes = b"", token: str | None = None) -> None:
        request = HookRequest("POST", "/x", {"a": "b"}, [("X-A", "1")], body)
        self.hooks.received(self.token if token is None else token, request, self.answers.append, self.world.now)

    @property
    def told(self) -> list[script.Told]:
        return [event for event in self.world.desk.told if isinstance(event, script.Told)]

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


@pytest.fixture
def door(tmp_path: Path, desk: Desk) -> Door:
    return Door(World(tmp_path, desk, TENANT))


def answer(number: int, body: bytes = b"", status: int = 200, kind: str = "text/plain") -> script.Request:
    return script.Request(0, "hook.answer", {"id": number, "status": status, "kind": kind}, body)


def test_a_request_and_its_answer(door: Door) -> None:
    door.ask(b"hello")
    [told] = door.told
    number = told.arguments["id"]
    assert told == script.Told(
        1,
        "request",
        {"id": number, "method": "POST", "path": "/x", "query": {"a": "b"}, "headers": [{"name": "X-A", "value": "1"}]},
        b"hello",
    )
    assert not door.answers
    door.world.act(answer(number, b"yes", kind="application/json"), answer(number, b"again"))
    assert door.answers == [HookAnswer(200, b"yes", "application/json")]


def test_urls_are_long_and_each_call_has_its_own(door: Door) -> None:
    assert len(door.token) == 32
    door.world.invite()
    door.world.opened()
    urls = [boot.facts.http_url for boot in door.world.desk.scripts.values()]
    assert len(set(urls)) == 2


@pytest.mark.parametrize("token", ["", "0" * 32, "../" * 8])
def test_a_call_that_there_is_not(door: Door, token: str) -> None:
    door.ask(token=token)
    assert door.statuses == [404]
    assert not door.told


def test_a_script_that_does_not_answer(door: Door) -> None:
    door.ask()
    door.world.wait(PATIENCE - 1, step=1)
    assert not door.answers
    door.world.wait(2, step=1)
    assert door.statuses == [504]


def test_too_many_or_too_much_at_once(door: Door) -> None:
    for _ in range(AT_ONCE + 1):
        door.ask()
    assert door.statuses == [503]
    for told in door.told:
        door.world.act(answer(told.arguments["id"]))
    door.answers.clear()
    for _ in range(3):
        door.ask(bytes(LONGEST_BODY))
    assert door.statuses == [503]


def test_too_many_in_a_minute(door: Door) -> None:
    for _ in range(21):
        door.ask()
        door.world.act(answer(door.told[-1].arguments["id"]))
    assert door.statuses == [200] * 20 + [429]
    assert {entry.category for entry in door.world.logged("quota hooks_per_minute")} == {"WEBSERVER", "SCRIPT"}


def test_the_end_of_the_call(door: Door) -> None:
    door.ask()
    door.session.hangup(door.world.now)
    door.world.exchange()
    door.ask()
    assert door.statuses == [410]
    door.world.close()
    door.world.script_ends("finished")
    assert door.statuses == [410, 410]
    door.ask()
    assert door.statuses[-1] == 404


def test_a_handler_keeps_the_call_and_closing_it_lets_go(door: Door) -> None:
    door.world.act(script.Wait(None, 0))
    assert door.world.core.calls[door.world.name].reason == ""
    door.ask()
    door.world.act(script.Request(0, "hook.close"))
    assert door.statuses == [410]
    door.ask()
    assert door.statuses == [410, 404]
    door.world.act(script.Wait(None, 0))
    assert door.world.core.calls[door.world.name].reason == "finished"


@pytest.mark.parametrize(
    "wrong",
    [
        answer(1, status=999), answer(1, kind="text/html\r\nX: y"), answer(1, bytes(LONGEST_BODY + 1)),
        script.Request(0, "hook.answer", {"id": "1"}), answer(2**40),
    ],
)  # fmt: skip
def test_nonsense_from_the_script_answers_nobody(door: Door, wrong: script.Request) -> None:
    door.ask()
    door.world.act(wrong)
    assert not door.answers


def test_a_second_handler_is_refused(door: Door) -> None:
    door.world.act(script.Request(2, "hook"))
    [reply] = [event for event in door.world.desk.told if isinstance(event, script.Reply)]
    assert "has a handler already" in reply.error
