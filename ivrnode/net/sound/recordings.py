"""Recordings on disk: written by a thread of their own, so that a slow disk delays no call; found, listed, forgotten.

    var/recordings/
    └── example.com/
        ├── 3f9c0a1b2c3d4e5f-1.wav      grows while the call runs, and can be read even if that is cut off
        └── 3f9c0a1b2c3d4e5f-1.json     its facts, when it is over

What a disk that is too slow keeps waiting for longer than its buffer holds becomes silence: the clock stays true.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ivrnode.audio.wav import WavWriter, interleave
from ivrnode.errors import ConfigError

RATE = 8000
BUFFER_BYTES = 2 * 1024 * 1024
"""Of one recording, for a minute."""
_DAY = 86_400.0
_CLEANING = 3600.0
_is_id = re.compile(r"[0-9a-zA-Z]{1,64}-[0-9]{1,6}").fullmatch


class _File:
    """One recording. The loop calls `write` and `close`, the thread all else; each counts its side of the buffer."""

    def __init__(self, jobs: queue.SimpleQueue[Callable[[], None]], path: Path, channels: int, failed: Failed) -> None:
        self.done = threading.Event()
        self._jobs, self._path, self._channels, self._failed = jobs, path, channels, failed
        self._loop = asyncio.get_running_loop()
        self._began = datetime.now(UTC)
        self._given = self._written = self._missing = 0
        self._file: BinaryIO | None = None
        self._wav: WavWriter | None = None
        jobs.put(self._open)

    def write(self, heard: bytes, said: bytes) -> None:
        if self._given - self._written + len(heard) + len(said) > BUFFER_BYTES:
            self._missing += len(heard)
            return
        self._given += len(heard) + len(said)
        missing, self._missing = self._missing, 0
        self._jobs.put(lambda: self._write(missing, heard, said))

    def close(self, facts: Mapping[str, Any]) -> None:
        missing = self._missing
        self._jobs.put(lambda: self._close(missing, {"began": self._began.isoformat(timespec="seconds"), **facts}))

    def _open(self) -> None:
        try:
            for folder in (self._path.parent.parent, self._path.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = _private(self._path, os.O_EXCL)
            self._wav = WavWriter(self._file, RATE, self._channels)
        except OSError as error:
            self._fail(error)

    def _write(self, missing: int, heard: bytes, said: bytes) -> None:
        self._written += len(heard) + len(said)
        if self._wav is None:
            return
        try:
            if missing:
                self._wav.write(bytes(missing * self._channels))
            self._wav.write(interleave(heard, said) if self._channels == 2 else heard)
        except OSError as error:
            self._fail(error)

    def _close(self, missing: int, facts: Mapping[str, Any]) -> None:
        try:
            if self._wav is not None and self._file is not None:
                self._wav.write(bytes(missing * self._channels))
                self._wav.close()
                self._file.close()
                part = self._path.with_suffix(".part")
                with _private(part, os.O_TRUNC) as file:
                    file.write(json.dumps(facts, indent=2).encode() + b"\n")
                part.replace(self._path.with_suffix(".json"))
        except OSError as error:
            self._fail(error)
        self.done.set()

    def let_go(self) -> None:
        """What is written stays; its facts are never told."""
        self._wav = None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _fail(self, error: OSError) -> None:
        self.let_go()
        text = f"cannot be written: {error.strerror}"
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._failed, text)


def _private(path: Path, flag: int) -> BinaryIO:
    """A new file: who called whom, and what was said, is for our user alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600), "wb")


Failed = Callable[[str], None]


class RecordingStore:
    """What is on disk. `folder` need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self, tenant: str = "") -> list[dict[str, Any]]:
        """The facts of each, the oldest first. One that still runs, or was cut off, has no reason yet."""
        found = [self._facts(path) for path in self.folder.glob("*/*.wav")]
        return sorted((facts for facts in found if tenant in ("", facts["tenant"])), key=lambda facts: facts["began"])

    def find(self, id: str) -> Path | None:
        """The WAV file of a recording."""
        if not _is_id(id):
            return None
        return next(self.folder.glob(f"*/{id}.wav"), None)

    def forget_before(self, moment: float) -> None:
        """`moment`: seconds since the epoch."""
        for path in self.folder.glob("*/*.*"):
            with suppress(OSError):
                if path.suffix in (".wav", ".json") and path.stat().st_mtime < moment:
                    path.unlink()

    def _facts(self, path: Path) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "id": path.stem,
            "tenant": path.parent.name,
            "began": datetime.fromtimestamp(path.stat().st_ctime, UTC).isoformat(timespec="seconds"),
            "reason": "",
        }
        with suppress(OSError, ValueError):
            facts |= json.loads(path.with_suffix(".json").read_text("utf-8"))
        return facts


class Recordings:
    """Writes them. `keep_days` 0: for ever."""

    def __init__(self, folder: Path, keep_days: int) -> None:
        self.store = RecordingStore(folder)
        self._keep = keep_days * _DAY
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._files: dict[str, _File] = {}
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def close(self) -> None:
        """What was given so far is written."""
        if self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            for file in self._files.values():
                file.let_go()

    def open(self, id: str, tenant: str, channels: int, failed: Failed) -> _File:
        self._files = {name: file for name, file in self._files.items() if not file.done.is_set()}
        file = self._files[id] = _File(self._jobs, self.store.folder / tenant / f"{id}.wav", channels, failed)  # type: ignore[arg-type]
        return file

    async def whole(self, id: str) -> Path | None:
        """The file of a recording that is over, when all of it is on disk; None: there is none."""
        file = self._files.get(id)
        if file is not None:
            await asyncio.to_thread(file.done.wait, 10.0)
        return await asyncio.to_thread(self.store.find, id)

    def _run(self) -> None:
        clean_at = 0.0
        while True:
            if self._keep and time.monotonic() >= clean_at:
                clean_at = time.monotonic() + _CLEANING
                self.store.forget_before(time.time() - self._keep)
            try:
                job = self._jobs.get(timeout=_CLEANING)
            except queue.Empty:
                continue
            if job is None:
                return
            job()


def recording_operations(store: RecordingStore) -> dict[str, Callable[..., Any]]:
    """For the control socket."""

    async def list_recordings(tenant: str = "") -> list[dict[str, Any]]:
        return await asyncio.to_thread(store.list, tenant)

    return {"recording.list": list_recordings}


def copy_recording(store: RecordingStore, id: str, target: Path) -> None:
    """Raises ConfigError when there is none, or the target cannot be written."""
    path = store.find(id)
    if path is None:
        raise ConfigError(f"there is no recording {id} in {store.folder}: `ivrnode recording list` shows what there is")
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(target)) from None
