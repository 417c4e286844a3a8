"""One call: a caller, his node, the script that runs for him.

    OPENING ──Opened──> ANSWERED ──end(reason)──> ENDING ──script gone──> GONE
       │ (leg)             │ script runs             │ Closed, HungUp, sockets closed,
       └──────CANCEL───────┼──give_up: apology───────┤ grace of 5 s, kill
                           └──release──> RELEASED ───┘ the script is told `transferred`, its caller talks on

What the caller hears is `Sound`'s business, his sound and keys are `Hearing`'s, the script's sockets `Sockets`', its
worker and its requests `ScriptRun`'s; here is the life of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ivrnode.media import messages as media
from ivrnode.pbx.arrival.assignment import Assignment
from ivrnode.pbx.call import fallback
from ivrnode.pbx.call.company import Company
from ivrnode.pbx.call.hearing import Hearing
from ivrnode.pbx.call.incoming_call import IncomingCall, State
from ivrnode.pbx.call.masks import Masks
from ivrnode.pbx.call.script_run import ScriptRun
from ivrnode.pbx.call.sockets import Sockets
from ivrnode.pbx.call.sound import SPEECH_TIMEOUT, Sound
from ivrnode.pbx.call.text import statistics, summary
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.exchange import SessionEvent
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip

MOST_DRAIN = 30.0
MOST_CLOSING = 1.0
NO_AUDIO_SECONDS = 60
APOLOGY, TONE = 1 << 30, (1 << 30) + 1


_OF_THE_CALLER = (script.Hangup, script.Stream, script.ListenDigits)
"""No business of a script that has given its caller away, and does not know it yet."""


class Call(IncomingCall):
    """Doors: `media_told`, `sip_told`, `script_acted`, `script_ended`, `end`. `services`, by the names that scripts ask
    them by. `fall_back`: send the caller of a script that failed to his node's fallback; False: there is none."""

    def __init__(
        self,
        assignment: Assignment,
        party: SipParty,
        house: House,
        services: Mapping[str, Service],
        fall_back: Callable[[Call, float], bool],
        on_gone: Callable[[Call], None],
        now: float,
    ) -> None:
        facts = assignment.facts
        super().__init__(facts.callid, facts.tenant, party, house, now)
        self.facts, self.node = facts, assignment.node
        self.caller, self.extension = facts.caller, assignment.node.extension
        self.assignment = assignment
        self.company: Company[Call] = Company()
        self._has_caller = True
        self._effects, self._agenda, self._log = house.effects, house.agenda, house.log
        self._services, self._fall_back, self._on_gone = services, fall_back, on_gone
        self._lang = facts.lang
        self._is_draining = self._is_giving_up = False
        self.secrets, self.masks = assignment.secrets, Masks(house.log, self.tenant)
        self.sound = Sound(self.id, party.leg, self.tenant, self._effects, self.tell)
        self.hearing = Hearing(party.leg, self._effects, self.tell, self.write)
        self.sockets = Sockets(self.id, self.tenant, house, self.secrets, self.masks, self.tell)
        self.script = ScriptRun(self, assignment, self.sockets, house)

    # The leg of media.

    def media_told(self, event: media.Event, now: float) -> None:
        match event:
            case media.Audio():
                self.tell(script.AudioHeard(event.audio, event.stream))
            case media.ItemDone():
                self._item_done(event, now)
            case media.Answer():
                self.sound.answered(event.request, event.value)
            case media.Drained():
                self.tell(script.QueueDrained())
            case media.Digit():
                self.press(event.digit)
            case media.Speech() | media.Withheld() | media.Recorded():
                self.hearing.told(event, now, is_private=self.sound.is_away)
            case media.Opened():
                self._opened(event, now)
            case media.OpenFailed():
                self.write("MEDIA", 1, event.error)
                self._refuse(503, "No RTP port free", now)
            case media.FirstPacket():
                self.write("MEDIA", 6, "first RTP packet")
            case media.NoRtp():
                self._no_rtp(event.seconds, now)
            case media.Statistics():
                self.write("MEDIA", 5, statistics(event))
            case media.Cleared():
                self._released(now)
            case media.Closed():
                self._closed(now)

    def _opened(self, event: media.Opened, now: float) -> None:
        if self.state is not State.OPENING:
            return
        if self._answer(event.address[1], now):
            self.begin(now)

    def _refuse(self, status: int, reason: str, now: float) -> None:
        self.party.refuse(status, reason, now)
        self._effects.media(media.Close(self.party.leg))
        self._gone(now)

    def begin(self, now: float) -> None:
        """The caller is there: the script starts."""
        self._answered(self.node.max_duration, now)
        self.write("APP", 4, f"answered {self.caller or 'anonymous'} for {self.extension} at {self.party.name}")
        if self.node.inband_dtmf:
            self._effects.media(media.HearKeys(self.party.leg))
        if not self.script.start(now):
            self.give_up(now)

    def _item_done(self, event: media.ItemDone, now: float) -> None:
        if event.error:
            self.write("SCRIPT", 2, f"sound {event.item} was not heard in full: {event.error}")
        self.sound.item_done(event)
        if self._is_giving_up:
            if event.item == APOLOGY and event.error and self.state is State.ANSWERED:
                self.sound.play(script.Play(TONE, "pcm16", fallback.TONE_RATE, fallback.information_tone()))
            elif not (self.sound.has_items or self.company.connection or self._fall_back(self, now)):
                self.end("error", now)
        elif not self.sound.has_items:
            self.company.drained(now)
            if self._is_draining:
                self.end("script", now)
            elif self._is_idle():
                self.tell(script.Wake())  # nothing else would come: does it want to go on?

    def press(self, digit: str) -> None:
        """A key of the caller."""
        if not self.company.press(digit):
            self.hearing.digit(digit)

    def _no_rtp(self, seconds: int, now: float) -> None:
        self.write("MEDIA", 3, f"no RTP for {seconds} s")
        if seconds >= NO_AUDIO_SECONDS:
            self.end("no_audio", now)

    # The far end.

    def sip_told(self, event: SessionEvent, now: float) -> None:
        if isinstance(event, sip.Referred | sip.Notified):
            self.company.refer_told(event, now)
        else:
            super().sip_told(event, now)

    # The script.

    def script_acted(self, action: script.Action, now: float) -> None:
        if self._log.is_on("SCRIPT", 9, self.tenant):
            self.write("SCRIPT", 9, summary(action))
        if self._is_giving_up or (self.state is State.RELEASED and isinstance(action, _OF_THE_CALLER)):
            return
        match action:
            case script.SendSocket():
                self.sockets.send(action, now)
            case script.Play():
                self.sound.play(action)
            case script.Wait():
                self._waits(action, now)
            case script.Ask():
                self.sound.ask(action)
            case script.Say():
                self._say(action, now)
            case script.Log():
                self.script.wrote(action, now)
            case script.OpenSocket():
                self.sockets.open(action, now)
            case script.CloseSocket():
                self.sockets.close(action)
            case script.Request():
                self._asks(action, now)
            case script.Stream():
                self.hearing.stream(action)
            case script.ListenDigits():
                self.hearing.listen(action.is_on)
            case script.SetLang():
                self._lang = action.lang
            case script.Hangup():
                self._hangup(action, now)
            case script.Failed():
                self._script_failed(action, now)
            case script.Finished():
                self.script.kill("")
            case script.Ready():
                pass

    def _asks(self, action: script.Request, now: float) -> None:
        self.script.asked(action)
        service = self._services.get(action.what)
        if service is None:
            self.reply(action.request, error=f"{action.what} is no service of this core")
        else:
            service(self, action, now)

    def script_ended(self, end: ScriptEnd, now: float) -> None:
        self.script.ended(end, now)
        if self.sound.is_closed:
            self._leave(now)
        elif end.is_fault or self.state is State.ANSWERED:
            self.give_up(now)

    def _say(self, action: script.Say, now: float) -> None:
        if not self.sound.is_closed:
            self.write("APP", 6, f"says ({action.lang}): {action.text}")
        self.sound.say(action, self.node.voices.get(action.lang, ""))
        self._await_sound(action.item, now)

    def expect(self, item: int, tag: str, is_background: bool, now: float) -> bool:
        """As `Sound.expect`, and not for ever."""
        is_open = self.sound.expect(item, tag, is_background)
        self._await_sound(item, now)
        return is_open

    def _await_sound(self, item: int, now: float) -> None:
        def give_up_waiting(_: float) -> None:
            if self.sound.is_silent(item):
                self.sound.speech_failed(item, f"no sound within {SPEECH_TIMEOUT:.0f} s")

        self._agenda.set((self.id, "speech", item), now + SPEECH_TIMEOUT, give_up_waiting)

    def _hangup(self, action: script.Hangup, now: float) -> None:
        if action.is_drained and self.sound.has_items:
            self._is_draining = True
            self._agenda.set((self.id, "drain"), now + MOST_DRAIN, lambda at: self.end("script", at))
        else:
            self.end("script", now)

    def _script_failed(self, action: script.Failed, now: float) -> None:
        self.write("SCRIPT", 1, action.text)
        if action.is_fatal:
            self.give_up(now)

    def _waits(self, action: script.Wait, now: float) -> None:
        """The script is idle: wake it in time, hang up if nothing is left that could happen."""
        self.script.waits(action, now)
        if self.sound.is_closed:
            if not action.tasks:
                self.sockets.close_all()
        elif action.seconds is None and not action.tasks and self.state is State.ANSWERED and self._is_idle():
            self.end("finished", now)

    def reply(self, request: int, value: Any = None, body: bytes = b"", error: str = "") -> None:
        """Answer a Request of the script, once. A refusal is also a line of the tenant's log."""
        self.script.reply(request, value, body, error)

    def tell(self, event: script.Event) -> None:
        self.script.tell(event)

    def _is_idle(self) -> bool:
        is_quiet = self.sound.is_empty and self.hearing.is_idle and self.sockets.is_empty
        return is_quiet and not (self.script.has_requests or self.company.connection or self._is_draining)

    # The end.

    def give_up(self, now: float) -> None:
        """The script cannot go on: the caller hears an apology in his language, then the call ends."""
        if self.state is not State.ANSWERED or self._is_giving_up:
            return
        self.company.dismiss("error", now)
        self.take_back(now)
        self._is_giving_up = True
        self.script.kill("the call gave up")
        self._effects.media(media.Stream(self.party.leg, ""))
        self._effects.media(media.Mute(self.party.leg, 0))
        text, lang = (self.node.fallback_text, self._lang) if self.node.fallback_text else fallback.apology(self._lang)
        self._say(script.Say(APOLOGY, text, lang), now)
        self._agenda.set((self.id, "drain"), now + MOST_DRAIN, lambda at: self.end("error", at))

    @property
    def may_connect(self) -> bool:
        """The caller is there, and nobody else talks with him."""
        return self.state is State.ANSWERED and self.company.connection is None and not self._is_giving_up

    def take_back(self, now: float) -> None:
        """The caller is no longer connected with somebody else."""
        self.company.connection = None
        self.sound.bring_back()
        self._effects.media(media.Unbridge(self.party.leg))
        if self._is_giving_up:
            self.end("error", now)

    def release(self, now: float, then: Callable[[float], None] | None = None) -> None:
        """The script has given its caller away. Once the leg is free of what it did there, it is told `transferred`;
        `then` is done. Without, he stays ours, and so does a recording of him."""
        self.state, self.reason = State.RELEASED, "transferred"
        self._then = then
        self.script.sleep()
        self._agenda.set((self.id, "drain"), None)
        self._effects.media(media.Clear(self.party.leg, keeps_recording=then is None))
        self._agenda.set((self.id, "closing"), now + MOST_CLOSING, self._released)

    def _released(self, now: float) -> None:
        if self.state is State.RELEASED and not self.sound.is_closed:
            if self._then is not None:
                self.hearing.close()
            self._dismiss_script(now)
            if self._then is not None:
                self._then(now)

    def lose_caller(self, now: float) -> None:
        """Somebody else has the leg and the session now."""
        self.state, self._has_caller = State.ENDING, False
        self._agenda.set((self.id, "max"), None)
        self._leave(now)

    def end(self, reason: str, now: float) -> None:
        """Terminal and harmless twice. `reason` is what `call.on("hangup")` is told (docs/scripting.md)."""
        if self.state in (State.ENDING, State.GONE):
            return
        self.write("APP", 4, f"ended: {reason} after {now - self.answered_at:.1f} s")
        if self.state is not State.RELEASED:
            self.reason = reason
        self.company.part(reason, now)
        self.state, self.ended_at = State.ENDING, now
        self.script.sleep()
        for what in ("max", "drain"):
            self._agenda.set((self.id, what), None)
        self.party.hangup(now)
        self._effects.media(media.Close(self.party.leg))
        self._agenda.set((self.id, "closing"), now + MOST_CLOSING, self._closed)

    def _closed(self, now: float) -> None:
        """The last chunk of the stream is delivered: now the script may hear that the call is over."""
        if self.state is State.ENDING and self._has_caller:
            self._has_caller = False
            self.hearing.close()
            if not self.sound.is_closed:
                self._dismiss_script(now)
            self._leave(now)

    def _dismiss_script(self, now: float) -> None:
        self._agenda.set((self.id, "closing"), None)
        self.sound.close()
        self.hearing.dismiss()
        self.script.dismiss(self.reason, now)

    def _leave(self, now: float) -> None:
        if not (self.script.is_alive or self._has_caller):
            self._gone(now)

    def _gone(self, now: float) -> None:
        self.state = State.GONE
        self.sockets.close_all()
        self.masks.forget()
        self.script.forget()
        for what in ("max", "drain", "closing"):
            self._agenda.set((self.id, what), None)
        self._on_gone(self)


Service = Callable[[Call, script.Request, float], None]
"""What answers the script's requests of one name: by `Call.reply`, now or later; news of it go by `Call.tell`."""
