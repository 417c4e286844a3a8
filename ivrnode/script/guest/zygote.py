"""The zygote: exec'd once with an empty environment, warm with everything a script may import, forked per worker.

It ends when the core closes its end, and no worker outlives it. No secret may ever be here: all workers share it. What
it says to the core and hears from it: `forks.py`.

A page of memory that it writes to after a fork, if only to count a reference, is not shared with that worker any more;
the same goes for each page that a worker writes to. Hence the care for what runs after `gc.freeze`.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from ivrnode.script import forks
from ivrnode.script.guest import lockdown
from ivrnode.script.guest.link import Link
from ivrnode.script.guest.rehearsal import Understudy
from ivrnode.script.guest.runtime import describe
from ivrnode.script.guest.worker import Worker, compile_script, refuse

_LESSONS = 40
_ROOM = socket.CMSG_SPACE(forks.DESCRIPTOR.size)
_SELF = os.getpid()


class Zygote:
    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self._limits, self._is_unsafe = settings["limits"], settings["is_unsafe"]
        self._control, self._fd = control, control.fileno()
        self._poll = select.epoll()
        self._poll.register(control, select.EPOLLIN)
        self._workers: dict[int, tuple[int, int]] = {}  # pidfd: pid, serial
        self._size = _size()
        self._filter = lockdown.make_ready()
        self._seed = super(random.Random, random._inst).seed
        self._template, self._understudy = Worker(Link(), settings["source"]), Understudy()

    def serve(self) -> None:
        """Until the core is gone."""
        while True:
            for fd, _ in self._poll.poll():
                if fd != self._fd:
                    self._reap(fd)
                elif not self._receive():
                    return

    def _receive(self) -> bool:
        try:
            data, beside, _, _ = self._control.recvmsg(forks.REQUEST.size, _ROOM)
        except ConnectionError:  # the core went away with answers of ours unread
            return False
        if not data:
            return False
        serial, uid, has_time = forks.REQUEST.unpack(data)
        (fd,) = forks.DESCRIPTOR.unpack(beside[0][2])
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(forks.FAILED, serial, error.errno or 0)
        else:
            if pid == 0:
                self._become_worker(fd, uid, has_time)
            self._watch(pid, serial)
        os.close(fd)
        return True

    def _watch(self, pid: int, serial: int) -> None:
        pidfd = os.pidfd_open(pid)
        self._poll.register(pidfd, select.EPOLLIN)
        self._workers[pidfd] = pid, serial
        self._tell(forks.FORKED, serial, pid, pidfd)

    def _reap(self, pidfd: int) -> None:
        pid, serial = self._workers.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._tell(forks.ENDED, serial, status)

    def _tell(self, what: int, serial: int, value: int, *descriptors: int) -> None:
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, forks.DESCRIPTOR.pack(fd)) for fd in descriptors]
        try:
            self._control.sendmsg([forks.ANSWER.pack(what, serial, value)], beside)
        except OSError:
            sys.exit()  # the core is gone

    def _become_worker(self, fd: int, uid: int, has_time: bool) -> NoReturn:
        self._seed()
        try:
            lockdown.keep_only(fd)
            if self._is_unsafe:
                lockdown.set_limits(self._limits, self._size)
            else:
                lockdown.lock_down(_SELF, self._limits, self._size, uid, self._filter)
        except Exception as error:
            refuse(f"lock-down failed: {error!r}")
        self._template.run(self._understudy.rehearse if has_time else None)


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


def _learn(understudy: Understudy) -> None:
    """Rehearse until the interpreter has adapted its code: it would rewrite it in every worker else."""
    kept = sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]
    sys._clear_type_cache()  # what was looked up on the way here is in the way of what a call looks up
    for _ in range(_LESSONS):
        understudy.rehearse()
    sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"] = kept


def main() -> None:
    """Arguments: the folder of the ivrnode package, the descriptor of the control socket."""
    root, control = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    sys.path.remove(root)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = json.loads(control.recv(forks.MAX_SETTINGS) or sys.exit())
    _format_error()
    understudy = Understudy()
    _learn(understudy)
    compile_script(settings["source"], settings["filename"])
    gc.collect()
    # All that a call does not change is made here, once: a worker then touches, and so copies, fewer pages of memory.
    zygote = Zygote(control, settings)
    _learn(understudy)
    gc.collect()
    gc.freeze()
    zygote.serve()
