"""Session descriptions: what phones really send, and any bytes at all."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ProtocolError
from ivrnode.sdp.description import RtpMap, SessionDescription

PHONE = b"""v=0\r
o=alice 2890844526 2890844527 IN IP4 192.0.2.10\r
s=Call\r
i=a phone\r
c=IN IP4 192.0.2.10\r
b=AS:84\r
t=0 0\r
a=sendonly\r
a=X-nat:0\r
m=audio 49170/2 RTP/AVP 0 9 96 101\r
c=IN IP4 192.0.2.11/127\r
a=rtpmap:96 opus/48000/2\r
a=rtpmap:101 telephone-event/8000\r
a=rtpmap:garbage\r
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r
a=recvonly\r
m=image 49172 udptl t38\r
a=T38FaxVersion:0\r
y=who knows\r
"""


def test_a_phones_description_is_understood() -> None:
    description = SessionDescription.parse(PHONE)
    audio, image = description.media
    assert (description.origin.session_id, description.origin.version) == ("2890844526", "2890844527")
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == ("audio", 49170, 2, "RTP/AVP")
    assert audio.formats == ("0", "9", "96", "101")
    assert (image.kind, image.formats) == ("image", ("t38",))
    assert description.connection_of(audio) == "192.0.2.11"
    assert description.connection_of(image) == "192.0.2.10"
    assert description.direction_of(audio) == "recvonly"
    assert description.direction_of(image) == "sendonly"


def test_static_types_need_no_rtpmap() -> None:
    audio = SessionDescription.parse(PHONE).media[0]
    assert audio.rtpmaps() == {
        "0": RtpMap("PCMU", 8000),
        "9": RtpMap("G722", 8000),
        "96": RtpMap("OPUS", 48000, 2),
        "101": RtpMap("TELEPHONE-EVENT", 8000),
    }


def test_what_is_unknown_survives() -> None:
    written = str(SessionDescription.parse(PHONE))
    for line in PHONE.decode().split("\r\n"):
        assert line.partition("/127")[0] in written


def test_an_attribute_tells_absent_from_empty() -> None:
    audio = SessionDescription.parse(PHONE).media[0]
    assert audio.attribute("recvonly") == ""
    assert audio.attribute("ptime") is None


def test_line_feeds_alone_and_missing_s_and_t_are_accepted() -> None:
    description = SessionDescription.parse(
        "v=0\no=- 1 1 IN IP6 2001:db8::1\nc=IN IP6 2001:db8::1\nm=audio 4 RTP/AVP 0\n"
    )
    assert (description.name, description.timing) == ("-", "0 0")
    assert "c=IN IP6 2001:db8::1\r\n" in str(description)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"o=- 1 1 IN IP4 1.2.3.4\r\n",
        b"v=1\r\no=- 1 1 IN IP4 1.2.3.4\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4\r\n",
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nc=1.2.3.4\r\n",
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nm=audio 65536 RTP/AVP 0\r\n",
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nm=audio 1 RTP/AVP\r\n",
        "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nm=audio \u0661 RTP/AVP 0\r\n".encode(),
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=a\rb\r\n",
        b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nnonsense\r\n",
    ],
)
def test_what_is_no_description_is_refused(broken: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        SessionDescription.parse(broken)
    assert caught.value.status == 400


_LINES = st.sampled_from(
    [*PHONE.split(b"\r\n"), b"v=0", b"o=- 1 1 IN IP4 h", b"a=", b"a=:", b"c=IN IP4 0.0.0.0", b"z=\xff", b"m=a 0 b c"]
)


def _is_read_or_refused(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data)
    except ProtocolError:
        return
    assert SessionDescription.parse(bytes(description)) == description
    for media in description.media:
        media.rtpmaps()


@given(st.binary(max_size=400))
def test_any_bytes_give_a_description_or_a_protocol_error(data: bytes) -> None:
    _is_read_or_refused(data)


@given(st.lists(_LINES, max_size=20), st.binary(max_size=8), st.integers(0, 300))
def test_any_lines_give_a_description_or_a_protocol_error(lines: list[bytes], noise: bytes, place: int) -> None:
    text = b"\r\n".join([b"v=0", b"o=- 1 1 IN IP4 192.0.2.1", *lines])
    _is_read_or_refused(text)
    _is_read_or_refused(text[:place] + noise + text[place:])


@pytest.mark.parametrize(
    "shape",
    [
        lambda size: b"a=rtpmap:96 " + b"/" * size + b"\r\n",
        lambda size: b"a=rtpmap:96" + b" " * size + b"x\r\n",
        lambda size: b"a=x\r\n" * size,
        lambda size: b"i=x\r\n" * size,
        lambda size: b"m=audio 1 RTP/AVP 0\r\n" * size,
        lambda size: b"m=audio 1 RTP/AVP" + b" 96" * size + b"\r\n" + b"a=rtpmap:96 opus/48000/2\r\n" * size,
    ],
    ids=["long map", "blanks", "attributes", "other lines", "media", "formats"],
)
def test_twice_the_size_costs_about_twice_the_time(shape) -> None:  # type: ignore[no-untyped-def]
    def cost(size: int) -> float:
        data = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" + shape(size)

        def once() -> float:
            started = time.process_time()
            description = SessionDescription.parse(data)
            for media in description.media:
                media.rtpmaps()
            str(description)
            return time.process_time() - started

        return min(once() for _ in range(5))

    # Eight times the size: linear is 8, quadratic 64. The wide bar is for noisy machines.
    assert cost(8000) < 30 * max(cost(1000), 1e-4)
