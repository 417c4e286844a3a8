"""A call that came in, whatever is done with it: its state, its caller's session, the longest time that it may last."""

from __future__ import annotations

from enum import Enum, auto

from ivrnode.errors import ProtocolError
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.exchange import SessionEvent
from ivrnode.pbx.party.sip_party import SipParty, info_digit
from ivrnode.sip import events as sip

OPEN_SECONDS = 5.0
"""An engine that has not opened the leg by then hangs: better refused than left without an answer."""


class State(Enum):
    OPENING = auto()
    ANSWERED = auto()
    RELEASED = auto()
    ENDING = auto()
    GONE = auto()


class IncomingCall:
    """`caller`, `extension`: who calls whom. `reason`: how it ended."""

    caller: str
    extension: str

    def __init__(self, id: str, tenant: str, party: SipParty, house: House, now: float) -> None:
        self.id, self.tenant, self.party = id, tenant, party
        self.state, self.reason = State.OPENING, ""
        self.started_at = self.answered_at = self.ended_at = now
        self._house = house
        house.agenda.set((id, "max"), now + OPEN_SECONDS, self._not_opened)

    def _not_opened(self, now: float) -> None:
        self.write("MEDIA", 1, f"the engine has not opened a leg within {OPEN_SECONDS:.0f} s")
        self._refuse(503, "The media do not answer", now)

    def sip_told(self, event: SessionEvent, now: float) -> None:
        match event:
            case sip.Confirmed():
                self._confirmed(event.body, now)
            case sip.Offered():
                self.party.renegotiate(event.offer, now)
                if self.party.plan is not None:
                    self.write("APP", 5, f"re-INVITE: {self.party.plan.direction}")
            case sip.InfoReceived():
                if digit := info_digit(event.content_type, event.body):
                    self.press(digit)
            case sip.Ended():
                self.end("caller" if event.reason in ("bye", "cancel") else "error", now)

    def _confirmed(self, body: bytes | None, now: float) -> None:
        try:
            self.party.confirm(body)
        except ProtocolError as error:
            self.write("SIP", 3, f"hung up: {error}")
            self.end("error", now)

    def _answer(self, port: int, now: float) -> bool:
        """Answer the INVITE. False: what it offers cannot be met, and is refused."""
        try:
            self.party.answer(port, now)
        except ProtocolError as error:
            self.write("SIP", 3, f"refused: {error}")
            self._refuse(error.status, str(error), now)
            return False
        return True

    def _answered(self, longest: float, now: float) -> None:
        """From here on the call lasts for `longest` seconds at most."""
        self.state, self.answered_at = State.ANSWERED, now
        self._house.agenda.set((self.id, "max"), now + longest, lambda at: self.end("max_duration", at))

    def write(self, category: str, level: int, text: str) -> None:
        self._house.log.write(category, level, text, tenant=self.tenant, call=self.id)

    # What is done with it.

    def _refuse(self, status: int, reason: str, now: float) -> None:
        """It will not be answered, and is over."""
        raise NotImplementedError

    def press(self, digit: str) -> None:
        """A key of the caller."""
        raise NotImplementedError

    def end(self, reason: str, now: float) -> None:
        """Terminal and harmless twice."""
        raise NotImplementedError
