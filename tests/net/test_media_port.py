"""Both implementations of MediaPort: real sockets, a real process, real time."""

import asyncio
import itertools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

import pytest

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.media.messages import (
    Address,
    Answer,
    Audio,
    Close,
    Closed,
    Connect,
    Drained,
    Event,
    FirstPacket,
    ItemDone,
    LoadReport,
    Mute,
    Open,
    Opened,
    OpenFailed,
    Play,
    Start,
    Statistics,
    Stream,
)
from ivrnode.net.media.port import InLoopMedia, MediaPort, ProcessMedia
from ivrnode.rtp.packet import RtpPacket
from patience import PATIENCE
from script.processes import Lateness, never_longer_than
from sound import decibels, tone, tone_level

HOST = "127.0.0.1"
PCM8 = AudioFormat("pcm16", 8000)
Kind = TypeVar("Kind")


class News:
    """Something came in: wait until it is what was waited for."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def add(self, to: list[Kind], what: Kind) -> None:
        to.append(what)
        self._came.set()

    async def until(self, is_reached: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_reached():
                self._came.clear()
                await self._came.wait()


class World(News):
    """A media port, and what it told."""

    def __init__(self, kind: type[Any], **options: Any) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.loads: list[LoadReport] = []
        self.deaths: list[str] = []
        if kind is ProcessMedia:
            options["on_death"] = partial(self.add, self.deaths)
        on_event, on_load = partial(self.add, self.events), partial(self.add, self.loads)
        self.media: MediaPort = kind(on_event, on_load=on_load, **options)

    def of(self, kind: type[Kind], leg: int = 1) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind) and event.leg == leg]  # type: ignore[attr-defined]

    def hears(self, hertz: float, rate: int, leg: int = 1) -> list[bytes]:
        """Those 20 ms of the stream (pcm16) that hold the tone, at its level."""
        heard = b"".join(event.audio for event in self.of(Audio, leg))
        size = rate // 25
        frames = [heard[at : at + size] for at in range(0, len(heard) - size + 1, size)]
        return [frame for frame in frames if abs(decibels(tone_level(frame, hertz, rate) / 10000)) < 1]

    async def open(self, leg: int) -> Address:
        self.media.send(Open(leg, HOST))
        await self.until(lambda: self.of(Opened, leg) or self.of(OpenFailed, leg))
        return self.of(Opened, leg)[0].address


@pytest.fixture(params=[InLoopMedia, ProcessMedia], ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(request.param)
    await world.media.start()
    yield world
    await world.media.close()


class Phone(News):
    """A far end with a socket of its own: keeps each packet and when it came, sends when told."""

    def __init__(self) -> None:
        super().__init__()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((HOST, 0))
        self.udp.setblocking(False)
        self.address: Address = self.udp.getsockname()
        self.packets: list[RtpPacket] = []
        self.arrived: list[float] = []
        self._number = 0

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self.udp, self._read)

    def _read(self) -> None:
        self.arrived.append(time.monotonic())
        self.add(self.packets, RtpPacket.parse(self.udp.recv(2048)))

    def send(self, address: Address, payload: bytes = b"\xff" * 160) -> None:
        self.udp.sendto(bytes(RtpPacket(0, self._number, self._number * 160, 7, payload)), address)
        self._number += 1

    async def hears(self, is_reached: Callable[[list[RtpPacket]], bool]) -> None:
        await self.until(lambda: is_reached(self.packets))


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    phone = Phone()
    phone.listen()
    yield phone
    asyncio.get_running_loop().remove_reader(phone.udp)
    phone.udp.close()


@pytest.mark.slow
async def test_a_tone_goes_through_two_legs(world: World) -> None:
    first, second = await world.open(1), await world.open(2)
    for leg, remote in ((1, second), (2, first)):
        world.media.send(Connect(leg, remote, "PCMU", 0, 101))
        world.media.send(Start(leg))
    world.media.send(Stream(2, "pcm16", 24000, 100))
    for start in range(0, 48_000, 9600):
        pcm = tone(1000, 24000, 1000)[start : start + 9600]
        world.media.send(Play(1, start, "pcm16", 24000, pcm, tag="tone"))
    await world.until(lambda: world.of(Drained))
    # All of it comes, though not in one piece where the machine stood still meanwhile.
    await world.until(lambda: len(world.hears(1000, 24000, leg=2)) >= 44)
    assert [event.played_ms for event in world.of(ItemDone)] == [200] * 5
    assert all(len(event.audio) == 4800 for event in world.of(Audio, 2))
    assert world.of(FirstPacket, 1)
    assert world.of(FirstPacket, 2)
    frames = world.hears(1000, 24000, leg=2)
    assert decibels(tone_level(frames[len(frames) // 2], 1400, 24000) / 10000) < -20


async def test_mute_is_silence_within_the_next_frames_on_the_wire(world: World, phone: Phone) -> None:
    address = await world.open(1)
    world.media.send(Connect(1, phone.address, "PCMU", 0))
    world.media.send(Start(1))
    world.media.send(Play(1, 1, "g711_ulaw", 8000, b"o" * 80_000))
    for _ in range(2):
        phone.send(address)
    await phone.hears(lambda packets: sum(packet.payload[0] == ord("o") for packet in packets) >= 10)
    world.media.send(Mute(1, 5))
    await world.until(lambda: world.of(Answer))
    world.media.send(Play(1, 2, "g711_ulaw", 8000, b"n" * 1600))
    await phone.hears(lambda packets: b"n" in packets[-1].payload)
    old = [packet for packet in phone.packets if b"o" in packet.payload]
    # Not one frame after the answer: it tells how many were heard.
    (stopped,) = world.of(ItemDone)
    (answer,) = world.of(Answer)
    assert stopped.is_stopped
    assert stopped.played_ms == len(old) * 20
    assert answer.value == 10_000 - stopped.played_ms


@pytest.mark.slow
async def test_packets_go_out_every_20_ms_and_their_clock_never_stops(world: World, phone: Phone) -> None:
    await world.open(1)
    with Lateness() as lateness:
        world.media.send(Connect(1, phone.address, "PCMA", 8))
        await phone.hears(lambda packets: len(packets) >= 50)
    world.media.send(Close(1))
    await world.until(lambda: world.loads)
    packets = phone.packets[:50]
    steps = [after.timestamp - before.timestamp & 0xFFFFFFFF for before, after in itertools.pairwise(packets)]
    late = sum(load.skipped_frames for load in world.loads)  # then the clock goes on, and no packet is sent
    assert all(step % 160 == 0 for step in steps)
    assert 49 * 160 <= sum(steps) <= (49 + late) * 160
    allowed = 0.1 + lateness.worst + max(load.late_max_ms for load in world.loads) / 1000
    assert phone.arrived[49] - phone.arrived[0] == pytest.approx(sum(steps) / 8000, abs=allowed)
    assert {packet.payload for packet in packets} == {WIRE_FORMATS["PCMA"].silence(20)}


@pytest.mark.slow
async def test_what_a_phone_says_is_heard(world: World, phone: Phone) -> None:
    address = await world.open(1)
    world.media.send(Connect(1, phone.address, "PCMU", 0))
    world.media.send(Stream(1, "pcm16", 8000, 100))
    voice = Converter(PCM8, WIRE_FORMATS["PCMU"]).convert(tone(700, 8000, 1000))
    await phone.hears(bool)
    for start in range(0, 8000, 160):  # a packet for a packet: the engine's clock is the phone's
        count = len(phone.packets)
        phone.send(address, voice[start : start + 160])
        await phone.hears(lambda packets, count=count: len(packets) > count)  # type: ignore[misc]
    await world.until(lambda: len(world.hears(700, 8000)) >= 40)


async def test_garbage_is_dropped_counted_and_harms_nobody(world: World, phone: Phone) -> None:
    address = await world.open(1)
    world.media.send(Connect(1, phone.address, "PCMU", 0, 101))
    await phone.hears(bool)
    stranger = Phone()
    with stranger.udp:
        for _ in range(3):
            phone.send(address)
        await world.until(lambda: world.of(FirstPacket))
        for number in range(50):
            stranger.udp.sendto(os.urandom(number * 7 % 300), address)
            stranger.udp.sendto(os.urandom(number), (HOST, address[1] + 1))
            stranger.send(address)
        for _ in range(10):
            phone.send(address)
        sent = len(phone.packets)
        await phone.hears(lambda packets: len(packets) >= sent + 20)
    world.media.send(Close(1))
    await world.until(lambda: world.of(Closed))
    (statistics,) = world.of(Statistics)
    assert statistics.packets_received == 12
    assert statistics.packets_lost == 0
    assert statistics.packets_garbage >= 100


@pytest.mark.slow
async def test_the_load_is_reported(world: World, phone: Phone) -> None:
    await world.open(1)
    world.media.send(Connect(1, phone.address, "PCMU", 0))
    await phone.hears(lambda packets: len(packets) >= 20)
    world.media.send(Close(1))
    await world.until(lambda: world.loads)
    (load,) = world.loads
    assert load.turns >= 38
    assert 0 < load.late_p50_ms <= load.late_p99_ms <= load.late_max_ms


@pytest.mark.parametrize("kind", [InLoopMedia, ProcessMedia])
async def test_a_full_range_is_said_clearly(kind: type[Any]) -> None:
    probe = World(InLoopMedia)
    await probe.media.start()
    port = (await probe.open(1))[1]
    world = World(kind, ports=(port, port + 1))  # the one pair that is taken for sure
    await world.media.start()
    world.media.send(Open(1, HOST))
    await world.until(lambda: world.of(OpenFailed))
    assert f"no RTP port pair is free on {HOST} in {port}-{port + 1}" in world.of(OpenFailed)[0].error
    await world.media.close()
    await probe.media.close()


async def test_in_the_loop_events_never_come_from_within_send() -> None:
    world = World(InLoopMedia)
    await world.media.start()
    world.media.send(Open(1, HOST))
    assert world.events == []
    await world.until(lambda: world.of(Opened))
    await world.media.close()
    assert world.of(Closed)


async def test_a_listener_that_fails_stops_no_other_event() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        raise RuntimeError("a bug of ours")

    media = InLoopMedia(listen)
    await media.start()
    media.send(Open(1, HOST))
    media.send(Close(1))
    await media.close()
    assert [type(event) for event in told] == [Opened, Statistics, Closed]
    assert len(faults) == 3


async def test_a_process_that_dies_is_told_and_started_again() -> None:
    world = World(ProcessMedia)
    media = world.media
    assert isinstance(media, ProcessMedia)
    await media.start()
    await world.open(1)
    first = media.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await world.until(lambda: world.deaths)
    assert "-9" in world.deaths[0]
    media.send(Mute(1, 3))  # the leg is gone with its process
    await world.open(2)
    assert media.pid != first
    assert world.of(Answer) == [Answer(1, 3, 0)]
    await media.close()


async def test_a_process_that_hangs_is_killed_and_started_again() -> None:
    world = World(ProcessMedia, patience=2.0)
    media = world.media
    assert isinstance(media, ProcessMedia)
    await media.start()
    await world.open(1)
    first = media.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    media.send(Open(2, HOST))
    await world.until(lambda: world.deaths)
    assert world.deaths == ["the media process was killed: it has told nothing for 2 s"]
    await world.open(3)
    assert media.pid != first
    await media.close()


async def test_a_process_that_hangs_amid_a_stream_is_killed_though_nobody_calls() -> None:
    world = World(ProcessMedia, patience=1.0)
    media = world.media
    assert isinstance(media, ProcessMedia)
    await media.start()
    await world.open(1)
    media.send(Connect(1, None, "PCMU", 0))
    media.send(Stream(1, "pcm16", 8000))
    await world.until(lambda: world.of(Audio))
    assert media.pid is not None
    os.kill(media.pid, signal.SIGSTOP)
    await world.until(lambda: world.deaths)
    await media.close()


async def test_who_stood_still_as_well_kills_nobody_for_it() -> None:
    world = World(ProcessMedia, patience=1.0)
    media = world.media
    assert isinstance(media, ProcessMedia)
    await media.start()
    media.send(Open(1, HOST))
    await asyncio.sleep(0)  # it is on its way
    first = media.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    time.sleep(1.5)  # noqa: ASYNC251 - so does the loop
    await asyncio.sleep(0.1)
    os.kill(first, signal.SIGCONT)
    await world.until(lambda: world.of(Opened))
    assert media.pid == first and not world.deaths
    await media.close()


async def test_a_process_without_legs_may_be_silent() -> None:
    world = World(ProcessMedia)
    media = world.media
    assert isinstance(media, ProcessMedia)
    await media.start()
    media.send(Open(1, HOST))
    assert media._legs
    await world.until(lambda: world.of(Opened))
    media.send(Close(1))
    await world.until(lambda: world.of(Closed))
    media.send(Open(2, "192.0.2.1"))  # no address of ours
    await world.until(lambda: world.of(OpenFailed, 2))
    assert not media._legs
    await media.close()


async def test_the_process_ends_when_the_core_does() -> None:
    world = World(ProcessMedia)
    assert isinstance(world.media, ProcessMedia)
    await world.media.start()
    pid = world.media.pid
    assert pid is not None
    await world.open(1)
    await world.media.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_much_at_once_arrives_in_order_and_blocks_nobody() -> None:
    world = World(ProcessMedia)
    await world.media.start()
    await world.open(1)
    assert isinstance(world.media, ProcessMedia) and world.media.pid is not None
    os.kill(world.media.pid, signal.SIGSTOP)  # two megabytes for nobody
    with never_longer_than(PATIENCE):
        for item in range(100):
            world.media.send(Play(1, item, "g711_ulaw", 8000, bytes(20_000)))
            world.media.send(Mute(1, item))
        await asyncio.sleep(0)
    os.kill(world.media.pid, signal.SIGCONT)
    await world.until(lambda: len(world.of(Answer)) == 100)
    assert [answer.request for answer in world.of(Answer)] == list(range(100))
    assert [answer.value for answer in world.of(Answer)] == [2500] * 100
    await world.media.close()
