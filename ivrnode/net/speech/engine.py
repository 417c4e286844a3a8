"""The engines that turn a sentence into sound, behind one Protocol. The worker process calls `speak`; the core asks
only which voice would speak, and loads no engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol


class Engine(Protocol):
    name: str
    rate: int
    """Hz of all that `speak` gives."""

    def voice_for(self, lang: str, voice: str) -> str | None:
        """The engine's own name of the voice for a script's wish: `voice` if it is one of the engine's, else the one
        for `lang` ("de", "en-GB" ...). None when it has none for that language."""

    def folders(self) -> list[Path]:
        """Where its own files lie, which it opens when it speaks."""

    def speak(self, text: str, voice: str) -> bytes:
        """pcm16 mono of one sentence. Any exception means failure, and so does no sound."""


class Pico:
    """SVOX Pico by py-nanotts: six voices in the package itself, no network. It holds the GIL for the whole phrase."""

    name = "pico"
    rate = 16000

    _VOICES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT")
    # Pico takes `<` for markup that sets the speed or plays a file, and knows no escape for it (`&lt;` is spoken letter
    # by letter, so `&` needs none): the sign never reaches it, its name does.
    _LESS_THAN = {
        "en-US": "less than", "en-GB": "less than", "de-DE": "kleiner als", "fr-FR": "inférieur à",
        "es-ES": "menor que", "it-IT": "minore di",
    }  # fmt: skip
    _VOLUME = 0.5  # at its own 1.0 one loud sample in fifty is clipped; this speaks at -18 dB under full scale

    def voice_for(self, lang: str, voice: str) -> str | None:
        for wish in (voice, lang):
            for known in self._VOICES:
                if known.lower() == wish.lower().replace("_", "-"):
                    return known
        language = re.split("[-_]", lang.lower(), maxsplit=1)[0]
        return next((known for known in self._VOICES if known.startswith(f"{language}-")), None)

    def folders(self) -> list[Path]:
        import py_nanotts

        return [Path(py_nanotts.__file__).parent / "lang"]

    def speak(self, text: str, voice: str) -> bytes:
        from py_nanotts import NanoTTS

        text = text.replace("<", f" {self._LESS_THAN[voice]} ")
        return bytes(NanoTTS().speak(text, voice=voice, volume=self._VOLUME))


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Pico(),)}
