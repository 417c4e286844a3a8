"""Voices of the stand-in. The product's own speech engine comes in from outside; the tone is for tests."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import AsyncIterator
from typing import Protocol


class Voice(Protocol):
    def speak(self, text: str, lang: str) -> AsyncIterator[tuple[bytes, int]]:
        """Pieces of (pcm16 mono, rate), as they get ready. An exception ends the response as `failed`."""


class ToneVoice:
    """Every sentence is a tone of 440 Hz, `ms_per_character` long: known sound with a known length."""

    def __init__(self, ms_per_character: int = 40, rate: int = 8000) -> None:
        self._ms_per_character, self._rate = ms_per_character, rate

    async def speak(self, text: str, lang: str) -> AsyncIterator[tuple[bytes, int]]:
        yield tone(self._ms_per_character * len(text), self._rate), self._rate


def tone(ms: int, rate: int, hertz: int = 440, amplitude: int = 8000) -> bytes:
    """pcm16 of a sine."""
    count = ms * rate // 1000
    step = 2 * math.pi * hertz / rate
    return struct.pack(f"<{count}h", *(int(amplitude * math.sin(step * index)) for index in range(count)))


def sentences(text: str) -> list[str]:
    """`text` cut after its sentences: the first one can be heard while the others are still being spoken."""
    return [sentence for sentence in re.split(r"(?<=[.!?…])\s+", text.strip()) if sentence]
