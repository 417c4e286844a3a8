"""The small rules that all header fields share: token, number, quoted string, list (RFC 3261 s25.1).

Every scanner here runs in linear time: it searches for the next character of interest and never looks back. The only
regular expressions are a single character class, so nothing can backtrack.
"""

from __future__ import annotations

import re

from ivrnode.errors import ProtocolError

WHITESPACE = " \t"

is_token = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch
"""Called as a question: a match means yes."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTE_STOP = re.compile(r'["\\]')
_LIST_STOP = {",": re.compile(r'[,"<]'), ";": re.compile(r'[;"<]')}
_LONGEST_NUMBER = 20


def has_control(text: str) -> bool:
    """True if `text` holds a control character other than the tab."""
    return _CONTROL.search(text) is not None


def parse_number(text: str, maximum: int, what: str) -> int:
    """Read 1*DIGIT, leading zeros allowed. Raises ProtocolError, naming `what`, for anything else or more."""
    if text.isdigit() and text.isascii() and len(text) <= _LONGEST_NUMBER:
        number = int(text)
        if number <= maximum:
            return number
    raise ProtocolError(f"Bad {what}")


def quoted_end(text: str, start: int) -> int:
    """Index just after the quoted string that opens at `start`. Raises ProtocolError when it never closes."""
    end = text.find('"', start + 1)
    if end > 0 and text.find("\\", start, end) < 0:
        return end + 1
    position = start + 1
    while match := _QUOTE_STOP.search(text, position):
        if match[0] == '"':
            return match.end()
        position = match.end() + 1  # a backslash hides the character after it
    raise ProtocolError("Unterminated quoted string")


def is_quoted(text: str) -> bool:
    """True if `text` is one quoted string and nothing else."""
    return text.startswith('"') and quoted_end(text, 0) == len(text)


def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquote(text: str) -> str:
    """The meaning of a quoted string; text that is not in quotes comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    pieces = inner.split("\\")
    plain = [pieces[0]]
    is_escaped = True
    for piece in pieces[1:]:
        # Two backslashes in a row leave an empty piece: that one is the escaped backslash itself.
        if piece == "" and is_escaped:
            plain.append("\\")
            is_escaped = False
        else:
            plain.append(piece)
            is_escaped = True
    return "".join(plain)


def split_list(text: str, separator: str = ",") -> list[str]:
    """Split at `separator` ("," or ";") outside quoted strings and angle brackets; pieces come without outer blanks.

    Empty pieces are kept. Raises ProtocolError when a quoted string or a bracket never closes.
    """
    if '"' not in text and "<" not in text:
        return [piece.strip(WHITESPACE) for piece in text.split(separator)]
    search = _LIST_STOP[separator].search
    pieces = []
    start = position = 0
    while match := search(text, position):
        found = match[0]
        if found == '"':
            position = quoted_end(text, match.start())
        elif found == "<":
            position = text.find(">", match.end()) + 1
            if not position:
                raise ProtocolError("Unclosed angle bracket")
        else:
            pieces.append(text[start : match.start()].strip(WHITESPACE))
            start = position = match.end()
    pieces.append(text[start:].strip(WHITESPACE))
    return pieces
