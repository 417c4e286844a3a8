"""`system.http` on the desk: arguments, secrets, attempts, quotas, lines of the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from world import World

from ivrnode.pbx.house.http_messages import HttpResponse
from ivrnode.pbx.service_table import offer_services
from ivrnode.script import messages as script

if TYPE_CHECKING:
    from recording_desk import Desk

TENANT = 'access = "public"\n[quotas]\nrequests_per_minute = 12\nmegabytes_out_per_minute = 1\n[nodes.700]\n'
SECRETS = '[secrets.crm]\nvalue = "key-123456"\nhosts = ["crm.example"]\n'
LOST = HttpResponse(0, error="connection refused", is_final=False)


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    world = World(tmp_path, desk, TENANT)
    (tmp_path / "localhost" / "secrets.toml").write_text(SECRETS, "utf-8")
    world.core.house.log.set_level("WEBCLIENT", 5)
    offer_services(world.core)
    world.call()
    return world


def ask(world: World, number: int = 1, body: bytes = b"", **arguments: Any) -> None:
    world.act(script.Request(number, "http", {"url": "http://crm.example/x"} | arguments, body))


def replies(world: World) -> list[script.Reply]:
    return [event for event in world.desk.told if isinstance(event, script.Reply)]


def placeholder(world: World) -> str:
    return next(iter(world.desk.scripts.values())).secrets["crm"]


def lines(world: World, category: str = "WEBCLIENT") -> list[tuple[int, str]]:
    return [(entry.level, entry.text) for entry in world.lines if entry.category == category]


def test_a_request_its_answer_and_its_lines(world: World, desk: Desk) -> None:
    ask(world, method="POST", body=b"abc", domain="acme", verify=False, connect_ms=500, read_ms=2000)
    [(http, done)] = desk.fetched
    assert (http.method, http.url, http.body, http.verify) == ("POST", "http://crm.example/x", b"abc", False)
    assert (http.connect_timeout, http.read_timeout, http.redirects) == (0.5, 2.0, 5)
    assert not http.is_operators
    world.now += 0.25
    done(HttpResponse(201, (("X-A", "1"),), b"made"), world.now)
    assert replies(world) == [script.Reply(1, {"code": 201, "headers": [["X-A", "1"]], "error": ""}, b"made")]
    assert lines(world) == [
        (5, "> POST http://crm.example/x for acme, 3 bytes"),
        (5, "< POST http://crm.example/x for acme: 201, 4 bytes after 0.25 s"),
    ]


def test_what_is_logged_instead_of_the_url(world: World, desk: Desk) -> None:
    ask(world, url="http://crm.example/?key=verysecret", logurl="http://crm.example/")
    desk.fetched[0][1](LOST, world.now)
    assert not world.logged("verysecret")
    assert lines(world)[1] == (3, "GET http://crm.example/: connection refused after 0.00 s")


# Secrets.


def test_a_secret_is_filled_in_for_its_host_alone(world: World, desk: Desk) -> None:
    key = placeholder(world)
    ask(world, url=f"https://crm.example/?k={key}", headers=[["X-Key", f"Bearer {key}", False]], body=key.encode())
    [(http, _)] = desk.fetched
    assert http.url == "https://crm.example/?k=key-123456"
    assert http.headers == (("X-Key", "Bearer key-123456", True),), "secret now: it follows no redirect"
    assert http.body == key.encode()
    assert not world.logged("key-123456")


@pytest.mark.parametrize("host", ["evil.example", "crm.example.evil.example", "crm.example@evil.example"])
def test_a_secret_is_not_sent_to_a_wrong_host(world: World, desk: Desk, host: str) -> None:
    ask(world, url=f"https://{host}/", headers=[["X-Key", placeholder(world), False]])
    assert not desk.fetched
    [reply] = replies(world)
    assert reply.value["code"] == 0
    assert 'secret "crm" may not be sent to' in reply.value["error"]
    assert [level for level, text in lines(world, "SCRIPT") if "may not be sent" in text] == [2]


def test_a_literal_key_is_masked_everywhere_in_this_call(world: World, desk: Desk) -> None:
    ask(world, url="http://crm.example/?k=sk-literal", headers=[["Authorization", "Bearer sk-literal", True]])
    world.act(script.Log(5, "my key is sk-literal"))
    assert not world.logged("sk-literal")
    assert lines(world)[0] == (5, "> GET http://crm.example/?k=***")
    assert desk.fetched[0][0].headers == (("Authorization", "Bearer sk-literal", True),)


# Attempts.


def test_attempts_a_second_apart_and_only_when_no_answer_came(world: World, desk: Desk) -> None:
    ask(world, attempts=3)
    desk.fetched[0][1](LOST, world.now)
    world.wait(0.9)
    assert len(desk.fetched) == 1
    world.wait(0.2)
    assert len(desk.fetched) == 2
    desk.fetched[1][1](HttpResponse(503), world.now)
    world.wait(2)
    assert len(desk.fetched) == 2
    assert replies(world)[0].value["code"] == 503


def test_the_last_attempt_is_told(world: World, desk: Desk) -> None:
    ask(world, attempts=2)
    desk.fetched[0][1](LOST, world.now)
    world.wait(1.1)
    desk.fetched[1][1](LOST, world.now)
    assert replies(world)[0].value == {"code": 0, "headers": [], "error": "connection refused"}


def test_what_the_policy_forbids_is_tried_once(world: World, desk: Desk) -> None:
    ask(world, attempts=5)
    desk.fetched[0][1](HttpResponse(0, error="blocked by outbound policy"), world.now)
    world.wait(3)
    assert len(desk.fetched) == 1
    assert replies(world)[0].value["error"] == "blocked by outbound policy"


# Limits.


def test_the_ninth_at_once(world: World, desk: Desk) -> None:
    for number in range(1, 10):
        ask(world, number)
    assert [(reply.request, reply.error) for reply in replies(world)] == [
        (9, "system.http: a call has 8 requests at once at most")
    ]
    desk.fetched[0][1](HttpResponse(200), world.now)
    ask(world, 10)
    assert len(desk.fetched) == 9


def test_requests_are_counted(world: World, desk: Desk) -> None:
    for number in range(1, 14):
        ask(world, number)
        if len(desk.fetched) == number:
            desk.fetched[-1][1](HttpResponse(200), world.now)
    assert len(desk.fetched) == 12
    assert replies(world)[-1].value["error"] == "quota requests_per_minute: 12 are used up"
    assert (2, "system.http: quota requests_per_minute: 12 are used up") in lines(world, "SCRIPT")


def test_bytes_are_counted(world: World, desk: Desk) -> None:
    ask(world, 1, bytes(900_000))
    ask(world, 2, bytes(200_000))
    assert len(desk.fetched) == 1
    assert "megabytes_out_per_minute" in replies(world)[0].value["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://h/"}, {"url": "http://"}, {"url": "http://a\\@b/"}, {"url": "http://h/\r\nX: y"}, {"url": 3},
        {"url": "http://h/" + "x" * 9000}, {"url": "http://[::1/"}, {"method": "CONNECT"}, {"method": "GET / HTTP"},
        {"headers": [["a", "b\r\nc", False]]}, {"headers": [["a b", "c", False]]}, {"headers": [["a", "b"]]},
        {"headers": [["a", "b", False]] * 65}, {"headers": "a: b"}, {"attempts": 11}, {"attempts": True},
        {"verify": 1}, {"connect_ms": 0}, {"read_ms": 10**9}, {"logurl": "a\nb"}, {"domain": "x" * 300},
    ],
)  # fmt: skip
def test_nonsense_is_refused(world: World, desk: Desk, wrong: dict[str, Any]) -> None:
    ask(world, **wrong)
    assert not desk.fetched
    assert replies(world)[0].error


def test_headers_of_the_connection_are_the_runtimes(world: World, desk: Desk) -> None:
    ask(world, headers=[["Host", "evil.example", False], ["content-length", "9", False], ["X-A", "1", False]])
    assert desk.fetched[0][0].headers == (("X-A", "1", False),)
    assert [level for level, text in lines(world, "SCRIPT") if "was left out" in text] == [4, 4]


def test_the_end_of_the_call_calls_off_what_is_under_way(world: World, desk: Desk) -> None:
    ask(world, 1)
    ask(world, 2, attempts=2)
    desk.fetched[1][1](LOST, world.now)
    world.act(script.Hangup())
    world.close()
    assert not desk.called_off, "the grace"
    world.script_ends("finished")
    assert desk.called_off == [desk.fetched[0][0]]
    world.wait(2)
    assert len(desk.fetched) == 2
    desk.fetched[0][1](HttpResponse(200), world.now)


def test_a_pending_request_keeps_the_call(world: World, desk: Desk) -> None:
    ask(world)
    world.act(script.Wait(None, 0))
    assert not world.core.calls[world.name].reason
    desk.fetched[0][1](HttpResponse(200), world.now)
    world.act(script.Wait(None, 0))
    assert world.core.calls[world.name].reason == "finished"
