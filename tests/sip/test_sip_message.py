import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torture_messages import RFC4475, RFC5118, SDP, lines, plain

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.cseq import CSeq
from ivrnode.sip.headers import Headers
from ivrnode.sip.message import MAX_BODY, MessageError, Request, Response, parse_message
from ivrnode.sip.multipart import find_sdp
from ivrnode.sip.uri import Uri
from ivrnode.sip.via import Via

INVITE = lines(
    """
INVITE sip:1000@ivr.example.com SIP/2.0
v: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bK1, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK0
Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>
Max-Forwards: 70
f: "Alice" <sip:alice@example.com>;tag=9fxced76sl
t: <sip:1000@ivr.example.com>
m: <sip:alice@192.0.2.10:5062;ob>
i: 3848276298220188511@atlanta.example.com
CSeq: 8712 INVITE
Route: <sip:ivr.example.com;lr>
Timestamp: 54
k: replaces, 100rel
X-Odd:  kept  as , it is
c: Application/SDP ;charset=utf-8
l: @
""",
    SDP,
)


def fault(data: bytes, *, is_stream: bool = False) -> MessageError:
    with pytest.raises(MessageError) as caught:
        parse_message(data, is_stream=is_stream)
    return caught.value


def request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def test_typed_values_of_a_request() -> None:
    invite = request(INVITE)
    assert (invite.method, str(invite.uri)) == ("INVITE", "sip:1000@ivr.example.com")
    assert [via.transport for via in invite.vias] == ["UDP", "TCP"]
    assert invite.top_via.branch == "z9hG4bK1"
    assert invite.from_ == NameAddr("Alice", Uri("sip", "alice", host="example.com"), (("tag", "9fxced76sl"),))
    assert invite.to.tag is None
    assert invite.call_id == "3848276298220188511@atlanta.example.com"
    assert invite.cseq == CSeq(8712, "INVITE")
    assert [str(contact.uri) for contact in invite.contacts] == ["sip:alice@192.0.2.10:5062;ob"]
    assert [str(route) for route in invite.routes] == ["<sip:ivr.example.com;lr>"]
    assert [route.uri.host for route in invite.record_routes] == ["p1.example.com", "p2.example.com"]
    assert invite.max_forwards == 70
    assert invite.expires is None
    assert invite.content_type == "application/sdp"
    assert invite.headers.get("supported") == "replaces, 100rel"
    assert invite.headers.get_all("Supported") == ["replaces", "100rel"]
    assert invite.headers.get("x-odd") == "kept  as , it is"
    assert invite.body == SDP


def test_written_and_read_again_is_the_same() -> None:
    invite = request(INVITE)
    assert parse_message(bytes(invite)) == invite
    assert bytes(invite).count(b"Content-Length") == 1
    assert b"\r\nX-Odd: kept  as , it is\r\n" in bytes(invite)
    assert b"\r\nVia: SIP/2.0/UDP" in bytes(invite)


def test_response_copies_what_it_must() -> None:
    invite = request(INVITE)
    ringing = invite.response(180, to_tag="b1")
    assert ringing.reason == "Ringing"
    assert ringing.vias == invite.vias
    assert ringing.to.tag == "b1"
    assert (ringing.from_, ringing.call_id, ringing.cseq) == (invite.from_, invite.call_id, invite.cseq)
    assert ringing.record_routes == invite.record_routes
    assert ringing.headers.get("Timestamp") is None
    trying = invite.response(100)
    assert trying.record_routes == [] and trying.to.tag is None
    assert trying.headers.get("Timestamp") == "54"
    assert invite.response(404).record_routes == []
    assert invite.response(299).reason == "OK"
    assert invite.response(486, "Gone fishing", to_tag="x").reason == "Gone fishing"
    assert parse_message(bytes(ringing)) == ringing


def test_response_keeps_a_to_tag() -> None:
    bye = request(plain("BYE sip:a@b SIP/2.0", To="<sip:user@example.com>;tag=theirs"))
    assert bye.response(200, to_tag="ours").to.tag == "theirs"


def test_replace_top_via_leaves_the_others() -> None:
    invite = request(INVITE)
    invite.replace_top_via(invite.top_via.with_parameter("rport", "5062"))
    assert invite.top_via.rport == 5062
    assert [via.host for via in invite.vias] == ["192.0.2.10", "proxy.example.com"]
    assert request(bytes(invite)).vias == invite.vias


def test_wildcard_contact() -> None:
    register = request(plain("REGISTER sip:example.com SIP/2.0", Contact="*", Expires="0"))
    assert register.has_wildcard_contact and register.contacts == [] and register.expires == 0
    assert not request(plain("REGISTER sip:example.com SIP/2.0")).has_wildcard_contact
    assert fault(plain("REGISTER sip:example.com SIP/2.0", Contact="*, <sip:a@b>")).status == 400


def test_leading_line_ends_are_skipped() -> None:
    assert request(b"\r\n\r\n" + INVITE) == request(INVITE)


def test_bytes_that_are_not_utf8_survive() -> None:
    data = plain("OPTIONS sip:a@b SIP/2.0", Subject="caf@").replace(b"caf@", b"caf\xe9 \xff\xfe")
    data = data.replace(b"<sip:user@", b'"J\xf6rg" <sip:\xfc@')
    message = request(data)
    assert b"Subject: caf\xe9 \xff\xfe\r\n" in bytes(message)
    assert b'"J\xf6rg" <sip:\xfc@example.com>' in str(message.to).encode("utf-8", "surrogateescape")
    assert parse_message(bytes(message)) == message


def test_a_body_is_cut_at_content_length() -> None:
    data = plain("MESSAGE sip:a@b SIP/2.0", Content_Length="2")
    assert request(data + b"hello").body == b"he"
    assert fault(data + b"h").status == 400
    without = plain("MESSAGE sip:a@b SIP/2.0", Content_Length=None)
    assert request(without + b"hello").body == b"hello"
    assert fault(without, is_stream=True).status == 400
    assert fault(plain("MESSAGE sip:a@b SIP/2.0", Content_Length=str(MAX_BODY + 1))).status == 413


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Call_ID": None}, 400),
        ({"Call_ID": "two words"}, 400),
        ({"Call_ID": ""}, 400),
        ({"From": "nobody"}, 400),
        ({"To": "<sip:>"}, 400),
        ({"CSeq": "x OPTIONS"}, 400),
        ({"Max_Forwards": "-1"}, 400),
        ({"Expires": "soon"}, 400),
        ({"Contact": "<sip:a@b"}, 400),
        ({"Route": "nowhere"}, 400),
        ({"Record_Route": '"<sip:a>'}, 400),
        ({"Content_Type": "sdp"}, 400),
        ({"Content_Length": "1e3"}, 400),
        ({"Via": ", ".join(f"SIP/2.0/UDP h{number}" for number in range(71))}, "drop"),
        ({"Via": None}, "drop"),
        ({"Route": ", ".join(f"<sip:h{number}>" for number in range(71))}, 400),
        ({"From": "<sip:a@b>" + ";p=1" * 65}, 400),
        ({"X": "y" * 8192}, 513),
        ({"X": "y\r\n " * 5000}, 513),
        ({f"X{number}": "" for number in range(260)}, 513),
        ({"X": "bare \n feed"}, 400),
        ({"X": "bare \r return"}, 400),
        ({"X": "y\r\nno colon"}, 400),
        ({"X": "y\r\nbad name: z"}, 400),
        ({"X": "y\r\n: z"}, 400),
    ],
)
def test_faults(change: dict[str, str | None], status: int | str) -> None:
    error = fault(plain("OPTIONS sip:a@b SIP/2.0", **change))
    if status == "drop":
        assert error.request is None
    else:
        assert error.status == status
        assert error.request is not None
        assert error.request.method == "OPTIONS"
        answer = error.request.response(error.status, str(error), to_tag="t")
        assert bytes(answer).endswith(b"\r\n\r\n")


def test_faults_without_an_answer() -> None:
    assert fault(plain("ACK sip:a@b SIP/2.0", CSeq="x")).request is None
    assert fault(plain("SIP/2.0 200 OK", CSeq="x")).request is None
    assert fault(plain("SIP/2.0 99 Low")).request is None
    assert fault(plain("SIP/2.0 700 High")).request is None
    assert fault(plain("SIP/3.0 200 OK")).request is None
    for garbage in (b"", b"\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 100, b"SIP/2.0"):
        assert fault(garbage).request is None
    huge = plain("OPTIONS sip:a@b SIP/2.0").replace(b"Max-", b"X: " + b"y" * 65536 + b"\r\nMax-")
    assert fault(huge).status == 513


def test_no_empty_line_is_a_fault_with_an_answer() -> None:
    error = fault(plain("OPTIONS sip:a@b SIP/2.0").removesuffix(b"\r\n"))
    assert error.status == 400 and error.request is not None


BREAKS = ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\r\n"]


@pytest.mark.parametrize("text", BREAKS)
def test_nothing_can_start_a_header_of_its_own(text: str) -> None:
    headers = Headers()
    for put in (headers.add, headers.set, headers.insert_first):
        with pytest.raises(ValueError):
            put("Subject", text)
    with pytest.raises(ValueError):
        Headers([("Subject", text)])
    for name in ("", "a b", "a:", f"X{text}", "é"):
        with pytest.raises(ValueError):
            headers.add(name, "x")
    assert len(headers) == 0
    with pytest.raises(ValueError):
        bytes(Request("OPTIONS" + text, Uri("sip", "a", host="b")))
    with pytest.raises(ValueError):
        bytes(Request("OPTIONS", Uri("sip", text, host="b")))
    with pytest.raises(ValueError):
        bytes(Response(200, text))
    with pytest.raises(ValueError):
        request(INVITE).response(200, to_tag=text)


def test_headers_as_a_collection() -> None:
    headers = Headers([("Via", "a"), ("m", "x"), ("via", "b, c"), ("X-Y", "1")])
    assert list(headers) == [("Via", "a"), ("Contact", "x"), ("Via", "b, c"), ("X-Y", "1")]
    assert "CONTACT" in headers and "To" not in headers and len(headers) == 4
    assert headers.get("v") == "a" and headers.get("To") is None
    assert headers.get_all("Via") == ["a", "b", "c"] and headers.lines("via") == ["a", "b, c"]
    headers.insert_first("Via", "z")
    headers.insert_first("Max-Forwards", "70")
    assert list(headers)[:3] == [("Max-Forwards", "70"), ("Via", "z"), ("Via", "a")]
    headers.remove_first("Via")
    headers.remove_first("Via")
    headers.remove_first("Via")
    assert headers.lines("via") == ["c"]
    headers.set("Via", "new")
    headers.set("Subject", "last")
    assert list(headers) == [
        ("Max-Forwards", "70"),
        ("Contact", "x"),
        ("Via", "new"),
        ("X-Y", "1"),
        ("Subject", "last"),
    ]
    headers.add("VIA", "newer")
    headers.set("Via", "newest")
    assert headers.lines("via") == ["newest"]
    headers.remove("x-y")
    headers.remove_first("X-Y")
    assert headers.keys() == {"max-forwards", "contact", "via", "subject"}
    copy = headers.copy()
    copy.remove("Via")
    assert "Via" in headers and copy != headers


def test_typed_values_follow_their_lines() -> None:
    invite = request(INVITE)
    assert invite.cseq.number == 8712
    copy = Request(invite.method, invite.uri, invite.headers.copy(), invite.body)
    copy.headers.set("CSeq", "1 INVITE")
    assert (copy.cseq.number, invite.cseq.number) == (1, 8712)
    copy.headers.remove_first("Via")
    assert copy.top_via.host == "proxy.example.com"
    copy.headers.add("Route", "<sip:last.example.com>")
    assert [route.uri.host for route in copy.routes] == ["ivr.example.com", "last.example.com"]
    assert copy.contacts is invite.contacts


def test_a_list_that_never_closes_comes_whole() -> None:
    headers = Headers([("Warning", '399 x "open, text'), ("Warning", "a, b")])
    assert headers.get_all("Warning") == ['399 x "open, text', "a", "b"]
    headers.remove_first("Warning")
    assert headers.get_all("Warning") == ["a", "b"]


MULTIPART = (
    b"preamble --b1\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1  \r\nc:application/sdp\r\n"
    b"Content-Disposition: session\r\n\r\nv=0\r\ns=--b1\r\n\r\n--b1--\r\nepilogue\r\n--b1\r\n\r\nx"
)


def with_body(content_type: str | None, body: bytes) -> Request:
    return request(plain("INVITE sip:a@b SIP/2.0", Content_Type=content_type, Content_Length=str(len(body))) + body)


def test_find_sdp() -> None:
    assert find_sdp(with_body("application/sdp", SDP)) == SDP
    assert find_sdp(with_body("text/plain", SDP)) is None
    assert find_sdp(with_body(None, SDP)) is None
    assert find_sdp(with_body("application/sdp", b"")) is None
    assert find_sdp(with_body('Multipart/Mixed ; boundary="b1"', MULTIPART)) == b"v=0\r\ns=--b1\r\n"
    assert find_sdp(with_body("multipart/alternative;boundary=b2", MULTIPART)) is None
    assert find_sdp(with_body("multipart/mixed;boundary=b1", b"--b1\r\n\r\nv=0\r\n--b1--")) is None
    assert (
        find_sdp(with_body("multipart/mixed;boundary=b1", b"--b1--\r\nContent-Type: application/sdp\r\n\r\nv=0"))
        is None
    )
    for content_type in ("multipart/mixed", "multipart/mixed;boundary=", f"multipart/mixed;boundary={'b' * 71}"):
        with pytest.raises(ProtocolError):
            find_sdp(with_body(content_type, MULTIPART))


@given(st.binary(max_size=400))
def test_any_body_has_sdp_or_not(body: bytes) -> None:
    for content_type in ("application/sdp", "multipart/mixed;boundary=b"):
        try:
            found = find_sdp(
                with_body(content_type, body.replace(b"x", b"\r\n--b\r\nContent-Type: application/sdp\r\n\r\n"))
            )
        except ProtocolError:
            continue
        assert found is None or isinstance(found, bytes)


# Properties


def accessed(message: Request | Response) -> None:
    """Touch every accessor: none may raise for a message that was parsed."""
    for name in (
        "vias", "top_via", "from_", "to", "call_id", "cseq", "contacts", "has_wildcard_contact", "routes",
        "record_routes", "max_forwards", "expires", "content_type",
    ):  # fmt: skip
        getattr(message, name)
    assert message.top_via is message.vias[0]


def check_any(data: bytes) -> None:
    for is_stream in (False, True):
        try:
            message = parse_message(data, is_stream=is_stream)
        except MessageError as error:
            assert 400 <= error.status < 600
            assert str(error)
            if error.request is not None:
                bytes(error.request.response(error.status, str(error), to_tag="t"))
            continue
        accessed(message)
        assert parse_message(bytes(message), is_stream=True) == message


@given(st.binary())
def test_any_bytes_give_a_message_or_an_error(data: bytes) -> None:
    check_any(data)


SEEDS = [case.data for case in RFC4475 + RFC5118] + [INVITE]
PUTS = st.sampled_from([b"\r\n", b"\r\n ", b'"', b"<", b">", b",", b";", b":", b"\0", b"\xff"]) | st.binary(max_size=6)
CUTS = st.tuples(st.integers(0, 3000), st.integers(0, 12), PUTS)


@settings(max_examples=400)
@given(st.sampled_from(SEEDS), st.lists(CUTS, min_size=1, max_size=6))
def test_damaged_messages_give_a_message_or_an_error(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for position, length, put in cuts:
        position %= len(data) + 1
        data = data[:position] + put + data[position + length :]
    check_any(data)


TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
HOST = st.sampled_from(["example.com", "192.0.2.1", "2001:db8::1", "a-b.invalid"])
PORT = st.none() | st.integers(0, 65535)
PARAMETERS = st.lists(st.tuples(TOKEN, st.none() | TOKEN), max_size=4).map(tuple)
USER = st.text("abc019&=+$,;?/%41-_.!~*'()#", min_size=1, max_size=12)
URIS = st.builds(
    Uri, st.sampled_from(["sip", "sips"]), USER, st.none() | TOKEN, HOST, PORT, PARAMETERS,
)  # fmt: skip
ADDRESSES = st.builds(NameAddr, st.text('abc ,;<>"\\é', max_size=12), URIS, PARAMETERS)
VIAS = st.builds(Via, st.just("SIP/2.0"), st.sampled_from(["UDP", "TCP", "WSS"]), HOST, PORT, PARAMETERS)
TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30)


@given(
    TOKEN, URIS, st.lists(VIAS, min_size=1, max_size=3), ADDRESSES, ADDRESSES, st.lists(ADDRESSES, max_size=3),
    st.integers(0, 2**32 - 1), TEXT, st.binary(max_size=40),
)  # fmt: skip
def test_built_messages_come_through(
    method: str, uri: Uri, vias: list[Via], sender: NameAddr, target: NameAddr, contacts: list[NameAddr],
    number: int, subject: str, body: bytes,
) -> None:  # fmt: skip
    headers = Headers([("Via", ", ".join(map(str, vias))), ("From", str(sender)), ("To", str(target))])
    headers.add("Call-ID", "abc")
    headers.add("CSeq", f"{number} {method}")
    headers.add("Subject", subject)
    if contacts:
        headers.add("Contact", ", ".join(map(str, contacts)))
    sent = Request(method, uri, headers, body)
    got = request(bytes(sent))
    assert got == sent
    assert (got.vias, got.from_, got.to, got.contacts, got.cseq.number) == (vias, sender, target, contacts, number)
    answer = sent.response(200, to_tag="t")
    assert parse_message(bytes(answer)) == answer


def test_the_first_value_is_replaced_in_its_place() -> None:
    headers = Headers([("To", "a"), ("v", "b, c"), ("Via", "d")])
    headers.replace_first("Via", "x;received=192.0.2.1")
    assert headers.lines("via") == ["x;received=192.0.2.1, c", "d"]
    headers.replace_first("to", "one, not a list")
    assert next(iter(headers)) == ("To", "one, not a list")
    with pytest.raises(ValueError, match="no From to replace"):
        headers.replace_first("From", "z")
    with pytest.raises(ValueError, match="CR, LF and NUL"):
        headers.replace_first("Via", "a\r\nb")


def test_lines_are_copied_in_the_order_in_which_they_came() -> None:
    source, copy = Headers([("To", "a"), ("X", "b"), ("v", "c"), ("Via", "d")]), Headers([("From", "z")])
    copy.copy_from(source, "Via", "To", "Subject")
    assert list(copy) == [("From", "z"), ("To", "a"), ("Via", "c"), ("Via", "d")]
