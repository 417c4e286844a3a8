"""A core on a desk with one SIP phone before it: virtual time, no sockets, the script's part played by the test."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from recording_desk import Desk

from ivrnode.log import Entry, Log
from ivrnode.media import messages as media
from ivrnode.pbx.arrival.doorman import Doorman
from ivrnode.pbx.arrival.identity import Identity
from ivrnode.pbx.arrival.reception import Reception
from ivrnode.pbx.arrival.registration_desk import RegistrationDesk
from ivrnode.pbx.core import Core
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import DigestServer
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.registrar import Registrar
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent
from ivrnode.tenancy.store import TenantStore
from ivrnode.tenancy.templates import Templates

OFFER = (
    b"v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
)
TENANT = 'access = "public"\n[nodes.700]\n'
AT_CORE = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.9", 5070), 1)
AT_PHONE = Flow("udp", ("192.0.2.9", 5070), ("192.0.2.1", 5060), 2)


def sdp(direction: str = "sendrecv", version: int = 1) -> bytes:
    return OFFER.replace(b"{direction}", direction.encode()).replace(b"{version}", str(version).encode())


class World:
    """`call()` brings a call up; `act` plays the script, `tell` the engine; `phone_events` is what the phone saw."""

    def __init__(
        self, folder: Path, desk: Desk, tenant: str = 'access = "public"\n[nodes.700]\n', **limits: int
    ) -> None:
        (folder / "localhost" / "nodes" / "700").mkdir(parents=True)
        (folder / "localhost" / "tenant.toml").write_text(tenant, "utf-8")
        self.template = folder / "localhost" / "nodes" / "700" / "ivrnode.py"
        self.template.write_text("call.say('Hello.')", "utf-8")
        self.now, self.desk, self.lines = 1000.0, desk, list[Entry]()
        log = Log()
        for category, level in {"SCRIPT": 9, "APP": 6, "MEDIA": 6}.items():
            log.set_level(category, level)
        log.add_sink(self.lines.append)
        ids = random.Random(3261)
        store, self.registrar = TenantStore(folder, log, {}), Registrar()
        doorman = Doorman(log, self.registrar)
        identity = Identity(DigestServer(b"k" * 32), doorman)
        reception = Reception(
            store,
            Templates(folder, ()),
            identity,
            log,
            ids,
            settings={},
            secrets={},
            max_calls=limits.get("max_calls", 9),
        )
        registrations = RegistrationDesk(store, identity, self.registrar, log)
        self.core = Core(reception, registrations, doorman, desk, log, lambda flow: flow.local, ids)
        self.phone = UserAgent(random.Random(5), lambda flow: flow.local, "phone")
        self.phone_events: list[sip.Event] = []

    # Time and the wire.

    def exchange(self) -> None:
        """Carry SIP both ways until nothing more is said."""
        while True:
            to_core = self.phone.to_send()
            to_phone, self.desk.sip = self.desk.sip, []
            self.phone_events += self.phone.events()
            if not to_core and not to_phone:
                return
            for data, _ in to_core:
                self.core.sip_received(data, AT_CORE, self.now)
            for data, _ in to_phone:
                self.phone.receive(data, AT_PHONE, self.now)

    def wait(self, seconds: float, step: float = 0.02) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.core.tick(self.now)
            self.phone.tick(self.now)
            self.exchange()

    # The phone.

    def invite(self, user: str = "700", body: bytes | None = None) -> InviteSession:
        session = self.phone.invite(
            Uri.parse(f"sip:{user}@192.0.2.1"),
            AT_PHONE,
            self.now,
            from_=NameAddr("Ann", Uri.parse("sip:40@192.0.2.9")),
            body=sdp() if body is None else body,
        )
        self.exchange()
        return session

    def call(self) -> InviteSession:
        """A call that is answered, its worker idle."""
        session = self.invite()
        self.opened()
        return session

    def opened(self) -> None:
        self.tell(media.Opened(self.leg, ("0.0.0.0", 40_000)))

    def seen(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.phone_events if isinstance(event, kind)]

    # The engine and the script.

    @property
    def leg(self) -> int:
        return int(self.desk.of_kind(media.Open)[-1].leg)

    @property
    def name(self) -> str:
        return next(iter(self.core.calls))

    def tell(self, event: media.Event) -> None:
        self.core.media_told(event, self.now)
        self.exchange()

    def act(self, *actions: script.Action) -> None:
        for action in actions:
            self.core.script_acted(self.name, action, self.now)
        self.exchange()

    def script_ends(self, reason: str, text: str = "", *, is_fault: bool = False) -> None:
        self.core.script_ended(self.name, ScriptEnd(reason, text, is_fault), self.now)
        self.exchange()

    def close(self) -> None:
        """The engine and the worker do what is asked of them at the end."""
        for command in self.desk.of_kind(media.Close):
            self.tell(media.Closed(command.leg))

    def logged(self, text: str) -> list[Entry]:
        return [entry for entry in self.lines if text in entry.text]
