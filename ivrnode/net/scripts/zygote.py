"""The core's end of the zygote: start it, ask it for workers, hear of their ends. Nothing here ever waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import ivrnode
from ivrnode.script import forks
from ivrnode.script.messages import Boot
from ivrnode.tenancy.templates import DEFAULT_TEMPLATE

# `-I -S` and an empty environment: no site-packages, no PYTHON* variables, nothing of the core's to be read.
COMMAND = (sys.executable, "-I", "-S", "-c")
ROOT = str(Path(ivrnode.__file__).parent.parent)
# The library before our own modules: what a call touches then lies close together, on fewer pages to be copied.
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); from ivrnode.script.guest.imports import preload; preload(); "
    "from ivrnode.script.guest.zygote import main; main()"
)
PAUSE = 1.0
_END_SECONDS = 2.0


class ZygoteListener(Protocol):
    def worker_forked(self, serial: int, pid: int, pidfd: int) -> None:
        """`pidfd` is the listener's to close."""

    def worker_ended(self, serial: int, status: int) -> None:
        """Reaped; `status` as os.waitpid tells it."""

    def fork_failed(self, serial: int, error: str) -> None: ...

    def zygote_lost(self) -> None:
        """It died by itself, and every worker with it."""


class Zygote:
    """The zygote process. One that dies is replaced at once, but not more often than every PAUSE seconds."""

    def __init__(self, listener: ZygoteListener, limits: Mapping[str, int], is_unsafe: bool) -> None:
        """`limits`: those that the system holds. `is_unsafe`: workers lock nothing but these."""
        self._listener = listener
        self._settings = {"limits": limits, "is_unsafe": is_unsafe}
        self._loop = asyncio.get_running_loop()
        self._requests: deque[tuple[bytes, socket.socket]] = deque()
        self._source = ""
        self._not_before = 0.0
        self._restart: asyncio.TimerHandle | None = None
        self._control: socket.socket | None = None
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def knows(self, boot: Boot) -> bool:
        """Whether its workers have this script already, compiled."""
        return boot.source == self._source and boot.filename == str(DEFAULT_TEMPLATE)

    def fork(self, serial: int, uid: int, has_time: bool, end: socket.socket) -> None:
        """Ask for a worker; `end` becomes its descriptor 3 and is closed here. Answer: worker_forked, fork_failed.

        `uid` 0: it keeps ours. `has_time`: nobody waits for it yet.
        """
        self._requests.append((forks.REQUEST.pack(serial, uid, has_time), end))
        if len(self._requests) == 1:
            self._send()

    async def close(self) -> None:
        """End it, and with it every worker that is left."""
        if self._restart is not None:
            self._restart.cancel()
        self._disconnect()
        await asyncio.to_thread(self._wait)

    def _start(self) -> None:
        self._not_before = self._loop.time() + PAUSE
        self._restart = None
        self._source = _default_script()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                [*COMMAND, _BOOTSTRAP, ROOT, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={},
                cwd="/",
                start_new_session=True,  # the terminal's Ctrl-C is for the core
            )
        script = {"source": self._source, "filename": str(DEFAULT_TEMPLATE)}
        self._control.send(json.dumps(self._settings | script).encode())
        self._loop.add_reader(self._control, self._answered, self._control)
        self._send()

    def _wait(self) -> None:
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self) -> None:
        if self._control is None:
            return  # between two zygotes: the next one gets it
        while self._requests:
            request, end = self._requests[0]
            try:
                socket.send_fds(self._control, [request], [end.fileno()])
            except BlockingIOError:
                self._loop.add_writer(self._control, self._send)
                return
            except OSError:
                return  # it is gone, the reader will tell
            self._requests.popleft()
            end.close()
        self._loop.remove_writer(self._control)

    def _answered(self, control: socket.socket) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(control, forks.ANSWER.size, 1)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._lost()
            return
        what, serial, value = forks.ANSWER.unpack(data)
        if what == forks.FORKED:
            self._listener.worker_forked(serial, value, fds[0])
        elif what == forks.ENDED:
            self._listener.worker_ended(serial, value)
        else:
            self._listener.fork_failed(serial, os.strerror(value))

    def _lost(self) -> None:
        self._disconnect()
        self._process.kill()
        self._process.wait()  # it has closed its end: dead or dying, this does not take long
        self._restart = self._loop.call_at(max(self._loop.time(), self._not_before), self._start)
        self._listener.zygote_lost()

    def _disconnect(self) -> None:
        for _, end in self._requests:
            end.close()
        self._requests.clear()
        if self._control is not None:
            self._loop.remove_reader(self._control)
            self._loop.remove_writer(self._control)
            self._control.close()
            self._control = None


def _default_script() -> str:
    """What most calls run. Empty when it is not there, or too long to be told."""
    try:
        text = DEFAULT_TEMPLATE.read_text("utf-8")
    except (OSError, ValueError):
        return ""
    return text if len(text) < forks.MAX_SOURCE else ""
