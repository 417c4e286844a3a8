"""Every sample script does what its first lines promise; all of them would be accepted by an upload."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from ivrnode.audio import g711
from ivrnode.commands._vocabulary import vocabulary
from ivrnode.realtime import RealtimeServer, ToneVoice
from ivrnode.realtime.voice import tone
from ivrnode.script import messages as m
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.tenancy.advice import advise
from ivrnode.tenancy.lint import check
from realtime.strict import Judge
from scripts.hall import DEFAULT_SCRIPT, SAMPLES, Workers

SEED_DEMO = Path(__file__).parents[1] / "realtime" / "seed_demo.py"
pytestmark = pytest.mark.asyncio(loop_scope="module")


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize("path", [DEFAULT_SCRIPT, SEED_DEMO, *sorted(SAMPLES.glob("*.py"))], ids=lambda path: path.stem)
async def test_an_upload_takes_it_without_a_warning(path: Path) -> None:
    text = path.read_text("utf-8")
    assert check(text, path.name, ALLOWED) is None
    assert [str(advice) for advice in advise(text, path.name, vocabulary())] == []


async def test_the_realtime_sample_is_the_default_script() -> None:
    assert (SAMPLES / "openai_realtime.py").resolve() == DEFAULT_SCRIPT.resolve()


async def test_echo_gives_the_sound_back_a_second_later(pool: Workers) -> None:
    async with pool.call(sample("echo")) as line:
        await line.until(lambda: line.is_streaming)
        line.hear(line.sounds[0].ms)  # the greeting
        await line.keep_speaking(200)
        await line.until(lambda: len(line.played) == 11)
        assert b"".join(sound.audio for sound in line.played) == (
            g711.ULAW_SILENCE * 8000 + g711.pcm_to_ulaw(tone(200, 8000, hertz=300))
        )
        line.press("#")
        await line.ended()
        assert line.said[-1] == "Goodbye." and line.hangups == [m.Hangup(True)]
        assert line.played[-1].is_dropped


async def test_menu_answers_keys(pool: Workers) -> None:
    async with pool.call(sample("menu"), {"hours": "Always open."}) as line:
        await line.until(lambda: line.said)
        menu = line.said[0]
        line.press("1")
        await line.until(lambda: len(line.said) == 3)
        assert line.sounds[0].is_dropped and line.said[1:] == ["Always open.", menu]
        line.press("9")
        await line.until(lambda: len(line.said) == 5)
        assert line.said[3] == "That key has no meaning here."
        line.press("0")
        await line.ended()
        assert line.said[-1] == "Goodbye." and not line.hears_digits


async def test_menu_gives_up_after_three_silences(pool: Workers) -> None:
    async with pool.call(sample("menu"), {"patience_ms": 50}, clock=None) as line:
        for count in (1, 2, 3):
            await line.until(lambda count=count: len(line.said) >= count)  # type: ignore[misc]
            line.hear_all()
        await line.ended()
        assert line.said[3:] == ["Goodbye."]


@pytest.mark.parametrize(
    ("lang", "pattern", "goodbye"),
    [("de", r"Es ist \d{1,2} Uhr \d{1,2}\.", "Auf Wiederhören."), ("en", r"It is \d{1,2}:\d\d\.", "Goodbye.")],
)
async def test_clock_tells_the_time_again_with_every_key(pool: Workers, lang: str, pattern: str, goodbye: str) -> None:
    async with pool.call(sample("clock"), {"patience": 0.2, "utc_offset": -3}, lang=lang, clock=None) as line:
        line.press("5")
        for count in (1, 2, 3, 4, 5):
            await line.until(lambda count=count: len(line.said) >= count)  # type: ignore[misc]
            line.hear_all()
        await line.ended()
        assert re.fullmatch(pattern, line.said[0]) and re.fullmatch(pattern, line.said[2])
        assert line.said[4] == goodbye


async def test_the_seeds_demo_works_against_the_beta_shape(pool: Workers) -> None:
    async with RealtimeServer(ToneVoice(), pace=1000, serves_beta=True) as server:
        source = SEED_DEMO.read_text("utf-8")
        async with pool.call(source, {"url": server.url}, lang="de", judge=Judge("beta")) as line:
            await line.until(lambda: line.is_streaming)
            assert line.said == ["Bitte sprechen Sie."]
            assert line.streams == [m.Stream("g711_ulaw", 8000, 500, stream=1)]
            await line.speak(1000, 1000)
            await line.until(lambda: line.got("response.done"))
            await line.until(lambda: len(line.played) == len(line.got("response.audio.delta")))
            assert {len(base64.b64decode(event["audio"])) for event in line.sent("input_audio_buffer.append")} == {4000}
            assert line.sounds[0].is_dropped  # by the assistant's own item, just before its first sound
            first = line.queued_ms
            assert first > 3000
            await line.speak(1000, 1000)
            await line.until(lambda: len(line.got("response.done")) == 2)
            await line.until(lambda: len(line.played) == len(line.got("response.audio.delta")))
            assert 0 < line.queued_ms < first  # the first answer was dropped, the second one is to be heard


async def test_the_seeds_demo_is_sent_away_where_the_beta_is_over(pool: Workers) -> None:
    source, judge = SEED_DEMO.read_text("utf-8"), Judge("beta")
    async with RealtimeServer(ToneVoice()) as server, pool.call(source, {"url": server.url}, judge=judge) as line:
        await line.until(lambda: line.logged("closed"))
        assert [event["error"]["code"] for event in line.got("error")] == ["beta_api_shape_disabled"]
