"""The protocol of one session, on a desk: order, pace, turns, interruption, items, tools. No socket, no clock."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence

import pytest

from ivrnode.audio import g711
from ivrnode.realtime.brain import CallTool, HangUp, Say, SendError, Silent, Step, Turn
from ivrnode.realtime.rules import Script
from realtime.desk import Desk, silence, speech

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
ANSWER_ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
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


def test_connect_comes_in_order_and_shows_the_session() -> None:
    desk = Desk()
    desk.update()
    created, updated = (event["session"] for event in desk.events)
    assert desk.take() == ["session.created", "session.updated"]
    assert created["expires_at"] == 2_000_000_000
    # The silence that the service really has when it is not told.
    assert created["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert updated["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    assert updated["audio"]["input"]["turn_detection"]["idle_timeout_ms"] is None
    assert updated["tools"][0]["name"] == "hang_up"
    assert updated["id"] == created["id"]


def test_a_turn_and_its_answer_come_in_the_order_of_the_service() -> None:
    desk = Desk(Lines([Say("One. Two.")]))
    talk(desk)
    desk.say_turn()
    desk.wait(5)
    types = [type for type, _ in itertools.groupby(desk.take())]
    assert types == [*TURN, *ANSWER_BEGINS, WORDS, SOUND, WORDS, SOUND, *ANSWER_ENDS]


def test_ids_tie_the_events_of_a_turn_together() -> None:
    desk = Desk(Lines([Say("One.")]))
    talk(desk)
    desk.say_turn()
    desk.wait(5)
    started, stopped, committed = desk.events[:3]
    assert started["item_id"] == stopped["item_id"] == committed["item_id"]
    answer = desk.of_type("response.output_item.added")[0]["item"]
    assert desk.of_type("conversation.item.added")[1]["previous_item_id"] == committed["item_id"]
    assert {event["item_id"] for event in desk.of_type(SOUND)} == {answer["id"]}
    done = desk.of_type("response.done")[0]["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": "One."}]
    assert done["usage"]["output_token_details"]["audio_tokens"] == 20  # 50 ms each


def test_audio_leaves_3_5_times_as_fast_as_it_is_heard() -> None:
    desk = Desk(Lines([Say("Long.")]))
    desk.ms_per_sentence = 30_000
    talk(desk)
    desk.say_turn()
    desk.wait(20)
    times = [at for at, event in zip(desk.times, desk.events, strict=True) if event["type"] == SOUND]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == 120
    assert all(gap == pytest.approx(0.25 / 3.5) for gap in gaps)
    assert times[-1] - times[0] == pytest.approx(30 / 3.5, abs=0.1)


def test_burst_sends_all_at_once() -> None:
    desk = Desk(Lines([Say("Long.")]), pace=float("inf"))
    desk.ms_per_sentence = 30_000
    talk(desk)
    desk.say_turn()
    times = {at for at, event in zip(desk.times, desk.events, strict=True) if event["type"] == SOUND}
    assert len(times) == 1 and desk.take()[-1] == "rate_limits.updated"


@pytest.mark.parametrize(("name", "bytes_per_ms"), [("audio/pcmu", 8), ("audio/pcma", 8), ("audio/pcm", 48)])
def test_the_answer_has_the_format_and_the_length_that_were_asked_for(name: str, bytes_per_ms: int) -> None:
    desk = Desk(Lines([Say("One.")]))
    talk(desk)
    format = {"type": name} | ({"rate": 24000} if name == "audio/pcm" else {})
    desk.send({"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"format": format}}}})
    desk.say_turn()
    desk.wait(5)
    deltas = [base64.b64decode(event["delta"]) for event in desk.of_type(SOUND)]
    assert len(deltas[0]) == 250 * bytes_per_ms
    assert sum(map(len, deltas)) == pytest.approx(1000 * bytes_per_ms, rel=0.01)


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma", "audio/pcm"])
def test_all_formats_are_heard(name: str) -> None:
    desk = Desk(Silent())
    talk(desk)
    desk.send(
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": name}}}}}
    )
    sound = speech(1000) + silence(700)
    if name == "audio/pcma":
        sound = g711.ulaw_to_alaw(sound)
    elif name == "audio/pcm":
        pcm = g711.ulaw_to_pcm(sound)
        sound = b"".join(pcm[at : at + 2] * 3 for at in range(0, len(pcm), 2))
    desk.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})
    assert desk.take()[-7:] == TURN


def test_the_ear_reacts_soon_and_counts_padding_and_silence() -> None:
    desk = Desk(Silent())
    talk(desk)
    desk.hear(silence(2000))
    onset = desk.now
    desk.hear(speech(1000) + silence(800), block_ms=20)
    started, stopped = desk.events[:2]
    assert desk.times[0] - onset <= 0.08
    assert started["audio_start_ms"] == pytest.approx(2000 - 300, abs=20)
    assert stopped["audio_end_ms"] == pytest.approx(3000 + 500, abs=20)
    assert desk.of_type("conversation.item.input_audio_transcription.completed")[0]["transcript"] == (
        "turn 1, 1.8 s of speech"
    )


def test_semantic_vad_waits_800_ms() -> None:
    desk = Desk(Silent())
    talk(desk)
    detection = {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}
    desk.send({"type": "session.update", "session": {"type": "realtime", "audio": {"input": detection}}})
    desk.hear(speech(1000) + silence(780))
    assert not desk.of_type("input_audio_buffer.speech_stopped")
    desk.hear(silence(60))
    assert desk.of_type("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == pytest.approx(1800, abs=20)


def test_speech_cancels_the_answer() -> None:
    desk = answering()
    desk.take()
    desk.hear(speech(200))
    assert desk.of_type("response.done")[0]["response"]["status_details"] == {
        "type": "cancelled",
        "reason": "turn_detected",
    }
    assert desk.of_type("conversation.item.done")[0]["item"]["status"] == "incomplete"
    types = desk.take()
    begin = types.index("input_audio_buffer.speech_started")
    assert types[begin + 1 :] == ANSWER_ENDS
    desk.wait(5)
    assert desk.take() == []  # what was not sent never comes


def test_a_client_may_forbid_to_be_interrupted() -> None:
    desk = Desk(Lines([Say("A long story.")]), pace=1)
    desk.ms_per_sentence = 10_000
    talk(desk)
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    desk.send(
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}}
    )
    desk.hear(speech(500) + silence(300))
    assert not desk.of_type("response.created")
    desk.send({"type": "response.create"})
    desk.hear(speech(500) + silence(300))
    desk.wait(12)
    assert desk.of_type("response.done")[0]["response"]["status"] == "completed"


def test_late_deltas_come_after_the_end_when_told() -> None:
    desk = answering(faults=("late",))
    item = desk.of_type(SOUND)[0]["item_id"]
    desk.take()
    desk.hear(speech(200))
    late = [
        event for event in desk.events[desk.events.index(desk.of_type("response.done")[0]) :] if event["type"] == SOUND
    ]
    assert len(late) == 3 and {event["item_id"] for event in late} == {item}


def test_truncate_forgets_what_was_not_heard() -> None:
    desk = answering()
    item = desk.of_type(SOUND)[0]["item_id"]
    desk.hear(speech(200))
    desk.take()
    truncate = {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": 700}
    assert [event["type"] for event in desk.send(truncate)] == ["conversation.item.truncated"]
    shown = desk.send({"type": "conversation.item.retrieve", "item_id": item})[0]["item"]["content"][0]
    assert len(base64.b64decode(shown["audio"])) == 700 * 8
    assert len(shown["transcript"].split()) < 3


def test_truncate_is_as_strict_as_the_service() -> None:
    desk = answering()
    item = desk.of_type(SOUND)[0]["item_id"]
    user = desk.of_type("input_audio_buffer.committed")[0]["item_id"]
    desk.hear(speech(200))
    sent = 250 * len(desk.of_type(SOUND))

    def error(item_id: str, end_ms: int) -> tuple[str, str]:
        event = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
        (answer,) = desk.send(event)
        return answer["error"]["code"], answer["error"]["message"]

    assert error(item, sent + 60) == (
        "invalid_value",
        f"Audio content of {sent}ms is already shorter than {sent + 60}ms",
    )
    assert error(item, 0) == ("unsupported_content_type", "Only model output audio messages can be truncated")
    assert error(user, 100)[0] == "unsupported_content_type"
    assert error("item_nowhere", 100)[0] == "item_truncate_invalid_item_id"


def test_a_tool_is_called_and_its_result_is_answered() -> None:
    brain = Lines([Say("One moment."), CallTool("look_up", '{"n": 1}')], [Say("Done.")])
    desk = Desk(brain)
    talk(desk)
    desk.say_turn()
    desk.wait(5)
    done = desk.of_type("response.done")[0]["response"]
    assert [item["type"] for item in done["output"]] == ["message", "function_call"]
    assert done["output"][1]["name"] == "look_up" and done["output"][1]["arguments"] == '{"n": 1}'
    call_id = done["output"][1]["call_id"]
    types = desk.take()
    assert types[types.index("response.function_call_arguments.delta") - 2 :] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    output = {"type": "function_call_output", "call_id": call_id, "output": "42"}
    desk.send({"type": "conversation.item.create", "item": output})
    assert desk.take() == ["conversation.item.added", "conversation.item.done"]
    desk.send({"type": "response.create"})
    assert brain.turns[1].output == "42" and brain.turns[1].number == 1
    assert desk.take()[0] == "response.created"


def test_text_is_taken_and_given() -> None:
    brain = Lines([Say("Hello Ada.")])
    desk = Desk(brain)
    talk(desk)
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "I am Ada"}]}
    desk.send({"type": "conversation.item.create", "item": message})
    desk.send({"type": "response.create", "response": {"output_modalities": ["text"]}})
    assert brain.turns[0].text == "I am Ada" and brain.turns[0].is_understood
    assert desk.of_type("response.done")[0]["response"]["output"][0]["content"] == [
        {"type": "output_text", "text": "Hello Ada."}
    ]
    assert desk.take()[2:] == [
        *ANSWER_BEGINS,
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_items_are_placed_and_deleted() -> None:
    desk = Desk(Silent())
    talk(desk)

    def create(name: str, **fields: str) -> str | None:
        content = [{"type": "input_text", "text": name}]
        item = {"id": name, "type": "message", "role": "system", "content": content}
        before: str | None = desk.send({"type": "conversation.item.create", "item": item, **fields})[0][
            "previous_item_id"
        ]
        return before

    assert create("a") is None
    assert create("b") == "a"
    assert create("c", previous_item_id="a") == "a"
    assert create("d", previous_item_id="root") is None
    assert create("e") == "b"
    desk.send({"type": "conversation.item.delete", "item_id": "e"})
    assert create("f") == "b"
    assert (
        desk.send({"type": "conversation.item.delete", "item_id": "e"})[0]["error"]["code"]
        == "item_delete_invalid_item_id"
    )


def test_the_client_may_commit_by_itself() -> None:
    brain = Lines([Say("Yes.")])
    desk = Desk(brain)
    talk(desk)
    desk.send({"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}})
    desk.take()
    desk.hear(speech(1200))
    assert desk.take() == []
    desk.send({"type": "input_audio_buffer.commit"})
    assert desk.take() == TURN[2:]
    assert desk.send({"type": "input_audio_buffer.commit"})[0]["error"]["code"] == "input_audio_buffer_commit_empty"
    desk.hear(speech(1200))
    desk.send({"type": "input_audio_buffer.clear"})
    assert desk.send({"type": "input_audio_buffer.commit"})[0]["error"]["code"] == "input_audio_buffer_commit_empty"
    desk.send({"type": "response.create"})
    assert brain.turns[0].seconds == pytest.approx(1.2)


def test_only_one_response_at_a_time() -> None:
    desk = answering()
    (answer,) = desk.send({"type": "response.create"})
    assert answer["error"]["code"] == "conversation_already_has_active_response"
    desk.take()
    desk.send({"type": "response.cancel"})
    assert desk.of_type("response.done")[0]["response"]["status_details"]["reason"] == "client_cancelled"
    assert desk.send({"type": "response.cancel"})[0]["error"]["code"] == "response_cancel_not_active"


def test_the_voice_is_fixed_after_the_first_audio() -> None:
    desk = Desk()
    talk(desk)

    def update(voice: str) -> str:
        answers = desk.send(
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": voice}}}}
        )
        return answers[0].get("error", {}).get("code", "")

    assert update("cedar") == ""
    desk.say_turn()
    desk.wait(20)
    assert update("cedar") == ""
    assert update("marin") == "cannot_update_voice"


def test_the_service_speaks_up_after_the_idle_timeout() -> None:
    desk = Desk(Lines([Say("One.")], [Say("Still there?")]))
    talk(desk)
    detection = {"type": "server_vad", "idle_timeout_ms": 6000}
    desk.send(
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}}
    )
    desk.say_turn()
    desk.wait(1.0)
    desk.take()
    desk.hear(silence(5000))
    assert desk.take() == []
    desk.hear(silence(2000))
    assert desk.take()[:4] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_a_brain_may_send_errors_and_hang_up() -> None:
    desk = Desk(Lines([SendError("rate_limit_exceeded"), Say("Bye."), HangUp(1000, "done")]))
    talk(desk)
    desk.say_turn()
    assert desk.of_type("error")[0]["error"]["code"] == "rate_limit_exceeded"
    assert desk.session.ending is None  # not before its last word
    desk.wait(3)
    assert desk.session.ending and (desk.session.ending.code, desk.session.ending.reason) == (1000, "done")


def test_a_voice_that_fails_fails_the_response() -> None:
    desk = Desk(Lines([Say("One.")]))
    talk(desk)
    desk.voice_fails = "no voice for 'xx'"
    desk.say_turn()
    response = desk.of_type("response.done")[0]["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["message"] == "no voice for 'xx'"
    assert response["output"][0]["status"] == "incomplete"


def test_an_ear_gives_the_words() -> None:
    brain = Lines([Say("Yes.")])
    desk = Desk(brain, has_ear=True)
    talk(desk)
    desk.say_turn()
    ((item_id, utterance),) = desk.session.to_hear()
    assert desk.take() == TURN[:5] and 1.0 < utterance.seconds < 2.0
    desk.session.heard(item_id, "good morning", desk.now)
    desk.wait(3)
    assert brain.turns[0].text == "good morning" and brain.turns[0].is_understood
    assert desk.of_type(TURN[-1])[0]["transcript"] == "good morning"


def test_the_parrot_is_honest_and_speaks_the_callers_language() -> None:
    desk = Desk()
    talk(desk)
    transcription = {"transcription": {"model": "gpt-transcribe", "language": "de"}}
    desk.send({"type": "session.update", "session": {"type": "realtime", "audio": {"input": transcription}}})
    for _ in range(2):
        desk.say_turn(1900)
        desk.wait(30)
    first, second = (event["transcript"] for event in desk.of_type("response.output_audio_transcript.done"))
    assert first == (
        "Guten Tag. Ich bin keine KI, nur ihr Ersatz ohne Netz. "
        "Ich habe Sie 2,4 Sekunden lang sprechen gehört. Das ist Runde 1."
    )
    assert "KI" not in second and second.endswith("Das ist Runde 2.")


def test_silent_never_answers() -> None:
    desk = Desk(Silent())
    talk(desk)
    desk.say_turn()
    desk.wait(30)
    assert desk.take() == TURN


def test_rules_choose_by_turn_text_and_output() -> None:
    script = Script.parse(
        {
            "rule": [
                {"output": "busy", "say": "Nobody is there."},
                {"text": "(?i)office", "call": "transfer", "arguments": {"target": "office"}},
                {"turn": 1, "say": "Good morning.", "once": True},
                {"say": "Yes."},
            ]
        }
    )
    turn = Turn(1, 1.0, "", "en")
    assert script.answer(turn) == [Say("Good morning.")]
    assert script.answer(turn) == [Say("Yes.")]
    assert script.answer(Turn(2, 1.0, "The Office please", "en")) == [CallTool("transfer", '{"target": "office"}')]
    assert script.answer(Turn(2, 1.0, "", "en", output="486 busy")) == [Say("Nobody is there.")]
    assert script.answer(Turn(2, 1.0, "", "en", output="ok")) is None
