"""What the script's objects share: how a handler is run, an error told, a line logged."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from types import CoroutineType, FunctionType
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.link import Link
from ivrnode.script.guest.loop import ScriptLoop

Handler = Callable[..., Any]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Runtime:
    """`is_over` after the end of the call: from then on the script's methods do nothing. `hangup` is the call's.

    `parting`: tasks that belong to the end, though they began before it was told. It does not cancel them.
    """

    hangup: Callable[[], None]

    def __init__(self, link: Link, loop: ScriptLoop) -> None:
        self.link, self.loop = link, loop
        self.is_over = False
        self.parting: set[asyncio.Task[Any] | None] = set()
        self._filename = ""
        loop.set_exception_handler(self._loop_failed)

    def begin(self, filename: str, source: str) -> None:
        self._filename = filename
        # Tracebacks show the script's text: linecache asks for it when it needs it.
        linecache.cache[filename] = (lambda: source,)
        sys.stdin = None
        sys.stdout = Lines(self, 5)
        sys.stderr = Lines(self, 2)

    def log(self, level: int, text: str) -> None:
        for line in text.splitlines() or ("",):
            self.link.put(ops.LOG, level, encode(line)[: ops.MAX_LINE])

    def run(self, handler: Handler, *arguments: object) -> asyncio.Task[Any] | None:
        """Call a handler of the script. Its exception ends the handler alone. The task of an async one, else None."""
        try:
            result = handler(*arguments)
        except BaseException as error:
            self.report(error)
            return None
        return self.start(result) if type(result) is CoroutineType else None

    def start(self, work: CoroutineType[Any, Any, Any], is_top_level: bool = False) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        task.add_done_callback(self._top_level_done if is_top_level else self._handler_done)
        return task

    def report(self, error: BaseException, is_fatal: bool = False) -> None:
        """Tell the core of an exception that no one caught. SystemExit is the script's way to hang up."""
        if isinstance(error, SystemExit):
            self.hangup()
            return
        text, line = describe(error, self._filename)
        self.link.put(ops.FAILED, line, (b"\1" if is_fatal else b"\0") + encode(text)[: ops.MAX_LINE])

    def _handler_done(self, task: asyncio.Task[Any], is_fatal: bool = False) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.report(error, is_fatal)

    def _top_level_done(self, task: asyncio.Task[Any]) -> None:
        self._handler_done(task, is_fatal=not self.is_over)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            self.report(error)
        else:
            self.log(3, context["message"])


class Lines:
    """A text file whose lines become log lines: standard output and error."""

    def __init__(self, runtime: Runtime, level: int) -> None:
        self._runtime, self._level = runtime, level
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._runtime.log(self._level, line)
        if len(self._rest) > ops.MAX_LINE:
            self._rest = self._rest[: ops.MAX_LINE]
        return len(text)

    def flush(self) -> None:
        pass


def adapt(handler: Handler, count: int) -> Handler:
    """A handler that may be called with `count` arguments: one that accepts fewer gets the first of them."""
    if not callable(handler):
        raise TypeError(f"the handler must be a function, not {type(handler).__name__}")
    room = _room(handler, count)
    return handler if room is None or room >= count else lambda *arguments: handler(*arguments[:room])


def _room(handler: Handler, count: int) -> int | None:
    """How many positional arguments it takes; None: any number, or it does not tell. Raises TypeError for a function
    that cannot do with `count`."""
    if type(handler) is FunctionType and not handler.__dict__:  # not wrapped: no need for the long way by `inspect`
        code = handler.__code__
        needed = code.co_argcount - len(handler.__defaults__ or ())
        if needed > count:
            raise TypeError(f"the handler wants {needed} argument{'s' * (needed != 1)}, it gets {count}")
        return None if code.co_flags & inspect.CO_VARARGS else code.co_argcount
    try:
        kinds = [parameter.kind for parameter in inspect.signature(handler).parameters.values()]
    except (TypeError, ValueError):
        return None
    return None if inspect.Parameter.VAR_POSITIONAL in kinds else sum(kind in _POSITIONAL for kind in kinds)


def encode(text: str) -> bytes:
    """UTF-8; what has no UTF-8 (lone surrogates) is escaped."""
    return text.encode("utf-8", "backslashreplace")


def describe(error: BaseException, filename: str) -> tuple[str, int]:
    """The traceback with the script's own lines alone, and the last line in it."""
    line = (error.lineno or 0) if isinstance(error, SyntaxError) and error.filename == filename else 0
    for entry in traceback.extract_tb(error.__traceback__):
        if entry.filename == filename:
            line = entry.lineno or 0
    try:
        story = traceback.TracebackException.from_exception(error)
        _keep_own_lines(story, filename)
        text = "".join(story.format())
    except Exception:  # a script can make its exceptions unprintable
        text = type(error).__name__
    return text.rstrip(), line


def _keep_own_lines(story: traceback.TracebackException, filename: str) -> None:
    """Leave out the frames of the runtime and of the library, also in what led to the exception."""
    chain: list[traceback.TracebackException | None] = [story]
    while chain:
        part = chain.pop()
        if part is not None:
            part.stack = traceback.StackSummary.from_list([entry for entry in part.stack if entry.filename == filename])
            chain += [part.__cause__, part.__context__, *(part.exceptions or ())]
