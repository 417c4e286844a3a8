"""The stand-in over real sockets: the handshake, its faults, endings, the recorder, echo mode, the command."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from ivrnode.audio.wav import read_wav
from ivrnode.errors import ConfigError
from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.brain import Turn
from ivrnode.realtime.command import realtime_command
from ivrnode.realtime.faults import FAULTS, Faults
from ivrnode.realtime.rules import Script
from patience import PATIENCE
from realtime.desk import BETA_UPDATE, GA_UPDATE, silence, speech
from realtime.strict import Judge

MODEL = "?model=gpt-realtime-2.1"


def server(*faults: str, **options: Any) -> RealtimeServer:
    options.setdefault("pace", 1000)
    return RealtimeServer(ToneVoice(), faults=Faults.parse(faults), **options)


@asynccontextmanager
async def client(server: RealtimeServer, key: str = "good", **options: Any) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= options.pop("headers", {})
    url = server.url + options.pop("query", MODEL)
    async with connect(url, additional_headers=headers, close_timeout=0.2, proxy=None, **options) as socket:
        yield socket


async def receive(socket: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await socket.recv())
    return event


async def until(socket: ClientConnection, type: str) -> dict[str, Any]:
    while (event := await receive(socket))["type"] != type:
        pass
    return event


async def say_turn(socket: ClientConnection) -> None:
    audio = base64.b64encode(speech(500) + silence(700)).decode()
    await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


async def closing(socket: ClientConnection) -> tuple[int | None, str | None]:
    """Read all; how did it close?"""
    with pytest.raises(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code, socket.close_reason


async def test_the_realtime_subprotocol_is_echoed() -> None:
    async with server() as standin:
        async with client(standin, subprotocols=[Subprotocol("other"), Subprotocol("realtime")]) as socket:
            assert socket.subprotocol == "realtime"
        async with client(standin) as socket:
            assert socket.subprotocol is None


@pytest.mark.parametrize(
    ("faults", "key", "path", "status"),
    [
        (("refuse",), "good", MODEL, 401),
        (("refuse=503",), "good", MODEL, 503),
        ((), "", MODEL, 401),
        ((), "good", "/elsewhere" + MODEL, 404),
    ],
)
async def test_some_get_no_socket(faults: tuple[str, ...], key: str, path: str, status: int) -> None:
    async with server(*faults) as standin:
        with pytest.raises(InvalidStatus) as refusal:
            async with client(standin, key, query=path):
                pass
    assert refusal.value.response.status_code == status


async def test_refuse_hang_answers_nothing() -> None:
    async with server("refuse=hang") as standin:
        with pytest.raises(TimeoutError):
            async with client(standin, open_timeout=0.2):
                pass


@pytest.mark.parametrize(("faults", "key"), [((), "bad"), (("bad-key",), "good")])
async def test_a_bad_key_gets_a_socket_and_3000(faults: tuple[str, ...], key: str) -> None:
    async with server(*faults) as standin, client(standin, key) as socket:
        assert await closing(socket) == (3000, "invalid_request_error.invalid_api_key")


@pytest.mark.parametrize(("faults", "headers"), [((), {"OpenAI-Beta": "realtime=v1"}), (("sunset",), {})])
async def test_the_beta_is_over(faults: tuple[str, ...], headers: dict[str, str]) -> None:
    async with server(*faults) as standin, client(standin, headers=headers) as socket:
        error = Judge().check("server", await socket.recv())
        assert error["error"]["code"] == "beta_api_shape_disabled"
        assert await closing(socket) == (4000, "invalid_request_error.beta_api_shape_disabled")


async def test_a_model_must_be_named() -> None:
    async with server() as standin, client(standin, query="") as socket:
        assert (await receive(socket))["error"]["code"] == "missing_model"
        assert (await closing(socket))[0] == 4000


async def test_one_server_speaks_both_shapes() -> None:
    async with (
        server(serves_beta=True) as standin,
        client(standin, headers={"OpenAI-Beta": "realtime=v1"}, query="?model=gpt-4o-realtime-preview") as old,
    ):
        judge = Judge("beta")
        judge.check("server", await old.recv())
        await old.send(json.dumps(BETA_UPDATE))
        session = judge.check("server", await old.recv())["session"]
        assert session["input_audio_format"] == "g711_ulaw" and session["modalities"] == ["text", "audio"]
        async with client(standin) as new:
            assert (await receive(new))["session"]["audio"]


async def test_no_update_leaves_the_client_waiting() -> None:
    async with server("no-update") as standin, client(standin) as socket:
        await until(socket, "session.created")
        await socket.send(json.dumps(GA_UPDATE))
        await socket.send("{")
        assert (await receive(socket))["type"] == "error"


async def test_expire_closes_with_1001_when_it_said() -> None:
    async with server("expire=0.2") as standin, client(standin) as socket:
        expires_at = (await until(socket, "session.created"))["session"]["expires_at"]
        assert await closing(socket) == (1001, "Your session hit the maximum duration of 60 minutes")
        assert abs(expires_at - time.time()) < PATIENCE


async def test_drop_ends_without_a_close_frame() -> None:
    async with server("drop=0.05") as standin, client(standin) as socket:
        assert await closing(socket) == (1006, "")


async def test_stall_reads_and_sends_nothing_more() -> None:
    async with server("stall") as standin, client(standin) as socket:
        await until(socket, "session.created")
        await socket.send(json.dumps(GA_UPDATE))
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.2)


@pytest.mark.parametrize("fault", ["stall", "drop", "expire=0", "bad-key", "sunset"])
async def test_a_rule_brings_an_ending_about(fault: str) -> None:
    def brain() -> Script:
        return Script.parse({"rule": [{"fault": fault}]})

    async with server(brain=brain) as standin, client(standin) as socket:
        await socket.send(json.dumps(GA_UPDATE))
        await until(socket, "session.updated")
        await say_turn(socket)
        if fault == "stall":
            await until(socket, "conversation.item.input_audio_transcription.completed")
            pong = await socket.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pong, 0.2)
        else:
            code = {"drop": 1006, "expire=0": 1001, "bad-key": 3000, "sunset": 4000}[fault]
            assert (await closing(socket))[0] == code


async def converse(*faults: str) -> list[dict[str, Any]]:
    """The events from the first answer's turn on."""
    events = []
    async with server(*faults) as standin, client(standin, max_size=None) as socket:
        await socket.send(json.dumps(GA_UPDATE))
        await until(socket, "session.updated")
        await say_turn(socket)
        while not events or events[-1]["type"] != "response.done":
            events.append(await receive(socket))
    return events


async def test_failed_has_a_reason_and_no_audio() -> None:
    events = await converse("failed")
    response = events[-1]["response"]
    assert response["status"] == "failed" and response["status_details"]["error"]["code"] == "server_error"
    assert not any(event["type"] == "response.output_audio.delta" for event in events)


async def test_no_answer_counts_down() -> None:
    async with server("no-answer=1") as standin, client(standin) as socket:
        await socket.send(json.dumps(GA_UPDATE))
        await until(socket, "session.updated")
        await say_turn(socket)
        await until(socket, "conversation.item.input_audio_transcription.completed")
        await say_turn(socket)
        assert (await receive(socket))["type"] == "input_audio_buffer.speech_started"
        await until(socket, "response.created")


async def test_big_is_one_delta_of_a_megabyte() -> None:
    events = await converse("big")
    sizes = [len(event["delta"]) for event in events if event["type"] == "response.output_audio.delta"]
    assert sizes[0] == 1_000_000 and max(sizes[1:]) < 10_000


async def test_two_items_overlap() -> None:
    events = await converse("two-items")
    first, second = (item["id"] for item in events[-1]["response"]["output"])
    places = {
        (event["type"], event.get("item_id")): index
        for index, event in reversed(list(enumerate(events)))
        if "item_id" in event
    }
    assert places["response.output_audio.delta", second] < places["response.output_audio.done", first]
    assert places["response.output_audio.delta", first] < places["response.output_audio.delta", second]


async def test_shuffle_puts_words_after_their_end() -> None:
    types = [event["type"] for event in await converse("shuffle")]
    done = types.index("response.output_audio_transcript.done")
    assert "response.output_audio_transcript.delta" in types[done:]
    assert "response.output_audio_transcript.delta" not in types[:done]
    heard = "conversation.item.input_audio_transcription"
    assert types.index("response.created") < types.index(f"{heard}.completed") < types.index(f"{heard}.delta")


async def test_noise_is_between_the_events_and_in_them() -> None:
    events = await converse("noise")
    assert {"ping", "moon.phase.updated"} < {event["type"] for event in events}
    assert all("x_unknown" in event for event in events if event["type"].startswith("response."))


async def test_bad_tool_is_no_tool_and_no_json() -> None:
    (item,) = (await converse("bad-tool"))[-1]["response"]["output"]
    assert item["type"] == "function_call" and item["name"] == "no_such_tool"
    with pytest.raises(ValueError, match="property name"):
        json.loads(item["arguments"])


async def test_echo_gives_the_audio_back_at_once() -> None:
    judge = Judge()
    async with server(brain=None) as standin, client(standin) as socket:
        judge.check("server", await socket.recv())
        await socket.send(json.dumps(GA_UPDATE))
        assert judge.check("server", await socket.recv())["session"]["audio"]["input"]["format"] == {
            "type": "audio/pcmu"
        }
        for blanks in ("", " "):
            audio = base64.b64encode(speech(60)).decode()
            await socket.send(f'{{"type":{blanks}"input_audio_buffer.append","audio":{blanks}"{audio}"}}')
            assert judge.check("server", await socket.recv())["delta"] == audio


async def test_the_recorder_keeps_frames_and_sound(tmp_path: Path) -> None:
    async with server(record=tmp_path / "new") as standin, client(standin) as socket:
        await socket.send(json.dumps(GA_UPDATE))
        await until(socket, "session.updated")
        await say_turn(socket)
        await until(socket, "response.done")
    lines = [json.loads(line) for line in (tmp_path / "new" / "0001.jsonl").read_text("utf-8").splitlines()]
    assert [line["event"]["type"] for line in lines[:3]] == ["session.created", "session.update", "session.updated"]
    assert [line["from"] for line in lines[:3]] == ["server", "client", "server"]
    assert all(earlier["t"] <= later["t"] for earlier, later in itertools.pairwise(lines))
    sound, rate = read_wav((tmp_path / "new" / "0001.wav").read_bytes())
    assert len(sound) / 2 / rate == pytest.approx(1.2, abs=0.01)


async def test_sockets_do_not_disturb_each_other() -> None:
    async with server("failed=1") as standin:

        async def status() -> str:
            async with client(standin) as socket:
                await socket.send(json.dumps(GA_UPDATE))
                await until(socket, "session.updated")
                await say_turn(socket)
                return str((await until(socket, "response.done"))["response"]["status"])

        assert await asyncio.gather(*(status() for _ in range(8))) == ["failed"] * 8


async def test_a_brain_that_raises_ends_its_socket_alone() -> None:
    class Broken:
        def answer(self, turn: Turn) -> None:
            raise ZeroDivisionError

    async with server(brain=Broken) as standin, client(standin) as other, client(standin) as socket:
        await socket.send(json.dumps(GA_UPDATE))
        await say_turn(socket)
        assert (await closing(socket))[0] == 1011
        await other.send(json.dumps(GA_UPDATE))
        await until(other, "session.updated")


@pytest.mark.parametrize("switch", ["nix", "refuse=404", "expire=x", "failed=0", "drop=-1"])
def test_wrong_faults_are_told(switch: str) -> None:
    with pytest.raises(ConfigError, match=switch.partition("=")[0]):
        Faults.parse([switch])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "only a list of"),
        ("[[rule]]\nturn = 1", "does nothing"),
        ('[[rule]]\nsay = "x"\nwhen = 1', r"rule\[1\].when: unknown"),
        ("[[rule]]\nsay = 1", r"rule\[1\].say: expected str"),
        ('[[rule]]\nsay = "x"\ntext = "("', "unterminated"),
        ('[[rule]]\nfault = "nix"', "unknown fault"),
        ('[[rule]]\nfault = "refuse"', "the socket is open already"),
        ("[[rule", "rules.toml"),
    ],
)
def test_wrong_rules_are_told_with_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        Script.load(path)


def test_the_command_lists_every_fault_and_refuses_wrong_ones() -> None:
    @asynccontextmanager
    async def tone() -> AsyncIterator[ToneVoice]:
        yield ToneVoice()

    command = realtime_command(tone)
    text = CliRunner().invoke(command, ["--help"]).output
    assert all(f"{name} " in text for name in FAULTS)
    assert isinstance(CliRunner().invoke(command, ["--fault", "nix"]).exception, ConfigError)
    assert CliRunner().invoke(command, ["--pace", "0"]).exit_code == 2
