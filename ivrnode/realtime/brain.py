"""What the stand-in answers. A brain gets a turn and gives steps; own brains need one method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered.

    `number` counts the caller's turns from 1. `text` is what was heard (with no ear: "turn 1, 2.4 s of speech") or
    written. `output` is what a tool has answered, None when no tool was called. `is_understood`: the text is the
    caller's own.
    """

    number: int
    seconds: float
    text: str
    lang: str
    output: str | None = None
    is_understood: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class CallTool:
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the socket when the answer has been sent."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SendError:
    """An `error` event beside the answer."""

    code: str
    message: str = "The script wanted an error."


@dataclass(frozen=True, slots=True)
class Break:
    """Switch a fault on (see faults.py), for this answer if it concerns answers."""

    fault: str
    value: str = ""


Step = Say | CallTool | HangUp | SendError | Break


class Brain(Protocol):
    def answer(self, turn: Turn) -> Sequence[Step] | None:
        """The steps of one response, in order. None: no response at all."""


class Silent:
    """Never answers."""

    def answer(self, turn: Turn) -> None:
        return None
