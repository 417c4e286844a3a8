"""Sounds from files: a tenant's prompts and what web servers have, decoded in a process apart, kept for a while.

    read(Prompt | HttpRequest) ─> cache ─ hit ──────────────────────────────────────────> pcm, rate
                                    └ miss ─> file, or HttpClient ─> sound_worker ─ cache ──┘

Whoever wants a sound that is being read already waits for the same reading.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ivrnode.audio.format import BEST_RATE, LONGEST_SECONDS, MIN_RATE
from ivrnode.errors import IvrNodeError
from ivrnode.net.child import bare_environment, command
from ivrnode.net.sound.worker import LONGEST_FILE, RATE
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.prompt import Prompt

FOLDER = "prompts"
ENDINGS = (".wav", ".mp3", ".ogg", ".flac")
CACHE_BYTES = 32 * 1024 * 1024
FRESH_SECONDS = 60.0
"""So long what a web server had is not asked for again."""
DECODE_SECONDS = 20.0
LONGEST_ANSWER = RATE.size + 2 * BEST_RATE * LONGEST_SECONDS
LONGEST_REASON = 200
_PART = 64 * 1024
AT_ONCE = 2
"""Decoders of each kind, for prompts and for what web servers have: more would only take the processor from each other,
and from the packets."""
FETCHED_AT_ONCE = 4
"""Of one tenant, until they are decoded: each may be large, and its server slow. The others of his wait."""

Fetch = Callable[[HttpRequest], Awaitable[HttpResponse]]


class SoundError(IvrNodeError):
    """No sound came of it; the message says why, for the tenant's log."""


class _Sound(NamedTuple):
    pcm: bytes
    rate: int
    fresh_until: float


class Sounds:
    """`tenants`: the folder of all tenants. `files_read` counts what was decoded."""

    def __init__(self, tenants: Path, fetch: Fetch, cache_bytes: int = CACHE_BYTES) -> None:
        self._tenants, self._fetch = tenants, fetch
        self._cache: OrderedDict[Any, _Sound] = OrderedDict()
        self._cache_bytes, self._cached = cache_bytes, 0
        self._reading: dict[Any, asyncio.Task[_Sound]] = {}
        self._prompt_decoders, self._web_decoders = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)
        self._turns: dict[str, asyncio.Semaphore] = {}  # by tenant
        self.files_read = 0

    async def read(self, source: Prompt | HttpRequest, tenant: str = "") -> tuple[bytes, int]:
        """pcm16 mono and its rate, 8000 to 16000. `tenant`: who wants it. Raises SoundError."""
        if isinstance(source, Prompt):
            return await self._read_prompt(source)
        sound = await self._get(source.url, lambda: self._download(source, tenant))
        return sound.pcm, sound.rate

    async def close(self) -> None:
        for task in list(self._reading.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, SoundError):
                await task

    async def _read_prompt(self, prompt: Prompt) -> tuple[bytes, int]:
        file, facts = _open(self._tenants, prompt)
        try:
            key = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size)
            sound = await self._get(key, lambda: self._decode(self._prompt_decoders, os.dup(file), b"", float("inf")))
        finally:
            os.close(file)
        return sound.pcm, sound.rate

    async def _get(self, key: Any, read: Callable[[], Any]) -> _Sound:
        sound = self._cache.get(key)
        if sound is not None and time.monotonic() < sound.fresh_until:
            self._cache.move_to_end(key)
            return sound
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.ensure_future(read())
            task.add_done_callback(lambda done: self._was_read(key, done))
        return await asyncio.shield(task)

    def _was_read(self, key: Any, task: asyncio.Task[_Sound]) -> None:
        del self._reading[key]
        if task.cancelled() or task.exception() is not None:
            return
        sound = task.result()
        old = self._cache.pop(key, None)
        self._cache[key] = sound
        self._cached += len(sound.pcm) - (len(old.pcm) if old else 0)
        while self._cached > self._cache_bytes:
            self._cached -= len(self._cache.popitem(last=False)[1].pcm)

    async def _download(self, request: HttpRequest, tenant: str) -> _Sound:
        async with self._turns.setdefault(tenant, asyncio.Semaphore(FETCHED_AT_ONCE)):
            answer = await self._fetch(request)
            if answer.code != 200:
                raise SoundError(f"the server answered {answer.code}" if answer.code else answer.error)
            fresh_until = time.monotonic() + FRESH_SECONDS
            return await self._decode(self._web_decoders, asyncio.subprocess.PIPE, answer.body, fresh_until)

    async def _decode(self, decoders: asyncio.Semaphore, source: int, data: bytes, fresh_until: float) -> _Sound:
        """`source`: a descriptor, closed here; PIPE: `data` is the file."""
        try:
            async with decoders, asyncio.timeout(DECODE_SECONDS):
                self.files_read += 1
                process = await _worker(source)
                try:
                    answer = await _answer(process, data)
                finally:
                    if process.returncode is None:
                        with suppress(ProcessLookupError):
                            process.kill()
                        await process.communicate()  # what is in its pipe; with that unread, no end is told
        except TimeoutError:
            raise SoundError(f"not decoded within {DECODE_SECONDS:.0f} s") from None
        except OSError as error:
            raise SoundError(f"no decoder: {error.strerror}") from None
        finally:
            if source >= 0:
                os.close(source)
        if len(answer) < RATE.size:
            raise SoundError("the decoder died over it")
        (rate,), pcm = RATE.unpack_from(answer), answer[RATE.size :]
        if not rate:
            raise SoundError(pcm[:LONGEST_REASON].decode(errors="replace"))
        if not MIN_RATE <= rate <= BEST_RATE or len(pcm) % 2 or len(answer) > LONGEST_ANSWER:
            raise SoundError("the decoder gave no sound")
        return _Sound(pcm, rate, fresh_until)


async def _answer(process: asyncio.subprocess.Process, data: bytes) -> bytes:
    """All that it says, or a little more than it may: a file that has broken it decides what comes."""
    if process.stdin is not None:
        with suppress(ConnectionError):
            process.stdin.write(data)
            await process.stdin.drain()
        process.stdin.close()
    assert process.stdout is not None
    answer = bytearray()
    while part := await process.stdout.read(_PART):
        answer += part
        if len(answer) > LONGEST_ANSWER:
            return bytes(answer)
    await process.wait()
    return bytes(answer)


async def _worker(source: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command("ivrnode.net.sound.worker"),
        stdin=source, stdout=asyncio.subprocess.PIPE, env=bare_environment(), start_new_session=True,
    )  # fmt: skip


def _open(tenants: Path, prompt: Prompt) -> tuple[int, os.stat_result]:
    """The file's descriptor. No link is followed: what a tenant may put into his folder leads nowhere else."""
    for path in _places(tenants, prompt):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        facts = os.fstat(file)
        if stat.S_ISREG(facts.st_mode) and facts.st_size <= LONGEST_FILE:
            return file, facts
        os.close(file)
        raise SoundError(f"prompt {prompt.name} is no file of up to {LONGEST_FILE >> 20} MiB")
    raise SoundError(f"there is no prompt {prompt.name}: put {prompt.name}.wav into the tenant's folder {FOLDER}/")


def _places(tenants: Path, prompt: Prompt) -> Iterator[Path]:
    names = [prompt.name] if prompt.name.endswith(ENDINGS) else []
    names += [prompt.name + ending for ending in ENDINGS]
    tenant = tenants / prompt.tenant
    for folder in (tenant / "nodes" / prompt.node / FOLDER, tenant / FOLDER):
        for name in names:
            yield folder / name
