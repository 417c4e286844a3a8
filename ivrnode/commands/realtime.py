"""`ivrnode realtime`: the stand-in speech service, offline, spoken by the product's own engine. It is no AI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ivrnode.net.speech.service import Speech
from ivrnode.realtime.command import realtime_command
from ivrnode.realtime.voice import Voice


class SpeechVoice:
    """The stand-in's voice is the one of `call.say`."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    async def speak(self, text: str, lang: str) -> AsyncIterator[tuple[bytes, int]]:
        async for piece in self._speech.synthesize(text, lang):
            yield piece


@asynccontextmanager
async def _new_voice() -> AsyncIterator[Voice]:
    speech = Speech(None)
    await speech.start()
    try:
        yield SpeechVoice(speech)
    finally:
        await speech.close()


realtime = realtime_command(_new_voice)
