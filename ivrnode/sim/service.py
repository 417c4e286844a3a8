"""The stand-in service on the desk: `realtime.Session` without sockets, on the simulated clock.

Every URL that a script opens leads here. It is as strict as over a real socket, and its faults are the same.

    open  ──> refused, or SocketOpened and a Session      send ──> Session ──> SocketMessage
    tick  ──> what the session has due                    the session wants to speak ──> the studio's voice
"""

from __future__ import annotations

import base64
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.net.outbound.websocket_clients import Key, SocketListener
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.ending import BAD_KEY, NO_MODEL, SUNSET, Ending
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.response import Sentence
from ivrnode.realtime.session import Session, SessionSetup
from ivrnode.realtime.session_config import FORMATS
from ivrnode.script.messages import OpenSocket
from ivrnode.sim.network import Clock
from ivrnode.sim.words import Piece

_SESSION_SECONDS = 3600
_NO_PONG_SECONDS = 40.0  # a peer that answers nothing: found out by the second ping
_EAR_FORMAT = AudioFormat("pcm16", 8000)
_EPOCH = 1_800_000_000  # where the simulated clock stands in the world's time

Speak = Callable[["ServiceSocket", Sentence], None]
Tell = Callable[[str, str, str], None]
"""(call, who, what) for the timeline."""


@dataclass(eq=False)
class ServiceSocket:
    key: Key
    session: Session | None = None
    is_stalled: bool = False
    is_closed: bool = False
    has_ended: bool = False
    format: AudioFormat = FORMATS["audio/pcm"]
    unended: str = ""  # words of which the sound is being sent
    carried: str = ""  # words before those: the last of their sound comes with the next delta
    last: Piece | None = None


class StandIn:
    """`sockets.SocketDoor`. `new_brain` makes the brain of one socket."""

    is_live = False

    def __init__(
        self,
        listener: SocketListener,
        clock: Clock,
        speak: Speak,
        tell: Tell,
        new_brain: Callable[[], Brain],
        faults: Faults,
    ) -> None:
        self._listener, self._clock, self._speak, self._tell = listener, clock, speak, tell
        self._new_brain, self._faults = new_brain, faults
        self._ids = random.Random(6455)
        self._sockets: dict[Key, ServiceSocket] = {}
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._pieces: dict[bytes, deque[Piece]] = {}

    def piece_of(self, audio: bytes) -> Piece | None:
        """What is said in a delta that a script hands on to the caller as it came."""
        pieces = self._pieces.get(audio)
        return pieces.popleft() if pieces else None

    # SocketDoor

    def open(self, key: Key, request: OpenSocket) -> None:
        socket = self._sockets[key] = ServiceSocket(key)
        refusal = self._faults.value("refuse")
        if refusal == "hang":
            self._later(request.timeout, lambda: self._fail(socket, f"no connection within {request.timeout:g} s"))
        elif refusal:
            self._later(0, lambda: self._fail(socket, f"the server answered HTTP {refusal}"))
        elif not (api_key := _api_key(request)):
            self._later(0, lambda: self._fail(socket, "the server answered HTTP 401"))
        else:
            self._later(0, lambda: self._begin(socket, request, api_key))

    def send(self, key: Key, data: str | bytes) -> None:
        socket = self._sockets.get(key)
        if socket is None or socket.session is None or socket.is_stalled:
            return
        self._watch_client(socket, data)
        socket.session.receive(data, self._clock.now)
        self._later(0, lambda: self._drain(socket))

    def close(self, key: Key, code: int, reason: str) -> None:
        if socket := self._sockets.get(key):
            self._later(0, lambda: self._close(socket, code, reason))

    def tick(self, now: float) -> None:
        due = [do for at, do in self._due if at <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for do in due:
            do()
        for socket in list(self._sockets.values()):
            if socket.session is not None and not socket.is_stalled:
                socket.session.tick(now)
                self._drain(socket)

    @property
    def has_news(self) -> bool:
        """True when `tick` has something to do at once."""
        return any(at <= self._clock.now for at, _ in self._due)

    async def stop(self) -> None:
        self._sockets.clear()

    # The voice, from the studio.

    def spoken(self, socket: ServiceSocket, sentence: Sentence, pcm: bytes, rate: int) -> None:
        if socket.session is not None:
            socket.session.voice_received(sentence, pcm, rate, self._clock.now)

    def spoke(self, socket: ServiceSocket, sentence: Sentence, error: str = "") -> None:
        if socket.session is not None:
            socket.session.voice_ended(sentence, self._clock.now, error)
            self._drain(socket)

    def lang(self, socket: ServiceSocket) -> str:
        return socket.session.lang if socket.session is not None else "en"

    # One socket.

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._due.append((self._clock.now + seconds, do))

    def _begin(self, socket: ServiceSocket, request: OpenSocket, api_key: str) -> None:
        if socket.is_closed:
            return
        names = {name.lower(): value for name, value, _ in request.headers}
        offered = [name.strip() for name in names.get("sec-websocket-protocol", "").split(",")]
        model = parse_qs(urlsplit(request.url).query).get("model", [""])[0]
        self._listener.socket_opened(socket.key, "realtime" if "realtime" in offered else "")
        if ending := self._ending_at_once(api_key, model, "openai-beta" in names):
            if ending.error:
                error = {"type": "error", "event_id": "event_refused", "error": ending.error.to_json(None)}
                self._listener.socket_message(socket.key, json.dumps(error))
            self._end(socket, ending)
            return
        expires = self._faults.seconds("expire") or _SESSION_SECONDS
        setup = SessionSetup(model, int(_EPOCH + self._clock.now + expires))
        socket.session = Session(setup, self._new_brain(), self._faults.copy(), self._ids, self._clock.now)
        self._drain(socket)

    def _ending_at_once(self, api_key: str, model: str, wants_beta: bool) -> Ending | None:
        if api_key == "bad" or self._faults.is_on("bad-key"):
            return BAD_KEY
        if self._faults.is_on("sunset") or wants_beta:
            return SUNSET
        return None if model else NO_MODEL

    def _drain(self, socket: ServiceSocket) -> None:
        session = socket.session
        if session is None or socket.is_closed:
            return
        for frame in session.to_send():
            self._watch_server(socket, json.loads(frame))
            self._listener.socket_message(socket.key, frame)
        if sentence := session.to_speak():
            self._speak(socket, sentence)
        if session.ending is not None and not socket.has_ended:
            self._end(socket, session.ending)

    def _end(self, socket: ServiceSocket, ending: Ending) -> None:
        socket.has_ended = True
        if ending.how == "close":
            self._close(socket, ending.code, ending.reason)
        elif ending.how == "drop":
            self._close(socket, 1006, "")
        else:
            socket.is_stalled = True
            self._later(_NO_PONG_SECONDS, lambda: self._fail(socket, "no pong"))

    def _fail(self, socket: ServiceSocket, error: str) -> None:
        if not socket.is_closed:
            self._listener.socket_failed(socket.key, error)
            self._close(socket, 1006, "")

    def _close(self, socket: ServiceSocket, code: int, reason: str) -> None:
        if not socket.is_closed:
            socket.is_closed = True
            self._sockets.pop(socket.key, None)
            self._listener.socket_closed(socket.key, code, reason)

    # What is worth telling.

    def _watch_client(self, socket: ServiceSocket, data: str | bytes) -> None:
        try:
            event: Any = json.loads(data)
        except ValueError:
            return
        match event:
            case {"item": {"type": "function_call_output", "output": output}}:
                self._tell(socket.key[0], "script", f"answers the tool: {output}")
            case {"type": "conversation.item.truncate", "audio_end_ms": heard}:
                self._tell(socket.key[0], "script", f"tells the service that {heard} ms were heard")

    def _watch_server(self, socket: ServiceSocket, event: dict[str, Any]) -> None:
        call = socket.key[0]
        match event["type"]:
            case "session.updated":
                socket.format = FORMATS[event["session"]["audio"]["output"]["format"]["type"]]
            case "input_audio_buffer.speech_started":
                self._tell(call, "service", "hears speech begin")
            case "input_audio_buffer.speech_stopped":
                self._tell(call, "service", "hears speech end")
            case "response.output_audio_transcript.delta":
                self._tell(call, "service", f'says "{event["delta"].strip()}"')
                socket.carried, socket.unended = f"{socket.carried} {socket.unended}", event["delta"]
            case "response.output_audio.delta":
                self._sound_sent(socket, base64.b64decode(event["delta"]))
            case "response.output_audio.done" if socket.last is not None:
                socket.last.text += f" {socket.carried} {socket.unended}"
                socket.carried = socket.unended = ""
            case "response.function_call_arguments.done":
                self._tell(call, "service", f"calls the tool {event['name']}({event['arguments']})")
            case "response.done" if event["response"]["status"] == "failed":
                self._tell(call, "service", "answer failed")
            case "error":
                self._tell(call, "service", f"error {event['error']['code']}: {event['error']['message']}")

    def _sound_sent(self, socket: ServiceSocket, audio: bytes) -> None:
        """Words come before their sound, and its last bit with the first of the next words'."""
        converter = Converter(socket.format, _EAR_FORMAT)
        pcm = converter.convert(audio) + converter.flush()
        socket.last = Piece.of(pcm, _EAR_FORMAT.rate, socket.carried)
        socket.last.ms = len(audio) / socket.format.bytes_per_ms  # the converter may round
        socket.carried = ""
        self._pieces.setdefault(audio, deque()).append(socket.last)


def _api_key(request: OpenSocket) -> str:
    for name, value, _ in request.headers:
        scheme, _, key = value.partition(" ")
        if name.lower() == "authorization" and scheme.lower() == "bearer":
            return key.strip()
    return ""
