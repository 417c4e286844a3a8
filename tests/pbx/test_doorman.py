"""Strangers who guess and flood, and the neighbours who must not pay for it: one core, many addresses, virtual time."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from recording_desk import Desk
from sip_strangers import Stranger
from world import AT_CORE, World

from ivrnode.pbx.arrival.doorman import MOST, Doorman
from ivrnode.pbx.house.bounded import Bounded
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Response

TENANT = 'access = "accounts"\n[nodes.700]\n[nodes.800]\naccess = "public"\n' + "".join(
    f'[accounts.{name}]\npassword = "secret of {name}"\n' for name in (40, 41)
)


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    return World(tmp_path, desk, TENANT, max_calls=1000)


def guess(world: World, stranger: Stranger, times: int, account: str = "40", pause: float = 1.0) -> list[int | None]:
    """The answers to so many wrong passwords; None for silence."""
    answers = []
    for _ in range(times):
        world.now += pause
        answers.append(stranger.register(account, "wrong"))
    return answers


def test_a_source_that_guesses_is_not_heard_for_a_while(world: World) -> None:
    stranger = Stranger(world)
    assert guess(world, stranger, 12) == [401] * 10 + [None] * 2
    assert [entry.text for entry in world.logged("not listened to")] == [
        "198.51.100.7 is not listened to for 10 min: too many wrong answers"
    ]
    world.now += 590
    assert stranger.options() is None
    world.now += 10
    assert stranger.options() == 200
    assert stranger.register("40", "secret of 40") == 200


def test_each_lock_is_twice_as_long_up_to_a_day_and_is_forgiven(world: World) -> None:
    stranger = Stranger(world)
    minutes = []
    for _ in range(10):
        guess(world, stranger, 10)
        start = world.now
        while stranger.options() is None:
            world.now += 300
        minutes.append((world.now - start) / 60)
    assert minutes == [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]
    world.now += 25 * 3600
    guess(world, stranger, 10)
    world.now += 600
    assert stranger.options() == 200


def test_slow_mistakes_lock_nobody(world: World) -> None:
    stranger = Stranger(world)
    assert guess(world, stranger, 40, pause=7.0) == [401] * 40


def test_without_an_answer_to_our_own_challenge_nothing_counts(world: World) -> None:
    """Anybody can write another's address on a packet; what he cannot do is read what we answer there."""
    stranger = Stranger(world)
    other = Stranger(world, "203.0.113.77")
    nonce = other.challenge()
    assert [stranger.register("40", "wrong", nonce=nonce) for _ in range(30)] == [401] * 30
    world.now += 1
    assert stranger.options() == 200


def test_a_phone_next_to_a_guesser_stays_registered_and_reachable(world: World) -> None:
    """Behind one address: whoever has proved to be an account keeps the address open, and his own account his."""
    phone, guesser = Stranger(world, port=5060), Stranger(world, port=5061)
    assert phone.register("40", "secret of 40") == 200
    assert guess(world, guesser, 12) == [401] * 12, "not shut out, but"
    assert guesser.register("40", "secret of 40") == 401, "no password of 40 is believed from there any more"
    assert guesser.register("41", "secret of 41") == 200
    assert phone.register("40", "secret of 40") == 200, "the phone's own flow stays free"
    elsewhere = Stranger(world, "203.0.113.5")
    assert elsewhere.register("40", "secret of 40") == 200, "an account is never locked for everybody"
    world.now += 601
    assert guesser.register("40", "secret of 40") == 200


def test_a_registered_flow_is_heard_although_its_source_is_locked(world: World) -> None:
    """A phone that a restart brought back has proved nothing yet to the new process."""
    phone, guesser = Stranger(world, port=5060), Stranger(world, port=5061)
    world.registrar.process(phone.request("REGISTER"), "40@localhost", phone.flow, world.now)
    assert guess(world, guesser, 11)[-1] is None
    assert guesser.options() is None
    assert phone.options() == 200
    assert phone.register("40", "secret of 40") == 200
    assert phone.register("41", "secret of 41") == 200


def test_a_call_that_is_up_can_be_ended_from_a_locked_source(world: World) -> None:
    stranger = Stranger(world)
    call = stranger.call("800")
    guess(world, stranger, 10)
    assert stranger.options() is None
    assert stranger.bye(call) == 200


def test_a_flood_of_new_requests_is_cut_to_the_rate(world: World) -> None:
    stranger, neighbour = Stranger(world), Stranger(world, "203.0.113.5")
    answered = 0
    for _ in range(1000):
        world.now += 0.01
        answered += stranger.options() == 200
        if _ % 100 == 50:
            assert neighbour.options() == 200
    assert 200 <= answered <= 240
    assert len(world.logged("more than 20 new requests a second")) == 1
    world.now += 61
    answers = [stranger.options() for _ in range(50)]
    assert answers == [200] * 40 + [None] * 10
    [_, second] = world.logged("more than 20 new requests a second")
    assert "more since it was last said" in second.text


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "BYE", "CANCEL"])
def test_every_method_counts_that_begins_something_new(method: str, world: World) -> None:
    stranger = Stranger(world)
    answered = [stranger.ask(method) is not None for _ in range(100)]
    assert answered == [True] * 40 + [False] * 60


def test_what_cannot_be_read_counts_too(world: World) -> None:
    stranger = Stranger(world)
    answers = [stranger.send(stranger.write("OPTIONS", "Expires: never\r\n")) for _ in range(100)]
    assert answers == [400] * 40 + [None] * 60


def test_what_belongs_to_a_call_or_was_here_before_does_not_count(world: World) -> None:
    stranger = Stranger(world)
    call = stranger.call("800")
    data = stranger.write("OPTIONS")
    assert stranger.send(data) == 200
    assert [stranger.send(data) for _ in range(100)] == [200] * 100, "repeats"
    while stranger.options() is not None:
        pass
    assert stranger.bye(call) == 200


def test_what_belongs_to_a_call_is_limited_ten_times_higher(world: World) -> None:
    """Each such request is remembered for 32 s: one call must not fill the memory."""
    stranger = Stranger(world)
    call = stranger.call("800")
    tag, headers = call.to.tag or "", f"Call-ID: {call.call_id}\r\n"
    answers = [stranger.send(stranger.write("OPTIONS", headers, to_tag=tag)) for _ in range(1000)]
    assert answers == [200] * 400 + [None] * 600
    world.now += 1
    assert stranger.options() == 200
    assert stranger.bye(call) == 200


def test_a_registered_phone_is_not_limited(world: World) -> None:
    phone = Stranger(world)
    assert phone.register("40", "secret of 40") == 200
    assert [phone.options() for _ in range(100)] == [200] * 100


@pytest.mark.parametrize("agent", ["friendly-scanner", "SIPVicious 0.3", "sipcli/v1.8"])
@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE"])
def test_known_scanners_get_no_answer(agent: str, method: str, world: World) -> None:
    stranger = Stranger(world)
    assert [stranger.ask(method, f"User-Agent: {agent}\r\n") for _ in range(50)] == [None] * 50
    assert len(world.logged("is a scanner")) == 1
    assert stranger.options() == 200, "another of the same address is heard"


def test_guesses_from_many_places_are_told_and_lock_nobody(world: World) -> None:
    for number in range(8):
        assert Stranger(world, f"203.0.113.{number}").register("40", "wrong") == 401
    [line] = world.logged("is tried from 5 sources")
    assert (line.category, line.level) == ("REGISTER", 2)
    assert Stranger(world, "203.0.113.99").register("40", "secret of 40") == 200


def test_wrong_passwords_are_told_once_a_minute(world: World) -> None:
    stranger = Stranger(world)
    guess(world, stranger, 9, pause=0.1)
    assert [entry.text for entry in world.logged("wrong user")] == [
        "198.51.100.7: wrong user or password (40@localhost)"
    ]
    world.now += 61
    guess(world, stranger, 1)
    assert world.logged("wrong user")[-1].text.endswith("8 more since it was last said")


def test_ipv6_counts_by_its_network(world: World) -> None:
    for number in range(10):
        world.now += 1
        assert Stranger(world, f"2001:db8::{number}").register("40", "wrong") == 401
    assert Stranger(world, "2001:db8::ffff").options() is None
    assert Stranger(world, "2001:db8:0:1::1").options() == 200


def test_who_is_trusted_is_neither_limited_nor_locked(world: World) -> None:
    trusted = [ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("::1/128")]
    doorman = Doorman(world.core._log, world.registrar, trusted=trusted)
    request = Stranger(world).request("OPTIONS")
    for host, is_free in (("198.51.100.7", True), ("::ffff:198.51.100.7", True), ("::1", True), ("192.0.2.200", False)):
        flow = Flow("udp", AT_CORE.local, (host, 5060), 1)
        for _ in range(100):
            doorman.failed("40@localhost", flow, world.now)
        assert doorman.is_shut(flow, world.now) is not is_free
        assert doorman.is_locked_out("40@localhost", flow, world.now) is not is_free
        assert all(doorman.admits(request, flow, False, world.now) for _ in range(100)) is is_free


def test_strangers_do_not_fill_the_memory(world: World) -> None:
    doorman = Doorman(world.core._log, world.registrar)
    request = Stranger(world).request("OPTIONS")
    for number in range(MOST + 500):
        flow = Flow("udp", AT_CORE.local, (str(ipaddress.ip_address(number)), 5060), 1)
        doorman.failed(f"{number}@localhost", flow, world.now)
        doorman.admits(request, flow, False, world.now)
    tables = [value for value in _tables(doorman) if isinstance(value, Bounded)]
    assert len(tables) == 8
    assert max(map(len, tables)) == MOST


def _tables(doorman: Doorman) -> list[object]:
    return [*vars(doorman).values(), *vars(doorman._sources).values(), *vars(doorman._accounts).values()]


def test_a_table_forgets_what_was_not_used_for_longest() -> None:
    table: Bounded[int] = Bounded(2)
    table.put("a", 1)
    table.put("b", 2)
    assert table.use("a", int) == 1
    table.put("c", 3)
    assert (table.get("a"), table.get("b"), table.get("c")) == (1, None, 3)


def test_the_answer_of_a_lock_is_that_of_a_wrong_password(world: World) -> None:
    """A guesser must not learn from the answer that he was right."""
    phone, guesser = Stranger(world, port=5060), Stranger(world, port=5061)
    phone.register("40", "secret of 40")
    guess(world, guesser, 10)
    guesser.register("40", "wrong")
    wrong = guesser.last
    guesser.register("40", "secret of 40")
    right = guesser.last
    assert isinstance(wrong, Response) and isinstance(right, Response)
    names = [name for name, _ in wrong.headers]
    assert (wrong.status, names) == (right.status, [name for name, _ in right.headers])
