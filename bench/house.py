"""A fresh core of our own: `ivrnode serve` as a child, with tenants in a temporary folder, and what its processes use.

700  the default script, bridged to the echo         701  the same, to the service that latency is measured by
702  hangs up at once                                greetings are off: nothing is spoken in any of them
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.child import ROOT, stop
from bench.cpu import children, command_line, cpu_seconds, ended_cpu_seconds, memory_mb

ECHO, PROBE, SHORT = "700", "701", "702"
ROOMS = ("core", "media", "scripts", "speech")
START_SECONDS = 20.0
_NAMES = {"net.media.process": "media", "guest.zygote": "scripts", "net.speech": "speech"}

_CONFIG = """\
tenants = "{folder}/tenants"
[sip]
listen = ["udp:127.0.0.1:0"]
[media]
ports = [0, 0]
[control]
socket = "{folder}/control"
[scripts]
max_calls = 10000
connect_to = ["127.0.0.1"]
[speech]
cache = "{folder}/speech"
[secrets.openai]
value = "bench-key"
hosts = ["127.0.0.1"]
[log.levels]
MEDIA = 6
"""
_TENANT = """\
access = "public"
max_calls = 10000
[settings]
greeting = ""
[nodes.700.settings]
url = "{url}?way=echo"
[nodes.701.settings]
url = "{url}?way=probe"
[nodes.702]
"""


class House:
    """`with House(url) as house`: up and listening at `address`."""

    def __init__(self, url: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        folder = Path(self._folder.name)
        node = folder / "tenants/localhost/nodes" / SHORT
        node.mkdir(parents=True)
        (node / "ivrnode.py").write_text("call.hangup()\n", "utf-8")
        (folder / "tenants/localhost/tenant.toml").write_text(_TENANT.format(url=url), "utf-8")
        config = folder / "ivrnode.toml"
        config.write_text(_CONFIG.format(folder=folder), "utf-8")
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ivrnode", "serve", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.address = ("127.0.0.1", 0)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"listens on udp:127\.0\.0\.1:(\d+)", self.log())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"the core did not start: {self.log()}")
            time.sleep(0.05)
        self.address = ("127.0.0.1", int(found[1]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)
        self._last_log = self._log.read_text("utf-8", "replace")
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """All it wrote, also after its end."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else self._last_log

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by room. Scripts: the zygote, its workers, and those that have ended."""
        family = self._family()
        used = {room: sum(map(cpu_seconds, pids)) for room, pids in family.items()}
        used["scripts"] += sum(map(ended_cpu_seconds, family["scripts"][:1]))
        return used

    def memory_mb(self) -> float | None:
        """PSS of all processes; None where the system does not let us look."""
        sizes = [memory_mb(pid) for pids in self._family().values() for pid in pids]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def _family(self) -> dict[str, list[int]]:
        family: dict[str, list[int]] = {room: [] for room in ROOMS}
        family["core"] = [self.pid]
        for pid in children(self.pid):
            name = command_line(pid)
            room = next((room for part, room in _NAMES.items() if part in name), "core")
            family[room] += [pid, *children(pid)]
        return family
