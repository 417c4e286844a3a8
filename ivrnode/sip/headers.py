"""`Headers`: the header fields of one message, raw and in order (RFC 3261 s7.3, s20).

Names compare in any case; compact names (RFC 3261 s7.3.3) are read as their long ones. Values are kept as they came,
but for folding, which becomes one blank. A value with CR, LF or NUL cannot be put in: nothing that a script, a name
or a number carries can start a header field of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView
from typing import Any, TypeVar

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import WHITESPACE, is_token, split_list

T = TypeVar("T")

MAX_LINES = 256
MAX_LINE = 8 * 1024

_COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject",
    "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip

_LISTS = (
    "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events",
    "Call-Info", "Contact", "Content-Encoding", "Content-Language", "Diversion", "Error-Info",
    "History-Info", "In-Reply-To", "P-Asserted-Identity", "P-Associated-URI", "P-Preferred-Identity", "Path",
    "Proxy-Require", "Reason", "Record-Route", "Reject-Contact", "Remote-Party-ID", "Require", "Route",
    "Service-Route", "Supported", "Unsupported", "Via", "Warning",
)  # fmt: skip

_SINGLES = (
    "Authorization", "CSeq", "Call-ID", "Content-Disposition", "Content-Length", "Content-Type", "Date", "Event",
    "Expires", "Flow-Timer", "From", "Max-Forwards", "MIME-Version", "Min-Expires", "Min-SE", "Organization",
    "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "RAck", "RSeq", "Refer-To", "Referred-By",
    "Replaces", "Reply-To", "Retry-After", "SIP-ETag", "SIP-If-Match", "Server", "Session-Expires", "Subject",
    "Subscription-State", "Timestamp", "To", "User-Agent", "WWW-Authenticate",
)  # fmt: skip

_LIST_KEYS = frozenset(name.lower() for name in _LISTS)

_KNOWN: dict[str, tuple[str, str]] = {}
"""Spelling on the wire -> (key, the RFC's spelling)."""
for _name in (*_LISTS, *_SINGLES):
    for _spelling in (_name, _name.lower(), _name.upper(), _name.title()):
        _KNOWN[_spelling] = (_name.lower(), _name)
for _letter, _name in _COMPACT.items():
    _KNOWN[_letter] = _KNOWN[_letter.upper()] = (_name.lower(), _name)


_KEYS = {spelling: known[0] for spelling, known in _KNOWN.items()}


def key_of(name: str) -> str:
    """What a header name compares by."""
    return _KEYS.get(name) or name.lower()


class Headers:
    """Ordered header lines. Reading takes names in any case, compact ones too."""

    __slots__ = ("_index", "_lines", "_typed")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[tuple[str, str, str]] = []  # key, name, value
        self._index: dict[str, list[str]] | None = None  # key -> values of its lines; None: to be made anew
        self._typed: dict[str, Any] = {}
        for name, value in pairs:
            self.add(name, value)

    @classmethod
    def parse(cls, text: str) -> tuple[Headers, ProtocolError | None]:
        """Read the lines between start line and body, without the empty line.

        Never raises: lines that cannot be read are left out and the first fault is handed back, so that a bad
        request can still be answered along its Via.
        """
        headers = cls()
        if not text:
            return headers, None
        lines = text.split("\r\n")
        fault = None
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
            lines = [line for line in lines if "\r" not in line and "\n" not in line]
            fault = ProtocolError("Bare CR or LF in header")
        if "\r\n " in text or "\r\n\t" in text:
            lines = _unfold(lines)
        if len(lines) > MAX_LINES:
            del lines[MAX_LINES:]
            fault = fault or ProtocolError("Too many header lines", 513)
        if len(text) > MAX_LINE and max(map(len, lines), default=0) > MAX_LINE:
            lines = [line for line in lines if len(line) <= MAX_LINE]
            fault = fault or ProtocolError("Header line too long", 513)
        append = headers._lines.append
        for line in lines:
            name, colon, value = line.partition(":")
            known = _KNOWN.get(name) or _read_name(name)
            if colon and known:
                append((known[0], known[1], value.strip(WHITESPACE)))
            else:
                fault = fault or ProtocolError("Bad header line")
        return headers, fault

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Lines as (name, value) in their order."""
        return iter([(name, value) for _, name, value in self._lines])

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, name: str) -> bool:
        return key_of(name) in self._values()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(key, value) for key, _, value in self._lines] == [(key, value) for key, _, value in other._lines]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"

    def keys(self) -> KeysView[str]:
        """The names that occur, in lower case and long form."""
        return self._values().keys()

    def get(self, name: str) -> str | None:
        """The first line of that name, None when there is none."""
        values = self._values().get(key_of(name))
        return values[0] if values else None

    def lines(self, key: str) -> list[str]:
        """All lines of `key` (lower case, long form), unsplit. Only to be read."""
        return self._values().get(key) or []

    def get_all(self, name: str) -> list[str]:
        """Values of that name in order; where the header is a list, lines are split at their commas.

        Empty elements are left out. A line whose quotes or brackets never close comes whole.
        """
        key = key_of(name)
        lines = self._values().get(key, [])
        if key not in _LIST_KEYS:
            return lines.copy()
        return [value for line in lines for value in (_split(line) if "," in line else (line,)) if value]

    def add(self, name: str, value: str) -> None:
        """Append a line. Raises ValueError for a name that is no token and for CR, LF or NUL in the value."""
        line = _make_line(name, value)
        self._lines.append(line)
        self._forget(line[0])

    def set(self, name: str, value: str) -> None:
        """Replace all lines of that name by one, in the place of the first; append when there was none."""
        line = _make_line(name, value)
        index = self._first_index(line[0])
        self.remove(line[0])
        self._lines.insert(len(self._lines) if index is None else index, line)
        self._forget(line[0])

    def insert_first(self, name: str, value: str) -> None:
        """Put a line above all others of that name, at the very top when there was none."""
        line = _make_line(name, value)
        self._lines.insert(self._first_index(line[0]) or 0, line)
        self._forget(line[0])

    def remove(self, name: str) -> None:
        """Drop all lines of that name."""
        key = key_of(name)
        self._lines = [line for line in self._lines if line[0] != key]
        self._typed.pop(key, None)
        if self._index is not None:
            self._index.pop(key, None)

    def remove_first(self, name: str) -> None:
        """Drop the first value of that name; of a line that holds several, only its first element."""
        key = key_of(name)
        index = self._first_index(key)
        if index is None:
            return
        rest = self._rest_of(index)
        if rest:
            self._lines[index] = (key, self._lines[index][1], rest)
        else:
            del self._lines[index]
        self._forget(key)

    def replace_first(self, name: str, value: str) -> None:
        """Put another value in the place of the first one of that name. Raises ValueError, also when there is none."""
        line = _make_line(name, value)
        index = self._first_index(line[0])
        if index is None:
            raise ValueError(f"there is no {name} to replace")
        rest = self._rest_of(index)
        self._lines[index] = (*line[:2], f"{line[2]}, {rest}") if rest else line
        self._forget(line[0])

    def copy(self) -> Headers:
        """A copy that changes on its own; values already parsed are shared, as they never change."""
        copy = Headers()
        copy._lines = self._lines.copy()
        copy._typed = self._typed.copy()
        return copy

    def copy_from(self, other: Headers, *names: str) -> None:
        """Append the lines of these names from `other`, as they came and in their order."""
        keys = {key_of(name) for name in names}
        self._lines += [line for line in other._lines if line[0] in keys]
        for key in keys:
            self._forget(key)

    def typed(self, key: str, parse: Callable[[Headers], T]) -> T:
        """The value that `parse` makes of the lines of `key` (lower case, long form), kept until they change.

        All who ask share the one value, so it is only to be read.
        """
        value: T | None = self._typed.get(key)
        if value is None:
            value = self._typed[key] = parse(self)
        return value

    def _values(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = self._index = {}
            for key, _, value in self._lines:
                if key in index:
                    index[key].append(value)
                else:
                    index[key] = [value]
        return index

    def _first_index(self, key: str) -> int | None:
        for index, line in enumerate(self._lines):
            if line[0] == key:
                return index
        return None

    def _rest_of(self, index: int) -> str:
        """What stands behind the first element of a line that is a list."""
        key, _, value = self._lines[index]
        return ", ".join(_split(value)[1:]) if "," in value and key in _LIST_KEYS else ""

    def _forget(self, key: str) -> None:
        self._index = None
        self._typed.pop(key, None)


def _split(line: str) -> list[str]:
    try:
        return split_list(line)
    except ProtocolError:
        return [line]


def _unfold(lines: list[str]) -> list[str]:
    """Join each line that starts with a blank to the line before it (RFC 3261 s7.3.1)."""
    unfolded: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1].append(line.strip(WHITESPACE))
        else:
            unfolded.append([line.rstrip(WHITESPACE)])
    return [" ".join(pieces) for pieces in unfolded]


def _read_name(name: str) -> tuple[str, str] | None:
    """Key and name of a header whose spelling is not a usual one; None when it is no token."""
    name = name.rstrip(WHITESPACE)
    known = _KNOWN.get(name) or _KNOWN.get(name.lower())
    if known:
        return known
    return (name.lower(), name) if is_token(name) else None


def _make_line(name: str, value: str) -> tuple[str, str, str]:
    known = _read_name(name)
    if known is None:
        raise ValueError(f"header name {name!r} is not a token")
    check_text(value)
    return (*known, value.strip(WHITESPACE))


def check_text(value: str) -> None:
    """Raise ValueError for text that would break out of its line or that has no bytes in UTF-8."""
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError("CR, LF and NUL cannot stand in a message line")
    if not value.isascii():
        value.encode("utf-8", "surrogateescape")
