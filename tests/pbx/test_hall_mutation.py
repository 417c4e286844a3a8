"""A core with calls up, a phone whose messages go wrong on the way: no door raises, and nothing stays of any call."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_desk import Desk
from world import AT_CORE, AT_PHONE, World, sdp

from ivrnode.media import messages as media
from ivrnode.script.end import ScriptEnd
from ivrnode.sip.address import NameAddr
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.uri import Uri
from mutation import mutate

TENANT = 'access = "public"\n[nodes.700]\n[nodes.800]\naccess = "accounts"\n[accounts.40]\npassword = "secret"\n'
EXAMPLES = 30
"""A run of some 1,000 found nothing any more."""
ANN = NameAddr("Ann", Uri.parse("sip:40@192.0.2.9"))


class Storm:
    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(folder, Desk(), TENANT, max_calls=1000)
        self.sessions: list[InviteSession] = []
        self.seen: list[bytes] = []
        self.opened: set[int] = set()

    def run(self) -> None:
        world = self.world
        for _ in range(30):
            self.act(self.random.randrange(8))
            self.carry()
            self.open_media()
            self.carry()
            world.now += self.random.choice((0.0, 0.1, 1.0, 33.0))
            world.core.tick(world.now)
            world.phone.tick(world.now)
            self.carry()

    def act(self, choice: int) -> None:
        world, random = self.world, self.random
        if choice < 3 or not self.sessions:
            target = Uri.parse(f"sip:{random.choice(('700', '700', '800', '40', '9'))}@192.0.2.1")
            body = random.choice((sdp(), sdp("sendonly"), b""))
            self.sessions.append(world.phone.invite(target, AT_PHONE, world.now, from_=ANN, body=body))
        elif choice == 3:
            random.choice(self.sessions).hangup(world.now)
        elif choice == 4:
            random.choice(self.sessions).reinvite(random.choice((sdp("sendonly", 2), b"")), world.now)
        elif choice == 5:
            random.choice(self.sessions).send_info("application/dtmf-relay", b"Signal=1\r\n", world.now)
        elif choice == 6:
            world.phone.register(Uri.parse("sip:40@192.0.2.1"), Uri.parse("sip:192.0.2.1"), AT_PHONE, world.now)
        elif self.seen:
            world.core.sip_received(random.choice(self.seen), AT_CORE, world.now)

    def carry(self) -> None:
        world = self.world
        for _ in range(30):
            to_core = world.phone.to_send()
            to_phone, world.desk.sip = world.desk.sip, []
            world.phone.events()
            if not to_core and not to_phone:
                return
            for data, _ in to_core:
                self.seen.append(data)
                for copy in self.on_the_way(data):
                    world.core.sip_received(copy, AT_CORE, world.now)
            for data, _ in to_phone:
                world.phone.receive(data, AT_PHONE, world.now)

    def on_the_way(self, data: bytes) -> list[bytes]:
        match self.random.randrange(5):
            case 0:
                return [mutate(data, self.seen[-30:], self.random)]
            case 1:
                return [data, mutate(data, self.seen[-30:], self.random)]
            case _:
                return [data]

    def open_media(self) -> None:
        for command in self.world.desk.of_kind(media.Open):
            if command.leg not in self.opened:
                self.opened.add(command.leg)
                self.world.core.media_told(media.Opened(command.leg, ("0.0.0.0", 40_000)), self.world.now)

    def end(self) -> None:
        """All hang up, media and scripts end, and every timer runs out while nobody answers any more."""
        world = self.world
        for session in self.sessions:
            session.hangup(world.now)
        world.core.shut_down(world.now)
        self.carry()
        for command in world.desk.of_kind(media.Close):
            world.core.media_told(media.Closed(command.leg), world.now)
        for name in list(world.core.calls):
            world.core.script_ended(name, ScriptEnd("finished", "", is_fault=False), world.now)
        for _ in range(200):
            world.now += 2
            world.core.tick(world.now)
            world.desk.sip.clear()


@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32))
def test_whatever_a_phone_sends_the_hall_lives_and_forgets(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    storm = Storm(tmp_path_factory.mktemp("storm"), seed)
    storm.run()
    storm.end()
    core = storm.world.core
    assert len(core.user_agent.layer) == core.user_agent.session_count == 0
    assert core.under_way() == {}
