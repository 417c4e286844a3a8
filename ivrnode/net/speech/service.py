"""Text to speech for all calls: sentence by sentence, by one worker process that is restarted when it dies.

    synthesize() ─> sentences ─> SpeechCache ─ hit ──────────────────────────────> (pcm, rate)
                                     └ miss ─> FairQueue ─> SpeechProcess ─ answer ───┘

Never a thread of ours: the default engine holds the GIL for a whole phrase, which would make every packet late.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivrnode.errors import IvrNodeError
from ivrnode.log import Log
from ivrnode.net.speech.cache import Sentence, SpeechCache
from ivrnode.net.speech.engine import ENGINES, Engine
from ivrnode.net.speech.process import SpeechProcess
from ivrnode.net.speech.queue import FairQueue
from ivrnode.net.speech.text import sentences

MAX_TEXT = 10_000
"""Characters of one text: twelve minutes of speech, more than a playout queue takes."""
MAX_WAITING = 256
"""Sentences of one tenant that may wait."""
START_SECONDS = 10.0
SENTENCE_SECONDS = 10.0
"""A worker that is longer at one sentence is killed."""
LONGEST_REASON = 200
LONGEST_PAUSE = 5.0
"""Seconds between two starts of a worker that never gets ready."""


class SpeechError(IvrNodeError):
    """A text could not be spoken; the message says why, for the tenant's log."""


@dataclass(eq=False, slots=True)
class _Job:
    sentence: Sentence
    tenant: str
    spoken: asyncio.Future[bytes]
    attempts: int = 0


class Speech:
    """`engines` in the order of preference. `cache_folder` None or `cache_bytes` 0: nothing is kept on disk.

    Metrics: `sentences_spoken` by the worker, `sentences_recalled` from the cache, `restarts` of the worker, `waiting`.
    """

    def __init__(
        self,
        cache_folder: Path | None,
        cache_bytes: int = 200 * 1024 * 1024,
        engines: Sequence[str] = ("pico",),
        *,
        log: Log | None = None,
    ) -> None:
        self._engines = [ENGINES[name] for name in engines]
        self._cache = SpeechCache(cache_folder, cache_bytes)
        self._queue: FairQueue[_Job] = FairQueue(MAX_WAITING)
        self._log = log or Log()
        self._process: SpeechProcess | None = None
        self._is_open = False
        self._ready = asyncio.Event()
        self._current: _Job | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._starting: asyncio.Task[None] | None = None
        self._pause = 0.0
        self.sentences_spoken = self.sentences_recalled = self.restarts = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def worker_pid(self) -> int:
        """0 while there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when the worker is warm, after `START_SECONDS` at the latest; it is tried on and on then."""
        self._is_open = True
        await self._cache.open()
        self._start_process()
        try:
            await asyncio.wait_for(self._ready.wait(), START_SECONDS)
        except TimeoutError:
            self._log.write("MEDIA", 1, "the speech process does not start: nothing will be said")

    async def close(self) -> None:
        """Whoever still waits gets SpeechError."""
        self._is_open = False
        for job in iter(self._queue.take, None):
            _fail(job, "speech is closed")
        if self._starting:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._process:
            await self._process.close()

    async def synthesize(
        self, text: str, lang: str, voice: str = "", tenant: str = ""
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Per sentence of `text` one (pcm16 mono, rate), as it gets ready. Closing the generator (`aclose`) drops what
        was not begun.

        `lang` is a tag such as `de` or `en-GB`; `voice` an engine's own name, "" for the language's. Raises
        SpeechError, also after some sentences, when no engine has the language or none gives sound.
        """
        if len(text) > MAX_TEXT:
            raise SpeechError(f"text of {len(text)} characters: at most {MAX_TEXT}")
        pieces = sentences(text)
        if not pieces:
            raise SpeechError(f"nothing to be said in {text[:40]!r}")
        chosen = [(engine, own) for engine in self._engines if (own := engine.voice_for(lang, voice)) is not None]
        if not chosen:
            raise SpeechError(
                f"no voice for language {lang[:20]!r} in {', '.join(each.name for each in self._engines)}"
            )
        for piece in pieces:
            yield await self._speak(piece, chosen, tenant)

    async def _speak(self, text: str, chosen: Sequence[tuple[Engine, str]], tenant: str) -> tuple[bytes, int]:
        """By the first engine that can."""
        reasons = []
        for engine, voice in chosen:
            sentence = Sentence(engine.name, voice, engine.rate, text)
            pcm = await self._cache.get(sentence)
            if pcm is not None:
                self.sentences_recalled += 1
                return pcm, engine.rate
            try:
                return await self._ask(sentence, tenant), engine.rate
            except SpeechError as error:
                reasons.append(str(error))
        raise SpeechError("; ".join(reasons))

    async def _ask(self, sentence: Sentence, tenant: str) -> bytes:
        if not self._is_open:
            raise SpeechError("speech is closed")
        job = _Job(sentence, tenant, asyncio.get_running_loop().create_future())
        if not self._queue.put(tenant, job):
            raise SpeechError(f"more than {MAX_WAITING} sentences wait to be spoken")
        self._feed()
        try:
            return await job.spoken
        finally:
            self._queue.drop(tenant, job)

    def _feed(self) -> None:
        """Give the worker its next sentence, if it is free."""
        while self._ready.is_set() and self._process and self._current is None:
            job = self._queue.take()
            if job is None:
                return
            pcm = self._cache.recall(job.sentence)
            if pcm is not None:  # another call had wanted the same
                self.sentences_recalled += 1
                _succeed(job, pcm)
                continue
            self._current = job
            self._process.ask(job.sentence.engine, job.sentence.voice, job.sentence.text)
            self._overdue = asyncio.get_running_loop().call_later(SENTENCE_SECONDS, self._process.kill)

    def process_ready(self) -> None:
        self._pause = 0.0
        self._ready.set()
        self._feed()

    def process_answered(self, rate: int, data: bytes) -> None:
        job = self._finish()
        if job is not None:
            if rate == job.sentence.rate and data and not len(data) % 2:
                self.sentences_spoken += 1
                self._cache.put(job.sentence, data)
                _succeed(job, data)
            else:
                _fail(job, data[:LONGEST_REASON].decode(errors="replace") if not rate else "this is no sound")
        self._feed()

    def process_ended(self) -> None:
        self._process = None
        job = self._finish()
        if job is not None:
            job.attempts += 1
            # Once more: the worker may have been killed for no fault of this sentence. Twice is no accident.
            if job.attempts > 1 or not self._is_open:
                _fail(job, "the speech process died over this sentence")
            elif not job.spoken.done():
                self._queue.put_first(job.tenant, job)
        if not self._is_open:
            return
        self.restarts += 1
        if not self._ready.is_set():
            self._pause = min(LONGEST_PAUSE, max(0.25, 2 * self._pause))
        self._ready.clear()
        self._log.write("MEDIA", 2, "the speech process ended: starting another one")
        self._start_process()

    def _finish(self) -> _Job | None:
        job, self._current = self._current, None
        if self._overdue:
            self._overdue.cancel()
            self._overdue = None
        return job

    def _start_process(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._start_after(self._pause))

    async def _start_after(self, pause: float) -> None:
        await asyncio.sleep(pause)
        try:
            process = await SpeechProcess.start([engine.name for engine in self._engines], self)
        except OSError as error:
            self._log.write("MEDIA", 1, f"no speech process: {error}")
            self.process_ended()
            return
        if not process.ended.done():
            self._process = process


def _succeed(job: _Job, pcm: bytes) -> None:
    if not job.spoken.done():
        job.spoken.set_result(pcm)


def _fail(job: _Job, reason: str) -> None:
    if not job.spoken.done():
        job.spoken.set_exception(SpeechError(reason))
