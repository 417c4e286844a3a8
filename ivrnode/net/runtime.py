"""The shell around the core: opens the sockets, starts the child processes, keeps the clock, and does what the hall
asks of the world (`pbx.effects.Effects`). What comes back goes straight to one of the core's doors.

    Flows ─┐                                  ┌─ Flows
    media ─┼──> Core (sync, no clock) ──> World ─ media, workers, WebsocketClients, Speech
  workers ─┤                                  └─ ...
  sockets ─┘
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ivrnode import __version__
from ivrnode.config import Config, Listen
from ivrnode.log import Log
from ivrnode.media.messages import Command, LoadReport
from ivrnode.media.messages import Event as MediaEvent
from ivrnode.net.addresses import LocalAddresses, check_privacy
from ivrnode.net.call_logs import CallLogs, call_log_operations
from ivrnode.net.control import ControlServer
from ivrnode.net.flows import Flows
from ivrnode.net.log_sinks import log_operations
from ivrnode.net.media.port import InLoopMedia, MediaPort, ProcessMedia
from ivrnode.net.outbound.http_client import HttpClient
from ivrnode.net.outbound.mail import MailSender
from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_clients import WebsocketClients
from ivrnode.net.registrations import RegistrationsFile
from ivrnode.net.scripts.workers import ScriptWorkers
from ivrnode.net.sound.files import SoundError, Sounds
from ivrnode.net.sound.recordings import Recordings, recording_operations
from ivrnode.net.speech.service import Speech, SpeechError
from ivrnode.net.web_hooks import WebHooks
from ivrnode.pbx.arrival.doorman import Doorman
from ivrnode.pbx.arrival.identity import Identity
from ivrnode.pbx.arrival.reception import Reception
from ivrnode.pbx.arrival.registration_desk import RegistrationDesk
from ivrnode.pbx.core import Core
from ivrnode.pbx.house.effects import RecordingFile
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.mail import Mail
from ivrnode.pbx.house.prompt import Prompt
from ivrnode.pbx.operations import call_operations
from ivrnode.pbx.service_table import offer_services
from ivrnode.script.end import ScriptEnd
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.script.messages import Action, Boot, Event, OpenSocket
from ivrnode.sip.digest import DigestServer
from ivrnode.sip.flow import Flow
from ivrnode.sip.registrar import Registrar
from ivrnode.tenancy.store import TenantStore
from ivrnode.tenancy.templates import Templates

T = TypeVar("T")

TICK = 0.02
LEAVE_SECONDS = 7.0
LATE_MS = 20.0
PIECE_SECONDS = 10
EVERYWHERE = ("0.0.0.0/0", "::/0")


class Runtime:
    """One core and its world. `async with Runtime(config, log)` serves until the block is left."""

    def __init__(self, config: Config, log: Log, *, is_unsafe: bool = False) -> None:
        if is_unsafe:
            check_privacy(config.sip.listen)
        self.config, self.log = config, log
        store = TenantStore(config.tenants, log)
        templates = Templates(config.tenants, ALLOWED)
        self.addresses = LocalAddresses(config.sip.external_host, config.sip.local_nets)
        self.world = World(config, self.addresses, log, is_unsafe=is_unsafe)
        ids = random.SystemRandom()
        registrar = Registrar()
        doorman = Doorman(
            log,
            registrar,
            rate=config.guard.requests_per_second,
            wrong_answers=config.guard.wrong_answers,
            lock_seconds=60.0 * config.guard.lock_minutes,
            trusted=config.guard.trusted,
        )
        identity = Identity(DigestServer(ids.randbytes(32), algorithms=config.sip.digest), doorman)
        reception = Reception(
            store,
            templates,
            identity,
            log,
            ids,
            settings=config.settings,
            secrets=config.secrets,
            max_calls=config.scripts.max_calls,
            voices=config.speech.voices,
            web_url=lambda: self._web.url,
        )
        desk = RegistrationDesk(store, identity, registrar, log)
        self.core = Core(reception, desk, doorman, self.world, log, self._sent_by, ids, config.media.address)
        self.world.core = self.core
        hooks = offer_services(self.core, config.mail, config.sms, config.secrets)
        self._web = WebHooks(hooks.received, hooks.knows)
        self._registrations = RegistrationsFile(config.sip.registrations, registrar, log)
        self.listening: list[tuple[str, str, int]] = []
        self._call_logs = CallLogs()
        operations = call_operations(self.core, time.monotonic) | log_operations(log, store.names)
        operations |= call_log_operations(self._call_logs) | recording_operations(self.world.recordings.store)
        self._control = ControlServer(config.control.socket, operations)
        self._ticker: asyncio.Task[None] | None = None
        self._is_empty = asyncio.Event()

    async def __aenter__(self) -> Runtime:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.core.shut_down(time.monotonic())
        self._is_empty.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_empty.wait(), LEAVE_SECONDS)
        await self._close()

    async def _open(self) -> None:
        self.log.add_sink(self._call_logs)
        asyncio.get_running_loop().set_exception_handler(self._failed)
        await self.world.start()
        for listen in self.config.sip.listen:
            host, port = await self.world.flows.listen(listen.transport, listen.host, listen.port)
            self.listening.append((listen.transport, host, port))
        self._registrations.start(self.world.flows)
        if self.config.web.listen is not None:
            await self._web.start(*self.config.web.listen, self.config.web.public_url)
        await self._control.start()
        self._ticker = asyncio.create_task(self._tick())
        where = " ".join(str(Listen(*place)) for place in self.listening)
        self.log.write("GENERAL", 1, f"ivrnode {__version__} listens on {where}")

    async def _close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        await self._registrations.close()
        await self._control.close()
        await self._web.close()
        self.log.remove_sink(self._call_logs)
        await self.world.close()

    async def _tick(self) -> None:
        """The core's one clock: SIP timers and deadlines, every 20 ms, never by adding sleeps."""
        due = time.monotonic()
        while True:
            now = time.monotonic()
            try:
                self.core.tick(now)
                self.world.tick()
            except Exception as error:
                self._failed(asyncio.get_running_loop(), {"message": "the tick failed", "exception": error})
            if not self.core.under_way():
                self._is_empty.set()
            due = max(due + TICK, now)
            await asyncio.sleep(due - time.monotonic())

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of ours in one callback: logged in full, and every other call goes on."""
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self.log.write("GENERAL", 0, f"internal error: {context.get('message', '')}\n{trace}".rstrip())

    def _sent_by(self, flow: Flow) -> tuple[str, int]:
        return self.addresses.towards(flow.remote[0]), flow.local[1]


class World:
    """Does what the hall asks (`Effects`) and hands it what comes of it. Holds every socket and child process."""

    core: Core

    def __init__(self, config: Config, addresses: LocalAddresses, log: Log, *, is_unsafe: bool) -> None:
        self._log, self._addresses = log, addresses
        self.flows = Flows(self._sip_received, self._flow_closed, log)
        ports = config.media.ports
        self._media: MediaPort = (
            InLoopMedia(self._media_told, ports, self._media_load)
            if config.media.in_process
            else ProcessMedia(self._media_told, ports, self._media_load, self._media_died)
        )
        policy = OutboundPolicy(config.scripts.connect_to)
        self._sockets = WebsocketClients(policy, self)
        scripts = config.scripts
        self._workers = ScriptWorkers(
            self, scripts.limits, is_unsafe=is_unsafe, pool=scripts.pool, hold=self._sockets.hold
        )
        self._http, self._operators_http = HttpClient(policy), HttpClient(OutboundPolicy(EVERYWHERE))
        self._speech = Speech(config.speech.cache, config.speech.cache_bytes, log=log)
        self._sounds = Sounds(config.tenants, self._http.fetch)
        self.recordings = Recordings(config.recordings.folder, config.recordings.keep_days)
        password = config.secrets.get(config.mail.secret)
        self._mail = MailSender(config.mail, password.value if password is not None else "")
        self._jobs: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()

    @property
    def media_pid(self) -> int | None:
        """The process that carries the packets; None when this one does."""
        return self._media.pid if isinstance(self._media, ProcessMedia) else None

    async def start(self) -> None:
        self.recordings.start()
        await asyncio.gather(self._media.start(), self._workers.start(), self._speech.start())

    async def close(self) -> None:
        for job in (*self._jobs.values(), *self._errands):
            job.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self.flows.close()
        await self._sockets.stop()
        await asyncio.gather(self._http.close(), self._operators_http.close())
        await asyncio.gather(self._media.close(), self._workers.close(), self._speech.close())
        await asyncio.gather(self._sounds.close(), self.recordings.close())

    def tick(self) -> None:
        self._sockets.tick()

    # Effects.

    def send_sip(self, data: bytes, flow: Flow) -> None:
        self.flows.send(data, flow)

    def media(self, command: Command) -> None:
        self._media.send(command)

    def media_host(self, flow: Flow) -> str:
        return self._addresses.towards(flow.remote[0])

    def run_script(self, call: str, boot: Boot) -> None:
        self._workers.run(call, boot)

    def tell_script(self, call: str, event: Event) -> None:
        self._workers.send(call, event)

    def kill_script(self, call: str, reason: str) -> None:
        self._workers.kill(call, reason)

    def open_socket(self, call: str, request: OpenSocket) -> None:
        self._sockets.open((call, request.socket), request.url, request.headers, request.verify, request.timeout)

    def send_socket(self, call: str, socket: int, data: str | bytes) -> None:
        self._sockets.send((call, socket), data)

    def close_socket(self, call: str, socket: int, code: int, reason: str) -> None:
        self._sockets.close((call, socket), code, reason)

    def speak(self, call: str, item: int, text: str, lang: str, voice: str, tenant: str) -> None:
        self._sound(call, item, self._speak(call, item, text, lang, voice, tenant))

    def _sound(self, call: str, item: int, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs[call, item] = job
        job.add_done_callback(lambda _: self._jobs.pop((call, item), None))

    def hush(self, call: str, item: int) -> None:
        if job := self._jobs.get((call, item)):
            job.cancel()

    def fetch(self, request: HttpRequest, done: Callable[[HttpResponse, float], None]) -> Callable[[], object]:
        client = self._operators_http if request.is_operators else self._http
        return self._run(client.fetch(request), done)

    def send_mail(self, mail: Mail, done: Callable[[str, float], None]) -> None:
        self._run(self._send_mail(mail), done)

    async def _send_mail(self, mail: Mail) -> str:
        if not mail.recording:
            return await self._mail.send(mail)
        recording = await self.recordings.whole(mail.recording)
        return await self._mail.send(mail, recording) if recording else f"there is no recording {mail.recording}"

    def _run(self, errand: Coroutine[Any, Any, T], done: Callable[[T, float], None]) -> Callable[[], object]:
        async def run() -> None:
            done(await errand, time.monotonic())

        task = asyncio.get_running_loop().create_task(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task.cancel

    async def _speak(self, call: str, item: int, text: str, lang: str, voice: str, tenant: str) -> None:
        try:
            async for pcm, rate in self._speech.synthesize(text, lang, voice, tenant):
                self.core.spoken(call, item, pcm, rate, is_last=False)
            self.core.spoken(call, item, b"", 8000, is_last=True)
        except SpeechError as error:
            self.core.speech_failed(call, item, str(error))

    def load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        self._sound(call, item, self._load(call, item, source))

    async def _load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        try:
            wanted_by = self.core.calls.get(call)
            pcm, rate = await self._sounds.read(source, wanted_by.tenant if wanted_by is not None else "")
        except SoundError as error:
            self.core.speech_failed(call, item, str(error))
            return
        piece = 2 * rate * PIECE_SECONDS
        for start in range(0, len(pcm), piece):
            self.core.spoken(call, item, pcm[start : start + piece], rate, is_last=start + piece >= len(pcm))
            await asyncio.sleep(TICK)  # other calls have commands for the media process, too

    def record(self, recording: str, tenant: str, channels: int, failed: Callable[[str], None]) -> RecordingFile:
        return self.recordings.open(recording, tenant, channels, failed)

    # What comes back.

    def _sip_received(self, data: bytes, flow: Flow) -> None:
        self.core.sip_received(data, flow, time.monotonic())

    def _flow_closed(self, flow: Flow) -> None:
        self.core.flow_closed(flow, time.monotonic())

    def _media_told(self, event: MediaEvent) -> None:
        self.core.media_told(event, time.monotonic())

    def _media_load(self, report: LoadReport) -> None:
        level = 3 if report.late_p99_ms > LATE_MS else 6
        text = (
            f"{report.legs} legs, late p50 {report.late_p50_ms:.1f} p99 {report.late_p99_ms:.1f} "
            f"max {report.late_max_ms:.1f} ms, {report.skipped_frames} frames skipped, {report.garbage} garbage"
        )
        self._log.write("MEDIA", level, text)

    def _media_died(self, reason: str) -> None:
        self._log.write("MEDIA", 0, f"the media process died ({reason}): its calls are ended")
        self.core.media_died(time.monotonic())

    def script_action(self, call: str, action: Action) -> None:
        self.core.script_acted(call, action, time.monotonic())

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        self.core.script_ended(call, end, time.monotonic())

    def socket_opened(self, key: tuple[str, int], subprotocol: str) -> None:
        self.core.socket_opened(key, subprotocol)

    def socket_message(self, key: tuple[str, int], data: str | bytes) -> None:
        self.core.socket_message(key, data)

    def socket_sent(self, key: tuple[str, int], buffered: int) -> None:
        self.core.socket_sent(key, buffered)

    def socket_failed(self, key: tuple[str, int], error: str) -> None:
        self.core.socket_failed(key, error)

    def socket_closed(self, key: tuple[str, int], code: int, reason: str) -> None:
        self.core.socket_closed(key, code, reason)

    def socket_headers_dropped(self, key: tuple[str, int], names: tuple[str, ...]) -> None:
        self.core.socket_headers_dropped(key, names)


async def serve(config: Config, log: Log, *, is_unsafe: bool = False) -> None:
    """Serve until SIGINT or SIGTERM: then calls are ended in order, scripts get their grace."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Runtime(config, log, is_unsafe=is_unsafe):
        # What is here now lives as long as the process: the collector walks calls, not modules, and is brief.
        gc.collect()
        gc.freeze()
        await stop.wait()
        log.write("GENERAL", 1, "shutting down")
