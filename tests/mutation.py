"""Valid SIP messages made wrong at random, mostly so that they still look right, as a hostile or broken peer does."""

from __future__ import annotations

import re
from random import Random

METHODS = [b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REGISTER", b"INFO", b"UPDATE", b"PRACK", b"NOTIFY",
           b"REFER", b"MESSAGE", b"SUBSCRIBE", b"NONSENSE"]  # fmt: skip
NAMES = [b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Max-Forwards", b"Content-Length", b"Content-Type",
         b"Route", b"Record-Route", b"Require", b"Expires", b"Event", b"Subscription-State", b"Authorization",
         b"WWW-Authenticate", b"Proxy-Authenticate", b"Retry-After", b"Min-Expires", b"Supported", b"Path", b"Allow",
         b"v", b"f", b"t", b"i", b"m", b"l", b"c"]  # fmt: skip
VALUES = [
    b"", b" ", b",", b";", b"<>", b"<sip:>", b"*", b"0", b"-1", b"1", b"4294967296", b"9" * 5000, b"sip:a@b",
    b"<sip:a@[::1]:70000>", b"<sip:a@b;lr>;tag=x", b'"', b'"\\', b"=?", b"%00%zz", b"\xff\xfe", b"\xc3",
    b"SIP/2.0/UDP h;branch=z9hG4bK;rport;received=1.2.3.4", b'Digest realm="a", nonce="b", qop="auth"',
    b"Digest realm", b"1 INVITE", b"2 BYE", b"application/sdp", b"multipart/mixed;boundary=x", b"multipart/mixed",
    b"message/sipfrag", b"refer", b"refer;id=9", b"active;expires=1", b"terminated", b"100rel", b"path", b"<tel:+1>",
    b"<sips:x@h>;q=2", b"a" * 9000, b"<sip:" + b"a" * 3000 + b"@h>", b"<sip:h>" + b";p" * 100,
]  # fmt: skip
STATUSES = [b"100", b"180", b"183", b"199", b"200", b"202", b"302", b"401", b"407", b"408", b"423", b"481", b"487",
            b"488", b"491", b"500", b"503", b"603", b"699", b"999", b"000"]  # fmt: skip


def mutate(data: bytes, others: list[bytes], random: Random) -> bytes:
    """`data` with one to three faults; `others`: messages to take lines from."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(FAULTS)(data, others, random)
    return data


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def _joined(lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def another_method(data: bytes, others: list[bytes], random: Random) -> bytes:
    """In the start line, in CSeq, or in both."""
    method, which = random.choice(METHODS), random.randrange(3)
    if which != 1 and not data.startswith(b"SIP/"):
        data = re.sub(rb"^\S+", method, data, count=1)
    if which != 0:
        data = re.sub(rb"(\r\nCSeq: \d+ )\S+", lambda found: found[1] + method, data, count=1)
    return data


def another_status(data: bytes, others: list[bytes], random: Random) -> bytes:
    return re.sub(rb"^SIP/2.0 \d+", b"SIP/2.0 " + random.choice(STATUSES), data)


def another_number(data: bytes, others: list[bytes], random: Random) -> bytes:
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return data
    place = random.choice(found)
    next_one = b"%d" % (int(place[0][:20]) + 1)
    number = random.choice((b"0", b"1", b"-1", b"4294967295", b"4294967296", b"9" * 30, b"9" * 5000, next_one))
    return data[: place.start()] + number + data[place.end() :]


def another_value(data: bytes, others: list[bytes], random: Random) -> bytes:
    lines, body = _lines(data)
    number = random.randrange(len(lines))
    name, colon, _ = lines[number].partition(b": ")
    if colon:
        lines[number] = name + colon + random.choice(VALUES)
    return _joined(lines, body)


def one_more_line(data: bytes, others: list[bytes], random: Random) -> bytes:
    lines, body = _lines(data)
    lines.insert(random.randint(1, len(lines)), random.choice(NAMES) + b": " + random.choice(VALUES))
    return _joined(lines, body)


def line_of_another(data: bytes, others: list[bytes], random: Random) -> bytes:
    """Instead of the line of that name, or beside it: other tags, branches, Call-IDs that exist."""
    lines, body = _lines(data)
    line = random.choice(_lines(random.choice(others))[0][1:] or [b"X: y"])
    name = line.partition(b":")[0] + b":"
    places = [number for number, own in enumerate(lines) if own.startswith(name)]
    if places and random.random() < 0.7:
        lines[random.choice(places)] = line
    else:
        lines.insert(random.randint(1, len(lines)), line)
    return _joined(lines, body)


def without_a_line(data: bytes, others: list[bytes], random: Random) -> bytes:
    lines, body = _lines(data)
    del lines[random.randrange(len(lines))]
    return _joined(lines, body)


def a_line_twice(data: bytes, others: list[bytes], random: Random) -> bytes:
    lines, body = _lines(data)
    lines.insert(random.randint(0, len(lines)), random.choice(lines))
    return _joined(lines, body)


def tags_swapped(data: bytes, others: list[bytes], random: Random) -> bytes:
    return data.replace(b"From:", b"\0").replace(b"To:", b"From:").replace(b"\0", b"To:")


def without_a_tag(data: bytes, others: list[bytes], random: Random) -> bytes:
    return re.sub(rb";tag=[^;\r\n]*", b"", data, count=random.choice((0, 1)))


def wrong_bytes(data: bytes, others: list[bytes], random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(3):
            case 0:
                changed[at:at] = random.choice(
                    (b"\0", b"\r", b"\n", b"\r\n", b'"', b"<", b">", b";", b",", b":", b"\xff")
                )
            case 1:
                del changed[at : at + random.randint(1, 8)]
            case _:
                changed[at : at + 1] = bytes((random.randrange(256),))
    return bytes(changed)


def cut_off(data: bytes, others: list[bytes], random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def another_body(data: bytes, others: list[bytes], random: Random) -> bytes:
    lines, _ = _lines(data)
    body = random.choice(
        (b"", b"SIP/2.0 200 OK\r\n", b"v=0\r\n", b"\xff" * 50, b"--x\r\n\r\n--x--", _lines(random.choice(others))[1])
    )
    kept = [line for line in lines if not line.startswith(b"Content-Length") or random.random() < 0.2]
    return _joined(kept, body)


FAULTS = (
    another_method, another_status, another_number, another_value, one_more_line, line_of_another, line_of_another,
    without_a_line, a_line_twice, tags_swapped, without_a_tag, wrong_bytes, cut_off, another_body,
)  # fmt: skip
