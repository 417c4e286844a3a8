"""What scripts cost: one table, with the noise of the machine beside each figure.

python -m bench.scripts [--quick]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.child import Child
from bench.figures import median, shown, spread
from bench.table import line

SECONDS = 120.0
GAUGE = 1.0  # seconds

Figures = dict[str, Any]
ALIVE, TALKING = 200, 200


@dataclass(frozen=True, slots=True)
class Measurement:
    """`arguments` of the measurement in `script_costs.py`, fewer when it has to be quick; `rows`: label, value, bar."""

    name: str
    arguments: tuple[int, ...]
    quick: tuple[int, ...]
    rows: tuple[tuple[str, Callable[[Figures], str], str], ...]


def _spread(name: str, digits: int = 1) -> Callable[[Figures], str]:
    return lambda figures: spread(figures[name], digits)


def _middle(name: str, scale: float = 1.0, digits: int = 2) -> Callable[[Figures], str]:
    return lambda figures: shown(None if (value := median(figures[name])) is None else value * scale, digits)


def _value(name: str, digits: int = 0) -> Callable[[Figures], str]:
    return lambda figures: shown(figures[name], digits)


MEASUREMENTS = (
    Measurement(
        "starts",
        (ALIVE, 100),
        (20, 18),
        (
            ("script start, many alive, ms p50 / p99", _spread("single"), "13 at p99"),
            ("  six in one go", _spread("together"), "13 at p99"),
        ),
    ),
    Measurement(
        "load",
        (TALKING, 8),
        (20, 1),
        (
            ("50 messages a second each, ms p50 / p99", _spread("round_trips", 2), "5 at p99"),
            ("  CPU of the core, % of a core", _value("core"), ""),
            ("  CPU of the scripts", _value("scripts"), ""),
            ("  messages lost", _value("lost"), "0"),
        ),
    ),
    Measurement(
        "border", (3000,), (300,), (("round trip of one script, µs p50", _middle("round_trips", 1000, 0), "60"),)
    ),
    Measurement(
        "neighbours",
        (50, 8, 5),
        (10, 2, 1),
        (
            ("beside eight that spin, ms p50 / p99", _spread("round_trips"), "5 at p99"),
            ("  messages lost", _value("lost"), "0"),
        ),
    ),
    Measurement("death", (8,), (2,), (("one that hangs is dead after, ms p50", _middle("death", 1, 0), "400"),)),
    Measurement(
        "memory",
        (ALIVE,),
        (10,),
        (
            ("memory of a small script, MB (PSS)", _middle("small"), "2.5"),
            ("  of the default script", _middle("default"), "2.5"),
        ),
    ),
    Measurement("growth", (30_000,), (1000,), (("growth in 30,000 events, MB", _value("growth", 3), "0"),)),
    Measurement("simulation", (60,), (10,), (("`ivrnode script run`, a call of 60 s, s", _value("took", 1), "3"),)),
)


def print_all(is_quick: bool) -> None:
    line("scripts", ["seen"], "bar; noise before it: an idle ticker late, ms p99")
    for measurement in MEASUREMENTS:
        with Child("bench.noise", GAUGE) as gauge:
            noise = gauge.answer(30)["p99"]
        arguments = measurement.quick if is_quick else measurement.arguments
        with Child("bench.script_costs", measurement.name, *arguments) as child:
            figures = child.answer(SECONDS)
        for label, value, bar in measurement.rows:
            line(label, [value(figures)], f"{bar or '-'}; {shown(noise)}")


def main() -> None:
    print_all("--quick" in sys.argv[1:])


if __name__ == "__main__":
    main()
