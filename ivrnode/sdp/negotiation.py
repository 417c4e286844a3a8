"""Offer and answer (RFC 3264): from two descriptions to one plan for one audio stream.

    far end's offer --answer()--> our answer + MediaPlan
    our offer (INVITE, or the 200 to an INVITE without one) --their answer--> accept_answer() --> MediaPlan

One audio stream with one codec: what we answer is what we send. All other media lines are refused with port 0.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ivrnode.errors import ProtocolError
from ivrnode.sdp.description import STATIC_PAYLOAD_TYPES, Attribute, MediaDescription, Origin, SessionDescription

Address = tuple[str, int]

# Plain RTP only. RTP/SAVP (SDES) and UDP/TLS/RTP/SAVPF (DTLS-SRTP) will join here, each with its keys in the plan.
PROTOCOLS = ("RTP/AVP",)
OUR_PTIME = 20
NOT_ACCEPTABLE = 488

_REVERSED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_DIGITS = ("TELEPHONE-EVENT", 8000)  # at the clock of the codec beside it (RFC 4733 s2.6): 8000 for all of ours
_DEFAULT_DIGIT_PAYLOAD_TYPE = 101
_RTCP = re.compile(r"([0-9]{1,5})(?: IN IP[46] ([^ ]+))?")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a leg may speak. In our offers the order counts; in an answer the offerer's order does."""

    codecs: Sequence[str] = ("PCMU", "PCMA", "G722")
    digits: bool = True


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """What was agreed. `direction` is ours. `remote` is None when the far end names no usable address (a hold by
    c=0.0.0.0, a host name): then the first packet tells. `ptime` in ms is what the far end would like to receive.
    `remote_rtcp` as by a=rtcp (RFC 3605), else the port above."""

    codec: str
    payload_type: int
    digit_payload_type: int | None
    remote: Address | None
    direction: str = "sendrecv"
    ptime: int = OUR_PTIME
    remote_rtcp: Address | None = None


class LocalSession:
    """Our side's memory across the offers and answers of one dialog: the o= line, and which line is whose.

    The version goes up by one when, and only when, the text changes (RFC 3264 s8).
    """

    def __init__(self, id: int) -> None:
        self.id = id
        self.version = 1
        self.last: SessionDescription | None = None

    def describe(self, address: str, media: tuple[MediaDescription, ...]) -> SessionDescription:
        """Our next description."""
        draft = SessionDescription(self._origin(address), connection=address, media=media)
        if self.last is not None and draft != self.last:
            self.version += 1
            draft = replace(draft, origin=self._origin(address))
        self.last = draft
        return draft

    def _origin(self, address: str) -> Origin:
        return Origin("-", str(self.id), str(self.version), address)


def answer(
    offer: SessionDescription, capabilities: Capabilities, address: Address, session: LocalSession
) -> tuple[SessionDescription, MediaPlan]:
    """Take the first audio line that fits and its first codec that we have, with the offer's numbers.

    Raises ProtocolError (488) when nothing fits; `session` is unchanged then.
    """
    reasons = []
    for position, media in enumerate(offer.media):
        try:
            plan = _plan(offer, media, capabilities.codecs, capabilities.digits, address[0])
        except ProtocolError as error:
            reasons.append(str(error))
            continue
        lines = [_refused(other) for other in offer.media]
        codec = (plan.codec, plan.payload_type)
        lines[position] = _audio(address[1], [codec], plan.digit_payload_type, plan.direction)
        return session.describe(address[0], tuple(lines)), plan
    raise ProtocolError(
        f"nothing in the offer that we can take: {'; '.join(reasons)[:200] or 'no media'}", NOT_ACCEPTABLE
    )


def offer(capabilities: Capabilities, address: Address, session: LocalSession) -> SessionDescription:
    """All that we have. Later in a dialog the lines keep their places and numbers (RFC 3264 s8.3.2)."""
    position, lines, digits = 0, [], None
    for index, media in enumerate(session.last.media if session.last else ()):
        lines.append(_refused(media))
        if media.port:
            position, digits = index, _digit_payload_type(media)
    codecs = [(codec, _static_payload_type(codec)) for codec in capabilities.codecs]
    if digits is None:
        digits = _DEFAULT_DIGIT_PAYLOAD_TYPE
    lines[position : position + 1] = [_audio(address[1], codecs, digits if capabilities.digits else None, "sendrecv")]
    return session.describe(address[0], tuple(lines))


def accept_answer(offer: SessionDescription, answer: SessionDescription) -> MediaPlan:
    """The plan that the far end's `answer` to our `offer` makes. Raises ProtocolError (488) when it makes none."""
    if len(answer.media) != len(offer.media):
        raise ProtocolError(
            f"answer with {len(answer.media)} media lines to an offer with {len(offer.media)}", NOT_ACCEPTABLE
        )
    for ours, theirs in zip(offer.media, answer.media, strict=True):
        if ours.port and ours.kind == "audio":
            offered = [rtpmap.encoding for rtpmap in ours.rtpmaps().values()]
            has_digits = _digit_payload_type(ours) is not None
            return _plan(answer, theirs, offered, has_digits, offer.connection_of(ours) or "")
    raise ProtocolError("our offer had no audio line", NOT_ACCEPTABLE)


def _plan(
    theirs: SessionDescription, media: MediaDescription, codecs: Sequence[str], digits: bool, our_host: str
) -> MediaPlan:
    """What the far end's audio line makes possible. Raises ProtocolError (488) with the reason when nothing."""
    if media.kind != "audio" or media.protocol not in PROTOCOLS or not media.port:
        raise ProtocolError(f"m={media.kind} {media.port} {media.protocol}", NOT_ACCEPTABLE)
    chosen = next(
        (
            (payload_type, rtpmap.encoding)
            for payload_type, rtpmap in media.rtpmaps().items()
            if rtpmap.encoding in codecs and (rtpmap.clock, rtpmap.channels) == (8000, 1) and _is_payload(payload_type)
        ),
        None,
    )
    if chosen is None:
        raise ProtocolError(f"no common codec in {' '.join(media.formats)[:80]}", NOT_ACCEPTABLE)
    connection = theirs.connection_of(media)
    if connection is None:
        raise ProtocolError("audio without a connection line", NOT_ACCEPTABLE)
    host, is_held = _reachable(connection, our_host)
    direction = _REVERSED[theirs.direction_of(media)]
    if is_held:
        direction = {"sendrecv": "recvonly", "sendonly": "inactive"}.get(direction, direction)
    return MediaPlan(
        chosen[1],
        int(chosen[0]),
        _digit_payload_type(media) if digits else None,
        (host, media.port) if host else None,
        direction,
        _wanted_ptime(media),
        _rtcp_address(media, host) if host else None,
    )


def _reachable(connection: str, our_host: str) -> tuple[str | None, bool]:
    """(address to send to, is this a hold by the zero address of RFC 2543)."""
    try:
        address = ipaddress.ip_address(connection)
    except ValueError:
        return None, False  # a host name: no look-up in the way of a call, the first packet tells
    if address.is_unspecified:
        return None, True
    if address.is_multicast:
        raise ProtocolError(f"connection {connection} is a multicast address", NOT_ACCEPTABLE)
    if (address.version == 6) != (":" in our_host):
        raise ProtocolError(f"connection {connection} is not of our address family", NOT_ACCEPTABLE)
    return str(address), False


def _rtcp_address(media: MediaDescription, host: str) -> Address | None:
    match = _RTCP.fullmatch(media.attribute("rtcp") or "")
    if match and 0 < int(match[1]) <= 65535:
        try:
            return str(ipaddress.ip_address(match[2] or host)), int(match[1])
        except ValueError:
            return None
    return (host, media.port + 1) if media.port < 65535 else None


def _wanted_ptime(media: MediaDescription) -> int:
    """RFC 8866 s6.4 and 6.5, within what a phone can mean: 10 to 60 ms in steps of 10."""
    wanted, most = (_milliseconds(media.attribute(name)) for name in ("ptime", "maxptime"))
    ptime = min(wanted or OUR_PTIME, most or 60)
    return max(10, min(60, ptime - ptime % 10))


def _milliseconds(value: str | None) -> int | None:
    match = re.match(r"[0-9]{1,4}", value or "")
    return int(match[0]) if match else None


def _digit_payload_type(media: MediaDescription) -> int | None:
    for payload_type, rtpmap in media.rtpmaps().items():
        if (rtpmap.encoding, rtpmap.clock) == _DIGITS and _is_payload(payload_type):
            return int(payload_type)
    return None


def _is_payload(payload_type: str) -> bool:
    """RTP has 7 bits for it (RFC 3550 s5.1)."""
    return int(payload_type) < 128


def _static_payload_type(codec: str) -> int:
    return next(int(number) for number, rtpmap in STATIC_PAYLOAD_TYPES.items() if rtpmap.encoding == codec)


def _audio(port: int, codecs: Sequence[tuple[str, int]], digits: int | None, direction: str) -> MediaDescription:
    attributes: list[Attribute] = [("rtpmap", f"{number} {codec}/8000") for codec, number in codecs]
    formats = [str(number) for _, number in codecs]
    if digits is not None:
        formats.append(str(digits))
        attributes += [("rtpmap", f"{digits} telephone-event/8000"), ("fmtp", f"{digits} 0-15")]
    attributes += [("ptime", str(OUR_PTIME)), (direction, None)]
    return MediaDescription("audio", port, "RTP/AVP", tuple(formats), attributes=tuple(attributes))


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(media.kind, 0, media.protocol, media.formats)
