"""One caller: paced RTP out, and what comes back held against the clock. The signalling is the fleet's (load.py).

Arrival times are the kernel's, so how late this process itself was does not count.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import time
from dataclasses import dataclass, field

from bench.marks import FRAME, FROM_CALLER, FROM_SERVICE, SILENCE, SOUND, marked, moments

PHRASE, PAUSE = 25, 25  # frames; the first of a phrase is marked. In a pause a jitter buffer can catch up
FRAME_MS = 20
_HEADER = struct.Struct("!BBHII")
_HEADER_SIZE = _HEADER.size
_STAMP = struct.Struct("qq")  # timespec
_SO_TIMESTAMPNS = 35
_ROOM = socket.CMSG_SPACE(_STAMP.size)
_PORT = re.compile(rb"^m=audio (\d+)", re.MULTILINE)
_OFFER = (
    "v=0\r\no=- {id} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
)


@dataclass(slots=True)
class Heard:
    """What all callers together have measured, in ms. `gaps`: how far from 20 ms apart two packets left the core;
    `answers`: how long a SIP request waited for its answer."""

    gaps: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    def clear(self) -> None:
        for values in (self.gaps, self.latencies, self.silences, self.answers):
            values.clear()


class Caller:
    """`send` every 20 ms, `receive` when `fileno` is readable."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._ssrc, self._sequence = random.getrandbits(32), random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._frame = random.randrange(PHRASE + PAUSE)
        self._last_arrival = self._last_sound = 0.0
        self.is_up = False
        self.sent = self.received = self.sounding = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def offer(self) -> bytes:
        port = self._socket.getsockname()[1]
        return _OFFER.format(id=port, port=port).encode()

    def answered(self, sdp: bytes) -> None:
        """The other side's RTP port is known: packets flow."""
        found = _PORT.search(sdp)
        if found is not None:
            self._socket.connect(("127.0.0.1", int(found[1])))
            self.is_up = True

    def close(self) -> None:
        self._socket.close()
        self.is_up = False

    def send(self) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        self._frame = (self._frame + 1) % (PHRASE + PAUSE)
        payload = SOUND if self._frame < PHRASE else SILENCE
        if not self._frame:
            payload = marked(FROM_CALLER, time.monotonic())
        try:
            self._socket.send(_HEADER.pack(0x80, 0, self._sequence, self._timestamp, self._ssrc) + payload)
            self.sent += 1
        except OSError:
            pass  # the core has closed its port: the BYE is on its way

    def receive(self) -> None:
        try:
            data, stamps, _, _ = self._socket.recvmsg(2048, _ROOM)
        except OSError:
            return
        seconds, nanoseconds = _STAMP.unpack(stamps[0][2])
        arrival = seconds + nanoseconds / 1e9
        self.received += 1
        self._heard.gaps.append(abs((arrival - self._last_arrival) * 1000 - FRAME_MS))
        self._last_arrival = arrival
        if data.endswith(SILENCE):
            return
        self.sounding += 1
        if data.startswith(FROM_SERVICE, _HEADER_SIZE):
            self._burst_began(data[_HEADER_SIZE:], arrival)
        self._last_sound = arrival

    def _burst_began(self, payload: bytes, arrival: float) -> None:
        """A burst of the probing service: how old it is, and when the one before fell silent."""
        found = moments(FROM_SERVICE, payload)
        if found is not None:
            to_monotonic = time.monotonic() - time.time()  # the kernel stamps by the wall clock
            sent, interrupted = found
            self._heard.latencies.append((arrival + to_monotonic - sent) * 1000)
            if interrupted:
                self._heard.silences.append((self._last_sound + to_monotonic - interrupted) * 1000 + FRAME_MS)
