"""The file in which registrations outlive a restart."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from ivrnode.log import Entry, Log
from ivrnode.net import registrations
from ivrnode.net.flows import Flows
from ivrnode.net.registrations import RegistrationsFile
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, parse_message
from ivrnode.sip.registrar import Registrar
from patience import PATIENCE

AOR = "40@example.com"
PHONE = ("192.0.2.5", 61000)
REGISTER = (
    "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    "From: <sip:40@example.com>;tag=1\r\nTo: <sip:40@example.com>\r\nCall-ID: c\r\nCSeq: {cseq} REGISTER\r\n"
    "Contact: <sip:40@192.0.2.5>\r\nContent-Length: 0\r\n\r\n"
)


class House:
    """What a start of ivrnode has of it. `path` outlives it."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Entry] = []
        self.log = Log()
        self.has_news = asyncio.Event()
        self.log.add_sink(self._written)
        self.path, self.registrar = path, Registrar()
        self.file = RegistrationsFile(path, self.registrar, self.log)
        self.flows = Flows(lambda data, flow: None, lambda flow: None, self.log)
        self.local = ("", 0)

    async def start(self, port: int = 0) -> None:
        self.local = await self.flows.listen("udp", "127.0.0.1", port)
        self.file.start(self.flows)

    async def close(self) -> None:
        await self.file.close()
        await self.flows.close()
        await asyncio.sleep(0)  # asyncio closes a socket in its next turn

    def register(self, flow: Flow, now: float, cseq: int = 1) -> None:
        request = parse_message(REGISTER.format(cseq=cseq).encode())
        assert isinstance(request, Request)
        assert self.registrar.process(request, AOR, flow, now)[0] == 200

    def _written(self, entry: Entry) -> None:
        self.lines.append(entry)
        self.has_news.set()

    def phone(self) -> Flow:
        flow = self.flows.datagram_flow(self.local, PHONE)
        assert flow is not None
        return flow


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of both clocks, ours to set."""
    moment = [1000.0]
    clocks = SimpleNamespace(monotonic=lambda: moment[0], time=lambda: 5e9 + moment[0])
    monkeypatch.setattr(registrations, "time", clocks)
    return moment


async def test_phones_are_known_after_a_restart(tmp_path: Path, now: list[float]) -> None:
    first = House(tmp_path / "var" / "registrations.json")
    await first.start()
    first.register(first.phone(), now[0])
    await first.close()
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert [path.name for path in first.path.parent.iterdir()] == ["registrations.json"]
    second = House(first.path)
    await second.flows.listen("udp", "127.0.0.1", 0)  # its sockets have other numbers
    now[0] += 100
    await second.start(first.local[1])
    [binding] = second.registrar.bindings(AOR, now[0])
    assert binding.flow == second.phone() != first.phone()
    assert binding.expires_at - now[0] == 3500
    second.register(Flow("tcp", second.local, PHONE, 99), now[0], 2)
    await second.close()
    third = House(first.path)
    await third.start(first.local[1])
    bindings = third.registrar.bindings(AOR, now[0])
    await third.close()
    assert not bindings, "the phone had moved to TCP, and that connection is gone"


async def test_what_is_over_does_not_come_back(tmp_path: Path, now: list[float]) -> None:
    first = House(tmp_path / "registrations.json")
    await first.start()
    first.register(first.phone(), now[0])
    await first.close()
    for later, count in ((1800.0, 1), (1801.0, 0)):  # 3600 s were granted
        now[0] += later
        house = House(first.path)
        await house.start(first.local[1])
        found = house.registrar.bindings(AOR, now[0])
        assert [binding.flow for binding in found] == [house.phone()] * count
        assert [round(binding.expires_at - now[0]) for binding in found] == [1800] * count
        await house.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"written": 1}',
        '{"written": 1, "bindings": [{}]}',
        "[" * 10000,
        '{"written": 1%s}' % ("0" * 400),
    ],
)
async def test_a_broken_file_is_told_and_replaced(text: str, tmp_path: Path) -> None:
    house = House(tmp_path / "registrations.json")
    house.path.write_text(text)
    await house.start()
    [line] = house.lines
    assert (line.category, line.level) == ("REGISTER", 1)
    assert f"{house.path} cannot be used" in line.text
    assert house.registrar.snapshot(0.0) == []
    house.register(house.phone(), 0.0)
    await house.close()
    assert len(json.loads(house.path.read_text())["bindings"]) == 1


async def test_a_file_that_nobody_read_is_not_overwritten(tmp_path: Path) -> None:
    """A second ivrnode that finds the port taken must not empty the file of the first."""
    house = House(tmp_path / "registrations.json")
    house.path.write_text("what the other one wrote")
    await house.close()
    assert house.path.read_text() == "what the other one wrote"


async def test_it_is_written_while_it_runs_and_only_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: asyncio.Queue[int] = asyncio.Queue()
    write, loop = registrations._write, asyncio.get_running_loop()

    def count(path: Path, document: dict[str, object]) -> None:
        write(path, document)
        loop.call_soon_threadsafe(written.put_nowait, len(document["bindings"]))  # type: ignore[arg-type]

    monkeypatch.setattr(registrations, "SAVE_SECONDS", 0.001)
    monkeypatch.setattr(registrations, "_write", count)
    house = House(tmp_path / "registrations.json")
    await house.start()
    house.register(house.phone(), 0.0)
    assert await asyncio.wait_for(written.get(), PATIENCE) == 1
    for _ in range(20):  # the saver's turns
        await asyncio.sleep(0.001)
    house.register(house.phone(), 0.0, cseq=2)
    assert await asyncio.wait_for(written.get(), PATIENCE) == 1
    await house.close()
    assert written.empty(), "nothing was written but for the two changes"


async def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrations, "SAVE_SECONDS", 0.001)
    house = House(tmp_path / "registrations.json")
    await house.start()
    house.path.mkdir()
    house.register(house.phone(), 0.0)
    await asyncio.wait_for(house.has_news.wait(), PATIENCE)
    for _ in range(20):  # further attempts
        await asyncio.sleep(0.001)
    await house.close()
    [line] = house.lines
    assert (line.category, line.level) == ("REGISTER", 1)
    assert f"{house.path} cannot be written" in line.text
