"""One core and its world on the simulated clock.

    run(until, seconds):   settle ─> 20 ms: engine's turns, core, phones, sockets ─> settle ─> ...

Time goes on only when nothing is under way: every script has dealt with its events, every sentence is spoken, every
answer is in. So a call runs as fast as the machine allows and yet always the same. Only real WebSocket servers are
waited for in real time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivrnode.errors import ScriptError
from ivrnode.log import Log
from ivrnode.pbx.arrival.doorman import Doorman
from ivrnode.pbx.arrival.identity import Identity
from ivrnode.pbx.arrival.reception import Reception
from ivrnode.pbx.arrival.registration_desk import RegistrationDesk
from ivrnode.pbx.core import Core
from ivrnode.pbx.service_table import offer_services
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.sim.handset import FRAME_SECONDS
from ivrnode.sim.network import NODE, SIP_PORT, Network
from ivrnode.sim.phone import Phone
from ivrnode.sim.service import StandIn
from ivrnode.sim.sockets import LiveSockets
from ivrnode.sim.studio import Studio
from ivrnode.sim.tenant import PASSWORD, TenantFolder
from ivrnode.sim.web import Web
from ivrnode.sim.witness import LEVELS, Witness
from ivrnode.sim.world import World
from ivrnode.sip.digest import DigestServer
from ivrnode.sip.flow import Flow
from ivrnode.sip.registrar import Registrar
from ivrnode.tenancy.gateways import MailServer
from ivrnode.tenancy.secrets import Secret
from ivrnode.tenancy.store import TenantStore
from ivrnode.tenancy.templates import Template, Templates

_GRACE = 7.0
_MAX_CALLS = 100


class DeskSecret(Secret):
    """May go everywhere: nothing leaves the desk but for a server that was named."""

    def is_for(self, host: str) -> bool:
        return True


class LinkedTemplates(Templates):
    """What is told of a template is to name the file that was given, not the desk's link to it."""

    def find(self, tenant: str = "", node: str = "") -> Template:
        template = super().find(tenant, node)
        path, error = template.path.resolve(), template.error
        if error is not None:
            error = ScriptError(error.message, file=str(path), line=error.line, column=error.column)
        return replace(template, path=path, error=error)


class Desk:
    """`folder`: an empty one, for the tenant. One desk at a time plays in a studio; `close` it before the next."""

    def __init__(self, studio: Studio, folder: Path, web: Web) -> None:
        self.studio, self.clock = studio, studio.clock
        self.tenant = TenantFolder(folder)
        self.network, self.witness = Network(self.clock), Witness()
        self.phones: list[Phone] = []
        self._secrets: dict[str, Secret] = {}
        self.log = Log()
        for category, level in LEVELS.items():
            self.log.set_level(category, level)
        self.log.add_sink(self.witness.written)
        self.world = World(studio, self.network, web, self.witness, folder)
        self.core = self.world.core = self.witness.core = self._core(folder)
        offer_services(self.core, MailServer(host="mail.invalid", sender="ivr@localhost.invalid"))
        self.network.join((NODE, SIP_PORT), self._sip_received)
        studio.desk = self.world
        self._start, self._frames = self.clock.now, 0
        self._real_time_from: float | None = None

    def _core(self, folder: Path) -> Core:
        ids = random.SystemRandom()  # calls of two desks must never share a name: the studio's workers know them by it
        store = TenantStore(folder, self.log, {})
        registrar = Registrar()
        doorman = Doorman(self.log, registrar, rate=0)  # the clock stands still while a test prepares its calls
        identity = Identity(DigestServer(ids.randbytes(32)), doorman)
        templates = LinkedTemplates(folder, ALLOWED)
        reception = Reception(
            store, templates, identity, self.log, ids, settings={}, secrets=self._secrets, max_calls=_MAX_CALLS
        )
        registrations = RegistrationDesk(store, identity, registrar, self.log)
        return Core(reception, registrations, doorman, self.world, self.log, lambda flow: flow.local, ids, NODE)

    def _sip_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.core.sip_received(data, Flow("udp", (NODE, SIP_PORT), source, 1), self.clock.now)

    # Who takes part.

    def add_phone(self, user: str, name: str = "", **how: Any) -> Phone:
        phone = Phone(self.network, self.clock, user, name, **how)
        self.phones.append(phone)
        return phone

    def add_extension(self, user: str, *, answers: int = 200) -> Phone:
        """A phone that is registered as `user` and takes calls."""
        self.tenant.add_account(user)
        phone = self.add_phone(user, answers=answers)
        phone.register(PASSWORD)
        self.run(lambda: True, 0)
        return phone

    def add_secret(self, name: str, value: str) -> None:
        """For the scripts of all nodes."""
        self._secrets[name] = DeskSecret(name, value, ())

    def use_stand_in(self, new_brain: Callable[[], Brain] = Parrot, faults: Faults | None = None) -> None:
        """From here on every WebSocket of a script leads to the stand-in service."""
        self.world.sockets = StandIn(
            self.world, self.clock, self.world.speak_for_service, self.witness.tell, new_brain, faults or Faults()
        )

    def use_server(self, url: str) -> None:
        """From here on every WebSocket of a script leads to a real server."""
        self.world.sockets = LiveSockets(url, self.world)

    def voice(self, text: str, lang: str) -> tuple[bytes, int]:
        """pcm16 and its rate. Raises SpeechError."""

        async def speak() -> tuple[bytes, int]:
            parts = [part async for part in self.studio.speech.synthesize(text, lang)]
            return b"".join(pcm for pcm, _ in parts), parts[0][1]

        return self.studio.run(speak())

    # Time.

    def run(self, until: Callable[[], object], seconds: float) -> bool:
        """Let time go on until something is so, `seconds` at most. Whether it came to be."""
        return self.studio.run(self._run(until, seconds))

    def close(self) -> None:
        """End all calls, let their scripts have their grace, and leave the studio."""
        self.core.shut_down(self.clock.now)
        self.run(lambda: not self.core.calls, _GRACE)
        self.studio.run(self.world.close())
        self.studio.desk = None

    async def _run(self, until: Callable[[], object], seconds: float) -> bool:
        await self.world.settle()
        end = self.clock.now + seconds - FRAME_SECONDS / 2
        while not until():
            if self.clock.now >= end:
                return False
            await self._go_on()
        return True

    async def _go_on(self) -> None:
        """20 ms."""
        self._frames += 1
        target = self._start + self._frames * FRAME_SECONDS
        world, clock = self.world, self.clock
        while (turn := world.engine.next_tick) is not None and turn < target:
            clock.now = max(clock.now, turn)
            world.turn()
            if world.is_busy:
                await world.settle()
        clock.now = target
        self.core.tick(target)
        for phone in self.phones:
            phone.tick()
        world.sockets.tick(target)
        for report in self.witness.reports:
            if report.call is not None and (items := report.words.open_items):
                world.ask_played(report.call.party.leg, items[0])
        await world.settle()
        await self._wait_for_real_time()

    async def _wait_for_real_time(self) -> None:
        if not self.world.sockets.is_live:
            self._real_time_from = None
            return
        if self._real_time_from is None:
            self._real_time_from = time.monotonic() - self.clock.now
        await asyncio.sleep(max(0.0, self._real_time_from + self.clock.now - time.monotonic()))
        await self.world.settle()
