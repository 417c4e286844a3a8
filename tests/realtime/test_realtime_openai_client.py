"""The vendor's own client drives the stand-in over a real socket: GA and beta."""

from __future__ import annotations

import base64
import warnings
from typing import Any

from openai import AsyncOpenAI

from ivrnode.realtime import RealtimeServer, ToneVoice
from realtime.desk import BETA_UPDATE, GA_UPDATE, silence, speech


def _client(server: RealtimeServer) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="test", websocket_base_url=server.url.removesuffix("/realtime"))


async def _converse(connection: Any, update: dict[str, Any]) -> list[Any]:
    """One turn: the events from the connection on up to the end of the answer."""
    events = []
    async for event in connection:
        events.append(event)
        if event.type == "session.created":
            await connection.session.update(session=update["session"])
        elif event.type == "session.updated":
            audio = speech(500) + silence(700)
            for start in range(0, len(audio), 480):
                await connection.input_audio_buffer.append(audio=base64.b64encode(audio[start : start + 480]).decode())
        elif event.type == "response.done":
            return events
        elif event.type == "error":
            raise AssertionError(event)
    return events


async def test_ga_client_has_a_turn() -> None:
    async with (
        RealtimeServer(ToneVoice(), pace=1000) as server,
        _client(server) as client,
        client.realtime.connect(model="gpt-realtime-2.1") as connection,
    ):
        events = await _converse(connection, GA_UPDATE)
    assert events[-1].response.status == "completed"
    sound = b"".join(base64.b64decode(event.delta) for event in events if event.type == "response.output_audio.delta")
    transcript = events[-1].response.output[0].content[0].transcript
    assert transcript.startswith("Hello. I am not an AI")
    # 40 ms a character without the blanks between sentences, in PCMU.
    assert abs(len(sound) - 8 * 40 * (len(transcript) - transcript.count(". "))) < 80


async def test_beta_client_has_a_turn() -> None:
    async with RealtimeServer(ToneVoice(), pace=1000, serves_beta=True) as server, _client(server) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            async with client.beta.realtime.connect(model="gpt-4o-realtime-preview-2024-10-01") as connection:
                events = await _converse(connection, BETA_UPDATE)
    types = [event.type for event in events]
    assert types[-1] == "response.done"
    assert "response.audio.delta" in types and "conversation.item.created" in types
