"""The media engine as the core sees it: commands go in by `send`, events come to `on_event`, in the core's loop.

    InLoopMedia     in the core's own event loop: tests, the simulator, small installations
    ProcessMedia    in a process of its own (net/media/process): nothing in the core can make a packet late

Both keep order and never block. `on_load` gets each LoadReport.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ivrnode.errors import StateError
from ivrnode.media.engine import Engine
from ivrnode.media.messages import Closed, Command, Event, LoadReport, Open, OpenFailed
from ivrnode.net.child import command, import_path
from ivrnode.net.media.frames import Decoder, encode
from ivrnode.net.media.process import READY
from ivrnode.net.media.rtp_ports import RtpPorts

OnEvent = Callable[[Event], None]
OnLoad = Callable[[LoadReport], None]
OnDeath = Callable[[str], None]

_START_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 2.0
_RESTART_DELAY = 1.0
PATIENCE = 15.0
"""Seconds: a process with open legs reports every 5."""
_LAPS = 3
"""Silence is counted in laps that we were awake for: after a pause of the whole machine nobody is to blame."""
_READ_SIZE = 262_144


class MediaPort(Protocol):
    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def send(self, command: Command) -> None: ...


class _Listener:
    """Hands events on; what a callback raises goes to the loop's handler and stops no other event."""

    def __init__(self, on_event: OnEvent, on_load: OnLoad | None) -> None:
        self._on_event, self._on_load = on_event, on_load

    def tell(self, event: Event | LoadReport) -> None:
        try:
            if not isinstance(event, LoadReport):
                self._on_event(event)
            elif self._on_load is not None:
                self._on_load(event)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"listener failed on {type(event).__name__}", "exception": error}
            )


class InLoopMedia:
    """`ports`: the range of RTP ports (low, high); (0, 0) = any free pair."""

    def __init__(self, on_event: OnEvent, ports: tuple[int, int] = (0, 0), on_load: OnLoad | None = None) -> None:
        self._listener = _Listener(on_event, on_load)
        self._rtp_ports = RtpPorts(ports)
        self._engine = Engine(self._rtp_ports.bind, random.Random(os.urandom(16)))
        self._timer: asyncio.TimerHandle | None = None
        self._delivery: asyncio.Handle | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._rtp_ports.fileno(), self._readable)

    async def close(self) -> None:
        """Ends every leg; its last events are told before this returns."""
        self._loop.remove_reader(self._rtp_ports.fileno())
        self._engine.close(time.monotonic())
        self._deliver()
        for handle in (self._timer, self._delivery):
            if handle is not None:
                handle.cancel()
        self._rtp_ports.close()

    def send(self, command: Command) -> None:
        self._engine.command(command, time.monotonic())
        if self._delivery is None:  # never from within `send`: the core would be entered twice
            self._delivery = self._loop.call_soon(self._deliver)
        if self._timer is None:
            self._set_timer()

    def _readable(self) -> None:
        self._rtp_ports.receive()
        self._deliver()

    def _tick(self) -> None:
        self._engine.tick(time.monotonic())
        self._set_timer()
        self._deliver()

    def _set_timer(self) -> None:
        due = self._engine.next_tick
        self._timer = None if due is None else self._loop.call_later(due - time.monotonic(), self._tick)

    def _deliver(self) -> None:
        self._delivery = None
        for event in self._engine.events():
            self._listener.tell(event)


class ProcessMedia:
    """`on_death` is told, in words, when the process ended without being asked: all its legs are gone. It is started
    again at once; commands sent meanwhile wait for it. One that hangs for `patience` seconds is killed."""

    def __init__(
        self,
        on_event: OnEvent,
        ports: tuple[int, int] = (0, 0),
        on_load: OnLoad | None = None,
        on_death: OnDeath | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._listener = _Listener(on_event, on_load)
        self._patience = patience
        self._legs: set[int] = set()  # while there are any, it has something to tell
        self._silent_laps = 0
        self._ports, self._on_death = ports, on_death
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._guard: asyncio.Task[None] | None = None
        self._unsent = bytearray()
        self._flush_handle: asyncio.Handle | None = None
        self._is_writing = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Raises StateError when the process does not come up."""
        self._loop = asyncio.get_running_loop()
        await self._spawn()
        self._guard = self._loop.create_task(self._keep_alive())

    async def close(self) -> None:
        """Ends every leg; no event is told any more."""
        if self._guard is not None:
            self._guard.cancel()
            with suppress(asyncio.CancelledError):
                await self._guard
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        await self._end()

    def send(self, command: Command) -> None:
        """Raises ValueError for a command that the border cannot carry (see media_frames)."""
        self._unsent += encode(command)
        if type(command) is Open:
            self._legs.add(command.leg)
        if self._flush_handle is None and not self._is_writing and self._socket is not None:
            self._flush_handle = self._loop.call_soon(self._flush)  # one write for all of this turn of the loop

    def _flush(self) -> None:
        self._flush_handle = None
        if self._socket is None:
            return
        try:
            sent = self._socket.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            return  # it is dead: `_keep_alive` knows
        if bool(self._unsent) != self._is_writing:
            self._is_writing = bool(self._unsent)
            if self._is_writing:
                self._loop.add_writer(self._socket, self._flush)
            else:
                self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._socket)
            return
        self._silent_laps = 0
        for event in self._decoder.feed(data):
            if type(event) is Closed or type(event) is OpenFailed:
                self._legs.discard(event.leg)
            self._listener.tell(event)  # type: ignore[arg-type]  # the process sends no commands

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command("ivrnode.net.media.process"),
                    str(theirs.fileno()),
                    *map(str, self._ports),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": import_path()},
                )
            async with asyncio.timeout(_START_TIMEOUT):
                greeting = await self._loop.sock_recv(ours, len(READY))
        except (OSError, TimeoutError) as error:
            ours.close()
            await self._end()
            raise StateError(f"the media process did not start: {error}") from error
        except asyncio.CancelledError:
            ours.close()
            raise
        if greeting != READY:
            ours.close()
            await self._end()
            raise StateError("the media process did not start: see its words on stderr")
        self._socket, self._decoder = ours, Decoder()
        self._loop.add_reader(ours, self._readable)
        self._flush()

    async def _keep_alive(self) -> None:
        while self._process is not None:
            why = await self._watch(self._process)
            await self._end()
            if self._on_death is not None:
                self._on_death(f"the media process {why}")
            while self._process is None:
                try:
                    await self._spawn()
                except StateError:
                    await asyncio.sleep(_RESTART_DELAY)

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """How it ended, sooner or later."""
        while True:
            try:
                async with asyncio.timeout(self._patience / _LAPS):
                    return f"ended with status {await process.wait()}"
            except TimeoutError:
                self._silent_laps = self._silent_laps + 1 if self._legs else 0
                self._readable()  # we may be the one who was kept from listening
                if self._silent_laps > _LAPS:
                    process.kill()
                    await process.wait()
                    return f"was killed: it has told nothing for {self._patience:g} s"

    async def _end(self) -> None:
        """Let go of the process; it ends when its socket does."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._socket, self._is_writing, self._silent_laps = None, False, 0
        self._unsent.clear()
        self._legs.clear()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
