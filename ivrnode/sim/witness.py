"""Sees everything on the desk and keeps, for each call, what is worth telling."""

from __future__ import annotations

import re

from ivrnode.log import Entry
from ivrnode.media.messages import ItemDone
from ivrnode.pbx.call.call import APOLOGY, Call
from ivrnode.pbx.core import Core
from ivrnode.sim.network import Clock
from ivrnode.sim.phone import Phone
from ivrnode.sim.timeline import Moment, Timeline
from ivrnode.sim.words import Piece, Words

LEVELS = {"SCRIPT": 5, "WEBCLIENT": 5, "APP": 6, "MEDIA": 3, "CONFIG": 2, "SIP": 3, "EMAIL": 5}
"""What the log has to let through for it."""
_ERROR = 1
_LIFE_LEVEL = 5
_is_life = re.compile(r"start .+\.py|script (finished|killed)(: .*)?|\w+ template, (version|no version) .*").fullmatch
"""Of a script: not among its own lines."""
_WEB_REQUEST = ("> ", "< ")
_TOLD_OTHERWISE = ("says (", "key ")
_SHORTEST_SOUND = 0.04


class Report:
    """One call. `log`: the lines of the SCRIPT log; `errors`: those of level 1 and more important."""

    def __init__(self, phone: Phone, clock: Clock) -> None:
        self.phone, self._clock = phone, clock
        self.timeline = Timeline()
        self.words = Words(phone.handset.ear.loud_ms)
        self.log: list[str] = []
        self.errors: list[str] = []
        self.call: Call | None = None
        self._began_at = clock.now

    @property
    def now(self) -> float:
        """Seconds since the call was answered."""
        return self._clock.now - self._began_at

    def add(self, who: str, what: str) -> None:
        self.timeline.add(self.now, who, what)

    def written(self, entry: Entry) -> None:
        """A line of the log."""
        match entry.category:
            case "SCRIPT" if entry.level == _LIFE_LEVEL and _is_life(entry.text):
                pass
            case "SCRIPT":
                self.log.append(entry.text)
                if entry.level <= _ERROR:
                    self.errors.append(entry.text)
                self.add("error" if entry.level <= _ERROR else "log", entry.text)
            case "WEBCLIENT":
                self.add("web" if entry.text.startswith(_WEB_REQUEST) else "socket", entry.text)
            case "APP" if entry.text.startswith("answered "):
                self.add("call", "answered")
            case "APP" if entry.text.startswith("ended: "):
                reason = entry.text.removeprefix("ended: ").partition(" after ")[0]
                self.add("call", reason if reason == "transferred" else f"hung up: {reason}")
            case _ if not entry.text.startswith(_TOLD_OTHERWISE):
                self.add("node", entry.text)

    def moments(self) -> list[Moment]:
        ear = self.phone.handset.ear
        heard = (
            Moment(stretch.start, "caller", f"hears sound {stretch.start:.1f}-{stretch.end:.1f} s")
            for stretch in ear.stretches
            if stretch.end - stretch.start > _SHORTEST_SOUND
        )
        return self.timeline.moments(heard)


class Witness:
    core: Core

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._by_call: dict[str, Report] = {}

    def report_of(self, call: str) -> Report | None:
        """The report of a call by its name in the core; None for a leg that no virtual caller is at."""
        if call not in self._by_call:
            found = self.core.calls.get(call)
            session = found.party.session.call_id if found is not None else ""
            for report in self.reports:
                if report.phone.session is not None and report.phone.session.call_id == session:
                    self._by_call[call], report.call = report, found
        return self._by_call.get(call)

    def tell(self, call: str, who: str, what: str) -> None:
        if report := self.report_of(call):
            report.add(who, what)

    def said(self, call: str, item: int, text: str) -> None:
        self.tell(call, "node" if item >= APOLOGY else "script", f'says "{text}"')

    def item_given(self, leg: int, item: int, piece: Piece) -> None:
        if report := self._report_at(leg):
            report.words.add(item, piece)

    def item_played(self, leg: int, item: int, ms: int) -> None:
        if report := self._report_at(leg):
            report.words.played(item, ms, report.now)

    def item_done(self, event: ItemDone) -> None:
        if report := self._report_at(event.leg):
            report.words.played(event.item, event.played_ms, report.now)
            rest = " ".join(report.words.done(event.item))
            if rest:
                report.add("script", f'is cut off before the end of "{rest}"')

    def written(self, entry: Entry) -> None:
        """A log sink."""
        report = self.report_of(entry.call) if entry.call else None
        if report is None and self.reports and not entry.call:
            report = self.reports[-1]  # of no call: what concerns the tenant concerns whoever is calling
        if report is not None:
            report.written(entry)

    def _report_at(self, leg: int) -> Report | None:
        for call in self.core.calls.values():
            if call.party.leg == leg:
                return self.report_of(call.id)
        return None
