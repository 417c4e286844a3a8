import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.sip.uri import Uri

VALID = [
    "sip:alice@atlanta.example.com",
    "sip:alice:secretword@atlanta.example.com;transport=tcp",
    "sips:alice@atlanta.example.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.example.com;user=phone",
    "sips:1212@gateway.example.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.example.com;method=REGISTER?to=alice%40atlanta.example.com",
    "sip:alice;day=tuesday@atlanta.example.com",
    "sip:*43#@example.com:5080;lr;ob",
    "sip:bob@[2001:db8::1]:5061;transport=ws",
    "sip:f00@df7jal23ls0d.invalid;transport=ws",
    "tel:+358-555-1234567;postd=pp22",
    "tel:7042;phone-context=example.com",
    "urn:service:sos",
    "sip:bob@example.com?Replaces=12345%40atlanta%3Bto-tag%3D1&Subject=",
]

INVALID = [
    "",
    "sip:",
    "sip",
    "alice@example.com",
    ":alice@example.com",
    "sip:@example.com",
    "sip:alice@",
    "sip:a b@example.com",
    "sip:alice@exa mple.com",
    "sip:alice@example.com:",
    "sip:alice@example.com:65536",
    "sip:alice@example.com:+5060",
    "sip:alice@example.com:\uff15\uff10",
    "sip:alice@2001:db8::1",
    "sip:alice@[2001:db8::1",
    "sip:alice@[2001:db8::1]5060",
    "sip:alice@[fe80::1%eth0]",
    "sip:alice@[2001:db8:::10]",
    "sip:alice@one@two.example.com",
    "sip:alice@example.com;;lr",
    "sip:alice@example.com;",
    "sip:alice@example.com?",
    "sip:alice@example.com?Replaces",
    "sip:alice@example.com?Bad Name=1",
    "sip:alice@bücher.example",
    'sip:"alice"@example.com',
    "sip:alice<@example.com",
    "sip:alice@example.com\r\nX: y",
    "tel:",
    "tel:not a number",
    "1sip:alice@example.com",
    "sip:alice@example.com;" + ";".join(f"p{number}" for number in range(65)),
]


@pytest.mark.parametrize("text", VALID)
def test_valid_comes_back_as_written(text: str) -> None:
    uri = Uri.parse(text)
    assert str(uri) == text
    assert Uri.parse(str(uri)) == uri
    assert uri.matches(uri)


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


def test_parts() -> None:
    uri = Uri.parse("SIP:alice:pass@Example.COM:5070;Transport=tcp;lr?Subject=hi&Priority=urgent")
    assert uri == Uri(
        "sip", "alice", "pass", "example.com", 5070, (("Transport", "tcp"), ("lr", None)),
        (("Subject", "hi"), ("Priority", "urgent")),
    )  # fmt: skip
    assert uri.parameter("transport") == "tcp"
    assert uri.parameter("LR") == ""
    assert uri.parameter("maddr") is None
    assert Uri.parse("tel:+1-201-555-0123;ext=5").parameter("ext") == "5"


def test_ipv6_host_has_no_brackets() -> None:
    uri = Uri.parse("sip:bob@[2001:DB8::1]:5061")
    assert (uri.host, uri.port) == ("2001:db8::1", 5061)
    assert str(uri) == "sip:bob@[2001:db8::1]:5061"


def test_with_parameter_replaces_in_place_or_appends() -> None:
    uri = Uri.parse("sip:bob@example.com;transport=udp;lr")
    assert str(uri.with_parameter("Transport", "tcp")) == "sip:bob@example.com;transport=tcp;lr"
    assert str(uri.with_parameter("ob", None)) == "sip:bob@example.com;transport=udp;lr;ob"


def test_of_user_escapes_what_could_break_out() -> None:
    uri = Uri.of_user("bob@evil.example:5060>\r\nX: y", "example.com")
    assert Uri.parse(str(uri)) == uri
    assert uri.host == "example.com"
    assert uri.plain_user == "bob@evil.example:5060>\r\nX: y"
    assert str(Uri.of_user("+49*30#", "example.com")) == "sip:+49*30%23@example.com"


def test_address_of_record_drops_what_does_not_name_anybody() -> None:
    uri = Uri.parse("sips:%61lice:pass@Example.com:5061;transport=tcp?a=b")
    assert uri.address_of_record == "sip:alice@example.com"
    assert Uri.parse("sip:Example.com").address_of_record == "sip:example.com"


# RFC 3261 s19.1.4 lists these pairs.
SAME = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:a%3Bb@biloxi.com", "sip:a;b@biloxi.com"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_matches(one: str, other: str) -> None:
    assert Uri.parse(one).matches(Uri.parse(other))
    assert Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_does_not_match(one: str, other: str) -> None:
    assert not Uri.parse(one).matches(Uri.parse(other))
    assert not Uri.parse(other).matches(Uri.parse(one))


def test_matching_is_not_transitive() -> None:
    plain, on, off = (Uri.parse(f"sip:carol@chicago.com{tail}") for tail in ("", ";security=on", ";security=off"))
    assert plain.matches(on) and plain.matches(off) and not on.matches(off)


@given(st.text(max_size=80))
def test_any_text_is_a_uri_or_a_protocol_error(text: str) -> None:
    for candidate in (text, "sip:" + text, "sip:a@h;" + text, "tel:" + text):
        try:
            uri = Uri.parse(candidate)
        except ProtocolError:
            continue
        assert Uri.parse(str(uri)) == uri
        assert uri.matches(uri)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_user_text_goes_through(user: str) -> None:
    uri = Uri.of_user(user, "example.com")
    assert Uri.parse(str(uri)) == uri
    assert uri.plain_user == user
