"""Text to speech with the real engine in its real process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from ear import hears
from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.vad import EnergyVad, level_db
from ivrnode.net.speech import service as speech_module
from ivrnode.net.speech.service import MAX_TEXT, MAX_WAITING, Speech, SpeechError
from ivrnode.net.speech.worker import trimmed
from patience import PATIENCE
from sound import noise, samples, tone


@pytest.fixture
async def speech() -> AsyncIterator[Speech]:
    speech = Speech(None)
    await speech.start()
    yield speech
    await speech.close()


async def spoken(speech: Speech, text: str, lang: str = "en", voice: str = "", tenant: str = "") -> list[bytes]:
    parts = []
    async for pcm, rate in speech.synthesize(text, lang, voice, tenant):
        assert rate == 16000
        parts.append(pcm)
    return parts


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_true():  # noqa: ASYNC110 - nothing tells of it but the state itself
            await asyncio.sleep(0)


def at_the_phone(pcm: bytes) -> bytes:
    return Converter(AudioFormat("pcm16", 16000), AudioFormat("pcm16", 8000)).convert(pcm)


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "Welcome to the support line, please hold."),
        ("de", "Willkommen bei der Auskunft, bitte warten Sie."),
        ("fr", "Bonjour et bienvenue, veuillez patienter."),
        ("es", "Hola y bienvenido, por favor espere."),
        ("it", "Benvenuto al servizio, attenda in linea."),
        ("de-AT", "Willkommen bei der Auskunft, bitte warten Sie."),
    ],
)
async def test_a_language_is_spoken_at_a_good_level_and_length(speech: Speech, lang: str, text: str) -> None:
    (pcm,) = await spoken(speech, text, lang)
    assert 2 < len(pcm) / 32000 < 5
    assert -25 < level_db(pcm) < -15
    assert max(map(abs, samples(pcm))) < 32767
    assert EnergyVad(16000).feed(pcm)[0].at_ms < 100
    assert level_db(pcm[-9000:]) < -55


async def test_what_is_said_is_understood_at_the_phone(speech: Speech) -> None:
    said = "Press one for sales."
    (pcm,) = await spoken(speech, said)
    assert hears(at_the_phone(pcm), [said], ["Press two for sales.", "Please hold the line."]) == said


async def test_a_voice_can_be_chosen_and_an_unknown_one_falls_back_to_the_language(speech: Speech) -> None:
    (american,) = await spoken(speech, "How do you do?", "en")
    (british,) = await spoken(speech, "How do you do?", "en", "en-GB")
    (unknown,) = await spoken(speech, "How do you do?", "en", "Kermit")
    assert len(british) != len(american) == len(unknown)


async def test_each_sentence_comes_by_itself(speech: Speech) -> None:
    assert len(await spoken(speech, "Hello. Welcome to Dr. Smith! How can I help?")) == 3


@pytest.mark.parametrize("lang", ["en", "en-GB", "de", "fr", "es", "it"])
async def test_markup_is_spoken_and_not_obeyed(speech: Speech, lang: str) -> None:
    plain = sum(map(len, await spoken(speech, "one two three four", lang)))
    fast = sum(map(len, await spoken(speech, "<speed level='500'>one two three four</speed>", lang)))
    assert fast > 1.5 * plain


async def test_markup_plays_no_file(speech: Speech, tmp_path: Path) -> None:
    (tmp_path / "loud.raw").write_bytes(tone(440, 16000, 60_000))
    played = await spoken(speech, f"<play file='{tmp_path}/loud.raw'/>")
    assert sum(map(len, played)) / 32000 < 30


async def test_signs_have_their_names(speech: Speech) -> None:
    for signs, words in (("x < y", "x less than y"), ("x & y", "x and y")):
        assert await spoken(speech, signs) != []
        assert len((await spoken(speech, signs))[0]) == pytest.approx(len((await spoken(speech, words))[0]), rel=0.15)


@pytest.mark.parametrize(
    ("text", "lang", "reason"),
    [
        ("Hello", "ja", "no voice for language 'ja'"),
        ("日本語", "en", "no sound came"),
        ("...", "en", "nothing to be said"),
        ("a" * (MAX_TEXT + 1), "en", "at most"),
    ],
)
async def test_what_cannot_be_said_is_an_error_and_no_silence(
    speech: Speech, text: str, lang: str, reason: str
) -> None:
    with pytest.raises(SpeechError, match=reason):
        await spoken(speech, text, lang)
    assert await spoken(speech, "The next one is heard.")


async def test_a_bad_sentence_comes_after_the_good_one_before_it(speech: Speech) -> None:
    heard = []
    with pytest.raises(SpeechError):
        async for pcm, _ in speech.synthesize("Hello. 日本語", "en"):
            heard.append(pcm)
    assert len(heard) == 1


async def test_a_killed_worker_is_restarted_and_the_next_sentence_is_spoken(speech: Speech) -> None:
    for round in range(1, 3):
        pid = speech.worker_pid
        os.kill(pid, signal.SIGKILL)
        assert await spoken(speech, f"This is life number {round}.")
        assert speech.worker_pid not in (pid, 0)
        assert speech.restarts == round


async def test_a_sentence_survives_one_death_of_its_worker_and_not_two(speech: Speech) -> None:
    once = asyncio.create_task(spoken(speech, "word " * 50))
    await asyncio.sleep(0)
    os.kill(speech.worker_pid, signal.SIGKILL)
    assert await once

    other = Speech(None)
    await other.start()
    pending = asyncio.create_task(spoken(other, "word " * 55))
    for _ in range(2):
        await until(lambda: other._current is not None)
        os.kill(other.worker_pid, signal.SIGKILL)
        await until(lambda: other._current is None)
    with pytest.raises(SpeechError, match="died over this sentence"):
        await pending
    assert await spoken(other, "Still alive.")
    await other.close()


async def test_a_worker_that_hangs_is_killed(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as hasty:
        hasty.setattr(speech_module, "SENTENCE_SECONDS", 0.1)
        os.kill(speech.worker_pid, signal.SIGSTOP)
        back = asyncio.create_task(spoken(speech, "Back again."))
        await until(lambda: speech.restarts == 1)
    assert await back
    assert speech.restarts == 1


async def test_two_tenants_take_turns(speech: Speech) -> None:
    order: list[str] = []

    async def say(tenant: str, text: str) -> None:
        await spoken(speech, text, tenant=tenant)
        order.append(tenant)

    greedy = [asyncio.create_task(say("greedy", f"This is the long announcement number {n}.")) for n in range(12)]
    await asyncio.sleep(0)
    modest = [asyncio.create_task(say("modest", f"Hello number {n}.")) for n in range(2)]
    await asyncio.gather(*greedy, *modest)
    assert [place for place, tenant in enumerate(order) if tenant == "modest"] == [2, 4]


async def test_a_tenant_cannot_fill_the_house(speech: Speech) -> None:
    texts = [f"Number {n}." for n in range(MAX_WAITING + 2)]
    tasks = [asyncio.create_task(spoken(speech, text, tenant="greedy")) for text in texts]
    await asyncio.sleep(0)
    assert speech.waiting == MAX_WAITING
    with pytest.raises(SpeechError, match="wait to be spoken"):
        await tasks[-1]
    for task in tasks:
        task.cancel()
    assert await spoken(speech, "I am another one.", tenant="modest")
    assert speech.waiting == 0


async def test_closing_the_generator_drops_what_was_not_begun(speech: Speech) -> None:
    async with aclosing(speech.synthesize("First one. Second one. Third one.", "en")) as parts:
        async for _ in parts:
            break
    assert speech.waiting == 0
    assert speech.sentences_spoken == 1


async def test_a_prompt_in_memory_does_not_touch_the_worker(speech: Speech) -> None:
    first = await spoken(speech, "Welcome. How are you?")
    assert await spoken(speech, "Welcome.  How are  you?") == first
    assert (speech.sentences_spoken, speech.sentences_recalled) == (2, 2)


async def test_a_greeting_that_many_callers_want_at_once_is_spoken_once(speech: Speech) -> None:
    heard = await asyncio.gather(*(spoken(speech, "Good morning.", tenant=str(n)) for n in range(20)))
    assert all(parts == heard[0] for parts in heard)
    assert speech.sentences_spoken == 1


async def test_a_prompt_that_repeats_outlives_the_process_on_disk(tmp_path: Path) -> None:
    first = Speech(tmp_path)
    await first.start()
    welcome = await spoken(first, "Welcome.")
    await spoken(first, "Your balance is nine.")
    assert await spoken(first, "Welcome.") == welcome
    await first.close()
    assert len(list(tmp_path.iterdir())) == 1

    second = Speech(tmp_path)
    await second.start()
    assert await spoken(second, "Welcome.") == welcome
    assert (second.sentences_spoken, second.sentences_recalled) == (0, 1)
    await second.close()


async def test_whoever_waits_when_speech_closes_is_told() -> None:
    speech = Speech(None)
    await speech.start()
    tasks = [asyncio.create_task(spoken(speech, f"Caller {n} waits. He is number {n}.")) for n in range(3)]
    await asyncio.sleep(0)
    pid = speech.worker_pid
    await speech.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [SpeechError] * 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SpeechError, match="closed"):
        await spoken(speech, "Too late.")


async def test_the_worker_sees_no_secret_of_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    speech = Speech(None)
    await speech.start()
    environment = Path(f"/proc/{speech.worker_pid}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"secret" not in environment
    assert os.getpriority(os.PRIO_PROCESS, speech.worker_pid) > os.getpriority(os.PRIO_PROCESS, 0)
    await speech.close()


def test_quiet_at_the_end_is_cut_off_and_quiet_all_through_is_nothing() -> None:
    sound = tone(300, 16000, 100)
    assert trimmed(sound + bytes(16000) + noise(16000, 300, 20), 16000) == sound
    assert trimmed(bytes(5000), 16000) == b""
    assert trimmed(b"", 16000) == b""
