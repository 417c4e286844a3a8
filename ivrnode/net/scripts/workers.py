"""The workers of all scripts: a pool of locked-down processes, one per call, with a watchdog over them.

    run ──> from the pool, or a fresh fork ──READY──> Boot ──> events, actions ──> exactly one script_ended
                                   │                     │
                            2 s, then start_failed    watchdog, every 20 ms: CPU for one event; the grace after HungUp

The zygote forks and reaps; what a worker says comes straight over its own socket pair. Kills go by pidfd, so a reused
process number is never hit. The rules a script must keep are `script/host.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from ivrnode.errors import ConfigError, ScriptError, StateError
from ivrnode.net.scripts.pool import Pool
from ivrnode.net.scripts.walls import Walls, probe
from ivrnode.net.scripts.zygote import PAUSE, Zygote
from ivrnode.script import ops
from ivrnode.script.end import ScriptEnd
from ivrnode.script.host import ScriptHost
from ivrnode.script.limits import Limits
from ivrnode.script.messages import Action, Boot, Event, HungUp, Ready

_TICK = 0.02
_POOL = 4
_LIMITS = Limits()
# The range that systemd keeps for users without a name; below 65536 it also exists in most containers.
_FIRST_UID, _UIDS = 61184, 4336
_CPU_CLOCK = 2  # CPUCLOCK_SCHED in a clock id made from a process number, see clock_getcpuclockid(3)


class ScriptListener(Protocol):
    def script_action(self, call: str, action: Action) -> None: ...

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        """Exactly once per `run`, and last."""


class _Worker:
    """One process. `call` is "" while it idles in the pool; `end` is set once its end is decided."""

    def __init__(self, serial: int, uid: int, sock: socket.socket, limits: Limits) -> None:
        self.serial, self.uid, self.sock = serial, uid, sock
        self.host = ScriptHost(limits)
        self.call = ""
        self.pid, self.pidfd = 0, -1
        self.unsent: bytes | memoryview = b""
        self.is_blocked = False  # it has not read yet what was written
        self.is_to_flush = False  # something was queued in this turn of the loop
        self.is_held = False  # what can wait does
        self.deadline = 0.0  # to be READY, later for the grace; 0: none
        self.end: ScriptEnd | None = None
        self.watched = 0  # number of the event under the watchdog's eye
        self.cpu = 0.0  # and the worker's CPU clock when that began

    @property
    def is_ready(self) -> bool:
        return self.host.is_ready

    @property
    def is_alive(self) -> bool:
        """False once it was reaped: its number may be another's then."""
        try:
            signal.pidfd_send_signal(self.pidfd, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):  # dead already, its report is on the way
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


class ScriptWorkers:
    """Runs scripts. All methods are called in the loop that `start` ran in; none of them blocks it."""

    def __init__(
        self,
        listener: ScriptListener,
        limits: Limits = _LIMITS,
        is_unsafe: bool = False,
        pool: int = _POOL,
        clock: Callable[[], float] = time.monotonic,
        hold: Callable[[str, bool], None] = lambda call, is_held: None,
    ) -> None:
        """`clock`: the seconds in which rates are counted; a simulated call's are not the machine's. `hold(call, True)`
        is called when a script has much to read, so that its sockets can wait; with False when they may go on."""
        self._listener, self._limits, self._is_unsafe = listener, limits, is_unsafe
        self._hold = hold
        self._clock = clock
        self._workers: dict[int, _Worker] = {}
        self._calls: dict[str, _Worker] = {}
        self._pool: Pool[_Worker] = Pool(pool)
        self._to_flush: list[_Worker] = []
        self._last_serial = self._last_uid = 0
        self._uids: set[int] = set()
        self._is_open = False
        self._not_before = 0.0  # when the pool may be filled again, after an idle worker died by itself
        self._buffer = memoryview(bytearray(ops.PACKET))
        self.walls = Walls()

    async def start(self) -> None:
        """Probe the walls, start the zygote, fill the pool. ConfigError: no pidfd here; no seccomp, nor told to do
        without."""
        self._loop = asyncio.get_running_loop()
        self._all_ended = asyncio.Event()
        self.walls = await asyncio.to_thread(probe)
        if not self.walls.pidfd:
            raise ConfigError("scripts cannot be run here: no pidfd (Linux 5.3 has it)")
        if not self.walls.seccomp and not self._is_unsafe:
            raise ConfigError("scripts cannot be locked down here: no seccomp. --unsafe-scripts runs them all the same")
        limits = {name: getattr(self._limits, name) for name in ("memory", "address_space", "cpu_call_seconds")}
        self._zygote = Zygote(self, limits, self._is_unsafe)
        self._is_open = True
        self._fill_pool()
        self._timer = self._loop.call_later(_TICK, self._tick)

    async def close(self) -> None:
        """Kill what runs and end the zygote. Every call still running gets its script_ended first."""
        if not self._is_open:
            return
        self._is_open = False
        self._timer.cancel()
        for worker in list(self._workers.values()):
            self._end(worker, ScriptEnd("killed", "shutdown"))
        if self._workers:
            self._all_ended.clear()
            await self._all_ended.wait()
        await self._zygote.close()

    def run(self, call: str, boot: Boot) -> None:
        """Start a script for `call`. What comes of it is told to the listener."""
        if call in self._calls or not self._is_open:
            raise StateError(f"call {call!r} has a script already, or no scripts can run now")
        worker = self._pool.take(time.monotonic()) or self._fork()
        worker.call = call
        worker.deadline = 0.0 if worker.host.is_ready else time.monotonic() + self._limits.ready_seconds
        self._calls[call] = worker
        self.send(call, replace(boot, is_known=True) if self._zygote.knows(boot) else boot)

    def send(self, call: str, event: Event) -> None:
        """Tell the script of `call` something. Ignored when it has ended: the news may be on its way to the caller."""
        worker = self._calls.get(call)
        if worker is None or worker.end is not None:
            return
        try:
            worker.host.send(event)
        except ScriptError as error:
            self._end(worker, ScriptEnd("killed", str(error), is_fault=True))
            return
        if worker.host.is_behind is not worker.is_held:
            self._set_held(worker)
        if type(event) is HungUp:
            worker.deadline = time.monotonic() + event.grace
        self._schedule_flush(worker)

    def _schedule_flush(self, worker: _Worker) -> None:
        if not worker.is_to_flush and worker.host.has_to_send and worker.host.is_ready:
            worker.is_to_flush = True
            self._to_flush.append(worker)
            if len(self._to_flush) == 1:
                self._loop.call_soon(self._flush)  # one write, and one waking, for all events of this turn

    def kill(self, call: str, reason: str) -> None:
        """End a script at once, through no fault of its own. Harmless when it has ended."""
        worker = self._calls.get(call)
        if worker is not None:
            self._end(worker, ScriptEnd("finished") if worker.host.is_finished else ScriptEnd("killed", reason))

    @property
    def is_idle(self) -> bool:
        """True when every script has dealt with all that it was told, and none is starting or ending.

        A script that gets idle says so: its last action is a Wait.
        """
        return all(
            worker.host.is_ready and not worker.host.oldest and worker.end is None for worker in self._calls.values()
        )

    # The pool.

    def _fill_pool(self) -> None:
        """By one, the next when that one is ready: a call that needs a fork of its own stands in no line for it."""
        now = time.monotonic()
        missing = self._pool.missing(now)
        if missing < 0:
            self._end(self._pool.pop(), ScriptEnd("finished"))
            return
        is_time = missing and self._is_open and now >= self._not_before
        if is_time and all(worker.is_ready for worker in self._workers.values()):
            self._pool.add(self._fork(has_time=True))

    def _fork(self, has_time: bool = False) -> _Worker:
        # A reader of a stream socket is also woken when the other side reads: twice as often as there is news for it.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._last_serial += 1
        worker = _Worker(self._last_serial, self._free_uid(), ours, self._limits)
        self._workers[worker.serial] = worker
        self._zygote.fork(worker.serial, worker.uid, has_time, theirs)
        self._loop.add_reader(ours, self._read, worker)
        return worker

    def _free_uid(self) -> int:
        """A user id that no other worker has, 0 where users cannot be changed."""
        if not self.walls.uid_change or self._is_unsafe:
            return 0
        while True:
            self._last_uid = (self._last_uid + 1) % _UIDS
            uid = _FIRST_UID + self._last_uid
            if uid not in self._uids:
                self._uids.add(uid)
                return uid

    # What the zygote tells.

    def worker_forked(self, serial: int, pid: int, pidfd: int) -> None:
        worker = self._workers.get(serial)
        if worker is not None:
            worker.pid, worker.pidfd = pid, pidfd
        else:  # given up meanwhile, and perhaps so busy that it does not see its socket closed
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)

    def worker_ended(self, serial: int, status: int) -> None:
        worker = self._workers.get(serial)
        if worker is not None:
            while worker.end is None and self._read(worker):
                pass  # its last words
            self._forget(worker, worker.end or _natural_end(worker.host, status))

    def fork_failed(self, serial: int, error: str) -> None:
        if serial in self._workers:
            self._forget(self._workers[serial], ScriptEnd("start_failed", f"fork failed: {error}"))

    def zygote_lost(self) -> None:
        for worker in list(self._workers.values()):
            worker.kill()
            reason = "crashed" if worker.host.is_ready else "start_failed"
            self._forget(worker, worker.end or ScriptEnd(reason, "the zygote of the scripts died"))

    # One worker.

    def _read(self, worker: _Worker) -> bool:
        """Take what has come. False: nothing more will."""
        try:
            size = worker.sock.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        if not size:
            self._loop.remove_reader(worker.sock)
            worker.kill()  # it ends, or it has let go of us: in both cases there is nothing left to wait for
            return False
        try:
            actions = worker.host.receive(self._buffer[:size], self._clock())
        except ScriptError as error:
            reason = "killed" if worker.host.is_ready else "start_failed"
            self._end(worker, ScriptEnd(reason, str(error), is_fault=worker.host.is_ready))
            return False
        for action in actions:
            if type(action) is Ready:
                worker.deadline = 0.0
                self._write(worker)
                self._fill_pool()
            elif worker.end is None:
                self._listener.script_action(worker.call, action)
        self._schedule_flush(worker)  # it may have asked for what was kept back
        return worker.end is None

    def _flush(self) -> None:
        workers, self._to_flush = self._to_flush, []
        for worker in workers:
            worker.is_to_flush = False
            if worker.end is None and not worker.is_blocked:
                self._write(worker)

    def _write(self, worker: _Worker) -> None:
        self._write_queue(worker)
        if worker.host.is_behind is not worker.is_held:
            self._set_held(worker)

    def _set_held(self, worker: _Worker) -> None:
        worker.is_held = worker.host.is_behind
        self._hold(worker.call, worker.is_held)

    def _write_queue(self, worker: _Worker) -> None:
        while worker.unsent or worker.host.has_to_send:
            data = worker.unsent or worker.host.to_send()
            try:
                size = worker.sock.send(data if len(data) <= ops.PACKET else memoryview(data)[: ops.PACKET])
            except BlockingIOError:
                worker.unsent = data
                if not worker.is_blocked:
                    worker.is_blocked = True
                    self._loop.add_writer(worker.sock, self._write, worker)
                return
            except OSError:
                worker.kill()  # it is dying, as a rule: what it was not told could not be told later
                return
            worker.unsent = memoryview(data)[size:] if size < len(data) else b""
        if worker.is_blocked:
            worker.is_blocked = False
            self._loop.remove_writer(worker.sock)

    def _end(self, worker: _Worker, end: ScriptEnd) -> None:
        """Decide how it ends, kill it, hear no more of it. That is told when the process is gone."""
        if worker.end is not None:
            return
        worker.end = end
        self._loop.remove_reader(worker.sock)
        self._loop.remove_writer(worker.sock)
        if worker.pidfd >= 0:
            worker.kill()
        else:  # not even forked, and the zygote may take its time
            self._loop.call_soon(self._forget, worker, end)

    def _forget(self, worker: _Worker, end: ScriptEnd) -> None:
        if self._workers.pop(worker.serial, None) is None:
            return
        worker.end = end  # also for what is still to be flushed in this turn
        self._loop.remove_reader(worker.sock)
        self._loop.remove_writer(worker.sock)
        worker.sock.close()
        if worker.pidfd >= 0:
            os.close(worker.pidfd)
            worker.pidfd = -1  # the number is another's soon
        self._uids.discard(worker.uid)
        if worker in self._pool:  # it died by itself
            self._pool.remove(worker)
            self._not_before = time.monotonic() + PAUSE
        if worker.call:
            del self._calls[worker.call]
            if worker.is_held:
                self._hold(worker.call, False)
            dropped = worker.host.audio_dropped
            self._listener.script_ended(worker.call, ScriptEnd(end.reason, end.text, end.is_fault, dropped))
        if not self._workers:
            self._all_ended.set()

    # The watchdog.

    def _tick(self) -> None:
        self._timer = self._loop.call_later(_TICK, self._tick)
        now = time.monotonic()
        for worker in list(self._calls.values()):
            if worker.end is None:
                self._check(worker, now)
        self._fill_pool()

    def _check(self, worker: _Worker, now: float) -> None:
        host = worker.host
        if worker.deadline and now > worker.deadline and not host.is_ready:
            self._read(worker)  # it may have told us while we were kept from listening: judge by what it has said
        if worker.deadline and now > worker.deadline and worker.end is None:
            if host.is_ready:
                self._end(worker, ScriptEnd("killed", "the time after the end of the call is over"))
            else:
                self._end(worker, ScriptEnd("start_failed", f"not ready in {self._limits.ready_seconds} s"))
            return
        event = host.oldest
        if not event or not worker.pid:
            worker.watched = 0
            return
        try:
            cpu = time.clock_gettime(~worker.pid << 3 | _CPU_CLOCK)
        except OSError:
            return  # dead, its report is on the way
        if event != worker.watched:
            worker.watched, worker.cpu = event, cpu
        elif cpu - worker.cpu > host.cpu_allowed and worker.is_alive:
            self._read(worker)  # as above
            if worker.end is not None or host.oldest != event:
                return
            text = f"CPU limit passed: {round(host.cpu_allowed * 1000)} ms for one event"
            self._end(worker, ScriptEnd("killed", text, is_fault=True))


def _natural_end(host: ScriptHost, status: int) -> ScriptEnd:
    """What an exit status says when nobody here had decided the end."""
    if not host.is_ready:
        return ScriptEnd("start_failed", f"ended before it was ready, status {status}")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        text = _SIGNALS.get(number)
        if text is None:
            return ScriptEnd("crashed", f"died of {signal.Signals(number).name}", is_fault=True)
        return ScriptEnd("killed", text, is_fault=True)
    if host.is_finished:
        return ScriptEnd("finished")
    return ScriptEnd("crashed", f"ended by itself, status {os.WEXITSTATUS(status)}", is_fault=True)


_SIGNALS: dict[int, str] = {
    signal.SIGSYS: "it made a system call that no script may make",
    signal.SIGXCPU: "CPU limit of the whole call passed",
    signal.SIGKILL: "killed by the system: out of memory or out of CPU time",
}
