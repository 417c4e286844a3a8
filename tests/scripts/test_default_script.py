"""The default script keeps its rules: in the real worker, against the stand-in, under every fault that concerns it."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from ivrnode.audio import g711
from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.rules import Script
from ivrnode.realtime.voice import tone
from ivrnode.script import messages as m
from realtime.strict import Judge
from scripts.hall import DEFAULT_SCRIPT, SAY_MS, Line, Workers, workers

SORRY = "I am sorry, I cannot go on at the moment."
GOODBYE = "Goodbye."
READY_SECONDS, ANSWER_SECONDS, EXPIRY_SECONDS = 10, 15, 30  # the script's own


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Workers]:
    async with workers() as pool:
        yield pool


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def call(
    pool: Workers,
    *faults: str,
    rules: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
    secret: str = "sk-placeholder",
    lang: str = "en",
    pace: float = 1000,
    strict: bool = True,
    ping_seconds: float | None = None,
    old_names: bool = False,
    brain: Callable[[], Brain] | None = None,
    addition: str = "",
    **waits: float,
) -> AsyncIterator[Line]:
    """The default script talks to a stand-in with these faults.

    `waits`: other constants of the script; `addition`: code between its tools and what comes next.
    """
    source = DEFAULT_SCRIPT.read_text("utf-8")
    for name, seconds in waits.items():
        line = next(line for line in source.splitlines() if line.startswith(f"{name} = "))
        source = source.replace(line, f"{name} = {seconds}")

    source = source.replace("# Silence: ask once", addition + "# Silence: ask once")

    def new_brain() -> Brain:
        return Script.parse({"rule": rules}) if rules else Parrot()

    server = RealtimeServer(ToneVoice(), brain=brain or new_brain, faults=Faults.parse(faults), pace=pace)
    async with server:
        secrets = {"openai": secret} if secret else {}
        own = {"url": server.url, **(settings or {})}
        async with pool.call(source, own, secrets=secrets, lang=lang, judge=Judge(is_strict=strict)) as line:
            line.ping_seconds, line.has_old_names = ping_seconds, old_names
            yield line


async def ready(line: Line) -> None:
    """The service has taken the settings, and the greeting was heard."""
    await line.until(lambda: line.is_streaming, "a stream")
    line.hear_all()


async def answered(line: Line, count: int = 1) -> None:
    """The service has ended its answer, and the script has played all of it."""
    await line.until(lambda: len(line.got("response.done")) == count, "an answer")
    await line.until(lambda: len(line.played) == len(line.got("response.output_audio.delta")), "its sound")


async def unanswered(line: Line, turn: int) -> None:
    """The caller's turn is over, and for so long as the script waits nothing comes. (A failure may have come.)"""
    await line.until(lambda: len(line.got("input_audio_buffer.speech_stopped")) == turn, "the end of the turn")
    line.passes(ANSWER_SECONDS)


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


async def test_rule_12_hangs_up_after_the_last_word(pool: Workers) -> None:
    async with call(pool, rules=[{"say": "See you.", "call": "hang_up"}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.hangups == [m.Hangup(True)] and GOODBYE not in line.said
        assert line.sounds[-1].played == line.sounds[-1].ms > 0


async def test_rule_12_says_goodbye_when_the_assistant_did_not(pool: Workers) -> None:
    async with call(pool, rules=[{"turn": 1, "say": "Yes."}, {"call": "hang_up"}]) as line:
        await ready(line)
        await line.speak()
        await answered(line)
        await line.speak()
        await line.ended()
        assert line.said[-1] == GOODBYE and line.hangups == [m.Hangup(True)]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"fault": "bad-tool", "say": "x"}, "There is no tool 'no_such_tool'."),
        ({"call": "transfer", "arguments": {"target": "sales"}}, "There is no tool 'transfer'."),
        ({"call": "hang_up", "arguments": "{not JSON"}, "The arguments are not a JSON object."),
        ({"call": "hang_up", "arguments": "[1]"}, "The arguments are not a JSON object."),
    ],
)
async def test_rule_13_tells_the_assistant_what_was_wrong(pool: Workers, rule: dict[str, Any], told: str) -> None:
    rules = [{"output": ".", "say": "My fault."}, rule]
    async with call(pool, rules=rules) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        call_id = line.got("response.done")[0]["response"]["output"][0]["call_id"]
        assert (item["type"], item["call_id"], item["output"]) == ("function_call_output", call_id, told)
        assert len(line.sent("response.create")) == 1 and not line.hangups
        await line.until(lambda: line.played)


@pytest.mark.parametrize(
    ("body", "told", "logged"),
    [
        ("await asyncio.sleep(3600)", "The tool took too long and was stopped.", "tool nap has not ended in 10 s"),
        ("return 1 / 0", "The tool failed.", "tool nap: ZeroDivisionError('division by zero')"),
        ("return 'It is late.'", "It is late.", "tool nap {}"),
    ],
)
async def test_rule_13_a_tool_of_ones_own_that_hangs_or_fails_is_told(
    pool: Workers, body: str, told: str, logged: str
) -> None:
    own = f'async def nap(arguments):\n    {body}\n\n\ntool(nap, "Sleep.")\n\n\n'
    rules = [{"output": ".", "say": "I am awake."}, {"call": "nap"}]
    async with call(pool, rules=rules, addition=own) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.logged("tool nap {}"))
        line.passes(10)
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == told and line.logged(logged) and not line.hangups


async def test_rule_14_an_error_costs_nothing(pool: Workers) -> None:
    async with call(pool, rules=[{"error": "rate_limit_exceeded", "say": "Yes."}]) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.played)
        assert line.logged("rate_limit_exceeded", 3) and not line.hangups


@pytest.mark.parametrize("code", ["invalid_api_key", "beta_api_shape_disabled", "session_expired"])
async def test_rule_14_fatal_errors_end_the_call(pool: Workers, code: str) -> None:
    async with call(pool, rules=[{"error": code, "say": "Yes."}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and line.logged(code, 3)


async def test_rule_14_an_error_before_the_session_is_ready_ends_the_call(pool: Workers) -> None:
    # The stand-in takes no such silence, as the service does not.
    async with call(pool, settings={"silence_ms": -1}) as line:
        await line.ended()
        assert line.got("error")[0]["error"]["param"].endswith("silence_duration_ms")
        assert line.said[-2:] == [SORRY, GOODBYE]


@pytest.mark.parametrize("fault", ["failed=1", "no-answer=1"])
async def test_rule_15_one_turn_without_an_answer_gets_a_short_apology(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await ready(line)
        await line.speak()
        await unanswered(line, 1)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again." and not line.hangups
        await line.speak()
        await line.until(lambda: line.played)
        assert not line.hangups


@pytest.mark.parametrize("fault", ["failed", "no-answer"])
async def test_rule_15_two_in_a_row_end_the_call(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await ready(line)
        for turn in (1, 2):
            await line.speak()
            await unanswered(line, turn)
            await line.until(lambda turn=turn: len(line.said) > turn)  # type: ignore[misc]
        await line.ended()
        assert line.said[1:] == ["Sorry, that did not work. Please say it again.", SORRY, GOODBYE]


async def test_rule_15_an_answer_in_between_starts_the_count_anew(pool: Workers) -> None:
    rules = [{"turn": turn, "fault": "failed", "say": "x"} for turn in (1, 3)] + [{"say": "Yes."}]
    async with call(pool, rules=rules) as line:
        await ready(line)
        for turn in (1, 2, 3):
            await line.speak()
            await line.until(lambda turn=turn: len(line.got("response.done")) == turn)  # type: ignore[misc]
        await line.until(lambda: len(line.said) == 3)
        assert not line.hangups


async def test_rule_15_a_stalled_service_is_noticed_by_the_answer_that_does_not_come(pool: Workers) -> None:
    async with call(pool, rules=[{"fault": "stall", "say": "x"}]) as line:
        await ready(line)
        await line.speak()
        await unanswered(line, 1)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again."


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"fault": "bad-key"}, 3000),
        ({"fault": "expire=0"}, 1001),
        ({"fault": "drop"}, 1006),
        ({"hang_up": 1000}, 1000),
        ({"hang_up": 1012}, 1012),
        ({"hang_up": 1013}, 1013),
    ],
)
async def test_rule_16_a_closed_socket_is_no_silence(pool: Workers, rule: dict[str, Any], code: int) -> None:
    async with call(pool, rules=[rule]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and not line.is_streaming
        assert line.logged(f"closed the connection: {code}", 3)
        assert line.hangups == [m.Hangup(True)]


@pytest.mark.parametrize("fault", ["bad-key", "sunset"])
async def test_rule_16_a_socket_that_closes_at_once(pool: Workers, fault: str) -> None:
    async with call(pool, fault) as line:
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]
        if fault == "sunset":
            assert line.logged("OpenAI-Beta", 2)


async def test_rule_16_a_stalled_service_is_noticed_by_its_missing_pongs(pool: Workers) -> None:
    async with call(pool, "stall", ping_seconds=0.2) as line:
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE]


def carried(line: Line) -> list[tuple[str, str]]:
    """Who said what, as the new session was told."""
    items = [event["item"] for event in line.sent("conversation.item.create")]
    return [(item["role"], item["content"][0]["text"]) for item in items]


async def renewed(line: Line, sessions: int = 2) -> None:
    await line.until(lambda: len(line.got("session.updated")) == sessions, "a new session")
    await line.until(lambda: line.is_streaming, "a stream")


async def test_rule_16_at_the_limit_a_new_session_goes_on(pool: Workers) -> None:
    rules = [{"turn": 1, "say": "It is sunny.", "hang_up": 1001}, {"say": "Still here."}]
    async with call(pool, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        assert len(line.opened) == 2 and len(line.sent("session.update")) == 2
        await line.until(lambda: len(carried(line)) == 2)
        assert carried(line)[0][0] == "user" and carried(line)[0][1].startswith("turn 1, ")
        assert carried(line)[1] == ("assistant", "It is sunny.")
        assert len(line.said) == 1 and not line.sent("response.create"), "the caller hears nothing of it"
        await line.speak()
        await answered(line, 2)
        assert not line.hangups and not line.got("error")


async def test_rule_16_a_turn_that_the_limit_cut_is_answered_by_the_new_session(pool: Workers) -> None:
    rules = [{"turn": 1, "text": "^turn 1", "once": True, "fault": "expire=0", "say": "x"}, {"say": "Here I am."}]
    shared = Script.parse({"rule": rules})  # one brain for both sessions: the second one knows of the first
    async with call(pool, brain=lambda: shared, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        await line.until(lambda: line.played, "the answer")
        assert len(line.sent("response.create")) == 1 and carried(line)[0][0] == "user" and len(line.said) == 1


async def test_rule_16_what_was_not_understood_is_asked_for_again(pool: Workers) -> None:
    async with call(pool, "no-answer", SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.keep_speaking()
        await line.until(lambda: line.got("input_audio_buffer.speech_started"))
        await line.until(lambda: line.sounds[0].rest == 0)
        await line.end_session()
        await renewed(line)
        assert line.said[1:] == ["Sorry, that did not work. Please say it again."] and not line.hangups


@pytest.mark.parametrize("shortest", [0.0, 5.0])
async def test_rule_16_gives_up_when_there_is_no_new_session(pool: Workers, shortest: float) -> None:
    """It is refused; or the old one was over so soon that a new one would be, too."""
    async with call(pool, SHORTEST_SESSION_SECONDS=shortest) as line:
        await ready(line)
        line.refuses_sockets = True
        await line.end_session()
        await line.ended()
        assert line.said[1:] == [SORRY, GOODBYE] and line.hangups == [m.Hangup(True)]
        assert len(line.opened) == (2 if shortest == 0 else 1)


async def test_rule_16_no_more_than_the_last_lines_are_carried_over(pool: Workers) -> None:
    async with call(pool, CONTEXT_LINES=3, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        for turn in (1, 2, 3):
            await line.speak()
            await answered(line, turn)
        await line.end_session()
        await renewed(line)
        await line.until(lambda: len(carried(line)) == 3)
        assert [role for role, _ in carried(line)] == ["assistant", "user", "assistant"]


async def test_rule_17_takes_a_new_session_before_the_old_one_ends(pool: Workers) -> None:
    async with call(pool, "expire=60") as line:
        await ready(line)
        for sessions in (2, 3):
            line.passes(EXPIRY_SECONDS + 1)
            await renewed(line, sessions)
        assert not line.logged("closed the connection") and len(line.said) == 1 and not line.hangups


async def test_rule_17_not_in_the_middle_of_a_turn(pool: Workers) -> None:
    async with call(pool, "expire=60", "no-answer") as line:
        await ready(line)
        await line.keep_speaking()
        await line.until(lambda: line.got("input_audio_buffer.speech_started"))
        for seconds in (EXPIRY_SECONDS + 1, 1, 1):
            line.passes(seconds)
        await line.end_session()
        await renewed(line)
        assert line.logged("closed the connection: 1001"), "it waited for the turn, up to the limit"


async def test_rule_14_an_expired_session_is_followed_by_a_new_one(pool: Workers) -> None:
    rules = [{"turn": 1, "error": "session_expired", "say": "Yes."}]
    async with call(pool, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await renewed(line)
        assert not line.hangups and line.logged("session_expired", 3)


async def test_rule_18_says_its_own_apology_once(pool: Workers) -> None:
    settings = {"sorry": {"de": "Da ist was faul."}}
    async with call(pool, "sunset", lang="de", settings=settings) as line:
        await line.ended()
        assert line.said[1:] == ["Da ist was faul.", "Auf Wiederhören."]


async def test_rule_18_the_apology_does_not_wait_for_a_long_answer(pool: Workers) -> None:
    async with call(pool, "big", rules=[{"turn": 1, "say": "Yes.", "hang_up": 1013}]) as line:
        await ready(line)
        await line.speak()
        await line.ended()
        assert line.played[-1].is_dropped
        assert [sound.text for sound in line.sounds if sound.played and sound.text][-2:] == [SORRY, GOODBYE]


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


# Transfers: the hall answers them.

TRANSFER = {"say": "One moment.", "call": "transfer", "arguments": {"target": "sales"}}
WITH_TARGETS = {"targets": {"sales": "120", "support": "121"}, "fallback": "100"}


def to(dest: str) -> dict[str, object]:
    return {"dest": dest, "drain": True, "timeout": 30}


async def test_rule_9_offers_the_targets_by_name(pool: Workers) -> None:
    async with call(pool, settings=WITH_TARGETS) as line:
        await ready(line)
        tool = line.sent("session.update")[0]["session"]["tools"][1]
        assert tool["name"] == "transfer"
        assert tool["parameters"]["properties"]["target"]["enum"] == ["sales", "support"]
        assert line.hears_digits


async def test_rule_10_a_transfer_is_not_disturbed(pool: Workers) -> None:
    rules = [TRANSFER | {"hang_up": 1000}]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.transfers == [to("120")])
        await line.until(lambda: line.socket_closed)
        assert line.queued_ms > 0 and not line.is_streaming
        line.hang_up("transferred")
        await line.ended()
        assert line.said == [line.sounds[0].text] and not line.hangups


async def test_rule_11_a_failed_transfer_gives_the_caller_back(pool: Workers) -> None:
    rules = [{"output": "nobody answers", "say": "Nobody is there."}, TRANSFER]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        line.transfer_works = False
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == "The transfer to sales did not work: nobody answers."
        assert line.is_streaming and len(line.streams) == 3


@pytest.mark.parametrize("code", [1000, 1001, 1013])
async def test_rule_11_a_service_that_leaves_during_a_failed_transfer_is_asked_again(pool: Workers, code: int) -> None:
    rules = [TRANSFER | {"once": True, "hang_up": code}, {"say": "Nobody is there."}]
    shared = Script.parse({"rule": rules})
    settings = WITH_TARGETS | {"fallback": ""}
    async with call(pool, settings=settings, brain=lambda: shared, SHORTEST_SESSION_SECONDS=0) as line:
        line.transfer_works, line.transfer_seconds = False, 0.3
        await ready(line)
        await line.speak()
        await line.until(lambda: line.socket_closed)
        await renewed(line)
        await line.until(lambda: len(line.got("response.done")) == 2, "an answer of the new session")
        failure = ("system", "The transfer to sales did not work: nobody answers.")
        assert carried(line)[-1] == failure and len(line.sent("response.create")) == 1
        assert len(line.opened) == 2 and len(line.said) == 1 and not line.got("error") and not line.hangups
        await line.speak()
        await line.until(lambda: len(line.got("response.done")) == 3, "the next turn")


async def test_rule_11_a_failed_transfer_without_a_service_ends_the_call(pool: Workers) -> None:
    rules = [TRANSFER | {"hang_up": 1000}]
    settings = WITH_TARGETS | {"fallback": ""}
    async with call(pool, settings=settings, rules=rules, SHORTEST_SESSION_SECONDS=0) as line:
        line.transfer_works, line.transfer_seconds = False, 0.3
        await ready(line)
        await line.speak()
        await line.until(lambda: line.socket_closed)
        line.refuses_sockets = True
        await line.ended()
        assert line.said[-2:] == [SORRY, GOODBYE] and len(line.opened) == 2


async def test_rule_11_a_target_that_is_no_number_is_told(pool: Workers) -> None:
    rules = [{"output": "failed", "say": "My fault."}, TRANSFER]
    async with call(pool, settings={"targets": {"sales": ""}}, rules=rules) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        assert line.is_streaming and len(line.streams) == 1 and not line.hangups


async def test_rule_15_no_answer_to_what_a_tool_says_is_no_silence(pool: Workers) -> None:
    rules = [TRANSFER | {"arguments": {"target": "moon"}}]  # none for what the tool says
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.sent("response.create"))
        line.passes(ANSWER_SECONDS)
        await line.until(lambda: len(line.said) == 2)
        assert line.said[1] == "Sorry, that did not work. Please say it again." and not line.hangups


async def test_rule_13_an_unknown_target_is_told(pool: Workers) -> None:
    rules = [{"output": ".", "say": "My fault."}, TRANSFER | {"arguments": {"target": "moon"}}]
    async with call(pool, settings=WITH_TARGETS, rules=rules) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.sent("response.create"))
        assert line.sent("conversation.item.create")[0]["item"]["output"] == (
            "There is no target 'moon', only: sales, support."
        )


@pytest.mark.parametrize("ok", [True, False])
async def test_rule_18_gives_the_caller_to_the_fallback(pool: Workers, ok: bool) -> None:
    async with call(pool, "sunset", settings=WITH_TARGETS) as line:
        line.transfer_works = ok
        await line.until(lambda: line.transfers == [to("100")])
        if ok:
            line.hang_up("transferred")
        await line.ended()
        assert line.said[1:] == ([SORRY] if ok else [SORRY, GOODBYE])


async def test_rule_19_key_0_leads_to_the_fallback(pool: Workers) -> None:
    async with call(pool, settings=WITH_TARGETS) as line:
        await ready(line)
        line.press("5")
        line.press("0")
        await line.until(lambda: line.transfers == [to("100")])
        await line.until(lambda: line.socket_closed)
        line.hang_up("transferred")
        await line.ended()
        assert len(line.said) == 1


async def test_rule_16_a_session_that_ends_while_a_tool_works_is_not_told_its_result(pool: Workers) -> None:
    nap = 'async def nap(arguments):\n    await asyncio.sleep(1)\n    console.log("slept")\n    return "Done."\n\n\n'
    own = nap + 'tool(nap, "Sleep.")\n\n\n'
    shared = Script.parse({"rule": [{"call": "nap", "once": True}, {"say": "Yes."}]})
    async with call(pool, brain=lambda: shared, addition=own, SHORTEST_SESSION_SECONDS=0) as line:
        await ready(line)
        await line.speak()
        await line.until(lambda: line.logged("tool nap"))
        await line.end_session()
        await renewed(line)
        line.passes(1)
        await line.until(lambda: line.logged("slept"))
        await line.speak()
        await line.until(lambda: line.sent("input_audio_buffer.append"))
        await line.until(lambda: len(line.got("input_audio_buffer.committed")) == 2)
        items = [event["item"]["type"] for event in line.sent("conversation.item.create")]
        assert "function_call_output" not in items and not line.got("error") and not line.hangups


async def test_the_assistant_presses_keys_where_it_may(pool: Workers) -> None:
    rules = [{"output": "pressed", "say": "Done."}, {"call": "send_keys", "arguments": {"keys": "12#"}}]
    async with call(pool, rules=rules, settings={"send_keys": True}) as line:
        await ready(line)
        await line.speak()
        await answered(line, 2)
        (item,) = (event["item"] for event in line.sent("conversation.item.create"))
        assert item["output"] == "The keys were pressed."
        assert line.keys_pressed == ["12#"]
        await line.until(lambda: line.played)
