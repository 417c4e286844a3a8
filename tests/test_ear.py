"""The ear itself: it must tell prompts apart, and hear nothing where nothing is said."""

import pytest

from ear import hears
from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.net.speech.engine import Pico
from sound import noise, tone

PROMPTS = [
    "Welcome to the support line.",
    "Press one for sales or two for support.",
    "Please hold the line.",
    "Your call is being recorded.",
    "Goodbye.",
]
ULAW = AudioFormat("g711_ulaw", 8000)
PCM = AudioFormat("pcm16", 8000)


def through_a_phone(text: str) -> bytes:
    """Spoken by Pico, sent as u-law at 8000 Hz, back to pcm16."""
    spoken = Pico().speak(text, "en-US")
    return Converter(ULAW, PCM).convert(Converter(AudioFormat("pcm16", Pico.rate), ULAW).convert(spoken))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_told_from_the_others(prompt: str) -> None:
    others = [other for other in PROMPTS if other != prompt]
    assert hears(through_a_phone(prompt), [prompt], others) == prompt


def test_what_is_not_in_the_grammar_is_not_heard() -> None:
    assert hears(through_a_phone("The weather in London is very nice today."), PROMPTS[:3], PROMPTS[3:]) is None


@pytest.mark.parametrize(
    "sound", [bytes(32000), noise(8000, 2000), tone(440, 8000, 2000)], ids=["silence", "noise", "tone"]
)
def test_where_nothing_is_said_nothing_is_heard(sound: bytes) -> None:
    assert hears(sound, PROMPTS[:3], PROMPTS[3:]) is None


def test_half_a_prompt_is_not_the_prompt() -> None:
    whole = through_a_phone(PROMPTS[1])
    assert hears(whole[: len(whole) // 2], [PROMPTS[1]], PROMPTS[2:]) is None


def test_a_word_that_the_ear_cannot_know_is_told() -> None:
    pytest.importorskip("pocketsphinx")
    with pytest.raises(ValueError, match="zyxwv"):
        hears(bytes(1600), ["zyxwv"], [])
