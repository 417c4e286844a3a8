"""Sessions that answer at once or in their time."""

from __future__ import annotations

from collections.abc import Sequence

from ivrnode.realtime.brain import Say, Step, Turn
from realtime.desk import Desk

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]


ANSWER_BEGINS = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]


WORDS, SOUND = "response.output_audio_transcript.delta", "response.output_audio.delta"


class Lines:
    """A brain that gives its lines one after the other."""

    def __init__(self, *answers: Sequence[Step] | None) -> None:
        self._answers = list(answers)
        self.turns: list[Turn] = []

    def answer(self, turn: Turn) -> Sequence[Step] | None:
        self.turns.append(turn)
        return self._answers.pop(0) if self._answers else None


def talk(desk: Desk) -> None:
    """Connect, and forget the events of it."""
    desk.update()
    desk.take()


def answering(pace: float = 3.5, ms: int = 10_000, faults: tuple[str, ...] = ()) -> Desk:
    """A desk in the middle of a long answer: two seconds of it were sent."""
    desk = Desk(Lines([Say("A long story.")], [Say("Yes?")]), pace=pace, faults=faults)
    desk.ms_per_sentence = ms
    talk(desk)
    desk.say_turn()
    while sum(1 for event in desk.events if event["type"] == SOUND) < 8:
        desk.wait(0.01)
    return desk
