"""One file of sound, decoded in a process of its own: run as `python -m ivrnode.net.sound.worker`.

    standard input    the file
    standard output   rate u32, then pcm16 mono at that rate; rate 0: the reason why not, as text

A file may come from anywhere, and a decoder of C code is at work on it: the process locks itself down before it looks
at the first byte. From then on it can compute, and write its answer.
"""

from __future__ import annotations

import os
import struct
import sys

from ivrnode.errors import ProtocolError

RATE = struct.Struct("<I")
LONGEST_FILE = 10 * 1024 * 1024
CPU_SECONDS = 5
_NICENESS = 5  # below the media process: a packet goes before a prompt


def main() -> None:
    os.nice(_NICENESS)
    # Here and not above: the core asks this file for its numbers, and loads no decoder.
    from ivrnode.audio import sound_file
    from ivrnode.walls import confinement, seccomp

    data = sys.stdin.buffer.read(LONGEST_FILE + 1)
    answer = confinement.take_output()
    rules = seccomp.computing(read=seccomp.on_descriptors([]), write=confinement.WRITING)
    confinement.confine(confinement.DECODER, rules, CPU_SECONDS)
    try:
        if len(data) > LONGEST_FILE:
            raise ProtocolError(f"larger than {LONGEST_FILE >> 20} MiB", 413)
        pcm, rate = sound_file.read_sound(data)
    except ProtocolError as error:
        pcm, rate = str(error).encode(), 0
    answer.write(RATE.pack(rate) + pcm)
    answer.flush()


if __name__ == "__main__":
    main()
