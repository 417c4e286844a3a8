"""One file of sound, decoded in a process of its own: run as `python -m ivrnode.net.sound.worker`.

    standard input    the file
    standard output   rate u32, then pcm16 mono at that rate; rate 0: the reason why not, as text

A file may come from anywhere, and a decoder of C code is at work on it: the process sees no environment, writes no
file, and has little time and memory.
"""

from __future__ import annotations

import os
import resource
import struct
import sys

from ivrnode.errors import ProtocolError

RATE = struct.Struct("<I")
LONGEST_FILE = 10 * 1024 * 1024
_NICENESS = 5  # below the media process: a packet goes before a prompt
_LIMITS = {"CPU": 10, "AS": 2 << 30, "FSIZE": 0, "CORE": 0}


def main() -> None:
    os.nice(_NICENESS)
    for name, value in _LIMITS.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what C code prints must not get into the answer
    try:
        pcm, rate = _read()
    except ProtocolError as error:
        pcm, rate = str(error).encode(), 0
    answer.write(RATE.pack(rate) + pcm)
    answer.flush()


def _read() -> tuple[bytes, int]:
    from ivrnode.audio.sound_file import read_sound

    data = sys.stdin.buffer.read(LONGEST_FILE + 1)
    if len(data) > LONGEST_FILE:
        raise ProtocolError(f"larger than {LONGEST_FILE >> 20} MiB", 413)
    return read_sound(data)


if __name__ == "__main__":
    main()
