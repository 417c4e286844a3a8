"""The registrar's bindings (RFC 3261 s10.3)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_network import Probe, text

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, parse_message
from ivrnode.sip.registrar import Registrar
from ivrnode.sip.uri import Uri

UDP = Flow("udp", ("192.0.2.9", 5060), ("203.0.113.5", 61000), 1)

AOR = "sip:7@example.com"


TCP = Flow("tcp", ("192.0.2.9", 5060), ("203.0.113.5", 61001), 2)


WS = Flow("ws", ("192.0.2.9", 5060), ("203.0.113.5", 61002), 3)


class Desk:
    """A registrar and the CSeq of a phone."""

    def __init__(self, **more: int) -> None:
        self.registrar = Registrar(**more)
        self.now = 1000.0
        self.cseq = 0

    def register(
        self, contact: str, headers: str = "", flow: Flow = UDP, call_id: str = "c", cseq: int | None = None
    ) -> tuple[int, dict[str, list[str]]]:
        self.cseq += 1
        data = text(
            "REGISTER", cseq=self.cseq if cseq is None else cseq, contact=contact, headers=headers, call_id=call_id
        )
        request = parse_message(data)
        assert isinstance(request, Request)
        status, reason, fields = self.registrar.process(request, AOR, flow, self.now)
        assert reason
        grouped: dict[str, list[str]] = {}
        for name, value in fields:
            grouped.setdefault(name, []).append(value)
        return status, grouped

    def uris(self) -> list[str]:
        return [str(binding.uri) for binding in self.registrar.bindings(AOR, self.now)]


def test_a_binding_lives_for_its_time() -> None:
    desk = Desk()
    status, fields = desk.register('"Desk" <sip:7@10.0.0.1:5062;ob>;+sip.foo="x"', "Expires: 120")
    assert status == 200
    assert fields["Contact"] == ['"Desk" <sip:7@10.0.0.1:5062;ob>;+sip.foo="x";expires=120']
    [binding] = desk.registrar.bindings(AOR, desk.now)
    assert binding.flow == UDP and str(binding.uri) == "sip:7@10.0.0.1:5062;ob"
    desk.now += 119
    assert desk.register("")[1]["Contact"][0].endswith(";expires=1")
    desk.now += 2
    assert desk.uris() == []
    desk.registrar.tick(desk.now)
    assert desk.registrar.snapshot(desk.now) == []


@pytest.mark.parametrize(
    ("contact", "headers", "granted"),
    [
        ("<sip:a@h>", "", 3600),
        ("<sip:a@h>;expires=90", "Expires: 600", 90),
        ("<sip:a@h>;expires=abc", "Expires: 600", 3600),
        ("<sip:a@h>", "Expires: 99999", 7200),
        ("<sip:a@h>;expires=60", "", 60),
    ],
)
def test_how_long_is_granted(contact: str, headers: str, granted: int) -> None:
    status, fields = Desk().register(contact, headers)
    assert status == 200 and fields["Contact"][0].endswith(f";expires={granted}")


@pytest.mark.parametrize("headers", ["Expires: 59", "Expires: 1"])
def test_too_short_a_time_gives_423_and_changes_nothing(headers: str) -> None:
    desk = Desk()
    desk.register("<sip:old@h>")
    status, fields = desk.register("<sip:one@h>;expires=600, <sip:two@h>", headers)
    assert status == 423 and fields == {"Min-Expires": ["60"]}
    assert desk.uris() == ["sip:old@h"]


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("<sip:new@h>, <mailto:x@h>", 400),
        ("<sip:new@h>, <sip:other@h>;q=7", 400),
        ("<sip:new@h>;q=x", 400),
        (", ".join(f"<sip:n{i}@h>" for i in range(10)), 403),
    ],
)
def test_all_contacts_take_effect_or_none(contact: str, status: int) -> None:
    desk = Desk()
    desk.register("<sip:old@h>")
    assert desk.register(contact)[0] == status
    assert desk.uris() == ["sip:old@h"]


def test_contact_star_removes_all_with_expires_0_and_is_400_otherwise() -> None:
    desk = Desk()
    desk.register("<sip:a@h>, <sip:b@h>")
    for headers in ("", "Expires: 10"):
        assert desk.register("*", headers)[0] == 400
    assert len(desk.uris()) == 2
    assert desk.register("*", "Expires: 0") == (200, {})
    assert desk.uris() == []


def test_expires_0_removes_one_binding() -> None:
    desk = Desk()
    desk.register("<sip:a@h>, <sip:b@h>")
    status, fields = desk.register("<sip:a@h>;expires=0")
    assert status == 200 and len(fields["Contact"]) == 1
    assert desk.uris() == ["sip:b@h"]
    assert desk.register("<sip:unknown@h>;expires=0")[0] == 200


@pytest.mark.parametrize("contact", ["<sip:a@h>;expires=0", "<sip:a@h>", "*"])
@pytest.mark.parametrize("cseq", [4, 5])
def test_a_request_overtaken_by_a_later_one_is_refused(contact: str, cseq: int) -> None:
    desk = Desk()
    desk.register("<sip:a@h>", cseq=5)
    assert desk.register(contact, "Expires: 0", cseq=cseq)[0] == 400
    assert desk.uris() == ["sip:a@h"]
    assert desk.register(contact, "Expires: 0", cseq=1, call_id="after-a-restart")[0] == 200


def test_a_refresh_moves_the_binding_to_its_flow() -> None:
    desk = Desk()
    desk.register("<sip:a@h>", flow=UDP)
    desk.register("<sip:A@H>;expires=99", flow=UDP)
    desk.register("<sip:a@h>", flow=TCP)
    assert desk.uris() == ["sip:a@h", "sip:A@h"]  # users differ in case (RFC 3261 s19.1.4)
    assert desk.registrar.bindings(AOR, desk.now)[0].flow == TCP


def test_the_most_wanted_comes_first_then_the_newest() -> None:
    desk = Desk()
    for contact in ("<sip:low@h>;q=0.3", "<sip:old@h>", "<sip:new@h>", "<sip:never@h>;q=0"):
        desk.register(contact)
    assert desk.uris() == ["sip:new@h", "sip:old@h", "sip:low@h", "sip:never@h"]


def test_an_instance_is_one_phone_at_any_address() -> None:
    desk = Desk()
    instance = ';+sip.instance="<urn:uuid:1>";reg-id='
    desk.register(f"<sip:a@10.0.0.1>{instance}1")
    _, fields = desk.register(f"<sip:a@10.0.0.2>{instance}1", call_id="other")
    assert desk.uris() == ["sip:a@10.0.0.2"] and '+sip.instance="<urn:uuid:1>"' in fields["Contact"][0]
    desk.register(f"<sip:a@10.0.0.3>{instance}2")
    assert len(desk.uris()) == 2


@pytest.mark.parametrize("flow", [TCP, WS])
def test_a_closed_stream_drops_its_bindings_at_once_and_no_others(flow: Flow) -> None:
    desk = Desk()
    desk.register("<sip:a@h>", flow=flow)
    desk.register("<sip:b@h>", flow=UDP)
    desk.registrar.flow_closed(UDP)
    assert len(desk.uris()) == 2
    desk.registrar.flow_closed(flow)
    assert desk.uris() == ["sip:b@h"]
    desk.registrar.flow_closed(flow)


def test_a_path_is_kept_and_told_to_who_asks() -> None:
    desk = Desk()
    path = "Path: <sip:p1.example;lr>, <sip:p2.example;lr>"
    assert "Path" not in desk.register("<sip:a@h>", path)[1]
    _, fields = desk.register("<sip:a@h>", path + "\nSupported: path")
    assert fields["Path"] == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    assert desk.registrar.bindings(AOR, desk.now)[0].path == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")


def udp_between(local: tuple[str, int], remote: tuple[str, int]) -> Flow | None:
    """A new process: the same addresses, another number of the socket."""
    return Flow("udp", local, remote, 8)


def test_bindings_outlive_a_restart_but_for_streams() -> None:
    desk = Desk()
    desk.register('"Name" <sip:a@h>;q=0.5;expires=600', "Path: <sip:p.example;lr>")
    desk.register("<sip:b@h>;expires=100")
    desk.register("<sip:c@h>", flow=TCP)
    before = [binding for binding in desk.registrar.bindings(AOR, desk.now) if binding.flow == UDP]
    snapshot = json.loads(json.dumps(desk.registrar.snapshot(desk.now)))
    other = Desk()
    other.now = 5.0
    assert other.registrar.restore(snapshot, udp_between, other.now, age=100.0) == 1
    [binding] = other.registrar.bindings(AOR, other.now)
    [old] = [binding for binding in before if binding.q == 0.5]
    assert binding.expires_at == pytest.approx(505.0)
    assert (binding.contact, binding.q, binding.path) == (old.contact, old.q, old.path)
    assert binding.flow == Flow("udp", UDP.local, UDP.remote, 8)
    assert other.register("<sip:a@h>", cseq=1, flow=binding.flow)[0] == 400
    other.now = 506.0
    other.registrar.tick(other.now)
    assert other.registrar.snapshot(other.now) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["<sip:a@h>", "<sip:b@h>", "<sip:c@h>", "<sip:a@h>, <sip:b@h>;expires=0", "*", ""]),
            st.sampled_from(["", "Expires: 0", "Expires: 30", "Expires: 100", "Expires: 400"]),
            st.sampled_from([UDP, TCP, WS]),
            st.sampled_from([0.0, 50.0, 200.0]),
        ),
        max_size=12,
    )
)
def test_the_registrar_never_keeps_what_is_over(steps: list[tuple[str, str, Flow, float]]) -> None:
    desk = Desk()
    for contact, headers, flow, pause in steps:
        desk.register(contact, headers, flow)
        desk.now += pause
        desk.registrar.tick(desk.now)
        assert len(desk.registrar._expiries) <= 1 + len(steps)
        for binding in desk.registrar._bindings.get(AOR, []):
            assert desk.now < binding.expires_at <= desk.now + 7200
    for flow in (TCP, WS):
        desk.registrar.flow_closed(flow)
    assert all(binding.flow == UDP for binding in desk.registrar.bindings(AOR, desk.now))
    desk.now += 10000
    desk.registrar.tick(desk.now)
    assert desk.registrar._bindings == {} and desk.registrar._expiries == []


def test_a_phone_behind_nat_is_called_through_its_flow_not_its_contact() -> None:
    desk = Desk()
    desk.register("<sip:7@192.168.1.5:5062>", "Path: <sip:edge.example;lr>")
    [binding] = desk.registrar.bindings(AOR, desk.now)
    probe = Probe()
    routes = [("Route", value) for value in binding.path]
    name = NameAddr("", Uri("sip", "node", host="example.com"))
    probe.agent.invite(binding.uri, binding.flow, probe.now, from_=name, headers=[*routes, ("Max-Forwards", "9")])
    [invite] = probe.drain()
    assert str(invite.uri) == "sip:7@192.168.1.5:5062" and probe.flows == [UDP]
    assert invite.headers.get_all("Route") == ["<sip:edge.example;lr>"] and invite.max_forwards == 9


def test_a_snapshot_that_is_none_changes_nothing() -> None:
    desk = Desk()
    desk.register("<sip:a@h>;expires=600")
    good = desk.registrar.snapshot(desk.now)
    for broken in (
        [*good, {}],
        [*good, {**good[0], "contact": "<<"}],
        [*good, {**good[0], "remote": ["h"]}],
        [*good, {**good[0], "expires": "soon"}],
        [*good, "text"],
        7,
    ):
        other = Desk()
        with pytest.raises((ProtocolError, KeyError, TypeError, ValueError)):
            other.registrar.restore(broken, udp_between, other.now)  # type: ignore[arg-type]
        assert other.uris() == []


def test_a_snapshot_grants_no_more_than_a_registrar_does() -> None:
    desk = Desk(max_expires=7200)
    desk.register("<sip:a@h>;expires=600")
    [entry] = desk.registrar.snapshot(desk.now)
    for expires, count in ((1e12, 1), (float("inf"), 1), (float("nan"), 0), (-1, 0)):
        other = Desk(max_expires=7200)
        assert other.registrar.restore([{**entry, "expires": expires}], udp_between, other.now) == count
        other.now += 7201
        assert other.uris() == []


def test_a_binding_whose_socket_is_gone_is_not_restored() -> None:
    desk = Desk()
    desk.register("<sip:a@h>;expires=600")
    other = Desk()
    assert other.registrar.restore(desk.registrar.snapshot(desk.now), lambda local, remote: None, other.now) == 0
    assert other.uris() == []


def test_which_flows_are_bound() -> None:
    desk = Desk()
    assert not desk.registrar.is_bound(UDP, desk.now)
    desk.register("<sip:a@h>;expires=600")
    desk.register("<sip:b@h>;expires=100", flow=TCP)
    assert desk.registrar.is_bound(UDP, desk.now) and desk.registrar.is_bound(UDP, desk.now, AOR)
    assert not desk.registrar.is_bound(UDP, desk.now, "sip:8@example.com")
    desk.now += 101
    assert not desk.registrar.is_bound(TCP, desk.now), "its time is over, whether or not a tick came"
    desk.register("<sip:a@h>;expires=0")
    assert not desk.registrar.is_bound(UDP, desk.now)


def test_every_change_is_counted() -> None:
    desk = Desk()
    seen = {desk.registrar.changes}
    desk.register("<sip:a@h>;expires=600", flow=TCP)
    seen.add(desk.registrar.changes)
    desk.register("<sip:a@h>;expires=600", flow=TCP)
    seen.add(desk.registrar.changes)
    desk.registrar.flow_closed(TCP)
    seen.add(desk.registrar.changes)
    assert len(seen) == 4
