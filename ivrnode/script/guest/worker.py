"""One call's script, from READY to FINISHED.

READY ─ BOOT: compile, run the top level ─ events: handlers ─ END: hangup handlers, tasks cancelled, sockets closed
                                                                   └─ nothing pending any more: FINISHED
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
import json
import os
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from ivrnode.script import ops
from ivrnode.script.guest.environment import Environment
from ivrnode.script.guest.link import Link
from ivrnode.script.guest.loop import ScriptLoop
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.websocket import Websocket
from ivrnode.walls import kernel

_LONG = 4096  # characters
_HANGUP_HANDLERS = 1.0  # seconds for which async ones keep the sockets open


@functools.cache
def compile_script(source: str, filename: str) -> CodeType:
    """Raises SyntaxError. The zygote does it for the script that most calls run: its workers find the result here."""
    code: CodeType = compile(source, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if len(source) > _LONG:
        kernel.give_back_memory()  # up to a megabyte, which the compiler needed
    return code


class Worker:
    """Gives each event to whoever it is for. Made in the zygote, run in a locked-down fork."""

    def __init__(self, link: Link, known: str = "") -> None:
        """`known`: the script that most calls run; the core sends no text for it."""
        self._link, self._known = link, known
        handlers: dict[int, Callable[[int, bytes], None]] = {}
        self._loop = ScriptLoop(link, handlers)
        self._runtime = Runtime(link, self._loop)
        self._environment = Environment(self._runtime)
        self._call, self._sockets = self._environment.call, self._environment.sockets
        handlers |= {
            ops.BOOT: self._boot,
            ops.CLOCK: self._clock,
            ops.AUDIO: self._call._audio_heard,
            ops.DIGIT: self._digit,
            ops.PLAYED: self._played,
            ops.DRAINED: self._drained,
            ops.SOCKET_OPENED: self._socket_opened,
            ops.SOCKET_TEXT: self._socket_text,
            ops.SOCKET_BINARY: self._socket_binary,
            ops.SOCKET_SENT: self._socket_sent,
            ops.SOCKET_FAILED: self._socket_failed,
            ops.SOCKET_CLOSED: self._socket_closed,
            ops.REPLY: self._environment.services._replied,
            ops.TOLD: self._environment.services._told,
            ops.WAKE: self._wake,
            ops.END: self._end,
        }

    def run(self, meanwhile: Callable[[], None] | None) -> NoReturn:
        """`meanwhile`: what to do before the call comes. None: it is waiting already."""
        self._link.put(ops.READY)
        self._link.flush()
        if meanwhile is not None:
            meanwhile()
        while True:
            try:
                self._loop.run_forever()
            except BaseException as error:  # asyncio lets SystemExit out of a task
                self._runtime.report(error)

    # The script.

    def _boot(self, number: int, payload: bytes) -> None:
        boot = json.loads(payload.decode())
        source = self._known if boot["source"] is None else boot["source"]
        if boot["clock"] is not None:
            self._loop.set_clock(boot["clock"])
        self._runtime.begin(boot["filename"], source)
        self._environment.begin(boot["facts"], boot["settings"], boot["secrets"])
        # As a callback of the loop, so that `asyncio.create_task` works in it.
        self._loop.call_soon(self._run_top_level, source, boot["filename"])

    def _run_top_level(self, source: str, filename: str) -> None:
        try:
            code = compile_script(source, filename)
            result = eval(code, self._environment.names)
        except BaseException as error:
            self._runtime.report(error, is_fatal=True)
            return
        if code.co_flags & inspect.CO_COROUTINE:
            self._runtime.start(result, is_top_level=True)

    # Events.

    def _clock(self, number: int, payload: bytes) -> None:
        self._loop.set_clock(*ops.CLOCK_BODY.unpack(payload))

    def _digit(self, number: int, payload: bytes) -> None:
        self._call._digit_pressed(payload.decode())

    def _played(self, item: int, payload: bytes) -> None:
        played_ms, is_stopped = ops.PLAYED_HEAD.unpack_from(payload)
        self._call._playback_done(item, played_ms, is_stopped, payload[ops.PLAYED_HEAD.size :].decode())

    def _drained(self, number: int, payload: bytes) -> None:
        self._call._emit("drained")

    def _socket_opened(self, number: int, payload: bytes) -> None:
        self._socket(number)._socket_opened(payload.decode())

    def _socket_text(self, number: int, payload: bytes) -> None:
        self._socket(number)._message_received(payload.decode())

    def _socket_binary(self, number: int, payload: bytes) -> None:
        self._socket(number)._message_received(payload)

    def _socket_sent(self, number: int, payload: bytes) -> None:
        (self._socket(number).buffered,) = ops.SENT.unpack(payload)

    def _socket_failed(self, number: int, payload: bytes) -> None:
        self._socket(number)._failed(payload.decode())

    def _socket_closed(self, number: int, payload: bytes) -> None:
        (code,) = ops.CLOSE_HEAD.unpack_from(payload)
        self._socket(number)._closed(code, payload[ops.CLOSE_HEAD.size :].decode())

    def _socket(self, number: int) -> Websocket:
        return self._sockets.live[number]  # the core tells of a socket until it is closed, never longer

    def _wake(self, number: int, payload: bytes) -> None:
        pass  # the loop looks at its timers after every event

    # The end.

    def _end(self, number: int, payload: bytes) -> None:
        reason = json.loads(payload)["reason"]
        self._runtime.is_over = True
        self._environment.timers.clear_all()
        waiting = self._loop.tasks - self._runtime.parting
        self._call._stop_playbacks()
        self._call._emit("hangup", reason)
        handlers = self._loop.tasks - waiting
        for task in waiting:
            task.cancel()
        self._loop.create_task(self._close_sockets(handlers))

    async def _close_sockets(self, handlers: set[asyncio.Task[Any]]) -> None:
        if handlers:
            await asyncio.wait(handlers, timeout=_HANGUP_HANDLERS)
        self._sockets.close_all(1001, "call ended")
        self._loop.before_wait = self._finish

    def _finish(self) -> None:
        if not (self._loop.tasks or self._sockets.live or self._environment.services.is_lasting):
            self._link.acknowledge(None, 0)
            self._link.put(ops.FINISHED)
            self._link.flush()
            os._exit(0)


def refuse(text: str) -> NoReturn:
    """Not locked down: say why and end."""
    link = Link()
    link.put(ops.FAILED, 0, b"\1" + text.encode("utf-8", "replace"))
    link.flush()
    os._exit(1)
