"""How long it takes from `run` to the first thing a script does, while many others live.

alive scripts, idle ── then one start every 50 ms ──> from the pool
                    └─ then starts in one go    ──> beyond the pool: each waits for its own fork

python -m bench.script_start [alive] [starts]
"""

from __future__ import annotations

import asyncio
import sys
import time

from bench.child import say
from ivrnode.net.scripts.workers import ScriptWorkers
from ivrnode.script.end import ScriptEnd
from ivrnode.script.messages import Action, Boot, Facts, Wait

SCRIPT = 'call.stream(codec="g711_ulaw", callback=lambda audio: None)\n'
INTERVAL, AT_ONCE = 0.05, 6
PATIENCE = 30.0


class Starts:
    """The listener of the workers: a script has started when its first action comes."""

    def __init__(self) -> None:
        self.workers = ScriptWorkers(self)
        self._began: dict[str, float] = {}
        self._idle: dict[str, asyncio.Event] = {}
        self.took_ms: dict[str, float] = {}
        self._number = 0

    def start(self) -> str:
        self._number += 1
        call = str(self._number)
        facts = Facts(call, "en", "", "700", "", "localhost", "700")
        self._idle[call] = asyncio.Event()
        self._began[call] = time.monotonic()
        self.workers.run(call, Boot(SCRIPT, "bench.py", facts))
        return call

    async def until_idle(self, call: str) -> float:
        """Wait until the script has run its top level; the ms it took to begin."""
        await asyncio.wait_for(self._idle[call].wait(), PATIENCE)
        return self.took_ms[call]

    def script_action(self, call: str, action: Action) -> None:
        self.took_ms.setdefault(call, (time.monotonic() - self._began[call]) * 1000)
        if isinstance(action, Wait):
            self._idle[call].set()

    def script_ended(self, call: str, end: ScriptEnd) -> None:
        self._idle[call].set()


async def measure(alive: int, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of starts from the pool, and of those that came too many at once."""
    starts = Starts()
    await starts.workers.start()
    try:
        for _ in range(alive):
            await starts.until_idle(starts.start())
        pooled, forked = [], []
        for _ in range(count):
            await asyncio.sleep(INTERVAL)
            call = starts.start()
            pooled.append(await starts.until_idle(call))
            starts.workers.kill(call, "")
        for _ in range(count // AT_ONCE):
            await asyncio.sleep(INTERVAL)
            calls = [starts.start() for _ in range(AT_ONCE)]
            for call in calls:
                forked.append(await starts.until_idle(call))
                starts.workers.kill(call, "")
    finally:
        await starts.workers.close()
    return pooled, forked


def main() -> None:
    alive, count = (int(argument) for argument in (sys.argv[1:] + ["100", "100"][len(sys.argv) - 1 :]))
    pooled, forked = asyncio.run(measure(alive, count))
    say(pooled=pooled, forked=forked)


if __name__ == "__main__":
    main()
