from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ScriptError
from ivrnode.script import messages as m
from ivrnode.script import ops
from ivrnode.script.frames import Acknowledgement, FrameParser, decode, encode

OPS = sorted(value for name, value in vars(ops).items() if name.isupper() and isinstance(value, int) and value < 100)
FRAMES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=8)


def frame(op: int, number: int = 0, payload: bytes = b"") -> bytes:
    return ops.HEADER.pack(len(payload), op, number) + payload


def action(op: int, number: int = 0, payload: bytes = b"") -> object:
    return decode(op, number, memoryview(payload))


@given(FRAMES, st.lists(st.integers(1, 200), max_size=60))
def test_frames_survive_any_cutting(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(frame(*one) for one in frames)
    parser, found, at = FrameParser(), [], 0
    for cut in [*cuts, len(stream)]:
        found += [(op, number, bytes(payload)) for op, number, payload in parser.feed(stream[at : at + cut])]
        at += cut
    assert found == frames


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_no_bytes_raise_anything_but_script_error(pieces: list[bytes]) -> None:
    parser = FrameParser()
    try:
        for piece in pieces:
            for op, number, payload in parser.feed(piece):
                decode(op, number, payload)
    except ScriptError:
        pass


@given(st.sampled_from(OPS), st.integers(0, 2**32 - 1), st.binary(max_size=80) | st.just(b"{}") | st.just(b"[1]"))
def test_no_payload_raises_anything_but_script_error(op: int, number: int, payload: bytes) -> None:
    with contextlib.suppress(ScriptError):
        decode(op, number, memoryview(payload))


KEYS = ["url", "headers", "verify", "timeout", "text", "lang", "what", "codec", "rate", "name", "arguments"]
LISTS = st.lists(st.lists(st.text(max_size=3) | st.booleans(), max_size=4), max_size=3)
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | LISTS


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_no_json_raises_anything_but_script_error(fields: dict[str, object]) -> None:
    for op in (ops.SAY, ops.ASK, ops.STREAM, ops.SOCKET_OPEN):
        with contextlib.suppress(ScriptError):
            decode(op, 1, memoryview(json.dumps(fields).encode()))


@pytest.mark.parametrize("depth", [10, 90, 200, 1000])
def test_what_can_be_asked_can_be_told_to_another_script(depth: int) -> None:
    """A hostile worker nests deeper than the core could write it again."""
    head = b'{"what":"dial","arguments":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    frame = memoryview(ops.BODY_HEAD.pack(len(head)) + head)
    if depth < 100:
        asked = decode(ops.REQUEST, 1, frame)
        assert isinstance(asked, m.Request)
        assert encode(m.Boot("", "", m.Facts("1", "en", "", "", "", "", "", params=asked.arguments)))
    else:
        with pytest.raises(ScriptError):
            decode(ops.REQUEST, 1, frame)


def test_a_length_over_the_cap_is_refused_with_the_head_alone() -> None:
    head = ops.HEADER.pack(ops.MAX_FRAME + 1, ops.LOG, 0)
    with pytest.raises(ScriptError, match="more than"):
        list(FrameParser().feed(head))


def test_the_greatest_frame_passes_in_pieces() -> None:
    parser, data = FrameParser(), frame(ops.SEND_BINARY, 1, bytes(ops.MAX_MESSAGE))
    found = [len(payload) for at in range(0, len(data), 65536) for _, _, payload in parser.feed(data[at : at + 65536])]
    assert found == [ops.MAX_MESSAGE]


def test_a_callers_buffer_may_be_used_again() -> None:
    buffer = bytearray(frame(ops.LOG, 5, b"hello"))
    parser = FrameParser()
    assert not list(parser.feed(buffer[:10]))
    tail = buffer[10:]
    assert [bytes(payload) for _, _, payload in parser.feed(memoryview(tail))] == [b"hello"]
    tail += b"x"  # would raise BufferError if the parser held on to it


HALF = "a\udcffb"
"""What the SIP grammar makes of a byte that is no UTF-8."""


@pytest.mark.parametrize(
    "event",
    [
        m.Boot("pass", "x", m.Facts("1", "en", HALF, "700", HALF, "t", "700", params={"deep": [HALF]})),
        m.Reply(1, {"headers": [["X", HALF]]}, b"", HALF),
        m.Told(1, "request", {"path": HALF, "query": {HALF: HALF}}),
        m.Result(1, HALF, HALF),
        m.HungUp(HALF, 1.0),
        m.PlaybackDone(1, 1, False, HALF),
        m.SocketOpened(1, HALF),
        m.SocketFailed(1, HALF),
        m.SocketClosed(1, 1000, HALF),
        m.SocketMessage(1, HALF),
        m.DigitPressed(HALF),
    ],
)
def test_what_a_far_end_sent_that_is_no_text_reaches_the_script_as_text(event: m.Event) -> None:
    assert b"a?b" in encode(event)


def test_every_event_has_a_frame() -> None:
    facts = m.Facts("id", "en", "1", "2", "", "t", "700")
    events: list[m.Event] = [
        m.Boot("pass", "ivrnode.py", facts, {"a": [1]}, {"openai": "«openai»"}),
        m.Clock(12.5),
        m.AudioHeard(b"\xff" * 480, 7),
        m.DigitPressed("5"),
        m.PlaybackDone(3, 20, True, "queue full"),
        m.QueueDrained(),
        m.SocketOpened(1, "realtime"),
        m.SocketMessage(1, "grüß"),
        m.SocketMessage(1, b"\0\1"),
        m.SocketSent(1, 2**33),
        m.SocketFailed(1, "refused"),
        m.SocketClosed(1, 1006, ""),
        m.Result(7, 40),
        m.Reply(8, {"code": 200}, b"body"),
        m.Told(8, "ended", {"reason": "bye"}),
        m.Wake(),
        m.HungUp("caller", 5),
    ]
    for event in events:
        (found,) = FrameParser().feed(encode(event))
        assert found[0] < ops.READY
    assert {type(event) for event in events} == set(m.Event.__args__)


@pytest.mark.parametrize(
    ("op", "number", "payload", "expected"),
    [
        (ops.READY, 0, b"", m.Ready()),
        (
            ops.SAY,
            4,
            b'{"text":"Hi","lang":"de","voice":"","tag":"a","background":true}',
            m.Say(4, "Hi", "de", "", "a", is_background=True),
        ),
        (ops.PLAY, 5, ops.PLAY_HEAD.pack(2, 16000, False, 2) + b"itxx", m.Play(5, "pcm16", 16000, b"xx", "it")),
        (ops.PLAY, 6, ops.PLAY_HEAD.pack(0, 8000, True, 0) + b"x", m.Play(6, "g711_ulaw", 8000, b"x", "", True)),
        (ops.ASK, 6, b'{"what":"mute","key":""}', m.Ask(6, "mute")),
        (
            ops.STREAM,
            7,
            b'{"codec":"pcm16","rate":8000,"interval_ms":60,"pre_roll_ms":0,"hang_over_ms":0}',
            m.Stream("pcm16", stream=7),
        ),
        (ops.LISTEN, 0, b"\1", m.ListenDigits(True)),
        (ops.LANG, 0, b"de", m.SetLang("de")),
        (ops.HANGUP, 0, b"\0", m.Hangup(False)),
        (ops.LOG, 3, b"a\nb\x1b[0m", m.Log(3, "a\\nb\\x1b[0m")),
        (
            ops.SOCKET_OPEN, 1, b'{"url":"ws://h","headers":[["A","b",true]],"verify":false,"timeout":3}',
            m.OpenSocket(1, "ws://h", (("A", "b", True),), False, 3.0),
        ),
        (ops.SEND_TEXT, 1, "ü".encode(), m.SendSocket(1, "ü")),
        (ops.SEND_BINARY, 1, b"\xff", m.SendSocket(1, b"\xff")),
        (ops.SOCKET_CLOSE, 1, b"\xe8\x03bye", m.CloseSocket(1, 1000, "bye")),
        (
            ops.REQUEST, 3, ops.BODY_HEAD.pack(35) + b'{"what":"http","arguments":{"a":1}}body',
            m.Request(3, "http", {"a": 1}, b"body"),
        ),
        (ops.DONE, 9, b"", Acknowledgement(9, None)),
        (ops.WAIT, 9, ops.WAIT_BODY.pack(-1, 2), Acknowledgement(9, m.Wait(None, 2))),
        (ops.WAIT, 9, ops.WAIT_BODY.pack(1.5, 0), Acknowledgement(9, m.Wait(1.5, 0))),
        (ops.FAILED, 12, b"\1line\nline\x07", m.Failed("line\nline\\x07", 12, True)),
        (ops.FINISHED, 0, b"", m.Finished()),
    ],
)  # fmt: skip
def test_each_action(op: int, number: int, payload: bytes, expected: object) -> None:
    assert action(op, number, payload) == expected


@pytest.mark.parametrize(
    ("op", "number", "payload"),
    [
        (ops.BOOT, 0, b"{}"),  # the wrong way round
        (0, 0, b""),
        (ops.SAY, 1, orjson.dumps({"text": "x" * 5001, "lang": "en", "voice": "", "tag": "", "background": False})),
        (ops.SAY, 1, b'{"text":1,"lang":"en","voice":"","tag":"","background":false}'),
        (ops.PLAY, 1, ops.PLAY_HEAD.pack(3, 8000, False, 0)),  # no such codec
        (ops.PLAY, 1, ops.PLAY_HEAD.pack(0, 44100, False, 0)),
        (ops.PLAY, 1, ops.PLAY_HEAD.pack(0, 8000, False, 9) + b"tag"),
        (ops.PLAY, 1, ops.PLAY_HEAD.pack(0, 8000, False, 1) + b"\xff"),
        (ops.ASK, 1, b'{"what":"secrets","key":""}'),
        (ops.ASK, 1, b'{"what":"stop","key":"a"}'),
        (ops.ASK, 1, b'{"what":"stop","key":"99999999999999999999"}'),
        (ops.STREAM, 0, b'{"codec":"pcm16","rate":8000,"interval_ms":30,"pre_roll_ms":0,"hang_over_ms":0}'),
        (ops.STREAM, 0, b'{"codec":"opus","rate":8000,"interval_ms":20,"pre_roll_ms":0,"hang_over_ms":0}'),
        (ops.STREAM, 0, b'{"codec":"pcm16","rate":8000,"interval_ms":20,"pre_roll_ms":0,"hang_over_ms":10001}'),
        (ops.LISTEN, 0, b"\2"),
        (ops.LISTEN, 0, b""),
        (ops.LANG, 0, b"EN"),
        (ops.LOG, 10, b""),
        (ops.SOCKET_OPEN, 1, b'{"url":"http://h","headers":[],"verify":true,"timeout":3}'),
        (ops.SOCKET_OPEN, 1, b'{"url":"ws://h","headers":[["A","b\\r\\nC: d",false]],"verify":true,"timeout":3}'),
        (ops.SOCKET_OPEN, 1, b'{"url":"ws://h","headers":[["A","b"]],"verify":true,"timeout":3}'),
        (ops.SOCKET_OPEN, 1, b'{"url":"ws://h","headers":[],"verify":true,"timeout":0}'),
        (ops.SEND_TEXT, 1, b"\xff"),
        (ops.SEND_BINARY, 1, bytes(ops.MAX_MESSAGE + 1)),
        (ops.SOCKET_CLOSE, 1, b"\xe8"),
        (ops.SOCKET_CLOSE, 1, b"\xe8\x03" + b"x" * 124),
        (ops.WAIT, 1, ops.WAIT_BODY.pack(float("nan"), 0)),
        (ops.WAIT, 1, b""),
        (ops.REQUEST, 1, ops.BODY_HEAD.pack(3) + b"{}"),
        (ops.REQUEST, 1, ops.BODY_HEAD.pack(2) + b"{}"),
        (ops.REQUEST, 1, ops.BODY_HEAD.pack(31) + b'{"what":"http","arguments":[1]}'),
        (ops.REQUEST, 1, b""),
        (ops.FAILED, 1, b""),
    ],
)  # fmt: skip
def test_malformed_frames(op: int, number: int, payload: bytes) -> None:
    with pytest.raises(ScriptError):
        action(op, number, payload)
