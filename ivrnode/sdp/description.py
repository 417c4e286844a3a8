"""Session descriptions (RFC 8866): text to frozen dataclasses and back.

    v=0                                   SessionDescription
    o=- 4711 1 IN IP4 192.0.2.1             origin
    s=-                                     name
    c=IN IP4 192.0.2.1                      connection (an address)
    t=0 0                                   timing
    a=sendrecv                              attributes: (name, value or None), in their order
    m=audio 40000 RTP/AVP 0 101           MediaDescription
    a=rtpmap:101 telephone-event/8000       attributes

What this file does not know survives: attributes word for word, other lines in `other_lines`. Only the order of lines
is made canonical, so `SessionDescription.parse(bytes(d)) == d` for every parsed d. All in linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ivrnode.errors import ProtocolError

Attribute = tuple[str, str | None]
Line = tuple[str, str]

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_PORT = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_RTPMAP = re.compile(r"([0-9]{1,3}) +([^ /]+)/([0-9]{1,6})(?:/([0-9]{1,3}))? *")


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What a payload type number stands for (RFC 8866 s6.6). `encoding` in capitals: names know no case."""

    encoding: str
    clock: int
    channels: int = 1


# Payload types that need no rtpmap line (RFC 3551 s6). G722's clock is 8000 although it samples at 16000 (s4.5.2).
STATIC_PAYLOAD_TYPES = {
    "0": RtpMap("PCMU", 8000),
    "3": RtpMap("GSM", 8000),
    "8": RtpMap("PCMA", 8000),
    "9": RtpMap("G722", 8000),
    "13": RtpMap("CN", 8000),
    "18": RtpMap("G729", 8000),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line (RFC 8866 s5.2). Who sees an `Origin` again equal to the last one sees an unchanged description."""

    username: str
    session_id: str
    version: str
    address: str

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {_network_address(self.address)}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m= line and what belongs to it (RFC 8866 s5.14). Port 0: this stream is refused or switched off."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: str | None = None
    attributes: tuple[Attribute, ...] = ()
    other_lines: tuple[Line, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute; "" when it is there without a value, None when it is not there."""
        return _first(self.attributes, name)

    @property
    def direction(self) -> str | None:
        """As written at this level; `SessionDescription.direction_of` knows what holds."""
        return _direction(self.attributes)

    def rtpmaps(self) -> dict[str, RtpMap]:
        """What each of `formats` stands for, in their order; without those that nobody explains."""
        written: dict[str, RtpMap] = {}
        for name, value in self.attributes:
            match = _RTPMAP.fullmatch(value) if name == "rtpmap" and value else None
            if match:
                payload_type, encoding, clock, channels = match.groups()
                written.setdefault(payload_type, RtpMap(encoding.upper(), int(clock), int(channels or 1)))
        known = STATIC_PAYLOAD_TYPES | written
        return {payload_type: known[payload_type] for payload_type in self.formats if payload_type in known}

    def lines(self) -> list[Line]:
        ports = f"{self.port}/{self.port_count}" if self.port_count != 1 else str(self.port)
        opening = ("m", " ".join((self.kind, ports, self.protocol, *self.formats)))
        return _in_order([opening], self.connection, self.other_lines, self.attributes)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    origin: Origin
    name: str = "-"
    connection: str | None = None
    timing: str = "0 0"
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()
    other_lines: tuple[Line, ...] = ()

    @classmethod
    def parse(cls, data: bytes | str) -> SessionDescription:
        """Raises ProtocolError (400) for what is no session description. Lines may end in CR LF or LF."""
        first, *rest = _sections(data if isinstance(data, str) else _decode(data))
        if first[:1] != [("v", "0")]:
            raise ProtocolError("session description does not begin with v=0")
        own = {"o": "", "s": "-", "t": "0 0"}
        remaining: list[Line] = []
        seen: set[str] = set()
        for kind, value in first[1:]:
            if kind in own and kind not in seen:
                seen.add(kind)
                own[kind] = value
            else:
                remaining.append((kind, value))
        connection, other_lines, attributes = _split(remaining)
        media = tuple(_parse_media(section) for section in rest)
        origin = _parse_origin(own["o"])
        return cls(origin, own["s"], connection, own["t"], attributes, media, other_lines)

    def direction_of(self, media: MediaDescription) -> str:
        """Media level over session level over sendrecv (RFC 8866 s6.7)."""
        return media.direction or _direction(self.attributes) or "sendrecv"

    def connection_of(self, media: MediaDescription) -> str | None:
        """The address that media goes to: media level over session level (RFC 8866 s5.7)."""
        return media.connection or self.connection

    def __str__(self) -> str:
        opening = [("v", "0"), ("o", str(self.origin)), ("s", self.name), ("t", self.timing)]
        lines = _in_order(opening, self.connection, self.other_lines, self.attributes)
        for media in self.media:
            lines += media.lines()
        return "".join(f"{kind}={value}\r\n" for kind, value in lines)

    def __bytes__(self) -> bytes:
        return str(self).encode()


# RFC 8866 s5: the order of lines at both levels; unknown ones go before the attributes, which come last.
_ORDER = "vmosiuepcbtrzk"


def _rank(line: Line) -> int:
    kind = line[0]
    if kind == "a":
        return len(_ORDER) + 1
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _in_order(
    opening: list[Line], connection: str | None, other_lines: tuple[Line, ...], attributes: tuple[Attribute, ...]
) -> list[Line]:
    lines = [*opening, *other_lines]
    if connection:
        # In front of its kind: only the first c= line of a level is understood, further ones are other lines.
        lines.insert(0, ("c", _network_address(connection)))
    lines += (("a", name if value is None else f"{name}:{value}") for name, value in attributes)
    return sorted(lines, key=_rank)


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")  # an old device that names its session in its own way shall not lose its call


def _sections(text: str) -> list[list[Line]]:
    """The session's lines, then each media description's."""
    sections: list[list[Line]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            continue
        if line[1:2] != "=" or not (line[0].isascii() and line[0].isalpha()) or "\r" in line or "\0" in line:
            raise ProtocolError(f"not a line of a session description: {line[:40]!r}")
        if line[0] == "m":
            sections.append([])
        sections[-1].append((line[0], line[2:]))
    return sections


def _split(lines: list[Line]) -> tuple[str | None, tuple[Line, ...], tuple[Attribute, ...]]:
    """What both levels have: (connection, other lines, attributes)."""
    connection = None
    others: list[Line] = []
    attributes: list[Attribute] = []
    for kind, value in lines:
        if kind == "v":
            raise ProtocolError("a second session description begins within the first")
        if kind == "a":
            name, colon, text = value.partition(":")
            attributes.append((name, text if colon else None))
        elif kind == "c" and connection is None:
            connection = _parse_network_address(value.split(" "))
        else:
            others.append((kind, value))
    return connection, tuple(sorted(others, key=_rank)), tuple(attributes)


def _parse_media(lines: list[Line]) -> MediaDescription:
    words = lines[0][1].split()
    ports = _PORT.fullmatch(words[1]) if len(words) > 3 else None
    if ports is None or int(ports[1]) > 65535:
        raise ProtocolError(f"not a media line: {lines[0][1][:40]!r}")
    connection, other_lines, attributes = _split(lines[1:])
    kind, _, protocol, *formats = words
    return MediaDescription(
        kind, int(ports[1]), protocol, tuple(formats), int(ports[2] or 1), connection, attributes, other_lines
    )


def _parse_origin(value: str) -> Origin:
    words = value.split(" ")
    if len(words) != 6 or not all(words):
        raise ProtocolError(f"not an o= line: {value[:40]!r}")
    username, session_id, version = words[:3]
    return Origin(username, session_id, version, _parse_network_address(words[3:]))


def _parse_network_address(words: list[str]) -> str:
    """`IN IP4 address` or `IN IP6 address`; a multicast's TTL and count are dropped."""
    address = words[2].partition("/")[0] if len(words) == 3 else ""
    if words[:2] not in (["IN", "IP4"], ["IN", "IP6"]) or not address:
        raise ProtocolError(f"not a network address: {' '.join(words)[:40]!r}")
    return address


def _network_address(address: str) -> str:
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"


def _first(attributes: tuple[Attribute, ...], name: str) -> str | None:
    for known, value in attributes:
        if known == name:
            return value or ""
    return None


def _direction(attributes: tuple[Attribute, ...]) -> str | None:
    return next((name for name, _ in attributes if name in DIRECTIONS), None)
