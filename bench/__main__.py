"""`python -m bench`: measure, then print one table. About four minutes; `--quick` one."""

from __future__ import annotations

import argparse
import os
import sys

from bench import baseline, bridged, scripts, setup, table
from bench.child import Child
from bench.figures import median


def main() -> None:
    options = _options()
    baselines, noise = [], []

    def look_around() -> None:
        baselines.append(baseline.measure(options.seconds / 3))
        with Child("bench.noise", options.seconds / 5) as gauge:
            noise.append(gauge.answer(30)["p99"])

    columns: list[list[bridged.Bridged]] = [[] for _ in options.calls]
    for run in range(options.runs):
        for column, calls in zip(columns, options.calls, strict=True):
            _tell(f"{calls} calls, run {run + 1} of {options.runs}")
            look_around()
            column.append(bridged.measure(calls, options.seconds))
    _tell("short calls")
    short = setup.measure(options.seconds / 2)
    look_around()
    _tell("")
    table.print_bridged(columns, median(baselines) or 1.0)
    table.print_setup(short)
    table.print_surroundings(baselines, noise)
    print()
    scripts.print_all(options.quick)
    print(f"{os.cpu_count()} virtual cores, Python {sys.version.split()[0]}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--calls", type=_numbers, help="calls at once, as in 10,50,100 (the default)")
    parser.add_argument("--seconds", type=float, help="of each measurement; default 10, but 4 with --quick")
    parser.add_argument("--runs", type=int, help="fresh cores for each number of calls; default 1")
    parser.add_argument("--quick", action="store_true", help="20 calls alone, short")
    options = parser.parse_args()
    options.calls = options.calls or ([20] if options.quick else [10, 50, 100])
    options.seconds = min(max(options.seconds or (4.0 if options.quick else 10.0), 1.0), 60.0)
    options.runs = min(max(options.runs or 1, 1), 10)
    return options


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if not all(1 <= number <= 500 for number in numbers):
        raise argparse.ArgumentTypeError("from 1 to 500 calls")
    return numbers


def _tell(text: str) -> None:
    """What is going on, over itself, for who looks at a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
