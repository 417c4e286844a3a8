"""How noisy the machine is: an idle ticker of 20 ms, and how late it wakes.

python -m bench.noise [seconds]
"""

from __future__ import annotations

import sys
import time

from bench.child import say
from bench.figures import percentile

TICK = 0.02


def lateness_ms(seconds: float) -> list[float]:
    """How late each tick of `seconds` was."""
    start, late = time.monotonic(), []
    for number in range(1, int(seconds / TICK) + 1):
        due = start + number * TICK
        time.sleep(max(0.0, due - time.monotonic()))
        late.append((time.monotonic() - due) * 1000)
    return late


def main() -> None:
    late = lateness_ms(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
    say(p50=percentile(late, 0.5), p99=percentile(late, 0.99), max=max(late))


if __name__ == "__main__":
    main()
