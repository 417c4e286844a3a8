"""One life of the speech process, as the core sees it: start, ask, answered, gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

import orjson

from ivrnode.net.child import bare_environment, command
from ivrnode.net.speech.worker import ANSWER, REQUEST

LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes: eight minutes at 16 kHz, and no piece of text is that long. Who says more is no engine of ours any more."""


class SpeechListener(Protocol):
    """Told in the loop. `process_ready` at most once; `process_ended` exactly once, last."""

    def process_ready(self) -> None: ...
    def process_answered(self, rate: int, data: bytes) -> None:
        """`data` is pcm16 at `rate`; rate 0: it is the reason for the failure."""

    def process_ended(self) -> None: ...


class SpeechProcess(asyncio.SubprocessProtocol):
    """Ask one sentence at a time; the answers come in that order."""

    def __init__(self, listener: SpeechListener) -> None:
        self._listener = listener
        self._transport: asyncio.SubprocessTransport | None = None
        self._received = bytearray()
        self._is_ready = False
        self.ended = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, engines: Sequence[str], listener: SpeechListener) -> SpeechProcess:
        """Raises OSError when no process can be started."""
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(listener), *command("ivrnode.net.speech.worker"), *engines,
            stderr=None, env=bare_environment(), start_new_session=True,
        )  # fmt: skip
        return process

    @property
    def pid(self) -> int:
        return self._transport.get_pid() if self._transport else 0

    def ask(self, engine: str, voice: str, text: str) -> None:
        body = orjson.dumps([engine, voice, text])
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if pipe:
            cast("asyncio.WriteTransport", pipe).write(REQUEST.pack(len(body)) + body)

    def kill(self) -> None:
        if self._transport and self._transport.get_returncode() is None:
            self._transport.kill()

    async def close(self, patience: float = 1.0) -> None:
        """End the input, and the process with it; kill it after `patience` seconds."""
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if pipe:
            pipe.close()
        await asyncio.wait([self.ended], timeout=patience)
        self.kill()
        await self.ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is no subclass of asyncio's.
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._received += data
        while len(self._received) >= ANSWER.size:
            rate, length = ANSWER.unpack_from(self._received)
            if length > LONGEST_ANSWER:
                self.kill()
                return
            end = ANSWER.size + length
            if len(self._received) < end:
                return
            answer = bytes(self._received[ANSWER.size : end])
            del self._received[:end]
            if self._is_ready:
                self._listener.process_answered(rate, answer)
            else:
                self._is_ready = True
                self._listener.process_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport:
            self._transport.close()
        self.ended.set_result(None)
        self._listener.process_ended()
