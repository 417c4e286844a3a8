"""What a phone does with sound: one RTP packet every 20 ms, of speech, of a key, or of silence. It keeps what it heard
and said, side by side, exactly as it was on the wire (PCMU)."""

from __future__ import annotations

import random

from ivrnode.audio import g711
from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.errors import ProtocolError
from ivrnode.media.messages import Address
from ivrnode.rtp.packet import RtpPacket
from ivrnode.rtp.session import RtpSession
from ivrnode.rtp.telephone_event import DigitSender
from ivrnode.sdp.negotiation import MediaPlan
from ivrnode.sim.ear import Ear
from ivrnode.sim.network import Network

FRAME_SECONDS = 0.02
_FRAME = 160  # bytes of PCMU, timestamp units
_PCM_FRAME = 2 * _FRAME
_SILENCE = g711.ULAW_SILENCE * _FRAME
_WIRE = AudioFormat("g711_ulaw", 8000)


class Handset:
    """`heard` and `said`: pcm16 at 8000 Hz since `connect`."""

    def __init__(self, network: Network, host: str, ids: random.Random) -> None:
        self.heard, self.said = bytearray(), bytearray()
        self.ear, self.mouth = Ear(), Ear()
        self._ports = network.bind(host, self._packet_received, lambda *_: None)
        self._session = RtpSession(ids)
        self._digits = DigitSender()
        self._to_say = b""
        self._plan: MediaPlan | None = None
        self._started_at = 0.0
        self._digit_timestamp = 0

    @property
    def address(self) -> Address:
        return self._ports.address

    @property
    def is_busy(self) -> bool:
        """True while something is still to be said or pressed."""
        return bool(self._to_say) or self._digits.is_busy

    def connect(self, plan: MediaPlan, now: float) -> None:
        if self._plan is None:
            self._started_at = now
        self._plan = plan
        self._session.connect(plan.remote, plan.payload_type, frozenset(), now)

    def disconnect(self) -> None:
        self._plan, self._to_say = None, b""
        self._ports.close()

    def say(self, pcm: bytes, rate: int) -> None:
        """pcm16, after what is still to be said."""
        converter = Converter(AudioFormat("pcm16", rate), _WIRE)
        sound = converter.convert(pcm) + converter.flush()
        self._to_say += sound + _SILENCE[: -len(sound) % _FRAME]

    def press(self, digits: str) -> None:
        self._digits.add(digits)

    def tick(self, now: float) -> None:
        """20 ms have passed."""
        if self._plan is None:
            return
        self._catch_up(self.heard, self.ear, now)
        said = _SILENCE
        if self._digits.is_busy and self._plan.digit_payload_type is not None:
            self._send_digit(self._plan.digit_payload_type)
        else:
            if self._to_say:
                said, self._to_say = self._to_say[:_FRAME], self._to_say[_FRAME:]
            self._send(self._session.packet(said))
        self._keep(self.said, self.mouth, said)

    def _send_digit(self, payload_type: int) -> None:
        payloads = self._digits.next_frame()
        is_first = self._digits.is_first
        if is_first:
            self._digit_timestamp = self._session.timestamp
        for payload in payloads:
            self._send(self._session.event_packet(payload_type, payload, self._digit_timestamp, is_first=is_first))
        if payloads:
            self._session.skip(_FRAME)
        else:
            self._send(self._session.packet(_SILENCE))

    def _send(self, packet: bytes) -> None:
        if (
            self._plan is not None
            and self._plan.remote is not None
            and self._plan.direction in ("sendrecv", "sendonly")
        ):
            self._ports.send_rtp(packet, self._plan.remote)

    def _packet_received(self, data: bytes, source: Address, now: float) -> None:
        try:
            packet = RtpPacket.parse(data)
        except ProtocolError:
            return
        if self._plan is not None and packet.payload_type == self._plan.payload_type:
            self._catch_up(self.heard, self.ear, now)
            self._keep(self.heard, self.ear, packet.payload)

    def _catch_up(self, sound: bytearray, ear: Ear, now: float) -> None:
        """Nothing came for a frame and more (a hold): that was silence."""
        while len(sound) / _PCM_FRAME * FRAME_SECONDS < now - self._started_at - 2 * FRAME_SECONDS:
            self._keep(sound, ear, _SILENCE)

    def _keep(self, sound: bytearray, ear: Ear, payload: bytes) -> None:
        pcm = g711.ulaw_to_pcm(payload)
        sound += pcm
        ear.feed(pcm)
