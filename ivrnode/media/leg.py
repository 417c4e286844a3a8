"""One leg: an RTP session with its playout and its ears. All that happens every 20 ms happens in `tick`.

    packet_received -> RtpSession.receive ─┬─> JitterBuffer ─┐
                                           └─> DigitReceiver ─> Digit
    tick ─┬─ Layers.next_frame -> RtpSession.packet -> send
          └─ JitterBuffer.next_frame ─> Ears ─> Audio, Speech, Recorded

Silence is sent while nothing is to be heard, so the far end's clock and NAT stay alive; on hold nothing is sent and
the playout stands still. While the leg rings or is bridged, its far end hears that instead of the playout, and the ears
get silence, but for a recording. So it is while a guest is there (guest.py), who has a playout and ears of his own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from ivrnode.audio.format import AudioFormat
from ivrnode.errors import ProtocolError
from ivrnode.media import messages
from ivrnode.media.ears import Ears
from ivrnode.media.instead import Crossing, Instead, Ringing
from ivrnode.media.layers import Layers
from ivrnode.media.messages import Address, Event
from ivrnode.media.overheard import Overheard
from ivrnode.media.ports import PortPair
from ivrnode.media.quiet import quiet_test
from ivrnode.media.wire import FRAME_MS, Wire
from ivrnode.rtp.jitter import FRAME, JitterBuffer
from ivrnode.rtp.packet import RtpPacket
from ivrnode.rtp.session import RtpSession
from ivrnode.rtp.telephone_event import DigitReceiver, DigitSender

_FIRST_PACKET_WAIT = 0.3
_RTCP_INTERVAL = 5.0
_NO_RTP = 10
_MAX_SKIPPED_HEARD = 50  # frames
_COMFORT_NOISE = 13  # RFC 3389: heard as silence
_SENDING = ("sendrecv", "sendonly")
_RECEIVING = ("sendrecv", "recvonly")


class Seat(Protocol):
    """Who speaks with the far end, and hears it: the leg's own, or a guest's."""

    @property
    def playout(self) -> Layers: ...

    @property
    def ears(self) -> Ears: ...


class Leg:
    """Doors: `packet_received`, `rtcp_received`, `tick`, `skip` and one method per command. Events go to `emit`."""

    __slots__ = (
        "_audio_type", "_chore_at", "_digit_timestamp", "_digit_type", "_digits_in", "_digits_out", "_emit",
        "_has_heard", "_has_started", "_ids", "_instead", "_is_coded", "_is_dialing", "_is_listening", "_is_tapped",
        "_jitter", "_may_hear", "_may_play", "_may_send", "_no_rtp_at", "_no_rtp_seconds", "_other", "_overheard",
        "_play_at", "_playing", "_ports", "_repeat", "_rtcp_at", "_send", "_silence", "_silent_since", "_ssrc",
        "_unsent", "_wire", "ears", "guests", "number", "playout", "session",
    )  # fmt: skip

    def __init__(self, number: int, emit: Callable[[Event], None], ids: random.Random) -> None:
        self.number = number
        self._emit, self._ids = emit, ids
        self._wire = Wire("PCMU")
        self._silence = self._wire.silence
        self.session = RtpSession(ids)
        self.playout = self._playing = Layers(number, self._wire.inside, emit)
        self.guests: list[Seat] = []
        self._jitter = _jitter_buffer(self._wire)
        self._digits_in, self._digits_out = DigitReceiver(), DigitSender()
        self._is_dialing = False
        self._digit_type: int | None = None
        self._digit_timestamp = 0
        self._audio_type = -1
        self._ssrc = -1
        self.ears = Ears(number, self._wire.inside, emit, self.listen)
        self._instead: Instead | None = None
        self._other: Leg | None = None  # the leg that this one is bridged with
        self._overheard: Overheard | None = None
        self._is_coded = False  # the other leg wants frames as they are on the wire
        self._is_listening = self._is_tapped = False
        self._repeat = self._silence  # what stands in for the next lost frame
        self._may_send = self._may_hear = False
        self._may_play = self._has_started = self._has_heard = False
        self._play_at = self._rtcp_at = self._no_rtp_at = float("inf")
        self._chore_at = float("inf")
        self._silent_since = 0.0
        self._no_rtp_seconds = 0
        self._unsent = 0
        self._ports: PortPair | None = None

    def attach(self, ports: PortPair) -> None:
        self._ports = ports
        self._send = ports.send_rtp

    # Packets.

    def packet_received(self, data: bytes, address: Address, now: float) -> None:
        packet = self.session.receive(data, address, now)
        if packet is None:
            return
        if not self._has_heard:
            self._first_packet()
        payload_type, _, timestamp, ssrc, payload, _ = packet
        if payload_type == self._audio_type:
            if self._is_listening:
                if ssrc != self._ssrc:
                    self._source_changed(ssrc)
                self._jitter.put(timestamp, payload)
        elif payload_type == self._digit_type:
            self._digit_received(packet)

    def rtcp_received(self, data: bytes, address: Address, now: float) -> None:
        self.session.receive_rtcp(data, address, now)

    def _first_packet(self) -> None:
        self._has_heard = True
        self._may_play = self._has_started
        self._emit(messages.FirstPacket(self.number))

    def _digit_received(self, packet: RtpPacket) -> None:
        if packet.ssrc != self._ssrc:
            self._source_changed(packet.ssrc)
        try:
            digit = self._digits_in.receive(packet.timestamp, packet.payload)
        except ProtocolError:
            self.session.garbage += 1
            return
        if digit:
            self._emit(messages.Digit(self.number, digit))

    def _source_changed(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._jitter.restart()
        self._wire.restart_decoder()
        self._digits_in = DigitReceiver()

    # Every 20 ms.

    def tick(self, now: float) -> None:
        if now >= self._chore_at:
            self._do_chores(now)
        session, said = self.session, self._silence
        target, encode, instead = session.target, self._wire.encode, self._instead
        if instead is not None:
            said = instead.next_frame()
            encode = None if instead.is_coded else encode
        if target is None or not self._may_send:
            session.skip(FRAME)
        elif self._is_dialing:
            self._send_digit(target)
        else:
            if self._may_play and instead is None:
                said = self._playing.next_frame() or said
            try:
                self._send(session.packet(said if encode is None else encode(said)), target)
            except OSError:
                self._unsent += 1
        if self._is_tapped:
            self._hear(said)

    def skip(self, frames: int, now: float) -> None:
        """The engine came too late for so many frames: nothing is sent for them, what was heard stays whole."""
        self.session.skip(frames * FRAME)
        if self._is_tapped:
            for _ in range(min(frames, _MAX_SKIPPED_HEARD)):
                self._hear(self._pause)

    def next_heard(self) -> bytes:
        """The next 20 ms of the far end; for a lost frame the last one once more, then silence."""
        heard = self._jitter.next_frame()
        if heard is None:
            heard, self._repeat = self._repeat, self._pause
        else:
            if self._wire.decode is not None and not self._is_coded:
                heard = self._wire.decode(heard)
            self._repeat = heard
        return heard

    @property
    def _pause(self) -> bytes:
        return self._wire.format.silence(FRAME_MS) if self._is_coded else self._silence

    def _hear(self, said: bytes) -> None:
        if self._instead is not None:
            self._hear_aside(said)
            return
        heard = self.next_heard()
        if self.guests:
            self._hear_for_guest(heard, said)
        else:
            self.ears.feed(heard, said)

    def _hear_for_guest(self, heard: bytes, said: bytes) -> None:
        *waiting, ears = self._all_ears
        for other in waiting:
            other.overhear(heard, said, self._silence)
        ears.feed(heard, said)

    def _hear_aside(self, said: bytes) -> None:
        """What two people say to each other is not for the script."""
        silence = self._silence
        if self._overheard is None:
            heard = said = silence
        else:
            heard, said = self._overheard.both(said)
        for ears in self._all_ears:
            ears.overhear(heard, said, silence)

    @property
    def _all_ears(self) -> tuple[Ears, ...]:
        """Of the guests the last one is there, all before it wait."""
        return (self.ears, *(guest.ears for guest in self.guests))

    def _send_digit(self, target: Address) -> None:
        payloads = self._digits_out.next_frame()
        is_first = self._digits_out.is_first
        if is_first:
            self._digit_timestamp = self.session.timestamp
        for payload in payloads:
            packet = self.session.event_packet(self._digit_type or 0, payload, self._digit_timestamp, is_first=is_first)
            self._try(self._send, packet, target)
        if payloads:
            self.session.skip(FRAME)
        else:
            encode = self._wire.encode
            silence = self._silence if encode is None else encode(self._silence)
            self._try(self._send, self.session.packet(silence), target)
        self._is_dialing = self._digits_out.is_busy

    def _try(self, send: Callable[[bytes, Address], object], data: bytes, target: Address | None) -> None:
        if target is not None:
            try:
                send(data, target)
            except OSError:
                self._unsent += 1

    # Now and then.

    def _do_chores(self, now: float) -> None:
        if now >= self._play_at:
            self._may_play, self._play_at = True, float("inf")
        if now >= self._rtcp_at:
            self._rtcp_at = now + self._rtcp_interval()
            if self._ports is not None:
                self._try(self._ports.send_rtcp, self.session.report(now), self.session.rtcp_target)
        if now >= self._no_rtp_at:
            self._check_silence(now)
        self._chore_at = min(self._play_at, self._rtcp_at, self._no_rtp_at)

    def _rtcp_interval(self) -> float:
        return _RTCP_INTERVAL * self._ids.uniform(0.5, 1.5)  # RFC 3550 s6.3.1: never in step

    def _check_silence(self, now: float) -> None:
        """Told at 10 s without a packet, and again every further 10 s."""
        heard_at = self.session.heard_at
        if heard_at is not None and heard_at > self._silent_since:
            self._silent_since, self._no_rtp_seconds = heard_at, 0
        if now - self._silent_since >= self._no_rtp_seconds + _NO_RTP:
            self._no_rtp_seconds += _NO_RTP
            self._emit(messages.NoRtp(self.number, self._no_rtp_seconds))
        self._no_rtp_at = self._silent_since + self._no_rtp_seconds + _NO_RTP

    def _wait_for_rtp(self, now: float) -> None:
        self._silent_since, self._no_rtp_seconds = now, 0
        self._no_rtp_at = now + _NO_RTP if self._may_hear else float("inf")

    # Commands.

    def connect(self, command: messages.Connect, now: float) -> None:
        if command.codec != self._wire.codec:
            self._change_wire(Wire(command.codec))
        if self._audio_type < 0:
            self._rtcp_at = now + self._rtcp_interval() / 2  # RFC 3550 s6.2: the first one comes sooner
        self._audio_type, self._digit_type = command.payload_type, command.digit_payload_type
        others = {_COMFORT_NOISE} if self._digit_type is None else {_COMFORT_NOISE, self._digit_type}
        self.session.connect(command.remote, self._audio_type, frozenset(others), now, command.remote_rtcp)
        could_hear, self._may_hear = self._may_hear, command.direction in _RECEIVING
        self._may_send = command.direction in _SENDING
        if could_hear != self._may_hear:
            self._wait_for_rtp(now)
        self._chore_at = now

    def _change_wire(self, wire: Wire) -> None:
        self._wire, self._silence = wire, wire.silence
        self._repeat = self._silence
        seats: tuple[Seat, ...] = (self, *self.guests)
        for seat in seats:
            seat.playout.change_format(wire.inside)
            seat.ears.change_source(wire.inside)
        old, self._jitter = self._jitter, _jitter_buffer(wire)
        self._jitter.late, self._jitter.concealed = old.late, old.concealed
        if self._other is not None:
            self.bridge(self._other)
        elif self._instead is not None:
            self.ring()

    def start(self, now: float) -> None:
        if not self._has_started:
            self._has_started = True
            self._may_play = self._has_heard
            self._play_at = now + _FIRST_PACKET_WAIT
            self._chore_at = min(self._chore_at, self._play_at)

    def listen(self) -> None:
        """The jitter buffer runs only while somebody listens."""
        was_listening = self._is_listening
        self._is_tapped = any(ears.is_open for ears in self._all_ears)
        is_aside = self._instead is not None
        is_overheard = is_aside and any(ears.is_recording for ears in self._all_ears)
        self._is_listening = self._other is not None or is_overheard or (self._is_tapped and not is_aside)
        if self._is_listening and not was_listening:
            self._jitter.restart()
            self._repeat = self._pause
        if is_overheard is not (self._overheard is not None):
            self._overhear(is_overheard)

    def _overhear(self, is_on: bool) -> None:
        crossing = self._other._instead if self._other is not None else None
        is_taken = isinstance(crossing, Crossing)
        self._overheard = Overheard(self, self._wire, is_coded=self._is_coded, is_taken=is_taken) if is_on else None
        if isinstance(crossing, Crossing):
            crossing.speaker = self._overheard or self

    def ring(self) -> None:
        """The far end hears the ringing tone, from its beginning."""
        self.unbridge()
        self._instead = Ringing(self._wire)
        self.listen()

    def bridge(self, other: Leg) -> None:
        """The far ends of this leg and `other` hear each other."""
        self.unbridge()
        other.unbridge()
        for speaker, hearer in ((other, self), (self, other)):
            hearer._other = speaker
            hearer._instead = crossing = Crossing(speaker, speaker._wire, hearer._wire)
            speaker._is_coded = crossing.is_coded
        for leg in (self, other):
            leg.listen()
            leg._repeat = leg._pause

    def unbridge(self) -> None:
        """The far end hears the playout again; so does that of the leg on the other side."""
        other, self._other = self._other, None
        if self._is_coded:  # the decoder has missed what went by
            self._wire.restart_decoder()
        self._instead, self._is_coded = None, False
        self._repeat = self._silence
        self.listen()
        if other is not None:
            other.unbridge()

    # Guests.

    @property
    def line(self) -> Leg:
        """As `Guest.line`: a leg that has ports is its own."""
        return self

    @property
    def format(self) -> AudioFormat:
        """That of the sound which waits here and is handed over."""
        return self._wire.inside

    def welcome(self, guest: Seat) -> None:
        """It speaks with the far end from now on."""
        self.guests.append(guest)
        self.reseat()

    def dismiss(self, guest: Seat) -> None:
        self.guests.remove(guest)
        self.reseat()
        self.listen()

    def reseat(self) -> None:
        """Who is heard, or his playout, is another one."""
        self._playing = (self.guests[-1] if self.guests else self).playout

    def clear(self, *, keeps_recording: bool) -> None:
        """As if nobody had played to or listened to this leg yet: items and tags are counted anew."""
        self.ears.close(keeps_recording=keeps_recording)
        self.playout.mute()
        self.playout = Layers(self.number, self._wire.inside, self._emit)
        self.reseat()
        self._emit(messages.Cleared(self.number))

    def send_digits(self, digits: str) -> None:
        """Dropped when no telephone-event was agreed on."""
        if self._digit_type is not None:
            self._digits_out.add(digits)
            self._is_dialing = self._digits_out.is_busy

    def close(self, now: float) -> None:
        self.unbridge()
        self.ears.close()
        self.playout.mute()
        if self._ports is not None:
            if self._audio_type >= 0:
                self._try(self._ports.send_rtcp, self.session.goodbye(now), self.session.rtcp_target)
            self._ports.close()
        self._emit(self._statistics())
        self._emit(messages.Closed(self.number))

    def _statistics(self) -> messages.Statistics:
        session = self.session
        return messages.Statistics(
            self.number,
            packets_sent=session.packets_sent - self._unsent,
            packets_received=session.packets_received,
            packets_lost=session.packets_lost,
            packets_late=self._jitter.late,
            concealed=self._jitter.concealed,
            jitter_ms=session.jitter_ms,
            remote_jitter_ms=session.remote_jitter_ms,
            remote_lost=session.remote_lost,
            packets_garbage=session.garbage,
        )


def _jitter_buffer(wire: Wire) -> JitterBuffer:
    return JitterBuffer(wire.format.silence(1)[:1], quiet_test(wire.format.codec))
