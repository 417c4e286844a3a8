"""Twice the input costs at most about twice the time: no header can hold the one thread of the core."""

import gc
from collections.abc import Callable
from contextlib import suppress
from time import process_time

import pytest

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.auth_field import AuthField
from ivrnode.sip.framing import StreamFramer
from ivrnode.sip.grammar import split_list
from ivrnode.sip.headers import Headers
from ivrnode.sip.message import Request, parse_message
from ivrnode.sip.multipart import find_sdp
from ivrnode.sip.parameters import parse_parameters
from ivrnode.sip.uri import Uri, _parse
from ivrnode.sip.via import Via

parse_uri = _parse.__wrapped__  # past the cache, which would answer from memory


def multipart(size: int) -> None:
    body = b"\r\n--aaaaaaaab" * (size // 12) + b"\r\n--aaaaaaaaaaaaaa" * (size // 18)
    headers = Headers([("Content-Type", "multipart/mixed;boundary=aaaaaaaaaaaaaac")])
    find_sdp(Request("INVITE", Uri("sip", "a", host="b"), headers, body))


def framer(size: int) -> None:
    framer = StreamFramer()
    for _ in range(size // 64):
        framer.feed(b"X: " + b"y" * 59 + b"\r\n", 0.0)


def pings(size: int) -> None:
    framer = StreamFramer()
    for _ in range(size // 64):
        framer.feed(b"\r\n" * 32, 0.0)


SCANNERS: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "open quote": (NameAddr.parse, lambda n: '"' + "a" * n),
    "backslashes": (NameAddr.parse, lambda n: '"' + "\\" * n + '" <sip:a@b>'),
    "quoted quotes": (NameAddr.parse, lambda n: '"' + '\\"' * (n // 2) + '" <sip:a@b>'),
    "blanks": (NameAddr.parse, lambda n: "a" + " " * n + "<sip:a@b>" + " " * n),
    "brackets": (NameAddr.parse, lambda n: "<" * n),
    "display name": (NameAddr.parse, lambda n: "a b " * (n // 4) + "<sip:a@b>"),
    "commas": (NameAddr.parse_list, lambda n: "<sip:a@b>" + "," * n),
    "quotes in a list": (split_list, lambda n: '"a,",' * (n // 5)),
    "open bracket in a list": (split_list, lambda n: "<>" * (n // 2) + "<"),
    "semicolons": (parse_parameters, lambda n: ";" * n),
    "long value": (parse_parameters, lambda n: "a=" + "b" * n),
    "quoted value": (parse_parameters, lambda n: 'a="' + "\\\\" * (n // 2) + '"'),
    "token": (parse_parameters, lambda n: "a" * n + " "),
    "via blanks": (Via.parse, lambda n: "SIP" + " " * n + "/2.0/UDP" + " " * n + "h"),
    "via slashes": (Via.parse, lambda n: "/" * n),
    "user": (parse_uri, lambda n: "sip:" + "a" * n),
    "escapes": (parse_uri, lambda n: "sip:" + "%41" * (n // 3) + "@b"),
    "host": (parse_uri, lambda n: "sip:a@" + "a." * (n // 2)),
    "colons": (parse_uri, lambda n: "sip:a@[" + ":" * n + "]"),
    "ats": (parse_uri, lambda n: "sip:" + "@" * n),
    "uri headers": (parse_uri, lambda n: "sip:a@b?" + "a=b&" * (n // 4)),
    "credentials": (AuthField.parse, lambda n: 'Digest a="' + "\\a" * (n // 2) + '"' + "," * n),
    "folds": (Headers.parse, lambda n: "A: b" + "\r\n c" * (n // 4)),
    "fold blanks": (Headers.parse, lambda n: "A: b" + " " * n + "\r\n" + " " * n + "c"),
    "lines": (Headers.parse, lambda n: "A:\r\n" * (n // 4)),
    "bare feeds": (Headers.parse, lambda n: "A:\n" * (n // 3)),
    "no colon": (Headers.parse, lambda n: "a" * n),
    "message blanks": (lambda text: parse_message(text.encode()), lambda n: "INVITE" + " " * n),
    "message line ends": (lambda text: parse_message(text.encode()), lambda n: "\r\n\r" * (n // 3)),
    "multipart": (lambda text: multipart(len(text)), lambda n: "a" * n),
    "framer": (lambda text: framer(len(text)), lambda n: "a" * n),
    "pings": (lambda text: pings(len(text)), lambda n: "a" * n),
}


def cost(scan: Callable[[str], object], text: str, rounds: int) -> float:
    """CPU seconds of `rounds` scans."""
    start = process_time()
    for _ in range(rounds):
        with suppress(ProtocolError):
            scan(text)
    return process_time() - start


@pytest.mark.parametrize("name", SCANNERS)
def test_twice_the_input_is_twice_the_time(name: str) -> None:
    scan, build = SCANNERS[name]
    # Small enough for the limits on a line, large enough that a square law would show: 4 times the time for twice.
    size = 12_000
    half, whole = build(size), build(2 * size)
    rounds = max(1, int(0.002 / max(cost(scan, half, 1), 1e-7)))
    gc.disable()
    try:
        ratio = min(
            min(cost(scan, whole, rounds) for _ in range(3))
            / max(min(cost(scan, half, rounds) for _ in range(3)), 1e-5)
            for _ in range(4)
        )
    finally:
        gc.enable()
    assert ratio <= 2.5
