"""Offer and answer: hold, refused lines, numbers, versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.sdp.description import SessionDescription
from ivrnode.sdp.negotiation import Capabilities, LocalSession, MediaPlan, accept_answer, answer, offer

HERE = ("192.0.2.1", 40000)
EVERYTHING = Capabilities()


def description(*lines: str, connection: str = "IN IP4 192.0.2.9", version: int = 1) -> SessionDescription:
    opening = ["v=0", f"o=- 7 {version} IN IP4 192.0.2.9", "s=-"]
    return SessionDescription.parse(
        "\r\n".join([*opening, *([f"c={connection}"] if connection else []), "t=0 0", *lines])
    )


def answered(*lines: str, **options: str) -> tuple[SessionDescription, MediaPlan]:
    return answer(description(*lines, **options), EVERYTHING, HERE, LocalSession(5))  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "codec"), [("0", "PCMU"), ("8", "PCMA"), ("9", "G722")])
def test_a_static_type_without_rtpmap_is_answered_and_planned(number: str, codec: str) -> None:
    reply, plan = answered(f"m=audio 5004 RTP/AVP 18 {number} 0")
    assert plan == MediaPlan(codec, int(number), None, ("192.0.2.9", 5004), remote_rtcp=("192.0.2.9", 5005))
    assert reply.media[0].formats == (number,)
    assert reply.media[0].port == HERE[1]
    assert reply.media[0].attribute("rtpmap") == f"{number} {codec}/8000"


def test_the_offerers_order_and_numbers_are_kept() -> None:
    reply, plan = answered(
        "m=audio 5004 RTP/AVP 107 97 0 99 100",
        "a=rtpmap:107 opus/48000/2",
        "a=rtpmap:97 pcma/8000",
        "a=rtpmap:99 telephone-event/48000",
        "a=rtpmap:100 telephone-event/8000",
    )
    assert (plan.codec, plan.payload_type, plan.digit_payload_type) == ("PCMA", 97, 100)
    assert reply.media[0].formats == ("97", "100")
    assert "a=rtpmap:100 telephone-event/8000\r\n" in str(reply)


def test_a_codec_at_a_foreign_clock_is_not_ours() -> None:
    with pytest.raises(ProtocolError) as caught:
        answered("m=audio 5004 RTP/AVP 96 97", "a=rtpmap:96 PCMU/16000", "a=rtpmap:97 PCMU/8000/2")
    assert caught.value.status == 488


def test_other_lines_are_refused_in_their_place_and_the_audio_lives() -> None:
    reply, plan = answered(
        "m=image 5002 udptl t38",
        "m=audio 5000 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=audio 5004 RTP/AVP 0",
        "m=audio 5006 RTP/AVP 0",
        "m=video 5008 RTP/AVP 31",
    )
    assert [media.port for media in reply.media] == [0, 0, 0, HERE[1], 0, 0]
    assert [media.kind for media in reply.media] == ["image", "audio", "audio", "audio", "audio", "video"]
    assert [media.protocol for media in reply.media][:2] == ["udptl", "RTP/SAVP"]
    assert plan.remote == ("192.0.2.9", 5004)


@pytest.mark.parametrize(
    "line",
    [
        "m=audio 5004 RTP/SAVP 0",
        "m=audio 5004 UDP/TLS/RTP/SAVPF 0",
        "m=audio 0 RTP/AVP 0",
        "m=audio 5004 RTP/AVP 18",
        "m=video 5004 RTP/AVP 31",
        "m=image 5004 udptl t38",
    ],
)
def test_nothing_that_fits_is_488(line: str) -> None:
    session = LocalSession(5)
    with pytest.raises(ProtocolError) as caught:
        answer(description(line), EVERYTHING, HERE, session)
    assert caught.value.status == 488
    assert session.last is None


@pytest.mark.parametrize("connection", ["IN IP4 224.0.0.1", "IN IP6 2001:db8::1", ""])
def test_an_address_that_we_cannot_reach_is_488(connection: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        answered("m=audio 5004 RTP/AVP 0", connection=connection)
    assert caught.value.status == 488


@pytest.mark.parametrize(
    ("written", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_direction_at_either_level_is_turned_round(written: str, ours: str) -> None:
    for lines in (["m=audio 5004 RTP/AVP 0", f"a={written}"], [f"a={written}", "m=audio 5004 RTP/AVP 0"]):
        reply, plan = answered(*lines)
        assert plan.direction == ours == reply.direction_of(reply.media[0])


def test_the_media_level_wins() -> None:
    _, plan = answered("a=inactive", "m=audio 5004 RTP/AVP 0", "a=sendrecv")
    assert plan.direction == "sendrecv"


@pytest.mark.parametrize(
    ("written", "ours"), [("sendrecv", "recvonly"), ("recvonly", "inactive"), ("sendonly", "recvonly")]
)
def test_the_old_hold_is_understood_and_never_written(written: str, ours: str) -> None:
    reply, plan = answered("m=audio 5004 RTP/AVP 0", f"a={written}", connection="IN IP4 0.0.0.0")
    assert (plan.direction, plan.remote) == (ours, None)
    assert "0.0.0.0" not in str(reply)


def test_a_host_name_waits_for_the_first_packet() -> None:
    _, plan = answered("m=audio 5004 RTP/AVP 0", connection="IN IP4 phone.example.com")
    assert (plan.remote, plan.direction) == (None, "sendrecv")


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        ([], 20),
        (["a=ptime:30"], 30),
        (["a=ptime:30", "a=maxptime:20"], 20),
        (["a=ptime:0"], 20),
        (["a=ptime:x"], 20),
        (["a=ptime:5000"], 60),
    ],
)
def test_ptime_within_reason(attributes: list[str], ptime: int) -> None:
    reply, plan = answered("m=audio 5004 RTP/AVP 0", *attributes)
    assert plan.ptime == ptime
    assert reply.media[0].attribute("ptime") == "20"


@pytest.mark.parametrize(
    ("attribute", "address"),
    [
        ("a=rtcp:5999", ("192.0.2.9", 5999)),
        ("a=rtcp:5999 IN IP4 192.0.2.77", ("192.0.2.77", 5999)),
        ("a=rtcp:5999 IN IP4 name.example", None),
        ("a=rtcp:nonsense", ("192.0.2.9", 5005)),
    ],
)
def test_rtcp_goes_where_the_far_end_says(attribute: str, address: object) -> None:
    _, plan = answered("m=audio 5004 RTP/AVP 0", attribute)
    assert plan.remote_rtcp == address


def test_the_version_counts_changes_of_the_text_only() -> None:
    session = LocalSession(5)
    running = description("m=audio 5004 RTP/AVP 0")
    held = description("m=audio 5004 RTP/AVP 0", "a=sendonly", version=2)
    versions = [answer(each, EVERYTHING, HERE, session)[0].origin.version for each in (running, running, held, running)]
    assert versions == ["1", "1", "2", "3"]
    with pytest.raises(ProtocolError):
        answer(description("m=audio 5004 RTP/AVP 18"), EVERYTHING, HERE, session)
    assert answer(running, EVERYTHING, HERE, session)[0].origin.version == "3"


def test_both_ends_of_ivrnode_agree() -> None:
    ours, theirs = LocalSession(1), LocalSession(2)
    asked = offer(EVERYTHING, HERE, ours)
    reply, their_plan = answer(asked, Capabilities(("G722", "PCMA")), ("192.0.2.2", 6000), theirs)
    our_plan = accept_answer(asked, SessionDescription.parse(bytes(reply)))
    assert our_plan.codec == their_plan.codec == "PCMA"
    assert our_plan.digit_payload_type == their_plan.digit_payload_type == 101
    assert (our_plan.remote, their_plan.remote) == (("192.0.2.2", 6000), HERE)


def test_a_later_offer_keeps_lines_and_numbers() -> None:
    session = LocalSession(5)
    first = description("m=image 5002 udptl t38", "m=audio 5004 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
    answer(first, EVERYTHING, HERE, session)
    again = offer(EVERYTHING, HERE, session)
    assert [media.port for media in again.media] == [0, HERE[1]]
    assert again.media[1].formats == ("0", "8", "9", "96")
    assert again.origin.version == "2"


def test_no_digits_when_not_wanted() -> None:
    asked = offer(Capabilities(("PCMU",), digits=False), HERE, LocalSession(1))
    assert asked.media[0].formats == ("0",)
    reply = description("m=audio 6000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000")
    assert accept_answer(asked, reply).digit_payload_type is None


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["m=audio 0 RTP/AVP 0"],
        ["m=audio 6000 RTP/AVP 18"],
        ["m=audio 6000 RTP/AVP 0", "m=video 0 RTP/AVP 31"],
        ["m=video 6000 RTP/AVP 0"],
    ],
)
def test_an_answer_that_makes_no_plan_is_488(lines: list[str]) -> None:
    asked = offer(EVERYTHING, HERE, LocalSession(1))
    with pytest.raises(ProtocolError) as caught:
        accept_answer(asked, description(*lines))
    assert caught.value.status == 488


_MEDIA_LINES = st.builds(
    "m={} {} {} {}".format,
    st.sampled_from(["audio", "video", "image"]),
    st.sampled_from([0, 1, 5004, 65535]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    st.lists(st.sampled_from(["0", "8", "9", "18", "96", "101", "t38", "999"]), min_size=1).map(" ".join),
)
_ATTRIBUTES = st.sampled_from(
    ["a=sendonly", "a=rtpmap:96 PCMU/8000", "a=rtpmap:999 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=rtcp:9"]
)


@given(st.lists(_MEDIA_LINES | _ATTRIBUTES, max_size=8))
def test_any_offer_is_answered_line_by_line_or_refused(lines: list[str]) -> None:
    asked = description(*lines)
    try:
        reply, plan = answer(asked, EVERYTHING, HERE, LocalSession(5))
    except ProtocolError as error:
        assert error.status == 488
        return
    assert [(media.kind, media.protocol) for media in reply.media] == [
        (media.kind, media.protocol) for media in asked.media
    ]
    assert [media.port for media in reply.media if media.port] == [HERE[1]]
    assert SessionDescription.parse(bytes(reply)) == reply
    assert plan.codec in EVERYTHING.codecs
    assert plan.payload_type < 128
