"""A child process that is told what to do line by line, and answers in lines of JSON.

parent: Child.start("bench.load", ...) ── stdin ──> Orders     child
parent: child.answer() <─────────────── stdout ──── say(...)
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10.0


class Child:
    """`with Child("bench.peer") as peer`: `python -m bench.peer`, ended when the block is left."""

    def __init__(self, module: str, *arguments: object) -> None:
        self._name = module
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, order: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        self.tell(order, **arguments)
        return self.answer(timeout)

    def tell(self, order: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **arguments}).encode() + b"\n")

    def answer(self, timeout: float) -> dict[str, Any]:
        """The next line. Raises RuntimeError when none comes in `timeout` seconds."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 1 << 20) if readable else b""
            if not data:
                raise RuntimeError(f"{self._name} {'said nothing in time' if not readable else 'has ended'}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Orders:
    """The child's side: what has come on stdin, without ever waiting. Give `fileno` to whatever waits."""

    def __init__(self) -> None:
        self._rest = b""

    def fileno(self) -> int:
        return sys.stdin.fileno()

    def read(self) -> list[dict[str, Any]]:
        """The orders that are here now. Exits when the parent is gone."""
        data = os.read(self.fileno(), 1 << 16)
        if not data:
            sys.exit()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)
