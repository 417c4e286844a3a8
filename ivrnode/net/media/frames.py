"""Commands and events between the core and the media process: many frames a write, cut anywhere by the stream.

    | length of the rest: u32 | kind: u8 | body |

Audio goes as it is behind a fixed head; the rare messages are a JSON array of their fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import orjson

from ivrnode.media import messages
from ivrnode.media.messages import Audio, Command, Event, ItemDone, LoadReport, Play, Recorded

Message = Command | Event | LoadReport

PIECE = 32_000  # bytes of audio in one Play: a second or less, so that no conversion holds up a turn of the wheel
_LENGTH = struct.Struct("!I")
_AUDIO = struct.Struct("!IBqI")
_RECORDED = struct.Struct("!IBqI?")
_PLAY = struct.Struct("!IBqqI??BH")
_DONE = struct.Struct("!IBqqq?")
_AUDIO_KIND, _RECORDED_KIND, _PLAY_KIND, _DONE_KIND = range(4)
_RARE: tuple[type[Any], ...] = (
    messages.Open, messages.Connect, messages.Start, messages.Fail, messages.Mute, messages.StopItem, messages.Ask,
    messages.Stream, messages.Watch, messages.HearKeys, messages.Record, messages.SendDigits, messages.Ring,
    messages.Bridge, messages.Unbridge, messages.Join, messages.Clear, messages.Cleared, messages.Close,
    messages.Opened, messages.OpenFailed, messages.Speech, messages.Withheld, messages.Digit, messages.Drained,
    messages.FirstPacket, messages.FirstAudio, messages.NoRtp, messages.Answer, messages.Statistics, messages.Closed,
    messages.LoadReport,
)  # fmt: skip
_KINDS = {kind: number for number, kind in enumerate(_RARE, 4)}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _RARE}


def encode(message: Message) -> bytes:
    """Raises ValueError when a field does not fit: an int of more than 64 bits, a lone surrogate."""
    try:
        if isinstance(message, Audio):
            size = _AUDIO.size - 4 + len(message.audio)
            return _AUDIO.pack(size, _AUDIO_KIND, message.leg, message.stream) + message.audio
        if isinstance(message, Play):
            return b"".join(map(_encode_play, _pieces(message)))
        if isinstance(message, ItemDone):
            error = message.error.encode()
            size = _DONE.size - 4 + len(error)
            head = _DONE.pack(size, _DONE_KIND, message.leg, message.item, message.played_ms, message.is_stopped)
            return head + error
        if isinstance(message, Recorded):
            size = _RECORDED.size - 4 + len(message.heard) + len(message.said)
            head = _RECORDED.pack(size, _RECORDED_KIND, message.leg, len(message.heard), message.is_last)
            return head + message.heard + message.said
        kind = type(message)
        body = orjson.dumps([getattr(message, name) for name in _FIELDS[kind]])
        return _LENGTH.pack(1 + len(body)) + bytes((_KINDS[kind],)) + body
    except (struct.error, TypeError) as error:
        raise ValueError(f"{type(message).__name__} cannot be sent to the media process: {error}") from error


def _pieces(play: Play) -> list[Play]:
    if len(play.audio) <= PIECE:
        return [play]
    pieces = []
    for start in range(0, len(play.audio), PIECE):
        audio = play.audio[start : start + PIECE]
        is_last = play.is_last and start + PIECE >= len(play.audio)
        pieces.append(replace(play, audio=audio, is_last=is_last))
    return pieces


def _encode_play(play: Play) -> bytes:
    codec, tag = play.codec.encode(), play.tag.encode()
    head = _PLAY.pack(
        _PLAY.size - 4 + len(codec) + len(tag) + len(play.audio),
        _PLAY_KIND,
        play.leg,
        play.item,
        play.rate,
        play.is_last,
        play.is_background,
        len(codec),
        len(tag),
    )
    return head + codec + tag + play.audio


class Decoder:
    """Frames in, messages out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        if self._rest:
            data = self._rest + data
        decoded: list[Message] = []
        start, end = 0, len(data)
        while end - start >= 4:
            stop = start + 4 + int.from_bytes(data[start : start + 4])
            if stop > end:
                break
            decoded.append(_decode(data[start:stop]))
            start = stop
        self._rest = data[start:]
        return decoded


def _decode(frame: bytes) -> Message:
    kind = frame[4]
    if kind >= len(_BINARY):
        message: Message = _rare(_RARE[kind - len(_BINARY)], frame)
        return message
    return _BINARY[kind](frame)


def _rare(kind: type[Any], frame: bytes) -> Any:
    values = orjson.loads(memoryview(frame)[5:])
    return kind(*(tuple(value) if isinstance(value, list) else value for value in values))


def _audio(frame: bytes) -> Message:
    _, _, leg, stream = _AUDIO.unpack_from(frame)
    return Audio(leg, frame[_AUDIO.size :], stream)


def _recorded(frame: bytes) -> Message:
    _, _, leg, size, is_last = _RECORDED.unpack_from(frame)
    middle = _RECORDED.size + size
    return Recorded(leg, frame[_RECORDED.size : middle], frame[middle:], is_last)


def _play(frame: bytes) -> Message:
    _, _, leg, item, rate, is_last, is_background, codec_size, tag_size = _PLAY.unpack_from(frame)
    tag_at = _PLAY.size + codec_size
    audio_at = tag_at + tag_size
    codec, tag = frame[_PLAY.size : tag_at].decode(), frame[tag_at:audio_at].decode()
    return Play(leg, item, codec, rate, frame[audio_at:], is_last, tag, is_background)


def _done(frame: bytes) -> Message:
    _, _, leg, item, played_ms, is_stopped = _DONE.unpack_from(frame)
    return ItemDone(leg, item, played_ms, is_stopped, frame[_DONE.size :].decode())


_BINARY: tuple[Callable[[bytes], Message], ...] = (_audio, _recorded, _play, _done)
