"""What the core and its zygote say to each other, in packets. Both sides import this, so it imports nothing of ours.

core ── the first ──> JSON: {"limits", "is_unsafe", "source", "filename"}; the script is compiled for all workers
core ── REQUEST ────> with the worker's end of a socket pair
core <── ANSWER ───── what became of it; FORKED with the worker's pidfd
"""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<II?")  # serial, user id (0: keep ours), whether the worker has time to rehearse
ANSWER = struct.Struct("<BIi")  # FORKED, ENDED or FAILED; serial; process id, status as of waitpid, or errno
FORKED, ENDED, FAILED = 1, 2, 3
DESCRIPTOR = struct.Struct("i")  # as it travels beside a packet, see unix(7)

MAX_SOURCE = 32 * 1024  # characters of the script that is told with the settings
MAX_SETTINGS = 8 * MAX_SOURCE  # bytes of the first packet
