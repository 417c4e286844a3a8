"""A hall for one script: the real worker, a real socket to the service, and a line whose sound the test moves.

The script runs in `ScriptWorkers`, locked down as in service. What it says and plays is queued here; nothing of it is
heard until the test lets time go by on the line (`hear`), and the script's own clock stands still until the test moves
it (`passes`): no timer runs out because the machine is slow. What the caller says is given chunk by chunk, as fast as
the script takes it: the stand-in's ears count samples, not seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from ivrnode.audio import g711
from ivrnode.net.scripts.workers import ScriptEnd, ScriptWorkers
from ivrnode.realtime.beta import EVENT_NAMES
from ivrnode.realtime.voice import tone
from ivrnode.script import messages as m
from ivrnode.tenancy.declared import declared_settings, merged
from patience import PATIENCE
from realtime.strict import Judge
from script.stage import patient

DEFAULT_SCRIPT = Path(__file__).parents[2] / "ivrnode" / "tenancy" / "default" / "ivrnode.py"
SAMPLES = Path(__file__).parents[2] / "sample_scripts"
SAY_MS = 1000
_BYTES_PER_MS = {"g711_ulaw": 8, "g711_alaw": 8, "pcm16": 48}


@dataclass(eq=False)
class Sound:
    """One item of the line's queue."""

    item: int
    tag: str
    ms: int
    text: str = ""
    lang: str = ""
    audio: bytes = b""
    played: int = 0
    is_dropped: bool = False

    @property
    def rest(self) -> int:
        return 0 if self.is_dropped else self.ms - self.played


class Line:
    """One call's script and its world. `end` is the script's own end; `hung_up` how the call ended."""

    def __init__(self, workers: Workers, name: str, judge: Judge, clock: float | None) -> None:
        self.sounds: list[Sound] = []
        self.log: list[tuple[int, str]] = []
        self.failures: list[m.Failed] = []
        self.streams: list[m.Stream] = []
        self.opened: list[m.OpenSocket] = []
        self.hangups: list[m.Hangup] = []
        self.asked: list[m.Ask] = []
        self.transfers: list[dict[str, Any]] = []
        self.keys_pressed: list[str] = []
        self.transfer_works = True
        self.transfer_seconds = self.connect_seconds = 0.0
        self.hears_digits = self.socket_closed = self.refuses_sockets = False
        self.end: ScriptEnd | None = None
        self.judge = judge
        self._clock = clock
        self.ping_seconds: float | None = None
        self.has_old_names = False  # the service speaks of its events in the beta's words
        self._workers, self._name = workers, name
        self._socket: ClientConnection | None = None
        self._end_code = 0  # what the far end gave as the reason of a close that was ours
        self._outboxes: dict[int, asyncio.Queue[m.SendSocket | m.CloseSocket]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None

    # what a test asks and does

    async def until(self, is_so: Callable[[], Any], what: str = "") -> None:
        """Wait for something to happen. Fails after PATIENCE seconds with what did happen."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what or 'it'} did not happen; said {self.said}, log {self.log}") from None

    @property
    def said(self) -> list[str]:
        return [sound.text for sound in self.sounds if sound.text]

    @property
    def played(self) -> list[Sound]:
        return [sound for sound in self.sounds if sound.audio]

    @property
    def queued_ms(self) -> int:
        return sum(sound.rest for sound in self.sounds)

    @property
    def is_streaming(self) -> bool:
        return bool(self.streams) and self.streams[-1].codec != ""

    def sent(self, type: str) -> list[dict[str, Any]]:
        """What the script has sent to the service."""
        return [event for event in self.judge.client if event["type"] == type]

    def got(self, type: str) -> list[dict[str, Any]]:
        """What the service has sent to the script."""
        return [event for event in self.judge.server if event["type"] == type]

    def logged(self, text: str, level: int | None = None) -> bool:
        return any(text in line and level in (None, at) for at, line in self.log)

    def hear(self, ms: int) -> None:
        """Let `ms` of the queue be heard on the line."""
        was_filled = self.queued_ms > 0
        for sound in self.sounds:
            part = min(ms, sound.rest)
            if part:
                sound.played += part
                ms -= part
                if not sound.rest:
                    self.tell(m.PlaybackDone(sound.item, sound.played, False, ""))
        if was_filled and not self.queued_ms:
            self.tell(m.QueueDrained())

    def hear_all(self) -> None:
        self.hear(self.queued_ms)

    async def speak(self, ms: int = 500, pause_ms: int = 700) -> None:
        """The caller says something, and waits long enough to end his turn."""
        await self._give(g711.pcm_to_ulaw(tone(ms, 8000, hertz=300)) + g711.ULAW_SILENCE * (8 * pause_ms))

    async def keep_speaking(self, ms: int = 500) -> None:
        """The caller says something and does not stop."""
        await self.speak(ms, 0)

    async def end_session(self) -> None:
        """The service's side closes the socket: the session has reached its limit."""
        assert self._socket is not None
        self._end_code = 1001
        await self._socket.close()

    def passes(self, seconds: float) -> None:
        """So much time goes by for the script."""
        assert self._clock is not None
        self._clock += seconds
        self.tell(m.Clock(self._clock))

    def press(self, digit: str) -> None:
        self.tell(m.DigitPressed(digit))

    def hang_up(self, reason: str = "caller") -> None:
        self.tell(m.HungUp(reason, PATIENCE))

    async def ended(self) -> ScriptEnd:
        await self.until(lambda: self.end, "the end")
        assert self.end is not None
        return self.end

    def tell(self, event: m.Event) -> None:
        if self.end is None:
            self._workers.pool.send(self._name, event)

    async def close(self) -> None:
        if self._wake:
            self._wake.cancel()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, AssertionError):
                raise result  # the judge's

    async def _give(self, sound: bytes) -> None:
        await self.until(lambda: self.is_streaming, "a stream")
        size = 8 * self.streams[-1].interval_ms
        for start in range(0, len(sound), size):
            if not self.is_streaming or self.end:
                return
            self.tell(m.AudioHeard(sound[start : start + size], self.streams[-1].stream))
            await asyncio.sleep(0.001)  # no script is faster than its queue

    # what the script wants

    def act(self, action: m.Action) -> None:
        match action:
            case m.Say():
                self.sounds.append(Sound(action.item, action.tag, SAY_MS, text=action.text, lang=action.lang))
            case m.Play():
                ms = len(action.audio) // _BYTES_PER_MS[action.codec]
                self.sounds.append(Sound(action.item, action.tag, ms, audio=action.audio))
            case m.Ask():
                self.asked.append(action)
                self.tell(m.Result(action.request, self._answer(action)))
            case m.Stream():
                self.streams.append(action)
            case m.ListenDigits():
                self.hears_digits = action.is_on
            case m.Request(what="press"):
                self.keys_pressed.append(action.arguments["keys"])
            case m.Request(what="transfer"):
                self.transfers.append(dict(action.arguments))
                self._start(self._transfer(action))
            case m.Hangup():
                self.hangups.append(action)
                if action.is_drained:
                    self.hear_all()
                self.tell(m.HungUp("script", PATIENCE))
            case m.Log():
                self.log.append((action.level, action.text))
            case m.Failed():
                self.failures.append(action)
            case m.OpenSocket():
                self.opened.append(action)
                self._outboxes[action.socket] = asyncio.Queue()
                self._start(self._run_socket(action))
            case m.SendSocket() | m.CloseSocket():
                if action.socket in self._outboxes:
                    self._outboxes[action.socket].put_nowait(action)
            case m.Wait():
                self._wait(action.seconds)
        self._news.set()

    async def _transfer(self, request: m.Request) -> None:
        await asyncio.sleep(self.transfer_seconds)
        code, reason = (200, "") if self.transfer_works else (408, "nobody answers")
        answer = {"ok": self.transfer_works, "dest": request.arguments["dest"], "code": code, "reason": reason}
        self.tell(m.Reply(request.request, answer | {"method": "bridge"}))

    def _answer(self, question: m.Ask) -> int:
        match question.what:
            case "mute":
                dropped = self.queued_ms
                for sound in self.sounds:
                    if sound.rest:
                        sound.is_dropped = True
                        self.tell(m.PlaybackDone(sound.item, sound.played, True, ""))
                return dropped
            case "tag":
                return sum(sound.played for sound in self.sounds if sound.tag == question.key)
            case "queued":
                return self.queued_ms
            case _:
                raise NotImplementedError(question.what)

    def _wait(self, seconds: float | None) -> None:
        if self._wake:
            self._wake.cancel()
        if self._clock is not None:
            return
        loop = asyncio.get_running_loop()
        self._wake = None if seconds is None else loop.call_later(seconds, self.tell, m.Wake())

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _run_socket(self, opening: m.OpenSocket) -> None:
        number = opening.socket
        headers = {name: value for name, value, _ in opening.headers}
        protocols = headers.pop("Sec-WebSocket-Protocol", "")
        try:
            if self.refuses_sockets:
                raise ConnectionRefusedError("refused")
            async with connect(
                opening.url,
                additional_headers={name: value for name, value in headers.items() if name != "User-Agent"},
                user_agent_header=headers.get("User-Agent"),
                subprotocols=[Subprotocol(name) for name in protocols.split(", ") if name] or None,
                open_timeout=self.connect_seconds or opening.timeout,
                ping_interval=self.ping_seconds,
                ping_timeout=self.ping_seconds,
                max_size=2 * 1024 * 1024,
                close_timeout=0.2,
                proxy=None,
            ) as socket:
                self._socket = socket
                self.tell(m.SocketOpened(number, socket.subprotocol or ""))
                self._start(self._send(socket, self._outboxes[number]))
                with suppress(ConnectionClosed):
                    async for data in socket:
                        event = self.judge.check("server", data)
                        if self.has_old_names and event["type"] in EVENT_NAMES:
                            data = json.dumps(event | {"type": EVENT_NAMES[event["type"]]})
                        self.tell(m.SocketMessage(number, data))
                        self._news.set()
                code, reason = self._end_code or socket.close_code or 1006, socket.close_reason or ""
                self._end_code = 0
                if code == 1006:
                    self.tell(m.SocketFailed(number, "connection lost"))
                self.tell(m.SocketClosed(number, code, reason))
        except (OSError, TimeoutError, WebSocketException) as error:
            self.tell(m.SocketFailed(number, str(error)))
            self.tell(m.SocketClosed(number, 1006, ""))
        self.socket_closed = True
        self._news.set()

    async def _send(self, socket: ClientConnection, outbox: asyncio.Queue[m.SendSocket | m.CloseSocket]) -> None:
        while True:
            action = await outbox.get()
            try:
                if isinstance(action, m.CloseSocket):
                    await socket.close(action.code, action.reason)
                else:
                    self.judge.check("client", action.data)
                    await socket.send(action.data)
            except ConnectionClosed:
                return
            self._news.set()


@dataclass
class Workers:
    """The pool of a test module, and its lines by call."""

    lines: dict[str, Line] = field(default_factory=dict)
    pool: ScriptWorkers = field(init=False)
    _numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.pool = ScriptWorkers(self, patient())

    def script_action(self, call: str, action: m.Action) -> None:
        self.lines[call].act(action)

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        line = self.lines[call]
        line.end = end
        line._news.set()

    @asynccontextmanager
    async def call(
        self,
        source: str,
        settings: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        lang: str = "en",
        judge: Judge | None = None,
        clock: float | None = 1000.0,
    ) -> AsyncIterator[Line]:
        """A call that runs `source` until the block is left. No exception of the script is left unseen.

        `clock`: None for the machine's.
        """
        name = f"call-{next(self._numbers)}"
        line = self.lines[name] = Line(self, name, judge or Judge(is_strict=False), clock)
        facts = m.Facts(name, lang, "49301234567", "700", "Ada", "pbx.example", "700")
        values, problems = merged(declared_settings(source), settings or {})
        assert not problems
        self.pool.run(name, m.Boot(source, "ivrnode.py", facts, values, secrets or {}, clock))
        try:
            yield line
            assert not line.failures, line.failures
        finally:
            if line.end is None:
                self.pool.kill(name, "the test is over")
                await line.ended()
            await line.close()


@asynccontextmanager
async def workers() -> AsyncIterator[Workers]:
    pool = Workers()
    await pool.pool.start()
    try:
        yield pool
    finally:
        await pool.pool.close()
