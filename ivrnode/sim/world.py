"""What the hall asks of the world, on the desk: engine and wires in memory, scripts and voices by the studio.

    core asks  ──>  engine, network, workers, speech, sockets, web
    they answer ──> inbox ──> core: one at a time, never while it is still in the middle of something

`is_busy` says whether real time is being waited for: then the simulated clock must stand still.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivrnode.errors import StateError
from ivrnode.media import messages as media
from ivrnode.media.engine import Engine
from ivrnode.net.outbound.websocket_clients import Key
from ivrnode.net.sound.files import SoundError, Sounds
from ivrnode.net.speech.service import SpeechError
from ivrnode.net.speech.text import sentences
from ivrnode.pbx.core import Core
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.mail import Mail
from ivrnode.pbx.house.prompt import Prompt
from ivrnode.realtime.response import Sentence
from ivrnode.script.end import ScriptEnd
from ivrnode.script.messages import Action, Boot, Clock, Event, OpenSocket, Result
from ivrnode.sim.network import NODE, Network
from ivrnode.sim.service import ServiceSocket, StandIn
from ivrnode.sim.sockets import NoSockets, SocketDoor
from ivrnode.sim.studio import Studio
from ivrnode.sim.web import Web
from ivrnode.sim.witness import Witness
from ivrnode.sim.words import Piece
from ivrnode.sip.flow import Flow

_PATIENCE = 60.0  # seconds of real time
_OWN_QUESTIONS = 1 << 30  # request numbers that no script has: questions of the desk itself


class Unkept:
    """A recording's file that keeps nothing: on the desk the whole call is recorded anyhow."""

    def write(self, heard: bytes, said: bytes) -> None:
        pass

    def close(self, facts: Mapping[str, Any]) -> None:
        pass


class World:
    """`pbx.effects.Effects`, `net.clients.SocketListener` and what a studio tells. `tenants`: their folder."""

    core: Core

    def __init__(self, studio: Studio, network: Network, web: Web, witness: Witness, tenants: Path) -> None:
        self._studio, self._network, self._witness, self._web = studio, network, witness, web
        self._clock = studio.clock
        self.engine = Engine(network.bind, random.Random(3550))
        self.sockets: SocketDoor = NoSockets(self)
        self.mails: list[Mail] = []
        self._sounds = Sounds(tenants, web.fetch)
        self._inbox: deque[Callable[[], None]] = deque()
        self._jobs: dict[Any, asyncio.Task[None]] = {}
        self._told: dict[str, float] = {}
        self._news = asyncio.Event()

    # The clock's side.

    @property
    def is_busy(self) -> bool:
        return bool(self._inbox or self._jobs) or self.sockets.has_news or not self._studio.workers.is_idle

    async def settle(self) -> None:
        """Until nothing more can happen unless time goes on."""
        while True:
            self._deliver()
            if not self.is_busy:
                return
            self._news.clear()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._news.wait()
            except TimeoutError:
                raise StateError(f"nothing has come of it for {_PATIENCE:.0f} s: {self._waited_for()}") from None

    def _waited_for(self) -> str:
        if self._jobs:
            return f"{len(self._jobs)} sentences or web requests"
        return "a script has not dealt with what it was told"

    def turn(self) -> None:
        """The engine's next turn is due."""
        self.engine.tick(self._clock.now)
        self._drain_engine()

    def ask_played(self, leg: int, item: int) -> None:
        """How much of an item was heard: the answer goes to the witness."""
        self.engine.command(media.Ask(leg, "item", str(item), _OWN_QUESTIONS + item), self._clock.now)
        self._drain_engine()

    async def close(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        await self._sounds.close()
        await self.sockets.stop()
        await self._web.stop()

    def _deliver(self) -> None:
        while self._inbox or self._network.deliver() or self.sockets.has_news:
            if self._inbox:
                self._inbox.popleft()()
            elif self.sockets.has_news:
                self.sockets.tick(self._clock.now)

    def _post(self, happen: Callable[[], None]) -> None:
        self._inbox.append(happen)
        self._news.set()

    def _drain_engine(self) -> None:
        for event in self.engine.events():
            if isinstance(event, media.LoadReport):
                continue
            if isinstance(event, media.Answer) and event.request >= _OWN_QUESTIONS:
                self._witness.item_played(event.leg, event.request - _OWN_QUESTIONS, event.value)
                continue
            if isinstance(event, media.ItemDone):
                self._witness.item_done(event)
            self._post(lambda event=event: self.core.media_told(event, self._clock.now))  # type: ignore[misc]

    def _start(self, key: Any, job: Coroutine[Any, Any, None]) -> Callable[[], object]:
        task = self._jobs[key] = asyncio.get_running_loop().create_task(job)
        task.add_done_callback(lambda task: self._ended(key, task))
        return task.cancel

    def _ended(self, key: Any, task: asyncio.Task[None]) -> None:
        del self._jobs[key]
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    # Effects

    def send_sip(self, data: bytes, flow: Flow) -> None:
        self._network.send(data, flow.local, flow.remote)

    def media(self, command: media.Command) -> None:
        if isinstance(command, media.Play) and isinstance(self.sockets, StandIn):
            piece = self.sockets.piece_of(command.audio)
            if piece is not None:
                self._witness.item_given(command.leg, command.item, piece)
        self.engine.command(command, self._clock.now)
        self._drain_engine()

    def media_host(self, flow: Flow) -> str:
        return NODE

    def run_script(self, call: str, boot: Boot) -> None:
        self._told[call] = self._clock.now
        self._studio.workers.run(call, replace(boot, clock=self._clock.now))

    def tell_script(self, call: str, event: Event) -> None:
        if self._told.get(call) != self._clock.now and type(event) is not Result:
            self._told[call] = self._clock.now
            self._studio.workers.send(call, Clock(self._clock.now))
        self._studio.workers.send(call, event)

    def kill_script(self, call: str, reason: str) -> None:
        self._studio.workers.kill(call, reason)

    def open_socket(self, call: str, request: OpenSocket) -> None:
        self.sockets.open((call, request.socket), request)

    def send_socket(self, call: str, socket: int, data: str | bytes) -> None:
        self.sockets.send((call, socket), data)

    def close_socket(self, call: str, socket: int, code: int, reason: str) -> None:
        self.sockets.close((call, socket), code, reason)

    def speak(self, call: str, item: int, text: str, lang: str, voice: str, tenant: str) -> None:
        self._witness.said(call, item, text)
        self._start((call, item), self._speak(call, item, text, lang, voice))

    def hush(self, call: str, item: int) -> None:
        if job := self._jobs.get((call, item)):
            job.cancel()

    def load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        self._start((call, item), self._load(call, item, source))

    def record(self, recording: str, tenant: str, channels: int, failed: Callable[[str], None]) -> Unkept:
        return Unkept()

    def fetch(self, request: HttpRequest, done: Callable[[HttpResponse, float], None]) -> Callable[[], object]:
        async def fetch() -> None:
            response = await self._web.fetch(request)
            self._post(lambda: done(response, self._clock.now))

        return self._start(object(), fetch())

    def send_mail(self, mail: Mail, done: Callable[[str, float], None]) -> None:
        self.mails.append(mail)
        self._post(lambda: done("", self._clock.now))

    async def _speak(self, call: str, item: int, text: str, lang: str, voice: str) -> None:
        try:
            pieces = iter(sentences(text))
            async for pcm, rate in self._studio.speech.synthesize(text, lang, voice):
                piece = Piece.of(pcm, rate, next(pieces, ""))
                self._post(lambda pcm=pcm, rate=rate, piece=piece: self._spoken(call, item, pcm, rate, piece))  # type: ignore[misc]
            self._post(lambda: self.core.spoken(call, item, b"", 8000, is_last=True))
        except SpeechError as error:
            reason = str(error)
            self._post(lambda: self.core.speech_failed(call, item, reason))

    async def _load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        try:
            pcm, rate = await self._sounds.read(source)
        except SoundError as error:
            reason = str(error)
            self._post(lambda: self.core.speech_failed(call, item, reason))
            return
        piece = Piece.of(pcm, rate, "")
        self._post(lambda: self._spoken(call, item, pcm, rate, piece))
        self._post(lambda: self.core.spoken(call, item, b"", 8000, is_last=True))

    def _spoken(self, call: str, item: int, pcm: bytes, rate: int, piece: Piece) -> None:
        if found := self.core.calls.get(call):
            self._witness.item_given(found.party.leg, item, piece)
        self.core.spoken(call, item, pcm, rate, is_last=False)

    # The stand-in's voice.

    def speak_for_service(self, socket: ServiceSocket, sentence: Sentence) -> None:
        self._start((socket, sentence.number), self._speak_for_service(socket, sentence))

    async def _speak_for_service(self, socket: ServiceSocket, sentence: Sentence) -> None:
        service = self.sockets
        assert isinstance(service, StandIn)
        error = ""
        try:
            async for pcm, rate in self._studio.speech.synthesize(sentence.text, service.lang(socket)):
                service.spoken(socket, sentence, pcm, rate)
        except SpeechError as failure:
            error = str(failure)
        self._post(lambda: service.spoke(socket, sentence, error))

    # What scripts do.

    def script_action(self, call: str, action: Action) -> None:
        self.core.script_acted(call, action, self._clock.now)
        self._news.set()

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        self._told.pop(call, None)
        self.core.script_ended(call, end, self._clock.now)
        self._news.set()

    # SocketListener

    def socket_opened(self, key: Key, subprotocol: str) -> None:
        self._post(lambda: self.core.socket_opened(key, subprotocol))

    def socket_message(self, key: Key, data: str | bytes) -> None:
        self._post(lambda: self.core.socket_message(key, data))

    def socket_sent(self, key: Key, buffered: int) -> None:
        self._post(lambda: self.core.socket_sent(key, buffered))

    def socket_failed(self, key: Key, error: str) -> None:
        self._post(lambda: self.core.socket_failed(key, error))

    def socket_closed(self, key: Key, code: int, reason: str) -> None:
        self._post(lambda: self.core.socket_closed(key, code, reason))

    def socket_headers_dropped(self, key: Key, names: tuple[str, ...]) -> None:
        self._post(lambda: self.core.socket_headers_dropped(key, names))
