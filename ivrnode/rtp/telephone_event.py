"""Keys as telephone-event (RFC 4733), both ways.

    |     event     |E|R| volume    |          duration             |

One press of a key is several packets of one RTP timestamp: that, and not the marker bit, tells keys apart (s2.5.1.3).

    timestamp   800      800      800       800 E    800 E    800 E     2400 ...
    duration    160      320      480       640      640      640        160
    Digit        ^ told with the first packet that comes in              ^ the next key
"""

from __future__ import annotations

import struct
from collections import deque

from ivrnode.errors import ProtocolError
from ivrnode.rtp.packet import timestamp_distance

DIGITS = "0123456789*#ABCD"
_EVENT = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10  # -10 dBm0
_FRAME = 160  # 20 ms in timestamp units
_STALE = 5 * 8000


class DigitReceiver:
    """Tells each key once, at its first packet, so lost first or last packets and repeats change nothing."""

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._event = -1
        self._duration = 0
        self._has_ended = False

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """The key, when this packet is the first of it. Raises ProtocolError when `payload` is no event."""
        if len(payload) < _EVENT.size:
            raise ProtocolError("shorter than a telephone-event")
        event, flags, duration = _EVENT.unpack_from(payload)
        if event >= len(DIGITS):
            return None  # a flash hook, a tone: RFC 4733 s3.2
        is_new = self._is_new(event, timestamp)
        if is_new is None:
            return None
        if self._timestamp != timestamp:
            self._timestamp, self._event, self._has_ended = timestamp, event, False
        self._duration = duration
        self._has_ended |= bool(flags & _END)
        return DIGITS[event] if is_new else None

    def _is_new(self, event: int, timestamp: int) -> bool | None:
        """None: a straggler of an earlier key, not to be looked at."""
        if self._timestamp is None:
            return True
        distance = timestamp_distance(timestamp, self._timestamp)
        if distance == 0:
            return False
        if -_STALE < distance < 0:
            return None
        # s2.5.1.3: a key held for more than 8 s goes on in a new segment, that starts where the last one ended.
        return not (event == self._event and distance == self._duration and not self._has_ended)


class DigitSender:
    """Plays keys out frame by frame: 100 ms each and 100 ms between, the last packet three times (s2.5.1.4)."""

    _KEY_FRAMES = 5
    _PAUSE_FRAMES = 5

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()
        self._frame = 0

    def add(self, digits: str) -> None:
        """What is no key is left out."""
        self._waiting.extend(DIGITS.index(digit) for digit in digits.upper() if digit in DIGITS)

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def next_frame(self) -> list[bytes]:
        """The payloads to send in this frame, all with the timestamp of the key's first; [] in a pause."""
        self._frame += 1
        if self._frame > self._KEY_FRAMES:
            if self._frame == self._KEY_FRAMES + self._PAUSE_FRAMES:
                self._waiting.popleft()
                self._frame = 0
            return []
        is_end = self._frame == self._KEY_FRAMES
        flags = _VOLUME | (_END if is_end else 0)
        payload = _EVENT.pack(self._waiting[0], flags, self._frame * _FRAME)
        return [payload] * (3 if is_end else 1)

    @property
    def is_first(self) -> bool:
        """The frame just given began a key: it carries the marker and sets the timestamp (s2.5.1.1)."""
        return self._frame == 1
