"""One socket of the stand-in: carries frames, voices and time between the network and a Session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from ivrnode.realtime.ear import Ear
from ivrnode.realtime.echo import Echo
from ivrnode.realtime.ending import Ending
from ivrnode.realtime.input_buffer import Utterance
from ivrnode.realtime.recorder import Recorder
from ivrnode.realtime.response import Sentence
from ivrnode.realtime.session import Session
from ivrnode.realtime.voice import Voice

Clock = Callable[[], float]


class Connection:
    """Call `run` once; it returns when the socket is closed, by whomever."""

    def __init__(
        self,
        socket: ServerConnection,
        session: Session,
        voice: Voice,
        ear: Ear | None,
        recorder: Recorder | None,
        clock: Clock,
    ) -> None:
        self._socket, self._session = socket, session
        self._voice, self._ear, self._recorder, self._clock = voice, ear, recorder, clock
        self._wake = asyncio.Event()
        self._is_closed = False
        self._failure: BaseException | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._start(self._read())
        try:
            while not self._is_closed and self._session.ending is None:
                self._wake.clear()
                self._session.tick(self._clock())
                await self._drain()
                await self._sleep()
            if self._failure:
                raise self._failure
            if self._session.ending:
                await self._drain()
                await end(self._socket, self._session.ending)
        except ConnectionClosed:
            pass  # the client has gone while something was being sent
        finally:
            for job in self._jobs:
                job.cancel()
            await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _drain(self) -> None:
        """Hand out what the session wants of the world."""
        for frame in self._session.to_send():
            if self._recorder:
                self._recorder.sent(frame, self._clock())
            await self._socket.send(frame)
        if sentence := self._session.to_speak():
            self._start(self._speak(sentence))
        for item_id, utterance in self._session.to_hear():
            self._start(self._hear(item_id, utterance))

    async def _sleep(self) -> None:
        deadline = self._session.next_deadline()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), None if deadline is None else max(0, deadline - self._clock()))

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """A brain or an ear of somebody's own may raise: that ends this socket with 1011, and is logged."""
        self._jobs.discard(task)
        if not task.cancelled() and task.exception():
            self._failure, self._is_closed = task.exception(), True
            self._wake.set()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await self._socket.recv()
                if self._recorder:
                    self._recorder.received(frame, self._clock())
                self._session.receive(frame, self._clock())
                self._wake.set()
        self._is_closed = True
        self._wake.set()

    async def _speak(self, sentence: Sentence) -> None:
        error = ""
        pieces = self._voice.speak(sentence.text, self._session.lang)
        try:
            async for pcm, rate in pieces:
                if not self._session.is_wanted(sentence):
                    break
                self._session.voice_received(sentence, pcm, rate, self._clock())
                self._wake.set()
        except Exception as failure:
            # Whatever a voice may fail by: the client gets a failed response, as from the real service.
            error = str(failure) or type(failure).__name__
        self._session.voice_ended(sentence, self._clock(), error)
        self._wake.set()

    async def _hear(self, item_id: str, utterance: Utterance) -> None:
        assert self._ear is not None
        text = await self._ear.hear(utterance.pcm, utterance.rate, self._session.lang)
        self._session.heard(item_id, text, self._clock())
        self._wake.set()


async def echo(socket: ServerConnection, echo: Echo) -> None:
    """Serve one socket in echo mode until it closes."""
    with suppress(ConnectionClosed):
        await socket.send(echo.hello())
        while True:
            reply = echo.reply(str(await socket.recv(decode=True)))
            if reply is not None:
                await socket.send(reply)


async def end(socket: ServerConnection, ending: Ending) -> None:
    """Let `socket` end as `ending` says; in a stall, until the client gives up."""
    if ending.how == "close":
        await socket.close(ending.code, ending.reason)
    elif ending.how == "drop":
        socket.transport.abort()
    else:
        # Not even a ping is answered: what comes in stays in the kernel.
        socket.transport.pause_reading()
        await socket.wait_closed()
