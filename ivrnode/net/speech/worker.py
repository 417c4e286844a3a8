"""The speech process: reads one sentence at a time from its standard input, writes its sound to its standard output.

    request   length u32, then JSON [engine, voice, text]
    answer    rate u32, length u32, then pcm16 at that rate; rate 0: the data is the reason for the failure, as text

One answer with rate 0 and no data comes by itself when the engines are warm. Little endian. The end of the input is the
end of the process: it cannot outlive the core. Run as `python -m ivrnode.net.speech.worker ENGINE...`.

Scripts decide what is spoken, and an engine of C code speaks it: the process locks itself down before the first text
comes. From then on it can compute, answer, and read the engines' own files.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

import orjson

from ivrnode.audio.vad import level_db
from ivrnode.net.speech.engine import ENGINES
from ivrnode.walls import confinement, seccomp

REQUEST = struct.Struct("<I")
ANSWER = struct.Struct("<II")

CPU_SECONDS = 1200
"""Of one life: hours of speech for an honest engine, an end in sight for one that was taken over. The next one follows
at once, and no sentence is lost by it."""
_NICENESS = 5  # below the media process: a packet goes before a word
_PAUSE_MS = 300  # what stays of the quiet after a sentence; engines leave between 60 and 870 ms
_QUIET_DB = -55.0


def main() -> None:
    os.nice(_NICENESS)
    requests = sys.stdin.buffer
    answers = confinement.take_output()
    engines = [ENGINES[name] for name in sys.argv[1:]]
    folders: list[Path] = []
    for engine in engines:
        with suppress(Exception):  # the reason is told with the first sentence
            engine.speak("1", engine.voice_for("en", "") or "")
            folders += engine.folders()
    confinement.confine(confinement.SPEECH, _rules(), CPU_SECONDS, folders)
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


def _rules() -> dict[str, seccomp.Block]:
    rules = seccomp.computing(read=seccomp.ALLOWED, write=confinement.WRITING)
    rules["openat"] = seccomp.only_to_read()  # where, Landlock decides
    return rules | dict.fromkeys(("newfstatat", "fstat", "stat", "lseek", "close"), seccomp.ALLOWED)


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
