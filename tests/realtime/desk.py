"""A session on a desk: no socket, no voice process, and a clock that the test moves."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from ivrnode.audio import g711
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.session import Session, SessionSetup
from ivrnode.realtime.voice import tone
from realtime.strict import Judge

GA_UPDATE: dict[str, Any] = {
    "type": "session.update",
    "session": {
        "type": "realtime",
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "max_output_tokens": 4096,
        "tool_choice": "auto",
        "tools": [
            {
                "type": "function",
                "name": "hang_up",
                "description": "End.",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "gpt-transcribe"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
        },
    },
}
BETA_UPDATE: dict[str, Any] = {
    "type": "session.update",
    "session": {
        "instructions": "Be brief.",
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "voice": "alloy",
        "temperature": 0.8,
        "max_response_output_tokens": 4096,
        "tools": [],
        "modalities": ["text", "audio"],
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "tool_choice": "auto",
    },
}


def speech(ms: int) -> bytes:
    """Something loud in PCMU."""
    return g711.pcm_to_ulaw(tone(ms, 8000, hertz=300))


def silence(ms: int) -> bytes:
    return g711.ULAW_SILENCE * (8 * ms)


class Desk:
    """`events` are those that the client has got since `take` was called last. Every frame is judged."""

    def __init__(
        self,
        brain: Brain | None = None,
        faults: tuple[str, ...] = (),
        pace: float = 3.5,
        shape: str = "ga",
        has_ear: bool = False,
        strict: bool = True,
    ) -> None:
        self.now = 100.0
        self.judge = Judge(shape)
        self._is_strict = strict
        model = "gpt-realtime-2.1" if shape == "ga" else "gpt-4o-realtime-preview-2024-10-01"
        setup = SessionSetup(model, 2_000_000_000, pace, shape == "beta", has_ear)
        self.session = Session(setup, brain or Parrot(), Faults.parse(faults), random.Random(7), self.now)
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.ms_per_sentence = 1000
        self.voice_fails = ""
        self._drain()

    def send(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Send a client event; give what came back at once."""
        count = len(self.events)
        frame = json.dumps(event)
        if self._is_strict:
            self.judge.check("client", frame)
        self.session.receive(frame, self.now)
        self._drain()
        return self.events[count:]

    def send_raw(self, frame: str | bytes) -> dict[str, Any]:
        """Send what may be wrong; give the last event that came back."""
        self.session.receive(frame, self.now)
        self._drain()
        return self.events[-1]

    def update(self) -> None:
        self.send(GA_UPDATE if self.judge.shape == "ga" else BETA_UPDATE)

    def hear(self, sound: bytes, block_ms: int = 60) -> None:
        """The caller's PCMU in real time."""
        for start in range(0, len(sound), 8 * block_ms):
            block = sound[start : start + 8 * block_ms]
            self.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(block).decode()})
            self.wait(len(block) / 8000)

    def say_turn(self, ms: int = 1000) -> None:
        """The caller speaks, then waits for the end of his turn."""
        self.hear(speech(ms) + silence(600))

    def wait(self, seconds: float) -> None:
        """Let time go by, with every deadline met on time."""
        end = self.now + seconds
        while (deadline := self.session.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.session.tick(self.now)
            if not self._drain() and self.session.next_deadline() == deadline:
                break
        self.now = end
        self.session.tick(self.now)
        self._drain()

    def take(self) -> list[str]:
        """The types of the events since the last time."""
        types = [event["type"] for event in self.events]
        self.events.clear()
        self.times.clear()
        return types

    def of_type(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    def _drain(self) -> bool:
        """The voice speaks at once; what came out is judged. True when something came."""
        count = len(self.events)
        self._collect()
        while sentence := self.session.to_speak():
            if self.voice_fails:
                self.session.voice_ended(sentence, self.now, self.voice_fails)
            else:
                self.session.voice_received(sentence, tone(self.ms_per_sentence, 16000), 16000, self.now)
                self.session.voice_ended(sentence, self.now)
            self._collect()
        return len(self.events) > count

    def _collect(self) -> None:
        for frame in self.session.to_send():
            self.events.append(self.judge.check("server", frame) if self._is_strict else json.loads(frame))
            self.times.append(self.now)
