"""A child process whose output can be waited for, line by line, and that is stopped by its own pid."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from patience import PATIENCE


class Child:
    """Starts at once. Standard output and error are one stream of lines, kept in `lines`."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """The first line, from the start, that holds `pattern`. AssertionError with all output when none comes."""
        wanted, deadline = re.compile(pattern), time.monotonic() + timeout
        with self._changed:
            while True:
                if found := next(filter(None, map(wanted.search, self.lines)), None):
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{pattern!r} did not come in {timeout} s:\n{self.text}"
                assert self._reader.is_alive(), f"the process ended before {pattern!r} came:\n{self.text}"
                self._changed.wait(left)

    def wait(self, timeout: float) -> int:
        """The exit code. AssertionError with all output when the process still runs after `timeout` seconds."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.text}") from None
        self._reader.join(timeout)
        return code

    def stop(self, patience: float = 2) -> int:
        """Ask it to end, then make it end. The exit code."""
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self.wait(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                with self._changed:
                    self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()
