"""The hall of packets: commands in, events out, packets through. Pure: ports come from a binder, time as `now`.

    command(Play ...)  ──>┌────────┐──> events(): Audio, Digit, ItemDone ...
    tick at next_tick  ──>│ Engine │
    packets of the ports ─>└────────┘──> packets, straight to the ports

The driver calls `tick` when `next_tick` is reached and `events` after every door. Nothing that comes from a script or
from the network makes a door raise.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ivrnode.audio.format import AudioFormat
from ivrnode.media import messages
from ivrnode.media.guest import Guest
from ivrnode.media.leg import Leg
from ivrnode.media.messages import Answer, Command, Event, LoadReport
from ivrnode.media.ports import Binder
from ivrnode.media.wheel import Lateness, Wheel
from ivrnode.media.wire import FRAME_MS

_MAX_INTERVAL_MS = 1000
_format = lru_cache(maxsize=64)(AudioFormat)  # every piece of sound names its own
_REPORT_INTERVAL = 5.0


class Engine:
    def __init__(self, bind: Binder, ids: random.Random) -> None:
        self._bind, self._ids = bind, ids
        self._wheel = Wheel()
        self._legs: dict[int, Leg] = {}
        self._guests: dict[int, Guest] = {}
        self._events: list[Event | LoadReport] = []
        self._report_at = 0.0
        self._garbage_closed = self._garbage_reported = 0
        self._handlers: dict[type[Any], Callable[[Any, Any, float], None]] = {
            messages.Connect: lambda leg, command, now: leg.line.connect(command, now),
            messages.Start: lambda leg, _, now: leg.line.start(now),
            messages.Play: self._play,
            messages.Fail: lambda leg, command, _: leg.playout.fail(command.item, command.error),
            messages.Mute: lambda leg, command, _: self._answer(command, leg.playout.mute()),
            messages.StopItem: lambda leg, command, _: self._answer(command, leg.playout.stop(command.item)),
            messages.Ask: self._ask,
            messages.Stream: self._stream,
            messages.Watch: lambda leg, command, _: leg.ears.watch(command.is_on),
            messages.HearKeys: lambda leg, _, now: leg.ears.hear_keys(),
            messages.Record: lambda leg, command, _: leg.ears.record(command.is_on),
            messages.SendDigits: lambda leg, command, _: leg.line.send_digits(command.digits),
            messages.Ring: lambda leg, _, now: leg.line.ring(),
            messages.Bridge: self._bridge,
            messages.Unbridge: lambda leg, _, now: leg.line.unbridge(),
            messages.Join: self._join,
            messages.Clear: lambda leg, command, _: leg.clear(keeps_recording=command.keeps_recording),
            messages.Close: self._close,
        }

    # Doors.

    def command(self, command: Command, now: float) -> None:
        """Commands for a leg that is not open are answered as if it had just been closed."""
        if isinstance(command, messages.Open):
            self._open(command, now)
            return
        leg = self._find(command.host if isinstance(command, messages.Join) else command.leg)
        if leg is not None:
            self._handlers[type(command)](leg, command, now)
        elif isinstance(command, messages.Mute | messages.StopItem | messages.Ask):
            self._answer(command, 0)
        elif isinstance(command, messages.Clear):
            self._events.append(messages.Cleared(command.leg))
        elif isinstance(command, messages.Close):
            self._events.append(messages.Closed(command.leg))

    def tick(self, now: float) -> None:
        """The next turn of the wheel, if it is due. A late driver calls again until `next_tick` is ahead."""
        self._wheel.turn(now)
        if now >= self._report_at:
            self._report_at = now + _REPORT_INTERVAL
            self._events.append(self._load_report())

    @property
    def next_tick(self) -> float | None:
        """When `tick` is due; None: no leg is open."""
        return self._wheel.next_turn

    def events(self) -> list[Event | LoadReport]:
        """What happened since the last call, in order."""
        events = self._events[:]
        self._events.clear()  # the same list for good: every leg appends to it
        return events

    def close(self, now: float) -> None:
        """Close every leg."""
        for number in list(self._legs):
            self.command(messages.Close(number), now)

    # Commands.

    def _open(self, command: messages.Open, now: float) -> None:
        if command.leg in self._legs:
            self._events.append(messages.OpenFailed(command.leg, f"leg {command.leg} is open already"))
            return
        leg = Leg(command.leg, self._events.append, self._ids)
        try:
            ports = self._bind(command.host, leg.packet_received, leg.rtcp_received)
        except OSError as error:
            self._events.append(messages.OpenFailed(command.leg, str(error)))
            return
        leg.attach(ports)
        if not self._legs:
            self._report_at = now + _REPORT_INTERVAL
        self._legs[command.leg] = leg
        self._wheel.add(leg, now)
        self._events.append(messages.Opened(command.leg, ports.address))

    def _join(self, host: Leg | Guest, command: messages.Join, now: float) -> None:
        if self._find(command.leg) is None:
            self._guests[command.leg] = Guest(command.leg, host.line, self._events.append)

    def _find(self, number: int) -> Leg | Guest | None:
        return self._legs.get(number) or self._guests.get(number)

    def _play(self, leg: Leg | Guest, command: messages.Play, now: float) -> None:
        try:
            source = _format(command.codec, command.rate)
        except ValueError as error:
            leg.playout.fail(command.item, str(error))
            return
        leg.playout.append(
            command.item,
            source,
            command.audio,
            is_last=command.is_last,
            tag=command.tag,
            is_background=command.is_background,
        )

    def _ask(self, leg: Leg | Guest, command: messages.Ask, now: float) -> None:
        playout, key = leg.playout, command.key
        match command.what:
            case "tag":
                value = playout.tag_ms(key)
            case "item" if key.isdecimal():
                value = playout.item_ms(int(key))
            case "item_queued" if key.isdecimal():
                value = playout.item_queued_ms(int(key))
            case "queued":
                value = playout.queued_ms
            case _:
                value = 0
        self._answer(command, value)

    def _answer(self, command: messages.Mute | messages.StopItem | messages.Ask, value: int) -> None:
        self._events.append(Answer(command.leg, command.request, value))

    def _stream(self, leg: Leg | Guest, command: messages.Stream, now: float) -> None:
        leg.ears.stop_stream()
        if command.codec:
            interval = min(max(command.interval_ms // FRAME_MS * FRAME_MS, FRAME_MS), _MAX_INTERVAL_MS)
            with suppress(ValueError):  # a format that nobody knows streams nothing
                target = _format(command.codec, command.rate)
                leg.ears.stream(target, interval, command.pre_roll_ms, command.hang_over_ms, command.stream)

    def _bridge(self, leg: Leg | Guest, command: messages.Bridge, now: float) -> None:
        other = self._find(command.other)
        if other is not None and other.line is not leg.line:
            leg.line.bridge(other.line)

    def _close(self, leg: Leg | Guest, command: messages.Close, now: float) -> None:
        if isinstance(leg, Guest):
            del self._guests[leg.number]
            leg.close()
            return
        for guest in [guest for guest in reversed(self._guests.values()) if guest.line is leg]:
            self._close(guest, command, now)
        del self._legs[leg.number]
        self._wheel.remove(leg)
        self._garbage_closed += leg.session.garbage
        leg.close(now)
        if not self._legs:
            self._events.append(self._load_report())

    def _load_report(self) -> LoadReport:
        """How well time was kept since the last report."""
        lateness, self._wheel.lateness = self._wheel.lateness, Lateness()
        garbage = self._garbage_closed + sum(leg.session.garbage for leg in self._legs.values())
        new_garbage, self._garbage_reported = garbage - self._garbage_reported, garbage
        return LoadReport(
            legs=len(self._legs),
            turns=lateness.turns,
            skipped_frames=lateness.skipped_frames,
            late_p50_ms=lateness.percentile(0.5),
            late_p99_ms=lateness.percentile(0.99),
            late_max_ms=lateness.max_ms,
            garbage=new_garbage,
        )
