"""The one table of a benchmark: a column for each number of calls, then what does not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.bridged import Bridged
from bench.figures import median, shown, spread
from bench.house import ROOMS
from bench.setup import AT_ONCE, SetUp

LABEL, COLUMN = 46, 15
Value = Callable[[Sequence[Bridged]], str]


def print_bridged(columns: Sequence[Sequence[Bridged]], baseline: float) -> None:
    """Each column: the runs with one number of calls. `baseline`: % of a core."""
    line("bridged AI calls at once", [str(runs[0].calls) for runs in columns])
    for name in ROOMS:
        line(f"CPU per call, % of a core: {name}", [_cpu(runs, name) for runs in columns])
    line("  all of ours", [shown(_all_cpu(runs), 3) for runs in columns])
    line("  ratio to the baseline", [shown((_all_cpu(runs) or 0) / baseline, 2) for runs in columns])
    for name, text in (("peer", "speech service"), ("load", "callers")):
        line(f"  not ours: the {text}", [_cpu(runs, name) for runs in columns])
    rows: tuple[tuple[str, Value], ...] = (
        ("others on this machine, % of a core", lambda runs: shown(median([v for r in runs for v in r.others]), 0)),
        ("memory per call, MB (PSS)", lambda runs: shown(median([r.memory_mb for r in runs if r.memory_mb]), 2)),
        ("RTP in to WebSocket out, ms p50 / p99", lambda runs: spread([ms for r in runs for ms in r.heard])),
        ("WebSocket in to RTP out, ms p50 / p99", lambda runs: spread([ms for r in runs for ms in r.played])),
        ("interruption to silence, ms p50 / p99", lambda runs: spread([ms for r in runs for ms in r.silenced])),
        ("RTP out, off its 20 ms, ms p50 / p99", lambda runs: spread([ms for r in runs for ms in r.gaps], 2)),
        ("media wheel late, ms p50 / p99", lambda runs: _late([r.media_late for r in runs])),
        ("SIP request to answer, ms p50 / p99", lambda runs: spread([ms for r in runs for ms in r.answers])),
        ("packets lost / calls without sound", lambda runs: f"{_sum(runs, 'lost')} / {_sum(runs, 'silent_calls')}"),
    )
    for label, value in rows:
        line(label, [value(runs) for runs in columns])


def print_setup(setup: SetUp) -> None:
    print()
    line(f"short calls set up a second, {AT_ONCE} at once", [shown(setup.rate, 0)])
    parts = ", ".join(f"{room} {ms:.1f}" for room, ms in setup.cpu_ms.items() if ms >= 0.05)
    line("CPU per set-up call, ms", [shown(sum(setup.cpu_ms.values()))], parts)
    if setup.failed:
        line("  failed", [str(setup.failed)])


def print_surroundings(baselines: Sequence[float], noise: Sequence[float]) -> None:
    """`noise`: p99 of each gauge, ms."""
    print()
    line("baseline, CPU per connection, % of a core", [shown(median(baselines), 3)], _range(baselines, 3))
    line("noise: an idle 20 ms ticker late, ms p99", [shown(median(noise), 2)], _range(noise, 2))
    if max(noise) > 5:
        print("The machine was too busy for its 99th percentiles to mean anything: believe CPU times and medians.")


def _cpu(runs: Sequence[Bridged], name: str) -> str:
    return shown(median([value for run in runs for value in run.cpu[name]]), 3)


def _all_cpu(runs: Sequence[Bridged]) -> float | None:
    return median([value for run in runs for value in run.all_cpu])


def _late(reports: Sequence[tuple[float | None, float | None]]) -> str:
    p50 = median([p50 for p50, _ in reports if p50 is not None])
    p99 = median([p99 for _, p99 in reports if p99 is not None])
    return f"{shown(p50)} / {shown(p99)}"


def _sum(runs: Sequence[Bridged], name: str) -> int:
    return sum(getattr(run, name) for run in runs)


def _range(values: Sequence[float], digits: int) -> str:
    return f"{len(values)} times, {min(values):.{digits}f} to {max(values):.{digits}f}"


def line(label: str, values: Sequence[str], note: str = "") -> None:
    """One line of the table."""
    print(f"{label:<{LABEL}}" + "".join(f"{value:>{COLUMN}}" for value in values) + (f"   {note}" if note else ""))
