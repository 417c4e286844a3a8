"""The script of one call: its worker from the start to the last word, what it asks the services for, when it sleeps.

    start ──> runs ──Wait──> sleeps ──Wake──> runs ── ... ──dismiss: HungUp──> grace of 5 s ──> gone: `ended`
                │                                                                └─ too long: kill
                └─Request──> asked ──reply──> Reply

Whatever the call tells the script goes through `tell`, and nothing reaches one that does not run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ivrnode.errors import ScriptError
from ivrnode.pbx.arrival.assignment import Assignment
from ivrnode.pbx.call.incoming_call import IncomingCall
from ivrnode.pbx.call.sockets import Sockets
from ivrnode.pbx.house import breaker
from ivrnode.pbx.house.house import House
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd

GRACE = 5.0
SOCKET_GRACE = 1.0
SAME_MOMENT = 0.002
"""A script says with every answer how long it can wait: so exactly it is one and the same timer."""


class ScriptRun:
    """`is_alive`: the worker runs, or is being started."""

    def __init__(self, call: IncomingCall, assignment: Assignment, sockets: Sockets, house: House) -> None:
        self._call, self._assignment, self._sockets, self._house = call, assignment, sockets, house
        self.is_alive = self._is_muted = False
        self._requests: set[int] = set()
        self._boot: script.Boot | None = None
        self._wakes_at: float | None = None

    @property
    def has_requests(self) -> bool:
        """Something that the script has asked for is not answered yet."""
        return bool(self._requests)

    # Its life.

    def start(self, now: float) -> bool:
        """False: there is no script that could run; the log says why."""
        call = self._call
        try:
            boot = self._assignment.boot()
        except ScriptError as error:
            call.write("SCRIPT", 1, f"the template cannot be used: {error}")
            return False
        if seconds := self._house.breaker.seconds_open(call.tenant, boot, now):
            call.write("SCRIPT", 2, f"no script: too many of this tenant were killed; the next try in {seconds:.0f} s")
            return False
        self.is_alive, self._boot = True, boot
        call.write("SCRIPT", 5, f"start {boot.filename}")
        self._house.effects.run_script(call.id, boot)
        return True

    def ended(self, end: ScriptEnd, now: float) -> None:
        """The worker is gone."""
        self.is_alive = False
        is_bad = end.is_fault or end.reason in ("crashed", "start_failed")
        self._call.write("SCRIPT", 1 if is_bad else 5, f"script {end.reason}: {end.text}".removesuffix(": "))
        if end.audio_dropped:
            self._call.write("MEDIA", 3, f"script too slow: {end.audio_dropped} chunks of sound were dropped")
        self._count(end, now)

    def dismiss(self, reason: str, now: float) -> None:
        """The call is over for it: it has the grace to put its things in order."""
        if self.is_alive:
            self.tell(script.HungUp(reason, GRACE))
            self._at("sockets", now + SOCKET_GRACE, lambda _: self._sockets.close_all())
            self._at("grace", now + GRACE, lambda _: self.kill(""))

    def kill(self, reason: str) -> None:
        """`reason` for the log; "": it was time."""
        if self.is_alive:
            self._house.effects.kill_script(self._call.id, reason)

    def forget(self) -> None:
        """Nothing of it is still to come."""
        for what in ("wake", "sockets", "grace"):
            self._at(what, None)

    def _count(self, end: ScriptEnd, now: float) -> None:
        """For the breaker: what we end ourselves and what could not start says nothing about the script."""
        if self._boot is None:
            return
        tenant = self._call.tenant
        if not end.is_fault and end.reason != "start_failed":
            self._house.breaker.ended_well(tenant, now)
        elif end.is_fault and self._house.breaker.killed(tenant, self._boot, now):
            text = f"too many scripts of this tenant were killed: none is started for {breaker.PAUSE / 60:.0f} min"
            self._call.write("SCRIPT", 1, text)

    # What it is told, and what it wants.

    def tell(self, event: script.Event) -> None:
        if self.is_alive:
            self._house.effects.tell_script(self._call.id, event)

    def waits(self, action: script.Wait, now: float) -> None:
        """It has nothing to do: wake it in time."""
        at = None if action.seconds is None else now + action.seconds
        if at is None or self._wakes_at is None or abs(at - self._wakes_at) > SAME_MOMENT:
            self._wakes_at = at
            self._at("wake", at, self._wake)

    def _wake(self, now: float) -> None:
        self._wakes_at = None
        self.tell(script.Wake())

    def sleep(self) -> None:
        """It is not woken any more, unless it waits anew."""
        self._wakes_at = None
        self._at("wake", None)

    def asked(self, action: script.Request) -> None:
        """It waits for an answer, if it said where to."""
        if action.request:
            self._requests.add(action.request)

    def reply(self, request: int, value: Any = None, body: bytes = b"", error: str = "") -> None:
        """Answer a request, once. A refusal is also a line of the tenant's log."""
        if error:
            self._call.write("SCRIPT", 2, error)
        if request in self._requests:
            self._requests.discard(request)
            self.tell(script.Reply(request, value, body, error))

    def wrote(self, line: script.Log, now: float) -> None:
        if refusal := self._house.quotas.take(self._call.tenant, "log_lines", 1, now):
            if not self._is_muted:
                self._call.write("SCRIPT", 2, f"{refusal}: lines of the log are dropped")
            self._is_muted = True
        else:
            self._is_muted = False
            self._call.write("SCRIPT", line.level, line.text)

    def _at(self, what: str, at: float | None, job: Callable[[float], None] | None = None) -> None:
        self._house.agenda.set((self._call.id, what), at, job)
