"""What went over one socket: each frame with its time as JSON lines, and what the stand-in heard as a WAV file.

0001.jsonl   {"t": 12.345678, "from": "client", "event": {...}}
0001.wav     the received audio, mono, as it came: gaps are no silence here, look at the times
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TextIO

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.wav import write_wav
from ivrnode.realtime.session_config import FORMATS

_RATE = 24000


class Recorder:
    """`path` without suffix. `t` is the server's monotonic clock in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: TextIO = path.with_suffix(".jsonl").open("w", encoding="utf-8")
        self._sound = bytearray()
        self._format = FORMATS["audio/pcm"]
        self._converter = Converter(self._format, AudioFormat("pcm16", _RATE))

    def received(self, frame: str | bytes, now: float) -> None:
        try:
            event = json.loads(frame)
        except ValueError:
            event = str(frame)
        self._write("client", event, now)
        if isinstance(event, dict) and event.get("type") == "input_audio_buffer.append":
            self._hear(event.get("audio"))

    def sent(self, frame: str, now: float) -> None:
        event = json.loads(frame)
        self._write("server", event, now)
        if event["type"] == "session.updated":
            self._use_format(event["session"])

    def close(self) -> None:
        self._lines.close()
        write_wav(self._path.with_suffix(".wav"), bytes(self._sound), _RATE)

    def _write(self, source: str, event: object, now: float) -> None:
        line = {"t": round(now, 6), "from": source, "event": event}
        self._lines.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _use_format(self, session: dict[str, object]) -> None:
        """The session object comes in GA's words or in the beta's."""
        audio = session.get("audio")
        if isinstance(audio, dict):
            format = FORMATS[audio["input"]["format"]["type"]]
        else:
            names = {format.codec: format for format in FORMATS.values()}
            format = names[str(session["input_audio_format"])]
        if format != self._format:
            self._format, self._converter = format, Converter(format, AudioFormat("pcm16", _RATE))

    def _hear(self, audio: object) -> None:
        try:
            self._sound += self._converter.convert(base64.b64decode(str(audio), validate=True))
        except binascii.Error:
            return  # the session has answered it with an error
