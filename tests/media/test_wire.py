"""Sound, silence, sound: with a codec that remembers, the far end must hear no crack at the seams."""

from __future__ import annotations

import random

import pytest

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat
from ivrnode.media.leg import Leg
from ivrnode.media.messages import Audio, Connect, Event
from ivrnode.media.ports import PortPair
from ivrnode.rtp.packet import RtpPacket
from sound import samples, tone

PCM = AudioFormat("pcm16", 8000)
FAR_END = ("192.0.2.9", 4000)
TICKS = 100


class Ports(PortPair):
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def send_rtp(self, data: bytes, address: tuple[str, int]) -> None:
        self.payloads.append(RtpPacket.parse(data).payload)

    def send_rtcp(self, data: bytes, address: tuple[str, int]) -> None: ...
    def close(self) -> None: ...


def opened(codec: str) -> tuple[Leg, Ports, list[Event]]:
    events: list[Event] = []
    leg, ports = Leg(1, events.append, random.Random(1)), Ports()
    leg.attach(ports)
    leg.connect(Connect(1, FAR_END, codec, WIRE_PAYLOAD_TYPES[codec]), 0.0)
    leg.start(0.0)
    return leg, ports, events


WIRE_PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9}


@pytest.mark.parametrize("codec", WIRE_PAYLOAD_TYPES)
def test_sound_between_silences_has_no_crack(codec: str) -> None:
    leg, ports, _ = opened(codec)
    for tick in range(TICKS):
        if tick % 25 == 20:
            leg.playout.append(tick, PCM, tone(500, 8000, 100, 6000))
        leg.tick(tick * 0.02)
    heard = samples(Converter(WIRE_FORMATS[codec], PCM).convert(b"".join(ports.payloads)))
    assert {len(payload) for payload in ports.payloads} == {160}
    assert 5500 < max(map(abs, heard)) < 6800


@pytest.mark.parametrize("codec", WIRE_PAYLOAD_TYPES)
def test_what_is_sent_is_what_the_other_leg_hears(codec: str) -> None:
    speaker, ports, _ = opened(codec)
    listener, _, events = opened(codec)
    listener.ears.stream(PCM, 100)
    speaker.playout.append(1, PCM, tone(500, 8000, 1000, 6000))
    for tick in range(TICKS):
        speaker.tick(tick * 0.02)
        for payload in ports.payloads[tick:]:
            packet = RtpPacket(WIRE_PAYLOAD_TYPES[codec], tick + 1, tick * 160, 7, payload)
            listener.packet_received(bytes(packet), FAR_END, tick * 0.02)
        listener.tick(tick * 0.02 + 0.01)
    heard = samples(b"".join(event.audio for event in events if isinstance(event, Audio)))
    assert 5500 < max(map(abs, heard)) < 6800
