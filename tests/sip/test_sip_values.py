"""The values of single header fields: addresses, Via, CSeq, credentials, lists, parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.auth_field import AuthField, write_challenge, write_credentials
from ivrnode.sip.cseq import CSeq
from ivrnode.sip.grammar import quote, split_list, unquote
from ivrnode.sip.uri import Uri
from ivrnode.sip.via import Via

URI = Uri.parse("sip:bob@example.com")

ADDRESSES = [
    ("<sip:bob@example.com>", NameAddr("", URI)),
    ("sip:bob@example.com", NameAddr("", URI)),
    ("sip:bob@example.com;tag=a;x", NameAddr("", URI, (("tag", "a"), ("x", None)))),
    ("Bob <sip:bob@example.com>;tag=a", NameAddr("Bob", URI, (("tag", "a"),))),
    ("Bob  Dole<sip:bob@example.com>", NameAddr("Bob  Dole", URI)),
    ('"Bob, \\"the\\" \\\\ <man>; x" <sip:bob@example.com>', NameAddr('Bob, "the" \\ <man>; x', URI)),
    ('""<sip:bob@example.com>', NameAddr("", URI)),
    ("Jörg <sip:bob@example.com>", NameAddr("Jörg", URI)),
    (
        '<sip:bob@example.com>;+sip.instance="<urn:uuid:0000-1>";reg-id=1',
        NameAddr("", URI, (("+sip.instance", '"<urn:uuid:0000-1>"'), ("reg-id", "1"))),
    ),
    (
        "<sip:bob@example.com?Replaces=1%40a>",
        NameAddr("", Uri("sip", "bob", host="example.com", headers=(("Replaces", "1%40a"),))),
    ),
]


@pytest.mark.parametrize(("text", "value"), ADDRESSES)
def test_address(text: str, value: NameAddr) -> None:
    assert NameAddr.parse(text) == value
    assert NameAddr.parse(str(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:bob@example.com",
        '"Bob <sip:bob@example.com>',
        '"Bob"',
        '"Bob" sip:bob@example.com',
        '"Bob" x <sip:bob@example.com>',
        "Dole, Bob <sip:bob@example.com>",
        "<sip:bob@example.com> x",
        "<sip:bob@example.com>;",
        "<sip:bob@example.com>;;tag=a",
        "<sip:bob@example.com>;tag=",
        '<sip:bob@example.com>;x="open',
        '<sip:bob@example.com>;x="a" b',
        "<sip:bob@example.com>;b@d=1",
        "sip:bob@example.com?Subject=x",
        "sip:bob@example.com,sip:eve@example.com",
        "*",
    ],
)
def test_bad_address(text: str) -> None:
    with pytest.raises(ProtocolError):
        NameAddr.parse(text)


def test_address_list_splits_only_where_it_may() -> None:
    text = '"A, B" <sip:a@x.example;q=1,2>;t="," , <sip:b@x.example>,, sip:c@x.example;tag=1'
    assert [str(address.uri) for address in NameAddr.parse_list(text)] == [
        "sip:a@x.example;q=1,2",
        "sip:b@x.example",
        "sip:c@x.example",
    ]


def test_address_accessors() -> None:
    address = NameAddr.parse("<sip:bob@example.com;tag=no>;Tag=yes;lr")
    assert address.tag == "yes"
    assert address.parameter("lr") == ""
    assert address.with_parameter("tag", "new").tag == "new"
    assert NameAddr("", URI).tag is None


def test_via() -> None:
    via = Via.parse("SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bK-1")
    assert via == Via("SIP/2.0", "UDP", "192.0.2.1", 5062, (("rport", None), ("branch", "z9hG4bK-1")))
    assert via.branch == "z9hG4bK-1"
    assert via.parameter("rport") == "" and via.rport is None and via.received is None
    filled = via.with_parameter("received", "198.51.100.7").with_parameter("rport", "40000")
    assert str(filled) == "SIP/2.0/UDP 192.0.2.1:5062;rport=40000;branch=z9hG4bK-1;received=198.51.100.7"
    assert (filled.received, filled.rport) == ("198.51.100.7", 40000)
    assert Via.parse("SIP/2.0/ws [2001:DB8::1] : 80 ;branch=x") == Via(
        "SIP/2.0", "WS", "2001:db8::1", 80, (("branch", "x"),)
    )
    assert Via.parse("SIP/2.0/UDP h;rport=99999").rport is None


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0/ h", "/2.0/UDP h", "SIP/2.0/UDP a b", "SIP/2.0/UDP h;"],
)
def test_bad_via(text: str) -> None:
    with pytest.raises(ProtocolError):
        Via.parse(text)


def test_cseq() -> None:
    assert CSeq.parse("0009  INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    for text in ("", "1", "INVITE", "-1 INVITE", "4294967296 INVITE", "1 IN VITE", "1 INV@TE", "² INVITE"):
        with pytest.raises(ProtocolError):
            CSeq.parse(text)


def test_credentials() -> None:
    text = 'Digest username="a\\"b", realm = "x, y" ,nonce="n",uri="sip:h", response="r",qop=auth,nc=00000001'
    field = AuthField.parse(text)
    assert field.scheme == "digest"
    assert field.parameters["username"] == 'a"b' and field.parameters["realm"] == "x, y"
    assert AuthField.parse(write_credentials(field.parameters.items())) == field
    assert "qop=auth," in write_credentials(field.parameters.items())
    assert 'qop="auth"' in write_challenge(field.parameters.items())


@pytest.mark.parametrize("text", ["", "Digest x", 'Digest a="1", a="2"', 'Digest a="1', 'Digest a="1"2', "Dig@st a=1"])
def test_bad_credentials(text: str) -> None:
    with pytest.raises(ProtocolError):
        AuthField.parse(text)


@given(st.text())
def test_quoting_is_undone(text: str) -> None:
    assert unquote(quote(text)) == text


@given(st.lists(st.text(alphabet='ab"\\,;<> ').map(quote), min_size=1), st.sampled_from([",", ";"]))
def test_a_list_of_quoted_strings_splits_between_them(pieces: list[str], separator: str) -> None:
    assert split_list(f" {separator} ".join(pieces), separator) == pieces


@pytest.mark.parametrize("parse", [NameAddr.parse, NameAddr.parse_list, Via.parse, CSeq.parse, AuthField.parse])
@given(text=st.text(alphabet='ab1"\\,;<>:=@/?& \tsipSIP2.0*[]%é\x00\x01'))
def test_any_text_is_a_value_or_a_protocol_error(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    try:
        value = parse(text)
    except ProtocolError:
        return
    if not isinstance(value, AuthField):
        values = value if isinstance(value, list) else [value]
        assert [type(one).parse(str(one)) for one in values] == values
