"""Frames over descriptor 3, the worker's side. Waiting is reading: there is no poll, no thread, no second descriptor.

What a script does is buffered here and written once per event, together with the acknowledgement.
"""

from __future__ import annotations

import json
import os
from collections import deque
from time import monotonic
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.lockdown import FD

_FLUSH = 64 * 1024
_TOGETHER = 0.005  # seconds: far below what the watchdog allows for one event

Frame = tuple[int, int, bytes]


class Link:
    """The worker's end. `handled` counts the events that `next` has handed out."""

    def __init__(self) -> None:
        self.handled = 0
        self._acknowledged = 0
        self._read_at = 0.0
        self._requests = 0
        self._frames: deque[Frame] = deque()
        self._rest = b""
        self._out: list[bytes] = []
        self._out_size = 0

    # Out.

    def put(self, op: int, number: int = 0, payload: bytes = b"") -> None:
        """Buffer one frame for the core."""
        size = len(payload)
        self._out += (ops.HEADER.pack(size, op, number), payload)
        self._out_size += size
        if self._out_size > _FLUSH:
            self.flush()

    def put_json(self, op: int, number: int = 0, /, **fields: Any) -> None:
        self.put(op, number, json.dumps(fields).encode())

    def acknowledge(self, seconds: float | None, tasks: int) -> None:
        """All events handed out are dealt with. Tell, and write what they led to. Idle: `seconds` to the next timer.

        While more events are here, that can wait for a moment: what came together is answered together.
        """
        if self.handled > self._acknowledged:
            if self._frames and monotonic() - self._read_at < _TOGETHER:
                return
            self._acknowledged = self.handled
            if self._frames:
                self.put(ops.DONE, self.handled)
            else:
                seconds = -1 if seconds is None else seconds
                self._out.append(ops.WAIT_FRAME.pack(ops.WAIT_BODY.size, ops.WAIT, self.handled, seconds, tasks))
        self.flush()

    def flush(self) -> None:
        if not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        self._out_size = 0
        if len(data) <= ops.PACKET:
            os.write(FD, data)  # all of it: packets are not torn
            return
        view = memoryview(data)
        for start in range(0, len(data), ops.PACKET):
            os.write(FD, view[start : start + ops.PACKET])

    # In.

    def next(self) -> Frame:
        """The next event: op, id, payload. Waits for it."""
        while not self._frames:
            self._read()
        self.handled += 1
        return self._frames.popleft()

    def ask(self, what: str, key: str = "") -> int:
        """Ask the core and wait for its answer. Events that come meanwhile keep their place."""
        self._requests += 1
        request = self._requests
        self.put_json(ops.ASK, request, what=what, key=key)
        answer = json.loads(self.wait_for(ops.RESULT, request))
        if answer["error"]:
            raise RuntimeError(answer["error"])
        value: int = answer["value"]
        return value

    def wait_for(self, op: int, number: int) -> bytes:
        """The payload of one frame, out of its turn. Events that come meanwhile keep their place."""
        self.flush()
        while True:
            for index, frame in enumerate(self._frames):
                if frame[:2] == (op, number):
                    del self._frames[index]
                    return frame[2]
            self._read()

    def _read(self) -> None:
        """Wait for bytes and cut them into frames."""
        data = os.read(FD, ops.PACKET)
        if not data:
            os._exit(0)  # the core has let go of us
        if self._rest:
            data = self._rest + data
        at, size, head = 0, len(data), ops.HEADER.size
        while size - at >= head:
            length, op, number = ops.HEADER.unpack_from(data, at)
            end = at + head + length
            if end > size:
                if length <= ops.PACKET:
                    break
                data, at = self._read_on(data[at:], head + length), 0
                size, end = len(data), head + length
            self._frames.append((op, number, data[at + head : end]))
            at = end
        self._rest = data[at:]
        if len(self._frames) > 1:
            self._read_at = monotonic()

    def _read_on(self, start: bytes, size: int) -> bytes:
        """`size` bytes and more, for a long frame: it costs an append each time, not a copy of all that is there."""
        data = bytearray(start)
        while len(data) < size:
            more = os.read(FD, ops.PACKET)
            if not more:
                os._exit(0)
            data += more
        return bytes(data)
