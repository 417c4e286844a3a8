"""The hall's one door to the outside: what comes in finds its call here; what goes out leaves by `Effects`.

    sip_received ──> UserAgent ──> Invited ──> Reception ──> Call(SipParty), or Conversation of two phones
    media_told, script_acted, socket_*, spoken ──> the call they belong to
    tick ──> UserAgent, Agenda, Registrar

After every door the user agent is drained: its events first, then what it wants to send, in that order.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ivrnode.errors import ProtocolError
from ivrnode.log import Log
from ivrnode.media import messages as media
from ivrnode.pbx.arrival.assignment import Assignment, Introduction
from ivrnode.pbx.arrival.directory import Directory
from ivrnode.pbx.arrival.doorman import Doorman
from ivrnode.pbx.arrival.reception import Reception
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.arrival.registration_desk import RegistrationDesk
from ivrnode.pbx.call.call import Call, Service
from ivrnode.pbx.connect.conversation import Conversation
from ivrnode.pbx.connect.switchboard import Switchboard
from ivrnode.pbx.house.agenda import Agenda
from ivrnode.pbx.house.breaker import Breaker
from ivrnode.pbx.house.effects import Effects
from ivrnode.pbx.house.house import House
from ivrnode.pbx.house.quotas import Quotas
from ivrnode.pbx.party.exchange import Exchange, Owner
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.pbx.services.connect import ConnectService
from ivrnode.script import messages as script
from ivrnode.script.end import ScriptEnd
from ivrnode.sip import events as sip
from ivrnode.sip.flow import Flow
from ivrnode.sip.user_agent import UserAgent

ALLOWED = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REGISTER", "NOTIFY")


class Core:
    """All calls of a process. Every door takes `now` (seconds, monotonic) and never blocks."""

    def __init__(
        self,
        reception: Reception,
        desk: RegistrationDesk,
        doorman: Doorman,
        effects: Effects,
        log: Log,
        sent_by: Callable[[Flow], tuple[str, int]],
        ids: random.Random,
        media_host: str = "",
    ) -> None:
        self.user_agent = UserAgent(ids, sent_by, allow=ALLOWED, admits=doorman.admits)
        self.calls: dict[str, Call] = {}
        self._conversations: dict[str, Conversation] = {}
        self._reception, self._desk, self._doorman = reception, desk, doorman
        self._effects, self._log = effects, log
        self.agenda, self.breaker, self.quotas = Agenda(), Breaker(), Quotas(reception.tenant_of)
        self.house = House(effects, self.agenda, log, self.quotas, self.breaker, reception.tenant_of)
        self.on_gone: list[Callable[[Call], None]] = []
        self.on_parted: list[Callable[[Conversation], None]] = []
        self.exchange = Exchange(self.user_agent, effects, media_host)
        self._directory = Directory(reception.tenant_of, desk)
        self._switchboard = Switchboard(
            self.house, self.exchange, self._directory, reception, self.under_way, self._adopt
        )
        connecting = ConnectService(self._switchboard, self.quotas)
        self._fall_back = connecting.fall_back
        self.services: dict[str, Service] = dict(connecting.services)
        self._is_draining = False

    def under_way(self) -> dict[str, Call | Conversation]:
        """Calls of nodes and of phones, by their names."""
        return {**self.calls, **self._conversations}

    # SIP.

    def sip_received(self, data: bytes, flow: Flow, now: float) -> None:
        if self._doorman.is_shut(flow, now) and not self.user_agent.has_session_over(flow):
            return
        self._write_message("<", data, flow)
        self.user_agent.receive(data, flow, now)
        self._drain(now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        self._desk.flow_closed(flow)
        self.user_agent.flow_closed(flow, now)
        self._drain(now)

    def tick(self, now: float) -> None:
        self.user_agent.tick(now)
        self.agenda.tick(now)
        self._desk.tick(now)
        self._drain(now)

    def _drain(self, now: float) -> None:
        while events := self.user_agent.events():
            for event in events:
                self._sip_told(event, now)
        for data, flow in self.user_agent.to_send():
            self._write_message(">", data, flow)
            self._effects.send_sip(data, flow)

    def _write_message(self, direction: str, data: bytes, flow: Flow) -> None:
        if self._log.is_on("SIP", 9):
            self._log.write("SIP", 9, f"{direction} {flow} {data.decode(errors='replace')}")

    def _sip_told(self, event: sip.Event, now: float) -> None:
        match event:
            case sip.Invited():
                self._invited(event, now)
            case sip.Asked():
                self._asked(event, now)
            case sip.Registered() | sip.RegistrationFailed() | sip.Responded():
                pass
            case _:
                self.exchange.sip_told(event, now)

    def _invited(self, event: sip.Invited, now: float) -> None:
        try:
            if self._is_draining:
                raise RefusedError(503, "Shutting down", (("Retry-After", "60"),))
            purpose = self._reception.admit(event.request, event.session.flow, self.under_way().values(), now)
            leg, capabilities = self.exchange.new_leg(), self.exchange.capabilities
            party = SipParty(event.session, event.offer, leg, self._effects, capabilities)
        except RefusedError as refused:
            self._refuse(event, refused, now)
        except ProtocolError as error:
            self._refuse(event, RefusedError(error.status, str(error)), now)
        except Exception:
            event.session.reject(500, now)  # a caller is never left without an answer, whatever is wrong with us
            raise
        else:
            if isinstance(purpose, Introduction):
                owner: Owner = self._introduce(purpose, party, now)
            else:
                owner = self._new_call(purpose, party, now)
            self.exchange.open_leg(party.leg, owner, event.session.flow)

    def _refuse(self, event: sip.Invited, refused: RefusedError, now: float) -> None:
        request = event.request
        text = f"refused {request.from_.uri} from {event.session.flow} for {request.uri}: {refused}"
        self._log.write("SIP", 7 if refused.status == 401 else 4, text)
        event.session.reject(refused.status, now, refused.reason, refused.headers)

    def _new_call(self, assignment: Assignment, party: SipParty, now: float) -> Call:
        call = Call(assignment, party, self.house, self.services, self._fall_back, self._forget, now)
        self.calls[call.id] = call
        self.exchange.give(party, call)
        return call

    def _introduce(self, introduction: Introduction, party: SipParty, now: float) -> Conversation:
        conversation = Conversation(
            introduction, party, self.house, self.exchange, self._directory, self._parted, now
        )  # fmt: skip
        self._conversations[conversation.id] = conversation
        self.exchange.give(party, conversation)
        return conversation

    def _parted(self, conversation: Conversation) -> None:
        del self._conversations[conversation.id]
        for told in self.on_parted:
            told(conversation)

    def _adopt(self, assignment: Assignment, party: SipParty, now: float) -> Call:
        """A call of a far end that talks already."""
        call = self._new_call(assignment, party, now)
        call.begin(now)
        return call

    def _asked(self, event: sip.Asked, now: float) -> None:
        respond = self.user_agent.respond
        method = event.request.method
        if method == "REGISTER":
            status, reason, headers = self._desk.register(event.request, event.flow, now)
            respond(event, status, now, reason, headers)
        elif method == "OPTIONS":
            if self._is_draining:
                respond(event, 503, now, None, (("Retry-After", "60"),))
            else:
                respond(event, 200, now, None, (("Allow", self.user_agent.allow_text), ("Accept", "application/sdp")))
        else:
            respond(event, 405, now, None, (("Allow", self.user_agent.allow_text),))

    def _forget(self, call: Call) -> None:
        self.calls.pop(call.id, None)
        self.exchange.forget(call.party, call)
        self.quotas.forget(call.id)
        for told in self.on_gone:
            told(call)

    # The other doors: each finds its call; what comes for a call that is gone is dropped.

    def media_told(self, event: media.Event, now: float) -> None:
        self.exchange.media_told(event, now)
        self._drain(now)

    def script_acted(self, name: str, action: script.Action, now: float) -> None:
        if call := self.calls.get(name):
            call.script_acted(action, now)
            self._drain(now)

    def script_ended(self, name: str, end: ScriptEnd, now: float) -> None:
        if call := self.calls.get(name):
            call.script_ended(end, now)
            self._drain(now)

    def spoken(self, name: str, item: int, pcm: bytes, rate: int, *, is_last: bool) -> None:
        if call := self.calls.get(name):
            call.sound.spoken(item, pcm, rate, is_last=is_last)

    def speech_failed(self, name: str, item: int, error: str) -> None:
        if call := self.calls.get(name):
            call.sound.speech_failed(item, error)

    def socket_opened(self, key: tuple[str, int], subprotocol: str) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.opened(key[1], subprotocol)

    def socket_message(self, key: tuple[str, int], data: str | bytes) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.received(key[1], data)

    def socket_sent(self, key: tuple[str, int], buffered: int) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.sent(key[1], buffered)

    def socket_failed(self, key: tuple[str, int], error: str) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.failed(key[1], error)

    def socket_closed(self, key: tuple[str, int], code: int, reason: str) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.closed(key[1], code, reason)

    def socket_headers_dropped(self, key: tuple[str, int], names: tuple[str, ...]) -> None:
        if call := self.calls.get(key[0]):
            call.sockets.headers_dropped(names)

    def media_died(self, now: float) -> None:
        """The media process is gone, and no leg lives on: the far ends are told."""
        for call in self.under_way().values():
            call.end("error", now)
        self._drain(now)

    # The operator.

    def hangup(self, name: str, now: float) -> bool:
        """End one call by its id; False if there is none."""
        call = self.under_way().get(name)
        if call is not None:
            call.end("admin", now)
            self._drain(now)
        return call is not None

    def shut_down(self, now: float) -> None:
        """Take no new call; end those that are up, reason `shutdown`."""
        self._is_draining = True
        for call in self.under_way().values():
            call.end("shutdown", now)
        self._drain(now)
