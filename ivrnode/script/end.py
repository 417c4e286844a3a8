"""How a script ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScriptEnd:
    """`reason`: finished, killed, crashed or start_failed. `text` is for the log. `is_fault`: the script's own doing,
    so a breaker counts it. `audio_dropped`: chunks of the stream that it was too slow for."""

    reason: str
    text: str = ""
    is_fault: bool = False
    audio_dropped: int = 0
