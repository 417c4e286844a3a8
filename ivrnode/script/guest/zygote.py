"""The zygote: exec'd once with an empty environment, warm with everything a script may import, forked per worker.

    core ── SEQPACKET ──> {"serial", "uid", "limits", "is_unsafe", "has_time"} + the worker's end of a socket pair
    core <── SEQPACKET ── {"serial", "pid"} + pidfd       forked
    core <── SEQPACKET ── {"serial", "status"}            ended and reaped (as waitpid tells it)
    core <── SEQPACKET ── {"serial", "error"}             not forked

It ends when the core closes its end, and no worker outlives it. No secret may ever be here: all workers share it.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from ivrnode.script.guest import imports, lockdown
from ivrnode.script.guest.link import DeadEnd, Link
from ivrnode.script.guest.runtime import describe
from ivrnode.script.guest.worker import Worker, compile_script, refuse
from ivrnode.walls import seccomp

_MAX_REQUEST = 4096
_LESSONS = 40


class Zygote:
    def __init__(self, control: socket.socket, template: Worker, understudy: Worker) -> None:
        self._template, self._understudy = template, understudy
        self._pid = os.getpid()
        self._control = control
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._workers: dict[int, tuple[int, int]] = {}  # pidfd: pid, serial
        self._size = _size()
        self._filter = seccomp.assemble(lockdown.RULES) if seccomp.is_supported() else b""

    def serve(self) -> None:
        """Until the core is gone."""
        while True:
            for fd, _ in self._poll.poll():
                if fd != self._control.fileno():
                    self._reap(fd)
                elif not self._receive():
                    return

    def _receive(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, _MAX_REQUEST, 1)
        except ConnectionError:  # the core went away with answers of ours unread
            return False
        if not data:
            return False
        request = json.loads(data)
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"serial": request["serial"], "error": str(error)})
        else:
            if pid == 0:
                self._become_worker(fds[0], request)
            self._watch(pid, request["serial"])
        os.close(fds[0])
        return True

    def _watch(self, pid: int, serial: int) -> None:
        pidfd = os.pidfd_open(pid)
        self._poll.register(pidfd, select.POLLIN)
        self._workers[pidfd] = pid, serial
        self._tell({"serial": serial, "pid": pid}, pidfd)

    def _reap(self, pidfd: int) -> None:
        pid, serial = self._workers.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._tell({"serial": serial, "status": status})

    def _tell(self, answer: dict[str, Any], *fds: int) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(answer).encode()], fds)
        except OSError:
            sys.exit()  # the core is gone

    def _become_worker(self, fd: int, request: dict[str, Any]) -> NoReturn:
        try:
            lockdown.keep_only(fd)
            if request["is_unsafe"]:
                lockdown.set_limits(request["limits"], self._size)
            else:
                lockdown.lock_down(self._pid, request["limits"], self._size, request["uid"], self._filter)
        except Exception as error:
            refuse(f"lock-down failed: {error!r}")
        self._template.run(self._understudy if request["has_time"] else None)


def _size() -> tuple[int, int]:
    """Data and address space of this process in bytes. See proc(5), statm."""
    pages = [int(field) for field in Path("/proc/self/statm").read_text().split()]
    return pages[5] * resource.getpagesize(), pages[0] * resource.getpagesize()


def _format_error() -> None:
    """Format a traceback: what that imports on the way could not be imported later."""
    try:
        eval(compile("1 / 0", "rehearsal", "eval"))
    except ZeroDivisionError as error:
        describe(error, "rehearsal")


def _learn() -> None:
    """Rehearse until the interpreter has adapted its code: it would rewrite it in every worker else."""
    kept = sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]
    understudy = Worker(DeadEnd())
    for _ in range(_LESSONS):
        understudy.rehearse()
        compile_script.cache_clear()
    sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"] = kept


def main() -> None:
    """Arguments: the folder of the ivrnode package, the descriptor of the control socket, the default script."""
    root, control, script = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sys.path.remove(root)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    imports.preload()
    _format_error()
    _learn()
    compile_script(Path(script).read_text("utf-8"), script)
    # All that a call does not change is made here, once: a worker then touches, and so copies, fewer pages of memory.
    zygote = Zygote(socket.socket(fileno=control), Worker(Link()), Worker(DeadEnd()))
    gc.collect()
    gc.freeze()
    zygote.serve()
