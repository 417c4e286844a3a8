"""One realtime session: items, truncation, tools, text, and who thinks of the answers."""

from __future__ import annotations

import base64

from session_desk import ANSWER_BEGINS, SOUND, TURN, Lines, answering, talk

from ivrnode.realtime.brain import CallTool, HangUp, Say, SendError, Silent, Turn
from ivrnode.realtime.rules import Script
from realtime.desk import Desk, speech


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
