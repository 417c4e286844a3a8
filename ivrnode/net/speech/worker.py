"""The speech process: reads one sentence at a time from its standard input, writes its sound to its standard output.

    request   length u32, then JSON [engine, voice, text]
    answer    rate u32, length u32, then pcm16 at that rate; rate 0: the data is the reason for the failure, as text

One answer with rate 0 and no data comes by itself when the engines are warm. Little endian. The end of the input is the
end of the process: it cannot outlive the core. Run as `python -m ivrnode.net.speech.worker ENGINE...`.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress

import orjson

from ivrnode.audio.vad import level_db
from ivrnode.net.speech.engine import ENGINES

REQUEST = struct.Struct("<I")
ANSWER = struct.Struct("<II")

_NICENESS = 5  # below the media process: a packet goes before a word
_PAUSE_MS = 300  # what stays of the quiet after a sentence; engines leave between 60 and 870 ms
_QUIET_DB = -55.0


def main() -> None:
    os.nice(_NICENESS)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what C code prints must not get between the answers
    for name in sys.argv[1:]:
        with suppress(Exception):  # the reason is told with the first sentence
            ENGINES[name].speak("1", ENGINES[name].voice_for("en", "") or "")
    answers.write(ANSWER.pack(0, 0))
    answers.flush()
    while header := requests.read(REQUEST.size):
        (length,) = REQUEST.unpack(header)
        name, voice, text = orjson.loads(requests.read(length))
        try:
            rate, data = ENGINES[name].rate, _spoken(name, voice, text)
        except Exception as error:
            rate, data = 0, f"{name}: {error}".encode(errors="replace")
        answers.write(ANSWER.pack(rate, len(data)) + data)
        answers.flush()


def _spoken(name: str, voice: str, text: str) -> bytes:
    """The sentence and one pause, whatever quiet the engine left at its end."""
    engine = ENGINES[name]
    pcm = trimmed(engine.speak(text, voice), engine.rate)
    if not pcm:
        raise ValueError(f"no sound came of {text[:60]!r}")
    return pcm + bytes(2 * (engine.rate * _PAUSE_MS // 1000))


def trimmed(pcm: bytes, rate: int) -> bytes:
    """`pcm` without the quiet at its end; empty when it is quiet all through."""
    step = 2 * (rate // 100)
    end = len(pcm)
    while end > 0 and level_db(pcm[max(0, end - step) : end]) < _QUIET_DB:
        end -= step
    return pcm[: max(0, end)]


if __name__ == "__main__":
    main()
