"""N bridged AI calls on a fresh core: what they cost, how late things are, and whether every call had its sound.

dial N, settle ── CPU in three slices, memory ── 10 probing calls more: latencies, silences ── hang up
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from bench.caller import PAUSE, PHRASE
from bench.child import Child
from bench.cpu import cpu_seconds, machine_cpu_seconds
from bench.figures import median
from bench.house import ECHO, PROBE, ROOMS, House

RATE = 25.0  # calls a second while dialing
SETTLE = 2.0
SLICES = 3
PROBES = 10
FRAMES_PER_SECOND = 50
LEAST_SHARE = 0.8  # of the packets that are due, each way
_MEDIA_LATE = re.compile(r"MEDIA \d: (\d+) legs, late p50 ([\d.]+) p99 ([\d.]+)")
_LOST = re.compile(r"received (\d+), lost (\d+)")


@dataclass(slots=True)
class Bridged:
    """`cpu`: % of a core per call, one value a slice, by room; `peer` and `load` are not ours. `others`: % of a core
    that the rest of the machine took. Times in ms."""

    calls: int
    cpu: dict[str, list[float]]
    others: list[float]
    memory_mb: float | None
    silent_calls: int
    lost: int
    heard: list[float]
    played: list[float]
    silenced: list[float]
    gaps: list[float]
    media_late: tuple[float | None, float | None]
    answers: list[float]

    @property
    def all_cpu(self) -> list[float]:
        return [sum(slices) for slices in zip(*(self.cpu[room] for room in ROOMS), strict=True)]


def measure(calls: int, seconds: float) -> Bridged:
    """Raises RuntimeError when calls fail."""
    with Child("bench.peer") as peer:
        house = House(peer.answer(10)["url"])
        with house, Child("bench.load", house.address[1]) as load:
            load.answer(10)
            before = house.memory_mb()
            _dial(load, ECHO, calls)
            time.sleep(SETTLE)
            load.tell("reset")
            cpu = _slices(house, peer, load, calls, seconds)
            after = house.memory_mb()
            packets = load.ask("report", 10)["calls"]
            wanted = LEAST_SHARE * seconds * FRAMES_PER_SECOND
            sounding_wanted = wanted * PHRASE / (PHRASE + PAUSE)
            _dial(load, PROBE, PROBES)
            load.tell("ping")  # not before: what it costs is not a call's
            time.sleep(SETTLE)
            load.tell("reset")
            peer.tell("reset")
            time.sleep(seconds)
            load_report, peer_report = load.ask("report", 10), peer.ask("report", 10)
            load.ask("hangup", 20)
    log = house.log()
    return Bridged(
        calls=calls,
        others=cpu.pop("others"),
        cpu=cpu,
        memory_mb=None if before is None or after is None else (after - before) / calls,
        silent_calls=sum(sent < wanted or sounding < sounding_wanted for sent, _, sounding in packets),
        lost=sum(int(found[2]) for found in _LOST.finditer(log)),
        heard=peer_report["latencies"],
        played=load_report["latencies"],
        silenced=load_report["silences"],
        gaps=load_report["gaps"],
        media_late=_late([found[1:] for found in _MEDIA_LATE.findall(log) if int(found[0]) >= calls]),
        answers=load_report["answers"],
    )


def _dial(load: Child, user: str, count: int) -> None:
    answer = load.ask("dial", 20 + count / RATE, user=user, count=count, rate=RATE)
    if answer["failed"]:
        raise RuntimeError(f"{answer['failed']} of {count} calls failed")


def _slices(house: House, peer: Child, load: Child, calls: int, seconds: float) -> dict[str, list[float]]:
    def used() -> dict[str, float]:
        known = house.cpu() | {"peer": cpu_seconds(peer.pid), "load": cpu_seconds(load.pid)}
        return known | {"others": machine_cpu_seconds() - sum(known.values())}

    slices: dict[str, list[float]] = {}
    for _ in range(SLICES):
        began, before = time.monotonic(), used()
        time.sleep(seconds / SLICES)
        after, took = used(), time.monotonic() - began
        for name, value in after.items():
            share = 1 if name == "others" else calls
            slices.setdefault(name, []).append(100 * (value - before[name]) / took / share)
    return slices


def _late(reports: list[tuple[str, str]]) -> tuple[float | None, float | None]:
    """The medians of what the reports of 5 s say, p50 and p99."""
    return median([float(p50) for p50, _ in reports]), median([float(p99) for _, p99 in reports])
