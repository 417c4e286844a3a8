"""RFC 4475 and RFC 5118: every case meets its verdict, and what was accepted means what the RFC says."""

import pytest
from torture_messages import INTMETH, LONGREQ, RFC4475, RFC5118, SDP, SEMIURI, WSINV, Case

from ivrnode.sip.message import MessageError, Request, Response, parse_message
from ivrnode.sip.multipart import find_sdp

CASES = [pytest.param(case, id=case.name) for case in RFC4475 + RFC5118]


def find(name: str) -> Request | Response:
    return parse_message(next(case.data for case in RFC4475 + RFC5118 if case.name == name))


@pytest.mark.parametrize("case", CASES)
def test_verdict(case: Case) -> None:
    if case.verdict == "accept":
        message = parse_message(case.data)
        assert parse_message(bytes(message)) == message
        return
    with pytest.raises(MessageError) as caught:
        parse_message(case.data)
    if case.verdict == "drop":
        assert caught.value.request is None
        return
    assert caught.value.status == case.verdict
    assert caught.value.request is not None
    answer = caught.value.request.response(caught.value.status, str(caught.value), to_tag="ours")
    assert bytes(answer).startswith(b"SIP/2.0 %d " % caught.value.status)
    assert answer.headers.get("Via") == caught.value.request.headers.get("Via")


def test_wsinv_reads_through_the_white_space() -> None:
    message = parse_message(WSINV)
    assert isinstance(message, Request)
    assert message.uri.parameter("unknownparam") == ""
    assert message.to.tag == "1918181833n"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    assert [via.transport for via in message.vias] == ["UDP", "TCP", "UDP"]
    assert [via.host for via in message.vias] == ["192.0.2.2", "spindle.example.com", "192.168.255.111"]
    assert [via.branch for via in message.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (route,) = message.routes
    assert route.uri.parameter("lr") == "" and route.uri.parameter("unknownwith") == "value"
    (contact,) = message.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert message.body == SDP == find_sdp(message)


def test_intmeth_keeps_every_legal_character() -> None:
    message = parse_message(INTMETH)
    assert isinstance(message, Request)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~" == message.cseq.method
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.uri.host == "example.com"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.parameter("fromParam''~+*_!.-%") == '"работающий"'
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.to.display_name == "BEL: NUL: DEL:"  # control characters reach no display
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes_are_not_touched() -> None:
    message = find("esc01")
    assert isinstance(message, Request)
    assert (message.uri.user, message.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert message.uri.plain_user == "sips:user@example.com"
    assert message.to.uri.plain_user == "user"
    assert message.contacts[0].uri.parameters == (("%6C%72", None), ("n%61me", "v%61lue%25%34%31"))
    assert find("escnull").to.uri.plain_user == "null-\0-null"
    esc02 = find("esc02")
    assert isinstance(esc02, Request)
    assert esc02.method == "RE%47IST%45R"
    assert esc02.to.display_name == "%Z%45"


def test_a_user_part_may_look_like_parameters() -> None:
    message = parse_message(SEMIURI)
    assert isinstance(message, Request)
    assert (message.uri.user, message.uri.host) == ("user;par=u%40example.net", "example.com")
    assert message.uri.parameters == ()


def test_long_values_survive() -> None:
    message = parse_message(LONGREQ)
    assert len(message.vias) == 34
    assert message.vias[-1].branch == "very" + "very" * 60 + "longbranchvalue"
    assert message.body == SDP


def test_octets_after_the_body_are_ignored() -> None:
    message = find("dblreq")
    assert isinstance(message, Request)
    assert (message.method, message.body) == ("REGISTER", b"")


def test_a_binary_body_is_kept() -> None:
    message = find("mpart01")
    assert b"\xa0\x82\x01C0\x82" in message.body
    assert find_sdp(message) is None


def test_an_address_without_brackets_owns_no_parameters() -> None:
    message = find("inv2543")
    assert message.to.uri.parameters == ()
    assert message.to.parameter("user") == "phone"
    assert message.from_.tag is None and message.max_forwards is None and message.top_via.branch is None


def test_the_bracket_rules_of_ipv6() -> None:
    def target(name: str) -> tuple[str, int | None]:
        message = find(name)
        assert isinstance(message, Request)
        return message.uri.host, message.uri.port

    assert target("ipv6-good") == ("2001:db8::10", None)
    assert target("port-ambiguous") == ("2001:db8::10:5070", None)
    assert target("port-unambiguous") == ("2001:db8::10", 5070)
    assert target("ipv6-bug-abnf-3-colons") == target("ipv6-correct-abnf-2-colons") == ("2001:db8::192.0.2.1", None)
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert find(name).top_via.received == "2001:db8::9:255"
    assert [(via.host, via.port) for via in find("mult-ip-in-header").vias] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", None),
        ("2001:db8::9:255", None),
    ]
    assert find("ipv4-mapped-ipv6").contacts[0].uri.host == "::ffff:192.0.2.2"
