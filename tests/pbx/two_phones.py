"""The world of `world.py` with phones that are registered: Ben's two, besides the caller's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from recording_desk import Desk
from world import AT_CORE, AT_PHONE, World, sdp

from ivrnode.media import messages as media
from ivrnode.script import messages as script
from ivrnode.sip import events as sip
from ivrnode.sip.digest import Credentials
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

CORE = ("192.0.2.1", 5060)
TENANT = """
access = "public"
[accounts.120]
password = "correct horse"
[accounts.121]
password = "battery staple"
[nodes.700]
{node}
[nodes.701]
"""


class RegisteredPhone:
    """A phone at `192.0.2.<number>` that answers when the test says so."""

    def __init__(self, world: Phones, number: int) -> None:
        self.world = world
        self.address = (f"192.0.2.{number}", 5060)
        self.agent = UserAgent(random.Random(number), lambda flow: flow.local, f"phone{number}")
        self.at_core = Flow("udp", CORE, self.address, number)
        self.at_phone = Flow("udp", self.address, CORE, number)
        self.events: list[sip.Event] = []

    def register(self, account: str, password: str) -> None:
        aor = Uri.parse(f"sip:{account}@localhost")
        self.agent.register(
            aor, Uri.parse("sip:localhost"), self.at_phone, self.world.now, credentials=Credentials(account, password)
        )
        self.world.exchange()
        assert self.of(sip.Registered)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def session(self) -> InviteSession:
        session: InviteSession = self.of(sip.Invited)[-1].session
        return session

    def ring(self) -> None:
        self.session.ring(self.world.now)
        self.world.exchange()

    def accept(self) -> None:
        self.session.accept(sdp().replace(b"192.0.2.9", self.address[0].encode()), self.world.now)
        self.world.exchange()

    def reject(self, status: int) -> None:
        self.session.reject(status, self.world.now)
        self.world.exchange()

    def hangup(self) -> None:
        self.session.hangup(self.world.now)
        self.world.exchange()


class Phones(World):
    def __init__(self, folder: Path, desk: Desk, node: str = "", tenant: str = TENANT) -> None:
        super().__init__(folder, desk, tenant.replace("{node}", node))
        self.asked = 0
        other = folder / "localhost" / "nodes" / "701"
        other.mkdir()
        (other / "ivrnode.py").write_text("call.say('Other.')", "utf-8")
        self.ben, self.bens_second = RegisteredPhone(self, 20), RegisteredPhone(self, 21)

    # The wire.

    def exchange(self) -> None:
        phones = [self.ben, self.bens_second] if hasattr(self, "bens_second") else []
        while True:
            to_core = [(data, AT_CORE) for data, _ in self.phone.to_send()]
            for phone in phones:
                to_core += [(data, phone.at_core) for data, _ in phone.agent.to_send()]
                phone.events += phone.agent.events()
            from_core, self.desk.sip = self.desk.sip, []
            self.phone_events += self.phone.events()
            if not to_core and not from_core:
                return
            for data, flow in to_core:
                self.core.sip_received(data, flow, self.now)
            for data, flow in from_core:
                if flow == AT_CORE:
                    self.phone.receive(data, AT_PHONE, self.now)
                for phone in phones:
                    if flow.remote == phone.address:
                        phone.agent.receive(data, phone.at_phone, self.now)

    def wait(self, seconds: float, step: float = 0.02) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.core.tick(self.now)
            for agent in (self.phone, self.ben.agent, self.bens_second.agent):
                agent.tick(self.now)
            self.exchange()

    def call(self) -> InviteSession:
        self.phone_session = super().call()
        return self.phone_session

    # The script and the engine.

    def ask(self, what: str, **arguments: object) -> int:
        """The script asks for a service; the number of its request."""
        self.asked = number = self.asked + 1
        self.act(script.Request(number, what, arguments))
        return number

    @property
    def replies(self) -> list[Any]:
        return [event.value for event in self.desk.told if isinstance(event, script.Reply)]

    @property
    def news(self) -> list[tuple[str, Any]]:
        return [(event.what, event.arguments) for event in self.desk.told if isinstance(event, script.Told)]

    @property
    def hung_up(self) -> list[str]:
        return [event.reason for event in self.desk.told if isinstance(event, script.HungUp)]

    def ring_ben(self, what: str = "transfer", **arguments: object) -> None:
        """A call is up, and the script wants Ben."""
        self.ben.register("120", "correct horse")
        self.call()
        self.ask(what, **({"dest": "120"} | arguments))
        if self.desk.of_kind(media.Open)[-1].leg != self.first_leg:
            self.opened()

    @property
    def first_leg(self) -> int:
        return int(self.desk.of_kind(media.Open)[0].leg)

    def commands(self, *kinds: type[Any]) -> list[media.Command]:
        return [command for command in self.desk.commands if isinstance(command, kinds)]

    def engine_answers(self) -> None:
        """The engine does what is asked of it last: legs are cleared and closed."""
        for command in list(self.desk.commands):
            if isinstance(command, media.Clear):
                self.tell(media.Cleared(command.leg))
            elif isinstance(command, media.Close):
                self.tell(media.Closed(command.leg))
