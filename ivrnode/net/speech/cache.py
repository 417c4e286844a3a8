"""Sentences that were spoken before: in memory, and those that were wanted twice also on disk.

A sentence that is said once is often about one caller only; it never reaches the disk. Files are WAV, named by a hash
of (engine, voice, rate, text). Both stores are bounded by bytes and forget what was not wanted for the longest time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from ivrnode.audio.wav import read_wav, write_wav
from ivrnode.errors import ProtocolError

MEMORY_BYTES = 16 * 1024 * 1024


class Sentence(NamedTuple):
    """All that decides how a sentence sounds."""

    engine: str
    voice: str
    rate: int
    text: str

    @property
    def file_name(self) -> str:
        return hashlib.sha256("\0".join(map(str, self)).encode()).hexdigest() + ".wav"


class SpeechCache:
    """`folder` None or `disk_bytes` 0: memory only. A disk that fails costs speed, never a sentence."""

    def __init__(self, folder: Path | None, disk_bytes: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self._folder = folder if disk_bytes else None
        self._disk_bytes, self._memory_bytes = disk_bytes, memory_bytes
        self._memory: OrderedDict[Sentence, bytes] = OrderedDict()
        self._files: OrderedDict[str, int] = OrderedDict()  # name -> bytes, the one used last at the end
        self._memory_used = self._disk_used = 0

    async def open(self) -> None:
        """Find what an earlier run left on disk."""
        if self._folder is not None:
            self._files = await asyncio.to_thread(_found, self._folder)
            self._disk_used = sum(self._files.values())

    def recall(self, sentence: Sentence) -> bytes | None:
        """From memory, at once."""
        pcm = self._memory.get(sentence)
        if pcm is not None:
            self._memory.move_to_end(sentence)
        return pcm

    async def get(self, sentence: Sentence) -> bytes | None:
        """From memory or disk."""
        pcm = self.recall(sentence)
        name = sentence.file_name
        is_on_disk = name in self._files
        if is_on_disk:
            self._files.move_to_end(name)
        if pcm is None and is_on_disk and self._folder is not None:
            pcm = await asyncio.to_thread(_read, self._folder / name)
            if pcm is None:
                self._disk_used -= self._files.pop(name, 0)
            else:
                self.put(sentence, pcm)
        elif pcm is not None and not is_on_disk:
            await self._write(name, pcm, sentence.rate)
        return pcm

    def put(self, sentence: Sentence, pcm: bytes) -> None:
        self._memory_used += len(pcm) - len(self._memory.pop(sentence, b""))
        self._memory[sentence] = pcm
        while self._memory_used > self._memory_bytes:
            self._memory_used -= len(self._memory.popitem(last=False)[1])

    async def _write(self, name: str, pcm: bytes, rate: int) -> None:
        if self._folder is None or len(pcm) > self._disk_bytes:
            return
        self._files[name] = len(pcm)
        self._disk_used += len(pcm)
        forgotten = []
        while self._disk_used > self._disk_bytes:
            old, size = self._files.popitem(last=False)
            self._disk_used -= size
            forgotten.append(self._folder / old)
        await asyncio.to_thread(_replace, self._folder / name, pcm, rate, forgotten)


def _found(folder: Path) -> OrderedDict[str, int]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for unfinished in folder.glob("*.part"):
            unfinished.unlink()
        files = sorted((file.stat().st_mtime, file.name, file.stat().st_size) for file in folder.glob("*.wav"))
    except OSError:
        return OrderedDict()
    return OrderedDict((name, size) for _, name, size in files)


def _read(file: Path) -> bytes | None:
    try:
        os.utime(file)  # the next run orders by it
        return read_wav(file.read_bytes())[0]
    except (OSError, ProtocolError):
        return None


def _replace(file: Path, pcm: bytes, rate: int, forgotten: list[Path]) -> None:
    part = file.with_suffix(".part")
    try:
        for old in forgotten:
            old.unlink(missing_ok=True)
        write_wav(part, pcm, rate)
        part.replace(file)
    except OSError:
        return
