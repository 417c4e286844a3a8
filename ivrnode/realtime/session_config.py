"""The session object: its defaults, its updates, and what they mean for audio and turns."""

from __future__ import annotations

from ivrnode.audio.format import AudioFormat
from ivrnode.realtime.error import Json, RequestError
from ivrnode.realtime.schema import merged

FORMATS = {
    "audio/pcm": AudioFormat("pcm16", 24000),
    "audio/pcmu": AudioFormat("g711_ulaw", 8000),
    "audio/pcma": AudioFormat("g711_alaw", 8000),
}
# The reference says 500 ms of silence end a turn, the service itself says 200: so a client had better send its own.
_SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD = {"type": "semantic_vad", "eagerness": "auto", "create_response": True, "interrupt_response": True}
_SEMANTIC_SILENCE_MS = 800  # no model here judges whether a sentence is complete: a longer silence must do


class SessionConfig:
    """`values` is the GA session object as the client sees it."""

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        self._has_spoken = False
        self.values: Json = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "expires_at": expires_at,
            "instructions": "You are the stand-in for a speech service. You cannot think.",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "tools": [],
            "tool_choice": "auto",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "include": None,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD),
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
        }

    def update(self, session: Json) -> None:
        """Take the fields of a checked `session.update`. Raises RequestError for a new voice after the first audio."""
        new = merged(self.values, session)
        if self._has_spoken and new["audio"]["output"]["voice"] != self.values["audio"]["output"]["voice"]:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise RequestError("cannot_update_voice", message, "session.audio.output.voice")
        detection = new["audio"]["input"]["turn_detection"]
        if detection is not None:
            defaults = _SERVER_VAD if detection["type"] == "server_vad" else _SEMANTIC_VAD
            new["audio"]["input"]["turn_detection"] = defaults | detection
        self.values = new

    def fix_voice(self) -> None:
        """From the first audio on the voice stays as it is."""
        self._has_spoken = True

    @property
    def input_format(self) -> AudioFormat:
        return FORMATS[self.values["audio"]["input"]["format"]["type"]]

    @property
    def output_format(self) -> AudioFormat:
        return FORMATS[self.values["audio"]["output"]["format"]["type"]]

    @property
    def turn_detection(self) -> Json | None:
        """With all its values; None: the client commits and asks by itself."""
        detection: Json | None = self.values["audio"]["input"]["turn_detection"]
        return detection

    @property
    def silence_ms(self) -> int:
        """How much silence ends a turn."""
        return int((self.turn_detection or {}).get("silence_duration_ms", _SEMANTIC_SILENCE_MS))

    @property
    def prefix_ms(self) -> int:
        """How much of what was heard before the speech belongs to the turn."""
        return int((self.turn_detection or {}).get("prefix_padding_ms", _SERVER_VAD["prefix_padding_ms"]))

    @property
    def idle_timeout(self) -> float | None:
        """Seconds of silence after which the service speaks by itself."""
        milliseconds = (self.turn_detection or {}).get("idle_timeout_ms")
        return milliseconds / 1000 if milliseconds else None

    @property
    def transcription(self) -> Json | None:
        transcription: Json | None = self.values["audio"]["input"]["transcription"]
        return transcription

    @property
    def lang(self) -> str:
        """The only hint at the caller's language that a session has: that for the transcription."""
        transcription = self.transcription or {}
        languages = transcription.get("languages") or [""]
        return str(transcription.get("language") or languages[0] or "en")
