"""Which words has the caller heard? Known from the texts that were given to be spoken, and proven on the wire.

    say("One. Two.")   ->  spoken sentence by sentence: a piece of sound, with the words that end in it
    the engine         ->  how much of the item was played: pieces that were heard to their end
    the caller's ear   ->  was it loud on his side while they were?

So a sentence that was cut counts as not heard, and no recogniser has to guess.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ivrnode.sim.ear import FRAME_MS, loudness

_ENOUGH = 0.6  # of the sound of a piece must have been loud at the caller's end
_SLACK_MS = 1.0

LoudMs = Callable[[float, float], int]
"""Milliseconds of sound that the caller heard between two times."""


@dataclass(slots=True)
class Piece:
    """`ms` of sound, `loud_ms` of them loud, the last one at `voice_ms`; there its `text` has been spoken."""

    ms: float
    loud_ms: int
    voice_ms: int
    text: str = ""

    @property
    def needed_ms(self) -> float:
        """So much must have been played: up to the last sound; of silence, a frame."""
        return max(self.voice_ms, min(FRAME_MS, self.ms))

    @classmethod
    def of(cls, pcm: bytes, rate: int, text: str) -> Piece:
        """pcm16."""
        return cls(len(pcm) * 500 / rate, *loudness(pcm, rate), text)


@dataclass(slots=True)
class _Item:
    pieces: deque[Piece] = field(default_factory=deque)
    done_ms: float = 0.0  # of the pieces that are heard


class Words:
    """The words of one leg. Times are seconds since the call was answered."""

    def __init__(self, loud_ms: LoudMs) -> None:
        self._loud_ms = loud_ms
        self._items: dict[int, _Item] = {}
        self._heard: list[str] = []
        self._cursor = 0
        self.lost: list[str] = []

    def add(self, item: int, piece: Piece) -> None:
        """More sound of an item of the playout."""
        self._items.setdefault(item, _Item()).pieces.append(piece)

    @property
    def open_items(self) -> list[int]:
        """Items with pieces that may still be heard."""
        return [number for number, item in self._items.items() if item.pieces]

    def played(self, number: int, ms: float, now: float) -> None:
        """So much of the item has been sent."""
        item = self._items.get(number)
        while item is not None and item.pieces and item.done_ms + item.pieces[0].needed_ms <= ms + _SLACK_MS:
            piece = item.pieces.popleft()
            start = now - (ms - item.done_ms) / 1000
            item.done_ms += piece.ms
            self._piece_ended(piece, start, start + piece.voice_ms / 1000)

    def done(self, number: int) -> list[str]:
        """Nothing more of the item will be heard. The texts that were not."""
        item = self._items.pop(number, None)
        return [piece.text for piece in item.pieces if piece.text] if item is not None else []

    def find(self, text: str) -> bool:
        """Were these words heard, after those that the last `find` has found? Case and punctuation do not count."""
        wanted = words_of(text)
        for start in range(self._cursor, len(self._heard) - len(wanted) + 1):
            if self._heard[start : start + len(wanted)] == wanted:
                self._cursor = start + len(wanted)
                return True
        return False

    @property
    def unclaimed(self) -> str:
        """What was heard and no `find` has passed."""
        return " ".join(self._heard[self._cursor :])

    def _piece_ended(self, piece: Piece, start: float, end: float) -> None:
        # Loudness is judged for each piece: a word of text may end in one that is silent itself.
        if self._loud_ms(start, end) >= _ENOUGH * piece.loud_ms:
            self._heard += words_of(piece.text)
        elif piece.text:
            self.lost.append(piece.text)


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold())  # noqa: RUF001
