"""The numbers of the frames between a call and its script. Both sides import this, so it imports nothing of ours.

    u32 length | u8 op | u32 id | payload        little endian, `length` counts the payload alone

`id` is what the frame is about: an item, a socket, a request, a level, a line. Audio and WebSocket text travel raw;
only what is rare is JSON. The host numbers events from 1 in the order it sends them (RESULT is none: it answers a
question inside an event); DONE and WAIT carry in `id` how many of them are dealt with.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("<IBI")

# To the worker.
BOOT = 1  # JSON
AUDIO = 2  # id = stream, raw
DIGIT = 3  # one character
PLAYED = 4  # id = item, PLAYED_HEAD, error as UTF-8
DRAINED = 5
SOCKET_OPENED = 6  # id = socket, subprotocol
SOCKET_TEXT = 7  # id = socket
SOCKET_BINARY = 8  # id = socket
SOCKET_SENT = 9  # id = socket, SENT
SOCKET_FAILED = 10  # id = socket, error
SOCKET_CLOSED = 11  # id = socket, CLOSE_HEAD, reason
RESULT = 12  # id = request, JSON {value, error}
WAKE = 13
END = 14  # JSON {reason, grace}
REPLY = 15  # id = request, BODY_HEAD, JSON {value, error}, body
TOLD = 16  # id = subject, BODY_HEAD, JSON {what, arguments}, body
CLOCK = 17  # CLOCK_BODY

# To the core.
READY = 64
SAY = 65  # id = item, JSON {text, lang, voice, tag, background}
PLAY = 66  # id = item, PLAY_HEAD, tag, audio
ASK = 67  # id = request, JSON {what, key}
STREAM = 68  # id = stream, JSON {codec, rate, interval_ms, pre_roll_ms, hang_over_ms}
LISTEN = 69  # one byte: digits on or off
LANG = 70  # two letters
HANGUP = 71  # one byte: when drained
LOG = 72  # id = level, text
SOCKET_OPEN = 73  # id = socket, JSON {url, headers, verify, timeout}
SEND_TEXT = 74  # id = socket
SEND_BINARY = 75  # id = socket
SOCKET_CLOSE = 76  # id = socket, CLOSE_HEAD, reason
DONE = 77  # id = events dealt with; more have come
WAIT = 78  # id = events dealt with; WAIT_BODY: idle
FAILED = 79  # id = line, one byte: fatal, traceback
FINISHED = 80
REQUEST = 81  # id = request, BODY_HEAD, JSON {what, arguments}, body
AWAIT = 82  # id = item whose end is waited for; 0: the end of the queue

PLAYED_HEAD = struct.Struct("<I?")  # played_ms, is_stopped
SENT = struct.Struct("<Q")  # bytes
CLOSE_HEAD = struct.Struct("<H")  # code
PLAY_HEAD = struct.Struct("<BI?B")  # index in CODECS, rate, behind the queue, length of the tag in bytes
BODY_HEAD = struct.Struct("<I")  # length of the JSON
CLOCK_BODY = struct.Struct("<d")  # seconds
WAIT_BODY = struct.Struct("<dI")  # seconds (below 0: no timer), unfinished tasks
WAIT_FRAME = struct.Struct("<IBIdI")  # HEADER and WAIT_BODY: the end of every turn

CODECS = ("g711_ulaw", "g711_alaw", "pcm16")
RATES = (8000, 16000, 24000)

# Bytes that either side writes and reads at once, cut anywhere. For longer reads malloc maps memory each time.
PACKET = 16 * 1024
MAX_AWAITED = 10_000  # items: as many as a playout holds
MAX_MESSAGE = 2 * 1024 * 1024  # one WebSocket message, one play
MAX_FRAME = MAX_MESSAGE + 1024  # room for what stands before it
MAX_TEXT = 5000  # characters of one say
MAX_TAG = 255  # bytes
MAX_GATE_MS = 10_000  # of a stream's gate: pre-roll, hang-over
MAX_SOCKETS = 4
MAX_FOUND = 100  # entries of an address book at once
MAX_HTTP = 8  # web requests of a call at once
MAX_HEADERS = 64
MAX_ARGUMENTS = 64 * 1024  # bytes of a request's JSON
MAX_NUMBER = 64  # characters of whom to transfer to or dial
MAX_REASON = 200
LEAST_RING, MOST_RING = 1, 180  # seconds
MAX_LINE = 8 * 1024  # bytes of one log line
