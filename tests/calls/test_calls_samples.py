"""Sample scripts in whole calls: a real phone, real sockets, and small doubles of the services they are for."""

from __future__ import annotations

import asyncio
import base64
import email
import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from websockets.asyncio.server import ServerConnection, serve

from ivrnode.audio import g711
from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.rules import Script
from patience import PATIENCE
from sound import tone, tone_level

pytestmark = pytest.mark.slow  # the samples are tried on the desk as well

if TYPE_CHECKING:
    from house import Caller, House

    from conftest import NewCaller, OpenHouse

SAMPLES = Path(__file__).parents[2] / "sample_scripts"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.py").read_text("utf-8")


def settings(**values: object) -> str:
    """For tenant.toml. JSON's texts, numbers and lists are TOML's."""
    return "[settings]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def secret(name: str) -> str:
    """For ivrnode.toml: a key that may go to this machine."""
    return f'[secrets.{name}]\nvalue = "key-of-{name}"\nhosts = ["127.0.0.1"]\n[scripts]\nconnect_to = ["127.0.0.1"]\n'


class Double:
    """A service on a port: `talk` is its side of each socket; `query` and `headers` are those of the last one."""

    def __init__(self, talk: Callable[[ServerConnection], Awaitable[None]]) -> None:
        self._talk = talk
        self.url = ""
        self.query: dict[str, list[str]] = {}
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Double:
        self._server = await serve(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/v1/service"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _connected(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.query = parse_qs(urlsplit(socket.request.path).query)
        self.headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        await self._talk(socket)


# Transcription


class Listener:
    """Deepgram's `listen`: an interim result for each second of sound, the final one when the stream is closed."""

    def __init__(self) -> None:
        self.sound = bytearray()

    async def talk(self, socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "Metadata", "request_id": "1"}))
        async for frame in socket:
            if isinstance(frame, bytes):
                self.sound += frame
                if len(self.sound) % 8000 == 0:
                    await socket.send(self._result("interim", is_final=False))
            else:
                assert json.loads(frame) == {"type": "CloseStream"}
                await socket.send(self._result("the quick brown fox", is_final=True))
                await socket.send(self._result("", is_final=True))
                await socket.close()

    def _result(self, text: str, *, is_final: bool) -> str:
        channel = {"alternatives": [{"transcript": text, "confidence": 0.9}]}
        return json.dumps({"type": "Results", "is_final": is_final, "speech_final": is_final, "channel": channel})


async def test_transcribe_writes_down_what_the_caller_says(open_house: OpenHouse, new_caller: NewCaller) -> None:
    listener = Listener()
    async with Double(listener.talk) as service:
        house = await open_house(
            scripts={"700": sample("transcribe")},
            config=secret("deepgram"),
            tenant=settings(url=service.url, greeting=""),
        )
        caller = await new_caller()
        await caller.dial(house.uri("700"))
        caller.phone.play(tone(600, 8000, 3000), 8000)
        async with asyncio.timeout(PATIENCE):
            while len(listener.sound) < 16_000:
                await caller.reach(caller.ear.now_ms + 20)
        caller.phone.hangup()
        await house.wrote("all: the quick brown fox", category="SCRIPT")
    assert service.headers["authorization"] == "Token key-of-deepgram"
    assert service.query["encoding"] == ["mulaw"] and service.query["sample_rate"] == ["8000"]
    assert service.query["language"] == ["en"]
    assert tone_level(g711.ulaw_to_pcm(bytes(listener.sound[8000:16_000])), 600, 8000) > 5000


async def test_transcribe_tells_the_caller_when_nobody_listens(open_house: OpenHouse, new_caller: NewCaller) -> None:
    async def leaves(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011, "out of ears")

    async with Double(leaves) as service:
        house = await open_house(
            scripts={"700": sample("transcribe")},
            config=secret("deepgram"),
            tenant=settings(url=service.url, greeting=""),
        )
        caller = await new_caller()
        await caller.dial(house.uri("700"))
        assert await caller.left() == "bye"
        await house.wrote("the service has closed the connection: 1011 out of ears")
        assert caller.ear.stretches(), "an apology was heard"


# An agent of ElevenLabs


class Agent:
    """Says a tone of a second (700 Hz) as event 1; then what a test wants of it. `said` is what clients sent."""

    def __init__(self, *, audio_format: str = "ulaw_8000") -> None:
        self._format = audio_format
        self.said: list[dict[str, Any]] = []
        self.sound = bytearray()
        self.socket: ServerConnection | None = None
        self.news = asyncio.Event()

    async def talk(self, socket: ServerConnection) -> None:
        assert json.loads(await socket.recv()) == {"type": "conversation_initiation_client_data"}
        formats = {"agent_output_audio_format": self._format, "user_input_audio_format": self._format}
        await self._send(socket, "conversation_initiation_metadata", {"conversation_id": "c1", **formats})
        await self._send(socket, "vad_score", {"vad_score": 0.5})
        await self.sing(socket, 1, 700)
        self.socket = socket
        async for frame in socket:
            event = json.loads(frame)
            if "user_audio_chunk" in event:
                self.sound += base64.b64decode(event["user_audio_chunk"])
            else:
                self.said.append(event)
            self.news.set()

    async def sing(self, socket: ServerConnection, number: int, hertz: int) -> None:
        sound = g711.pcm_to_ulaw(tone(hertz, 8000, 1000))
        await self._send(socket, "audio", {"audio_base_64": base64.b64encode(sound).decode(), "event_id": number})

    async def tell(self, kind: str, **body: object) -> None:
        assert self.socket is not None
        await self._send(self.socket, kind, body)

    async def hears(self, is_enough: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_enough():
                self.news.clear()
                await self.news.wait()

    async def _send(self, socket: ServerConnection, kind: str, body: dict[str, Any]) -> None:
        key = "client_tool_call" if kind == "client_tool_call" else f"{kind}_event"
        await socket.send(json.dumps({"type": kind, key: body}))


AGENT = {"agent_id": "agent_1", "operator": "120"}


async def test_elevenlabs_lets_the_caller_talk_to_an_agent(open_house: OpenHouse, new_caller: NewCaller) -> None:
    agent = Agent()
    async with Double(agent.talk) as service:
        house = await open_house(
            scripts={"700": sample("elevenlabs")},
            config=secret("elevenlabs"),
            tenant=settings(url=service.url, **AGENT),
        )
        caller = await new_caller()
        await caller.dial(house.uri("700"))
        caller.phone.play(tone(600, 8000, 5000), 8000)
        start = await caller.sound()
        await caller.reach(start + 800)
        assert tone_level(caller.between(start + 200, start + 700), 700, 8000) > 5000
        await agent.hears(lambda: len(agent.sound) >= 8000)
        assert tone_level(g711.ulaw_to_pcm(bytes(agent.sound[4000:8000])), 600, 8000) > 5000
        await agent.tell("ping", event_id=7, ping_ms=50)
        await agent.hears(lambda: {"type": "pong", "event_id": 7} in agent.said)
        await agent.tell("client_tool_call", tool_name="fly", tool_call_id="t1", parameters={})
        await agent.hears(lambda: any(event["type"] == "client_tool_result" for event in agent.said))
        assert (agent.said[-1]["tool_call_id"], agent.said[-1]["is_error"]) == ("t1", True)
        assert agent.socket is not None
        await agent.socket.close(1000)
        assert await caller.left() == "bye"
    assert service.query["agent_id"] == ["agent_1"] and service.headers["xi-api-key"] == "key-of-elevenlabs"


async def test_elevenlabs_drops_what_an_interruption_made_stale(open_house: OpenHouse, new_caller: NewCaller) -> None:
    agent = Agent()
    async with Double(agent.talk) as service:
        house = await open_house(
            scripts={"700": sample("elevenlabs")},
            config=secret("elevenlabs"),
            tenant=settings(url=service.url, **AGENT),
        )
        caller = await new_caller()
        await caller.dial(house.uri("700"))
        await caller.sound()
        assert agent.socket is not None
        for number in (2, 3):
            await agent.sing(agent.socket, number, 700)
        await agent.tell("interruption", event_id=4)
        await agent.sing(agent.socket, 4, 700)  # of the answer that was interrupted
        await agent.sing(agent.socket, 5, 1100)
        await agent.hears(lambda: len(agent.sound) >= 8 * 2500)
        total = len(caller.heard) // 16
        levels = [tone_level(caller.between(at, at + 200), 700, 8000) > 3000 for at in range(0, total - 200, 200)]
        assert sum(levels) <= 5, "at most the first second of 700 Hz was heard"
        assert any(tone_level(caller.between(at, at + 200), 1100, 8000) > 3000 for at in range(0, total - 200, 200))


async def test_elevenlabs_says_sorry_for_an_agent_with_other_sound(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    agent = Agent(audio_format="pcm_16000")
    async with Double(agent.talk) as service:
        house = await open_house(
            scripts={"700": sample("elevenlabs")},
            config=secret("elevenlabs"),
            tenant=settings(url=service.url, **AGENT),
        )
        caller = await new_caller()
        await caller.dial(house.uri("700"))
        assert await caller.left() == "bye"
        await house.wrote("the agent must be set to ulaw_8000", category="SCRIPT")


# Voicemail


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.put_nowait(bytes(envelope.content or b""))
        return "250 taken"


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[Inbox, str]]:
    """The mail server, and what ivrnode.toml says of it."""
    inbox = Inbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield inbox, f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nsender = "ivr@acme.example"\n'
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("ends_by", ["key", "hangup"])
async def test_voicemail_sends_the_message(
    ends_by: str, open_house: OpenHouse, new_caller: NewCaller, inbox: tuple[Inbox, str]
) -> None:
    house = await open_house(
        scripts={"700": sample("voicemail")},
        config=inbox[1],
        tenant="rec = true\n" + settings(mail_to="office@acme.example", greeting="Speak."),
    )
    caller = await new_caller(user="0301234567")
    await caller.dial(house.uri("700"))
    await house.wrote("recording ", category="APP")
    caller.phone.play(tone(500, 8000, 4000), 8000)
    await caller.reach(caller.ear.now_ms + 2500)
    if ends_by == "key":
        caller.phone.press("#")
        assert await caller.left() == "bye"
    else:
        caller.phone.hangup()
    async with asyncio.timeout(PATIENCE):
        message = email.message_from_bytes(await inbox[0].mails.get(), policy=default)
    assert message["To"] == "office@acme.example" and message["Subject"] == "Message from 0301234567"
    [attached] = message.iter_attachments()
    with wave.open(io.BytesIO(attached.get_content())) as wav:
        assert wav.getnchannels() == 1 and wav.getnframes() > 8000
        heard = wav.readframes(wav.getnframes())
    assert tone_level(heard[16_000:32_000], 500, 8000) > 5000
    await house.wrote("sent", category="SCRIPT")


async def test_voicemail_without_recording_says_so(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(
        scripts={"700": sample("voicemail")}, tenant=settings(mail_to="office@acme.example", greeting="Speak.")
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    assert await caller.left() == "bye"
    await house.wrote("recording is off: set rec = true", category="SCRIPT")


# The assistant and the attendant, with somebody else on the line

SALES = '[accounts.120]\npassword = "correct horse"\n'


async def sales(house: House, new_caller: NewCaller, answers: int = 200) -> Caller:
    phone = await new_caller(user="120", answers=answers)
    await phone.phone.register(f"sip:120@{house.uri('120').partition('@')[2]}", "120", "correct horse")
    return phone


@pytest.fixture
async def service() -> AsyncIterator[Callable[..., Awaitable[RealtimeServer]]]:
    async with AsyncExitStack() as stack:

        async def start(rules: list[dict[str, Any]], *faults: str) -> RealtimeServer:
            server = RealtimeServer(
                ToneVoice(), brain=lambda: Script.parse({"rule": rules}), faults=Faults.parse(faults)
            )
            return await stack.enter_async_context(server)

        yield start


Service = Callable[..., Awaitable[RealtimeServer]]


async def speak(caller: Caller) -> None:
    """A turn, when the greeting is over."""
    await caller.quiet(300)
    caller.phone.play(tone(500, 8000, 800), 8000)


async def talk(first: Caller, second: Caller) -> None:
    start = second.ear.now_ms
    first.phone.play(tone(600, 8000, 2500), 8000)
    await second.reach(start + 2000)
    assert tone_level(second.between(start + 1000, start + 1900), 600, 8000) > 5000


@pytest.mark.parametrize("script", ["attendant", "openai_realtime"])
async def test_a_tool_call_leads_to_a_registered_phone(
    script: str, open_house: OpenHouse, new_caller: NewCaller, service: Service
) -> None:
    arguments = {"name": "sales", "target": "sales"}
    server = await service([{"say": "One moment.", "call": "transfer", "arguments": arguments}])
    tables = "".join(f'[settings.{name}]\nsales = "120"\n' for name in ("people", "targets"))
    house = await open_house(
        scripts={"700": sample(script)},
        config=secret("openai"),
        tenant=SALES + settings(url=server.url, greeting="Hello.") + tables,
    )
    ben, ann = await sales(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await speak(ann)
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    await talk(ann, ben)
    await talk(ben, ann)
    ben.phone.hangup()
    assert await ann.left() == "bye"


async def test_the_fallback_takes_the_caller_of_a_service_that_is_lost(
    open_house: OpenHouse, new_caller: NewCaller, service: Service
) -> None:
    server = await service([{"say": "Yes."}], "drop")
    own = settings(url=server.url, fallback="120", greeting="", sorry="Sorry.")
    house = await open_house(scripts={"700": sample("openai_realtime")}, config=secret("openai"), tenant=SALES + own)
    ben, ann = await sales(house, new_caller), await new_caller()
    await ann.dial(house.uri("700"))
    await asyncio.wait_for(ben.phone.called, PATIENCE)
    assert ann.ear.stretches(), "the apology was heard"
    await talk(ben, ann)
    ann.phone.hangup()
    await house.wrote("0 turns, transferred", category="SCRIPT")
