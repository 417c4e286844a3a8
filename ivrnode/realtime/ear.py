"""The ear of the stand-in. There is none built in: then a turn reads "turn 1, 2.4 s of speech"."""

from __future__ import annotations

from typing import Protocol


class Ear(Protocol):
    async def hear(self, pcm: bytes, rate: int, lang: str) -> str:
        """The words in pcm16 mono; "" when there are none."""
