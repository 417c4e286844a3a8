"""What it costs to set up a call: INVITE, media, a script that hangs up at once, BYE. Many times, so many at once."""

from __future__ import annotations

from dataclasses import dataclass

from bench.child import Child
from bench.house import ROOMS, SHORT, House

AT_ONCE = 10


@dataclass(slots=True)
class SetUp:
    """`cpu_ms`: per call, by room. `rate`: calls a second, one after the other in `AT_ONCE` places."""

    rate: float
    cpu_ms: dict[str, float]
    failed: int


def measure(seconds: float) -> SetUp:
    with House("ws://127.0.0.1:9/") as house, Child("bench.load", house.address[1]) as load:
        load.answer(10)
        load.ask("storm", 30, user=SHORT, seconds=1, at_once=AT_ONCE)  # what is done once only, is done now
        before = house.cpu()
        answer = load.ask("storm", 30 + seconds, user=SHORT, seconds=seconds, at_once=AT_ONCE)
        after = house.cpu()
    done = max(1, answer["done"])
    cpu_ms = {room: 1000 * (after[room] - before[room]) / done for room in ROOMS}
    return SetUp(answer["done"] / seconds, cpu_ms, answer["failed"])
