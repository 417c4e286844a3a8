"""A script's WebSockets on the desk: secrets, the lines of the log, the quota. The wire is tested with the clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from world import World

from ivrnode.script import messages as script

if TYPE_CHECKING:
    from recording_desk import Desk

TENANT = 'access = "public"\n[quotas]\nconnections_per_minute = 3\nmegabytes_out_per_minute = 1\n[nodes.700]\n'
SECRETS = '[secrets.crm]\nvalue = "key-123456"\nhosts = ["crm.example"]\n'
URL = "wss://crm.example/live"


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    world = World(tmp_path, desk, TENANT)
    (tmp_path / "localhost" / "secrets.toml").write_text(SECRETS, "utf-8")
    world.core.house.log.set_level("WEBCLIENT", 9)
    world.call()
    return world


def connect(world: World, url: str = URL, *headers: tuple[str, str, bool], number: int = 1) -> None:
    world.act(script.OpenSocket(number, url, headers, True, 10))


def placeholder(world: World) -> str:
    return next(iter(world.desk.scripts.values())).secrets["crm"]


def lines(world: World, category: str = "WEBCLIENT") -> list[tuple[int, str]]:
    return [(entry.level, entry.text) for entry in world.lines if entry.category == category]


# Secrets.


def test_a_secret_is_filled_in_for_its_host(world: World, desk: Desk) -> None:
    key = placeholder(world)
    connect(world, f"{URL}?k={key}", ("Authorization", f"Bearer {key}", False), ("X-Plain", "a", False))
    [opened] = desk.opened
    assert opened.url == f"{URL}?k=key-123456"
    assert opened.headers == (("Authorization", "Bearer key-123456", True), ("X-Plain", "a", False))
    assert not world.logged("key-123456")


@pytest.mark.parametrize("where", ["url", "header"])
@pytest.mark.parametrize("host", ["evil.example", "crm.example.evil.example", "crm.example@evil.example"])
def test_a_secret_is_not_sent_to_a_wrong_host(world: World, desk: Desk, host: str, where: str) -> None:
    key = placeholder(world)
    connect(
        world, f"wss://{host}/" + (key if where == "url" else ""), ("X-Key", key if where == "header" else "", True)
    )
    assert not desk.opened
    failed, closed = desk.told
    assert isinstance(failed, script.SocketFailed)
    assert 'secret "crm" may not be sent to' in failed.error
    assert closed == script.SocketClosed(1, 1006, "")
    assert [level for level, text in lines(world, "SCRIPT") if "may not be sent" in text] == [2]
    assert [level for level, _ in lines(world)] == [3]


@pytest.mark.parametrize("url", ["wss://[", "wss://[::1", "wss://h]/", "wss://[v1.a]/", "", "//", "wss://"])
def test_what_is_no_url_is_the_clients_to_refuse(world: World, desk: Desk, url: str) -> None:
    connect(world, url)
    assert [opened.url for opened in desk.opened] == [url]


def test_in_what_is_sent_it_stays_a_placeholder(world: World, desk: Desk) -> None:
    connect(world)
    world.act(script.SendSocket(1, f"my key is {placeholder(world)}"))
    assert desk.sent == [(1, f"my key is {placeholder(world)}")]
    assert not world.logged("key-123456")


def test_a_literal_key_is_masked_everywhere_in_this_call(world: World, desk: Desk) -> None:
    connect(world, f"{URL}?k=sk-literal", ("Authorization", "Bearer sk-literal", True))
    world.act(script.SendSocket(1, "sk-literal"), script.Log(5, "sk-literal"))
    assert desk.opened[0].headers == (("Authorization", "Bearer sk-literal", True),)
    assert desk.sent == [(1, "sk-literal")]
    assert not world.logged("sk-literal")
    assert (5, "***") in lines(world, "SCRIPT")


def test_a_script_cannot_take_the_log_away_from_others(world: World, desk: Desk) -> None:
    connect(world, URL, ("X-Key", "answered", True))
    world.core.house.log.write("APP", 0, "answered 700", tenant="other.example")
    world.core.house.log.write("APP", 0, "answered 700", tenant="localhost")
    assert [entry.text for entry in world.lines[-2:]] == ["answered 700", "*** 700"]


def test_more_keys_than_can_be_looked_for_are_refused(world: World, desk: Desk) -> None:
    """Each word is looked for in every line of the log."""
    connect(world, URL, ("X-Key", " ".join(f"secret-{number}" for number in range(101)), True))
    assert not desk.opened
    failed = next(event for event in desk.told if isinstance(event, script.SocketFailed))
    assert failed.error == "more than 100 words in the secret headers of one call"
    connect(world, URL, ("X-Key", " ".join(f"secret-{number}" for number in range(100)), True), number=2)
    assert len(desk.opened) == 1


# The log.


def test_each_line_has_its_level(world: World) -> None:
    connect(world)
    key, audio = (world.name, 1), "A" * 4000
    world.core.socket_opened(key, "realtime")
    world.act(script.SendSocket(1, "hi"), script.SendSocket(1, json.dumps({"type": "append", "audio": audio})))
    world.core.socket_message(key, "ho")
    world.core.socket_message(key, b"\0" * 70)
    world.core.socket_failed(key, "blocked by outbound policy")
    world.core.socket_closed(key, 1006, "")
    assert lines(world) == [
        (5, f"connecting to {URL}"),
        (5, "connected to crm.example (realtime)"),
        (9, "> crm.example hi"),
        (9, '> crm.example {"type":"append","audio":"<4000 characters>"}'),
        (9, "< crm.example ho"),
        (9, "< crm.example <70 bytes>"),
        (3, "crm.example: blocked by outbound policy"),
        (5, "crm.example closed: 1006"),
    ]


def test_headers_that_were_dropped_are_told(world: World) -> None:
    connect(world)
    world.core.socket_headers_dropped((world.name, 1), ("Host", "Upgrade"))
    [(level, text)] = [line for line in lines(world, "SCRIPT") if "left out" in line[1]]
    assert level == 4
    assert text.endswith("Host, Upgrade")


# The quota.


def test_connections_are_counted(world: World, desk: Desk) -> None:
    for number in range(1, 5):
        connect(world, number=number)
    assert len(desk.opened) == 3
    assert desk.told[-1] == script.SocketClosed(4, 1006, "")
    assert [level for level, text in lines(world, "SCRIPT") if "connections_per_minute" in text] == [2]


def test_a_socket_that_has_sent_too_much_is_ended_once(world: World, desk: Desk) -> None:
    connect(world)
    before = len(desk.told)
    world.act(*[script.SendSocket(1, b"x" * 600_000)] * 4)
    world.core.socket_closed((world.name, 1), 1008, "")
    refusal = "quota megabytes_out_per_minute: 1 are used up"
    assert desk.told[before:] == [script.SocketFailed(1, refusal), script.SocketClosed(1, 1008, "")]
    assert [level for level, text in lines(world, "SCRIPT") if text == refusal] == [2]
