"""The protocol of one session, on a desk: order, pace, turns, interruption, items, tools. No socket, no clock."""

from __future__ import annotations

import base64
import itertools

import pytest
from session_desk import ANSWER_BEGINS, SOUND, TURN, WORDS, Lines, answering, talk

from ivrnode.audio import g711
from ivrnode.realtime.brain import Say, Silent
from realtime.desk import Desk, silence, speech

ANSWER_ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


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
