"""What happened in a call and when, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Moment:
    """`at`: seconds since the call was answered. `who`: call, script, log, socket, service, node, caller, phone."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:7.2f}  {self.who:8} {self.what}"


class Timeline:
    def __init__(self) -> None:
        self._moments: list[Moment] = []

    def add(self, at: float, who: str, what: str) -> None:
        self._moments.append(Moment(max(0.0, round(at, 3)), who, what))

    def moments(self, more: Iterable[Moment] = ()) -> list[Moment]:
        """All of them, and `more`, in the order of time."""
        return sorted([*self._moments, *more], key=lambda moment: moment.at)


def to_text(moments: Iterable[Moment]) -> str:
    return "\n".join(line for moment in moments for line in _lines(moment))


def to_json(moments: Iterable[Moment]) -> list[dict[str, Any]]:
    return [asdict(moment) for moment in moments]


def _lines(moment: Moment) -> list[str]:
    """A text of several lines (a traceback) is indented below its first one."""
    first, *rest = str(moment).splitlines() or [str(moment)]
    return [first, *(" " * 18 + line for line in rest)]
