"""The control socket: what an operator can do to a running ivrnode, as JSON lines over a Unix-domain socket.

    client                                                   server
    {"id": 1, "operation": "log.levels", "arguments": {}}  ->
                                                           <-  {"id": 1, "result": {...}}
    {"id": 2, "operation": "log.follow", "arguments": {}}  ->
                                                           <-  {"id": 2, "item": {...}}     any number of them
                                                           <-  {"id": 2, "end": true}       or {"id": 2, "error": "..."}

A line is one JSON object in UTF-8, 1 MiB at most. Operations of one connection run side by side; closing it ends its
streams. Who may open the socket (mode 0600) may do everything, so an error's text is told in full.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import itertools
import json
import os
import socket
import stat
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ivrnode.errors import ConfigError, IvrNodeError, ProtocolError

LARGEST_FRAME = 1 << 20
_READ = 1 << 16

Operations = Mapping[str, Callable[..., Any]]
"""By name. An operation takes keyword arguments and gives JSON, or an awaitable of it, or an async generator of it."""


class ControlError(IvrNodeError):
    """The server's answer to an operation was an error, or the server went away."""


class FrameReader:
    """Bytes in, JSON objects out, however the stream was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Raises ProtocolError for a line that is too long or no JSON object; the stream is then of no more use."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LARGEST_FRAME or any(len(line) > LARGEST_FRAME for line in lines):
            raise ProtocolError(f"a control frame has more than {LARGEST_FRAME} bytes")
        return [_decode(line) for line in lines if line.strip()]


def encode_frame(frame: Mapping[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> dict[str, Any]:
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError("a control frame is not JSON") from None
    if not isinstance(frame, dict):
        raise ProtocolError("a control frame is not a JSON object")
    return frame


class ControlServer:
    """Serves `operations` at `path` until closed."""

    def __init__(self, path: Path, operations: Operations) -> None:
        self._path, self._operations = path, operations
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises ConfigError if another process serves this path, or the path cannot be a socket."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            listener = _bind(self._path)
        except OSError as error:
            raise ConfigError(f"cannot be a socket: {error.strerror}", file=str(self._path)) from None
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)

    async def close(self) -> None:
        """Harmless twice. Ends all connections and removes the socket, unless a newer server owns the path."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path.exists() and self._path.stat().st_ino == self._inode:
            self._path.unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ProtocolError, OSError):
            pass  # whoever speaks nonsense on the operator's own socket is cut off
        except asyncio.CancelledError:
            pass  # by `close`: asyncio's streams would report it as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        running: set[asyncio.Task[None]] = set()
        try:
            while data := await reader.read(_READ):
                for frame in frames.feed(data):
                    task = asyncio.create_task(self._answer(frame, writer))
                    running.add(task)
                    task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _answer(self, frame: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number = frame.get("id")
        try:
            async with aclosing(self._run(frame)) as parts:
                async for part in parts:
                    writer.write(encode_frame({"id": number} | part))
                    await writer.drain()
        except OSError:
            return  # the client is gone
        except Exception as error:  # the operator's own doing: he gets to see it
            known = isinstance(error, IvrNodeError | ValueError)
            text = str(error) if known else f"internal error: {type(error).__name__}: {error}"
            writer.write(encode_frame({"id": number, "error": text}))

    async def _run(self, frame: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        name, arguments = frame.get("operation"), frame.get("arguments", {})
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            raise ControlError(f"unknown operation {name!r}: known are {', '.join(sorted(self._operations))}")
        if not isinstance(arguments, dict):
            raise ControlError("the arguments of an operation are a JSON object")
        try:
            inspect.signature(operation).bind(**arguments)
        except TypeError as error:
            raise ControlError(f"{name}: {error}") from None
        result = operation(**arguments)
        if inspect.isawaitable(result):
            result = await result
        if not isinstance(result, AsyncGenerator):
            yield {"result": result}
            return
        async with aclosing(result):
            async for item in result:
                yield {"item": item}
        yield {"end": True}


def _bind(path: Path) -> socket.socket:
    """A listening socket that only its owner can open from its first moment on. Raises ConfigError, OSError."""
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ConfigError("is in the way of the control socket: remove it or name another path", file=str(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_alive(path):
            raise ConfigError("another ivrnode serves here: end it or name another control.socket", file=str(path))
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_alive(path: Path) -> bool:
    """Whether a process accepts connections here; a socket that its process left behind refuses them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        result = probe.connect_ex(str(path))
    return result in (0, errno.EAGAIN, errno.EINPROGRESS)


class ControlClient:
    """The other end, for commands. A context manager; blocks."""

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        """Raises ControlError when nobody serves at `path`. `timeout`: seconds to wait for a result."""
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._frames = FrameReader()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"no running ivrnode at {path} ({error.strerror}): start it with `ivrnode serve`, "
                "or name its file with --config"
            ) from None

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, operation: str, **arguments: Any) -> Any:
        """The operation's result. Raises ControlError."""
        for frame in self._ask(operation, arguments, self._timeout):
            return frame.get("result")
        raise ControlError(f"{operation} gave no result")

    def stream(self, operation: str, **arguments: Any) -> Iterator[Any]:
        """The operation's items, as they come, until it ends or the server goes away. Raises ControlError."""
        for frame in self._ask(operation, arguments, None):
            if "item" not in frame:
                return
            yield frame["item"]

    def _ask(self, operation: str, arguments: Mapping[str, Any], timeout: float | None) -> Iterator[dict[str, Any]]:
        number = next(self._numbers)
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(encode_frame({"id": number, "operation": operation, "arguments": arguments}))
            while data := self._socket.recv(_READ):
                for frame in self._frames.feed(data):
                    if frame.get("id") != number:
                        continue
                    if "error" in frame:
                        raise ControlError(str(frame["error"]))
                    yield frame
        except TimeoutError:
            raise ControlError(f"no answer to {operation} within {timeout:g} s") from None
        except (OSError, ProtocolError) as error:
            raise ControlError(f"the connection to ivrnode failed: {error}") from None
        raise ControlError("ivrnode has closed the connection")
