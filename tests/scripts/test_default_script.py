"""The default script keeps its rules, in the real worker, against the stand-in: words, sound, silence, the log."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from ivrnode.audio import g711
from ivrnode.realtime.voice import tone
from ivrnode.script import messages as m
from scripts.assistant import (
    GOODBYE,
    READY_SECONDS,
    SORRY,
    answered,
    call,
    ready,
)
from scripts.hall import SAY_MS, Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_rule_1_greets_without_waiting(pool: Workers) -> None:
    async with call(pool, "refuse=hang") as line:
        await line.until(lambda: line.said and line.opened)
        assert line.said == ["Hello, you are talking to an AI assistant. How can I help you?"]
        assert line.queued_ms == SAY_MS and not line.hangups


@pytest.mark.parametrize(
    ("lang", "settings", "words", "spoken_lang"),
    [
        ("de", {}, "Guten Tag, hier spricht ein KI-Assistent. Wie kann ich Ihnen helfen?", "de"),
        ("pl", {}, "Hello, you are talking to an AI assistant. How can I help you?", "en"),
        ("fr", {"greeting": "Bonjour !"}, "Bonjour !", "fr"),
        ("it", {"greeting": {"it": "Pronto."}}, "Pronto.", "it"),
        ("es", {"greeting": {"it": "Pronto."}}, "Hola, habla con un asistente virtual. ¿En qué puedo ayudarle?", "es"),
    ],
)
async def test_rule_1_speaks_the_callers_language(
    pool: Workers, lang: str, settings: dict[str, Any], words: str, spoken_lang: str
) -> None:
    async with call(pool, lang=lang, settings=settings) as line:
        await line.until(lambda: line.said)
        assert (line.sounds[0].text, line.sounds[0].lang) == (words, spoken_lang)


async def test_rule_1_says_that_there_is_no_key(pool: Workers) -> None:
    async with call(pool, secret="") as line:
        await line.ended()
        assert line.said == ["I am sorry, this assistant has no key for its speech service yet.", GOODBYE]
        assert not line.opened and line.hangups == [m.Hangup(True)]
        assert line.logged("no secret openai", 2)


async def test_rule_2_connects_with_the_key_and_without_the_beta_header(pool: Workers) -> None:
    async with call(pool, settings={"model": "some-model"}) as line:
        await ready(line)
        (opening,) = line.opened
        assert opening.url.endswith("/v1/realtime?model=some-model")
        assert opening.headers == (("Authorization", "Bearer sk-placeholder", True),)
        assert line.got("session.created")[0]["session"]["model"] == "some-model"


async def test_rule_2_a_query_in_the_url_stays(pool: Workers) -> None:
    async with call(pool, settings={"url": "ws://127.0.0.1:9/realtime?api-version=1"}) as line:
        await line.ended()
        assert line.opened[0].url == "ws://127.0.0.1:9/realtime?api-version=1&model=gpt-realtime-2.1"


@pytest.mark.parametrize("fault", ["refuse", "refuse=503", "refuse=hang", "no-update"])
async def test_rule_2_gives_up_when_the_service_does_not_get_ready(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        line.connect_seconds = 0.3
        if fault == "no-update":
            await line.until(lambda: line.sent("session.update"))
            line.passes(READY_SECONDS)
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]
        assert not line.streams or not line.is_streaming


@pytest.mark.parametrize(
    ("codec", "format"), [("g711_alaw", {"type": "audio/pcma"}), ("pcm16", {"type": "audio/pcm", "rate": 24000})]
)
async def test_rule_3_sends_one_update_with_all_settings(pool: Workers, codec: str, format: dict[str, Any]) -> None:
    settings = {"codec": codec, "voice": "cedar", "instructions": "Be rude.", "silence_ms": 700}
    async with call(pool, settings=settings | {"transcription_model": "gpt-live-transcribe"}, lang="de") as line:
        await ready(line)
        (update,) = line.sent("session.update")
        session = update["session"]
        assert session["type"] == "realtime" and session["instructions"] == "Be rude."
        assert session["output_modalities"] == ["audio"]
        assert session["audio"]["output"] == {"format": format, "voice": "cedar"}
        assert session["audio"]["input"]["format"] == format
        assert session["audio"]["input"]["transcription"] == {"model": "gpt-live-transcribe", "language": "de"}
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 700,
            "create_response": True,
            "interrupt_response": True,
        }
        assert [tool["name"] for tool in session["tools"]] == ["hang_up"]
        assert line.streams[-1].codec == codec


async def test_rule_3_offers_no_transfer_without_targets(pool: Workers) -> None:
    async with call(pool) as line:
        await ready(line)
        assert [tool["name"] for tool in line.sent("session.update")[0]["session"]["tools"]] == ["hang_up"]
        assert not line.hears_digits


async def test_rule_4_streams_only_after_session_updated(pool: Workers) -> None:
    async with call(pool, settings={"interval": 0.1}) as line:
        await ready(line)
        assert line.got("session.updated") and line.streams == [m.Stream("g711_ulaw", 8000, 100, stream=1)]
        await line.speak(300, 0)
        await line.until(lambda: len(line.sent("input_audio_buffer.append")) == 3)
        chunks = [base64.b64decode(event["audio"]) for event in line.sent("input_audio_buffer.append")]
        assert b"".join(chunks) == g711.pcm_to_ulaw(tone(300, 8000, hertz=300))
        assert [event["type"] for event in line.judge.client[:2]] == ["session.update", "input_audio_buffer.append"]


@pytest.mark.parametrize("fault", ["", "big", "two-items", "shuffle"])
async def test_rule_5_plays_all_deltas_in_the_order_of_arrival(pool: Workers, fault: str) -> None:
    async with call(pool, *filter(None, [fault])) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        deltas = line.got("response.output_audio.delta")
        assert [(sound.tag, sound.audio) for sound in line.played] == [
            (event["item_id"], base64.b64decode(event["delta"])) for event in deltas
        ]
        assert len({sound.tag for sound in line.played}) == (2 if fault == "two-items" else 1)


async def test_rule_6_speech_cuts_the_greeting_and_the_answer(pool: Workers) -> None:
    async with call(pool) as line:
        await line.until(lambda: line.is_streaming)
        assert line.queued_ms == SAY_MS
        await line.speak()
        await answered(line)
        assert line.sounds[0].is_dropped and line.queued_ms > 3000
        await line.keep_speaking()
        await line.until(lambda: not line.queued_ms)


async def test_rule_7_tells_what_was_heard(pool: Workers) -> None:
    async with call(pool) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        line.hear(1240)
        await line.keep_speaking()
        await line.until(lambda: line.got("conversation.item.truncated"))
        item = line.got("response.output_audio.delta")[0]["item_id"]
        (truncate,) = line.sent("conversation.item.truncate")
        assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (item, 0, 1240)
        assert not line.sent("response.cancel") and not line.got("error")


async def test_rule_7_of_two_items_the_one_that_is_heard_is_truncated(pool: Workers) -> None:
    async with call(pool, "two-items") as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.got("response.done"))
        first, second = (item["id"] for item in line.got("response.done")[0]["response"]["output"])
        await line.until(lambda: len(line.played) == len(line.got("response.output_audio.delta")))
        length = sum(sound.ms for sound in line.played if sound.tag == first)
        line.hear(length + 300)
        await line.keep_speaking()
        await line.until(lambda: line.got("conversation.item.truncated"))
        (truncate,) = line.sent("conversation.item.truncate")
        assert (truncate["item_id"], truncate["audio_end_ms"]) == (second, 300)


@pytest.mark.parametrize("heard", ["nothing", "all"])
async def test_rule_7_truncates_neither_at_0_nor_what_was_heard_in_full(pool: Workers, heard: str) -> None:
    async with call(pool) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        if heard == "all":
            line.hear_all()
        await line.speak()
        await line.until(lambda: len(line.got("response.done")) == 2)
        assert not line.sent("conversation.item.truncate") and not line.got("error")


async def test_rule_8_ignores_the_rest_of_an_interrupted_answer(pool: Workers) -> None:
    async with call(pool, "late", rules=[{"say": "Blah " * 200}], pace=3.5) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: len(line.played) > 2)
        line.hear(500)
        await line.keep_speaking()
        await line.until(lambda: line.got("response.done"))
        # The late ones come right after; the next frame from the service is behind them all.
        before = [sound for sound in line.played if not sound.is_dropped and sound.rest]
        await line.until(lambda: line.got("conversation.item.truncated"))
        assert line.got("response.done")[0]["response"]["status"] == "cancelled"
        late = line.judge.server[line.judge.server.index(line.got("response.done")[0]) :]
        assert sum(event["type"] == "response.output_audio.delta" for event in late) == 3
        assert not before and line.queued_ms == 0


async def test_rule_19_asks_the_silent_caller_once(pool: Workers) -> None:
    async with call(pool, settings={"idle_seconds": 5}) as line:
        await ready(line)
        line.passes(5)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Are you still there?"
        line.hear_all()
        line.passes(5)
        await line.ended()
        assert line.said[2:] == [GOODBYE] and line.hangups == [m.Hangup(True)]


async def test_rule_19_counts_no_silence_before_the_service_is_ready(pool: Workers) -> None:
    async with call(pool, "no-update", settings={"idle_seconds": 5}) as line:
        await line.until(lambda: line.sent("session.update"))
        line.hear_all()
        line.passes(READY_SECONDS)
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]


async def test_rule_19_whoever_speaks_is_not_silent(pool: Workers) -> None:
    async with call(pool, settings={"idle_seconds": 5}) as line:
        await ready(line)
        line.passes(5)
        await line.until(lambda: len(line.said) == 2)
        line.hear_all()
        await line.speak()
        await answered(line)
        line.hear_all()
        line.passes(5)
        await line.until(lambda: len(line.said) == 3)
        assert line.said[2] == "Are you still there?"


async def test_rule_19_waits_while_something_is_being_said(pool: Workers) -> None:
    async with call(pool, settings={"idle_seconds": 5}) as line:
        await line.until(lambda: line.is_streaming)
        for questions in range(len(line.asked), len(line.asked) + 3):
            line.passes(5)
            await line.until(lambda: len(line.asked) > questions)  # noqa: B023
        assert len(line.said) == 1


async def test_rule_20_logs_both_sides_and_the_end(pool: Workers) -> None:
    async with call(pool) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        line.hang_up()
        await line.ended()
        assert line.logged("caller: turn 1, ", 6) and line.logged("assistant: Hello. I am not an AI", 6)
        assert re.fullmatch(r"\d+ s, 1 turns, caller", line.log[-1][1])
        level, text = line.log[-2]
        assert level == 6 and re.match(r"said: caller: turn 1, .* \| assistant: Hello\. I am not an AI", text)


async def test_rule_20_the_transcript_in_the_log_is_bounded(pool: Workers) -> None:
    async with call(pool, rules=[{"say": "Blah " * 30}], TRANSCRIPT_LINES=4, TRANSCRIPT_CHARS=200) as line:
        await ready(line)
        for turn in (1, 2, 3):
            await line.speak()
            await answered(line, turn)
        line.hang_up()
        await line.ended()
        assert len(line.log[-2][1]) <= 210 and line.log[-2][1].endswith("Blah")


@pytest.mark.parametrize(
    ("settings", "gate"),
    [
        ({}, (0, 0)),
        ({"vad_gate": True}, (300, 800)),
        ({"vad_gate": True, "silence_ms": 700}, (300, 800)),
        ({"vad_gate": True, "silence_ms": 1200}, (300, 1300)),
    ],
)
async def test_the_gate_is_off_by_default_and_longer_than_the_silence_that_ends_a_turn(
    pool: Workers, settings: dict[str, Any], gate: tuple[int, int]
) -> None:
    async with call(pool, settings=settings) as line:
        await ready(line)
        await line.until(lambda: line.is_streaming)
        assert (line.streams[-1].pre_roll_ms, line.streams[-1].hang_over_ms) == gate


async def test_what_the_gate_saved_is_in_the_last_line(pool: Workers) -> None:
    async with call(pool, settings={"vad_gate": True, "codec": "g711_alaw"}) as line:
        await ready(line)
        line.tell(m.Told(0, "withheld", {"ms": 4200}))
        line.hang_up()
        await line.ended()
        assert re.fullmatch(r"\d+ s, 0 turns, caller, 4.2 s \(33600 bytes\) of silence not sent", line.log[-1][1])


async def test_rule_20_unknown_events_and_fields_are_ignored(pool: Workers) -> None:
    async with call(pool, "noise", strict=False) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.played)
        assert not [entry for entry in line.log if entry[0] < 5]


async def test_the_beta_shape_is_understood_too(pool: Workers) -> None:
    """Services that speak the beta's event names are still about; the session they get is GA."""
    async with call(pool, settings={"voice": "alloy"}, strict=False, old_names=True) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.played)
        await line.until(lambda: line.logged("assistant: Hello.", 6))
