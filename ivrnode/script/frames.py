"""The wire form of messages, the core's side: events become frames, frames become actions.

The worker is hostile: every byte of a frame is checked here, a length before anything is allocated for it, and the
first one that is wrong raises ScriptError. Nothing is ever unpickled or evaluated. Layout: `ops.py`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NamedTuple

import orjson

from ivrnode.errors import ScriptError
from ivrnode.script import messages as m
from ivrnode.script import ops

Payload = memoryview
_DEEPEST = 100
"""Lists and tables in each other, in what a script asks for."""
_LONGEST_NUMBER = len(str(2**32))


class Acknowledgement(NamedTuple):
    """DONE or WAIT: the script has dealt with `handled` events; `wait` when it is idle now."""

    handled: int
    wait: m.Wait | None


class Await(NamedTuple):
    """The script waits for this playback to be done; 0: for the queue to run empty. Nobody waits for any other."""

    item: int


class FrameParser:
    """Cuts a stream into frames. Holds at most one unfinished frame, never more than `limit` bytes of payload."""

    def __init__(self, limit: int = ops.MAX_FRAME) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[int, int, Payload]]:
        """Yield (op, id, payload) of every frame that is whole. A payload is valid until the next step only.

        Raises ScriptError for a frame longer than the limit, as soon as its head has come.
        """
        rest, self._rest = self._rest, bytearray()
        if rest:
            rest += data
        view = memoryview(rest or data)
        size, at, head = len(view), 0, ops.HEADER.size
        while size - at >= head:
            length, op, number = ops.HEADER.unpack_from(view, at)
            if length > self._limit:
                raise ScriptError(f"a frame of {length} bytes, more than the {self._limit} allowed")
            end = at + head + length
            if end > size:
                break
            yield op, number, view[at + head : end]
            at = end
        if rest and not at:
            self._rest = rest  # still the same unfinished frame: it grows in place
        elif at < size:
            self._rest += view[at:]


# Events to frames.


def _frame(op: int, number: int = 0, payload: bytes = b"") -> bytes:
    return ops.HEADER.pack(len(payload), op, number) + payload


def _text(text: str) -> bytes:
    """What a far end sent and was no UTF-8 is half of a surrogate pair in our texts: `?` for the script."""
    return text.encode(errors="replace")


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half of a pair somewhere in it
        return _text(json.dumps(value, ensure_ascii=False))


_FACTS = tuple(m.Facts.__annotations__)


def _boot(event: m.Boot) -> bytes:
    facts = {name: getattr(event.facts, name) for name in _FACTS}
    source = None if event.is_known else event.source
    body: dict[str, Any] = {"source": source, "filename": event.filename, "facts": facts}
    body |= {"settings": dict(event.settings), "secrets": dict(event.secrets), "clock": event.clock}
    return _frame(ops.BOOT, 0, _json(body))


def _socket_message(event: m.SocketMessage) -> bytes:
    if isinstance(event.data, str):
        return _frame(ops.SOCKET_TEXT, event.socket, _text(event.data))
    return _frame(ops.SOCKET_BINARY, event.socket, event.data)


def _with_body(op: int, number: int, head: dict[str, Any], body: bytes) -> bytes:
    text = _json(head)
    return _frame(op, number, ops.BODY_HEAD.pack(len(text)) + text + body)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    m.Boot: _boot,
    m.Clock: lambda e: _frame(ops.CLOCK, 0, ops.CLOCK_BODY.pack(e.seconds)),
    m.AudioHeard: lambda e: _frame(ops.AUDIO, e.stream, e.audio),
    m.DigitPressed: lambda e: _frame(ops.DIGIT, 0, _text(e.digit)),
    m.PlaybackDone: lambda e: _frame(
        ops.PLAYED, e.item, ops.PLAYED_HEAD.pack(e.played_ms, e.is_stopped) + _text(e.error)
    ),
    m.QueueDrained: lambda e: _frame(ops.DRAINED),
    m.SocketOpened: lambda e: _frame(ops.SOCKET_OPENED, e.socket, _text(e.subprotocol)),
    m.SocketMessage: _socket_message,
    m.SocketSent: lambda e: _frame(ops.SOCKET_SENT, e.socket, ops.SENT.pack(e.buffered)),
    m.SocketFailed: lambda e: _frame(ops.SOCKET_FAILED, e.socket, _text(e.error)),
    m.SocketClosed: lambda e: _frame(ops.SOCKET_CLOSED, e.socket, ops.CLOSE_HEAD.pack(e.code) + _text(e.reason)),
    m.Result: lambda e: _frame(ops.RESULT, e.request, _json({"value": e.value, "error": e.error})),
    m.Reply: lambda e: _with_body(ops.REPLY, e.request, {"value": e.value, "error": e.error}, e.body),
    m.Told: lambda e: _with_body(ops.TOLD, e.subject, {"what": e.what, "arguments": dict(e.arguments)}, e.body),
    m.Wake: lambda e: _frame(ops.WAKE),
    m.HungUp: lambda e: _frame(ops.END, 0, _json({"reason": e.reason, "grace": e.grace})),
}


def encode(event: m.Event) -> bytes:
    """The frame of one event."""
    return _ENCODERS[type(event)](event)


# Frames to actions.


def _ready(number: int, payload: Payload) -> m.Action:
    return m.Ready()


def _say(number: int, payload: Payload) -> m.Action:
    text, lang, voice, tag, background = _fields(payload, text=str, lang=str, voice=str, tag=str, background=bool)
    if len(text) > ops.MAX_TEXT or max(len(lang), len(voice), len(tag)) > ops.MAX_TAG:
        raise ValueError("too long")
    return m.Say(number, text, lang, voice, tag, background)


def _play(number: int, payload: Payload) -> m.Action:
    codec, rate, is_background, tag_length = ops.PLAY_HEAD.unpack_from(payload)
    start = ops.PLAY_HEAD.size + tag_length
    if rate not in ops.RATES or start > len(payload) or len(payload) - start > ops.MAX_MESSAGE:
        raise ValueError("bad rate or length")
    tag = str(payload[ops.PLAY_HEAD.size : start], "utf-8") if tag_length else ""
    return m.Play(number, ops.CODECS[codec], rate, bytes(payload[start:]), tag, is_background)


def _ask(number: int, payload: Payload) -> m.Action:
    what, key = _fields(payload, what=str, key=str)
    if what not in ("mute", "stop", "tag", "item", "item_queued", "queued") or len(key) > ops.MAX_TAG:
        raise ValueError("unknown question")
    if what == "stop" and not (key.isascii() and key.isdecimal() and len(key) <= _LONGEST_NUMBER):
        raise ValueError("no number of an item")
    return m.Ask(number, what, key)


def _stream(number: int, payload: Payload) -> m.Action:
    codec, rate, interval_ms, pre_roll_ms, hang_over_ms = _fields(
        payload, codec=str, rate=int, interval_ms=int, pre_roll_ms=int, hang_over_ms=int
    )
    if codec not in ("", *ops.CODECS) or rate not in ops.RATES or interval_ms not in range(20, 1001, 20):
        raise ValueError("bad stream")
    if not (0 <= pre_roll_ms <= ops.MAX_GATE_MS and 0 <= hang_over_ms <= ops.MAX_GATE_MS):
        raise ValueError("bad gate")
    return m.Stream(codec, rate, interval_ms, pre_roll_ms, hang_over_ms, number)


def _lang(number: int, payload: Payload) -> m.Action:
    lang = str(payload, "ascii")
    if len(lang) != 2 or not lang.islower():
        raise ValueError("not two lower-case letters")
    return m.SetLang(lang)


def _log(number: int, payload: Payload) -> m.Action:
    if number > 9:
        raise ValueError("log level above 9")
    return m.Log(number, str(payload[: ops.MAX_LINE], "utf-8", "replace").translate(_CONTROL))


def _socket_open(number: int, payload: Payload) -> m.Action:
    url, headers, verify, timeout = _fields(payload, url=str, headers=list, verify=bool, timeout=float)
    if not url.startswith(("ws://", "wss://")) or len(headers) > ops.MAX_HEADERS or not 0 < timeout <= 60:
        raise ValueError("bad url, headers or timeout")
    checked = []
    for name, value, is_secret in headers:
        if not (isinstance(name, str) and isinstance(value, str) and isinstance(is_secret, bool)):
            raise ValueError("bad header")
        if any(sign in text for text in (name, value) for sign in "\r\n\0"):
            raise ValueError("control characters in a header")
        checked.append((name, value, is_secret))
    return m.OpenSocket(number, url, tuple(checked), verify, timeout)


def _send(number: int, payload: Payload, is_text: bool) -> m.Action:
    if len(payload) > ops.MAX_MESSAGE:
        raise ValueError("message too long")
    return m.SendSocket(number, str(payload, "utf-8") if is_text else bytes(payload))


def _socket_close(number: int, payload: Payload) -> m.Action:
    (code,) = ops.CLOSE_HEAD.unpack_from(payload)
    reason = payload[ops.CLOSE_HEAD.size :]
    if len(reason) > 123:  # RFC 6455 s5.5: a control frame holds 125 bytes
        raise ValueError("reason too long")
    return m.CloseSocket(number, code, str(reason, "utf-8"))


def _request(number: int, payload: Payload) -> m.Action:
    (length,) = ops.BODY_HEAD.unpack_from(payload)
    end = ops.BODY_HEAD.size + length
    if length > ops.MAX_ARGUMENTS or end > len(payload) or len(payload) - end > ops.MAX_MESSAGE:
        raise ValueError("bad length")
    what, arguments = _fields(payload[ops.BODY_HEAD.size : end], what=str, arguments=dict)
    return m.Request(number, what, arguments, bytes(payload[end:]))


def _done(number: int, payload: Payload) -> Acknowledgement:
    return Acknowledgement(number, None)


def _wait(number: int, payload: Payload) -> Acknowledgement:
    seconds, tasks = ops.WAIT_BODY.unpack(payload)
    if not isfinite(seconds):
        raise ValueError("endless wait")
    return Acknowledgement(number, m.Wait(seconds if seconds >= 0 else None, tasks))


def _failed(number: int, payload: Payload) -> m.Action:
    is_fatal = _flag(payload[:1])
    text = str(payload[1 : 1 + ops.MAX_LINE], "utf-8", "replace")
    return m.Failed(text.translate(_CONTROL_BUT_NEWLINE), number, is_fatal)


_DECODERS: dict[int, Callable[[int, Payload], m.Action | Acknowledgement | Await]] = {
    ops.READY: _ready,
    ops.SAY: _say,
    ops.PLAY: _play,
    ops.ASK: _ask,
    ops.STREAM: _stream,
    ops.LISTEN: lambda number, payload: m.ListenDigits(_flag(payload)),
    ops.LANG: _lang,
    ops.HANGUP: lambda number, payload: m.Hangup(_flag(payload)),
    ops.LOG: _log,
    ops.SOCKET_OPEN: _socket_open,
    ops.SEND_TEXT: lambda number, payload: _send(number, payload, True),
    ops.SEND_BINARY: lambda number, payload: _send(number, payload, False),
    ops.SOCKET_CLOSE: _socket_close,
    ops.DONE: _done,
    ops.WAIT: _wait,
    ops.FAILED: _failed,
    ops.REQUEST: _request,
    ops.FINISHED: lambda number, payload: m.Finished(),
    ops.AWAIT: lambda number, payload: Await(number),
}


def decode(op: int, number: int, payload: Payload) -> m.Action | Acknowledgement | Await:
    """The action of one frame from a worker. Raises ScriptError for anything that no worker of ours would send."""
    decoder = _DECODERS.get(op)
    if decoder is None:
        raise ScriptError(f"an unknown frame, op {op}")
    try:
        return decoder(number, payload)
    except (ValueError, TypeError, LookupError, struct.error) as error:
        raise ScriptError(f"a malformed frame, op {op}: {error}") from error


def _fields(payload: Payload, **types: type) -> list[Any]:
    """The values of a JSON object that must have exactly these keys and types (an int passes as float)."""
    body = orjson.loads(payload)
    if not isinstance(body, dict) or body.keys() != types.keys():
        raise ValueError("wrong keys")
    if not _is_shallow(body):
        raise ValueError("nested too deep")  # it can be read, but not be written again: into another script's Boot
    values = []
    for name, wanted in types.items():
        value = body[name]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise ValueError(f"{name} is no {wanted.__name__}")
        values.append(value)
    return values


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return True
    return False


def _flag(payload: Payload) -> bool:
    (value,) = payload.tobytes()
    if value > 1:
        raise ValueError("no boolean")
    return value == 1


# Log text is shown to people: no character of it may move a cursor or begin a new line.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}
_CONTROL |= {0x0A: "\\n", 0x0D: "\\r"} | {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F))}
_CONTROL_BUT_NEWLINE = {code: text for code, text in _CONTROL.items() if code != 0x0A}
