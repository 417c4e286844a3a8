"""The media process: the engine with an interpreter of its own, so that nothing elsewhere can make it late.

    core <══ socketpair, frames of net/media/frames ══> this loop ── Engine ── RTP ports

    sleep ──> packets, commands ──> turn of the wheel ──> events ──> sleep ...          every 10 ms, while a leg is open

One loop without asyncio. Nothing but the clock wakes it: what comes in is of no use before the next turn, and to be
woken by a packet costs more than the packet itself. It ends when the core's end of the socketpair does.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress

from ivrnode.media.engine import Engine
from ivrnode.media.messages import Audio, Recorded
from ivrnode.net.media.frames import Decoder, Message, encode
from ivrnode.net.media.rtp_ports import RtpPorts

READY = b"ready\n"
_NICENESS = -10
_READ_SIZE = 65_536
_MAX_BACKLOG = 64 << 20
_COLLECT_INTERVAL = 2.0
_TURN = 0.005
_MAX_DELAY = 0.001  # for which commands may hold up a turn


class MediaProcess:
    def __init__(self, core: socket.socket, ports: tuple[int, int]) -> None:
        self._core = core
        self._rtp_ports = RtpPorts(ports)
        self._rtp_ports.watch(core.fileno())
        self._engine = Engine(self._rtp_ports.bind, random.Random(os.urandom(16)))
        self._decoder = Decoder()
        self._commands: deque[Message] = deque()
        self._unsent = bytearray()
        self._is_running = True
        self._has_more = False  # the core has sent more than was read at once
        self._collect_at = 0.0

    def run(self) -> None:
        self._core.sendall(READY)
        self._core.setblocking(False)
        # What is here now lives as long as the process: never look at it again.
        gc.collect()
        gc.freeze()
        gc.disable()
        while self._is_running:
            if self._rtp_ports.receive(self._wait()):
                self._read_core()
            self._obey()
            self._engine.tick(time.monotonic())
            self._tell()
        self._engine.close(time.monotonic())
        self._rtp_ports.close()

    def _wait(self) -> float:
        """Sleep until the next turn; how long to wait for a packet or a command then, -1 = for ever."""
        due = self._engine.next_tick
        if due is None:
            return _TURN if self._unsent else -1
        now = time.monotonic()
        if now >= self._collect_at:
            self._collect_at = now + _COLLECT_INTERVAL
            gc.collect(1)
        if now < due and not self._commands and not self._has_more:
            time.sleep(due - now)
        return 0

    def _read_core(self) -> None:
        with suppress(BlockingIOError):
            data = self._core.recv(_READ_SIZE)
            if not data:
                self._is_running = False
            self._has_more = len(data) == _READ_SIZE
            self._commands.extend(self._decoder.feed(data))

    def _obey(self) -> None:
        """As many commands as there is time for."""
        while self._commands:
            now = time.monotonic()
            due = self._engine.next_tick
            if due is not None and now - due > _MAX_DELAY:
                return
            self._engine.command(self._commands.popleft(), now)  # type: ignore[arg-type]  # the core sends no events

    def _tell(self) -> None:
        events = self._engine.events()
        if not events and not self._unsent:
            return
        if len(self._unsent) > _MAX_BACKLOG:  # the core hangs: sound is of no use to it any more
            events = [event for event in events if not isinstance(event, Audio | Recorded)]
        self._unsent += b"".join(map(encode, events))
        try:
            sent = self._core.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._is_running = False
            return
        del self._unsent[:sent]


def main() -> None:
    """Arguments: the socketpair's descriptor, lowest and highest RTP port."""
    descriptor, low, high = map(int, sys.argv[1:4])
    for number in (signal.SIGINT, signal.SIGTERM):  # to all of us: the core ends the calls, then this process
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICENESS)
    with socket.socket(fileno=descriptor) as core:
        MediaProcess(core, (low, high)).run()


if __name__ == "__main__":
    main()
