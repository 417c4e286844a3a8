"""Registrations outlive a restart: a file of what phones the registrar knows, written when that has changed.

    Registrar ── snapshot, every 5 s and at the end ──> FILE.new ── rename ──> FILE ── at the start ──> Registrar

What is lost in a crash is what came in the last seconds; those phones register again at their time.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ivrnode.errors import ProtocolError
from ivrnode.log import Log
from ivrnode.net.flows import Flows
from ivrnode.sip.registrar import Registrar

SAVE_SECONDS = 5.0


class RegistrationsFile:
    """`path`: JSON, for the user who runs `ivrnode serve` alone. Nothing is written before it was read."""

    def __init__(self, path: Path, registrar: Registrar, log: Log) -> None:
        self._path, self._registrar, self._log = path, registrar, log
        self._changes = 0
        self._has_failed = False
        self._saver: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()

    def start(self, flows: Flows) -> None:
        """Let the registrar know what it knew, as far as `flows` lead there, and begin to save. Of a file that cannot
        be used a line is logged, and none comes back."""
        self._load(flows)
        self._changes = self._registrar.changes
        self._saver = asyncio.create_task(self._keep_saving())

    async def close(self) -> None:
        """Write what is still unwritten."""
        self._is_closing.set()
        if self._saver is not None:
            await self._saver

    def _load(self, flows: Flows) -> None:
        try:
            document = json.loads(self._path.read_bytes())
            age = max(0.0, time.time() - float(document["written"]))
            count = self._registrar.restore(document["bindings"], flows.datagram_flow, time.monotonic(), age)
            if count:
                self._log.write("REGISTER", 4, f"{count} registrations are back from {self._path}")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError, ProtocolError) as error:
            text = f"{self._path} cannot be used ({type(error).__name__}: {error}): phones have to register again"
            self._log.write("REGISTER", 1, text)

    async def _keep_saving(self) -> None:
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                is_last = await asyncio.wait_for(self._is_closing.wait(), SAVE_SECONDS)
            if self._changes != self._registrar.changes:
                await self._save()

    async def _save(self) -> None:
        changes, bindings = self._registrar.changes, self._registrar.snapshot(time.monotonic())
        try:
            await asyncio.to_thread(_write, self._path, {"written": time.time(), "bindings": bindings})
        except OSError as error:
            if not self._has_failed:  # once: a full disk must not flood the log as well
                self._log.write("REGISTER", 1, f"{self._path} cannot be written: {error.strerror or error}")
            self._has_failed = True
        else:
            self._has_failed = False
            self._changes = changes


def _write(path: Path, document: dict[str, Any]) -> None:
    """Raises OSError. The old file stands until the new one is whole."""
    new = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
