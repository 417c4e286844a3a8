"""`ivrnode realtime`: play the speech service, offline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ivrnode.realtime.command import realtime_command
from ivrnode.realtime.voice import Voice

if TYPE_CHECKING:
    from ivrnode.net.speech import Speech


class SpeechVoice:
    """The product's own voices; English where they do not know a language."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    async def speak(self, text: str, lang: str) -> AsyncIterator[tuple[bytes, int]]:
        from ivrnode.net.speech import SpeechError

        has_spoken = False
        try:
            async for piece in self._speech.synthesize(text, lang):
                has_spoken = True
                yield piece
        except SpeechError:
            if has_spoken or lang == "en":
                raise
            async for piece in self._speech.synthesize(text, "en"):
                yield piece


@asynccontextmanager
async def _new_voice() -> AsyncIterator[Voice]:
    from ivrnode.net.speech import Speech

    speech = Speech(None)
    await speech.start()
    try:
        yield SpeechVoice(speech)
    finally:
        await speech.close()


realtime = realtime_command(_new_voice)
