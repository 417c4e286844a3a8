"""The built-in phone: a SIP softphone without keys or screen, on the same SIP and RTP rooms as the core.

    async with Phone(log) as phone:
        await phone.dial("sip:700@127.0.0.1")
        phone.play(pcm, 8000)
        reason = await phone.ended

What it hears and what it says come every 100 ms, by one clock, to `on_sound`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from ivrnode.errors import IvrNodeError
from ivrnode.log import Log
from ivrnode.media import messages as media
from ivrnode.net.addresses import LocalAddresses
from ivrnode.net.flows import Flows
from ivrnode.net.media.port import InLoopMedia
from ivrnode.sdp.description import SessionDescription
from ivrnode.sdp.negotiation import Capabilities, LocalSession, MediaPlan, accept_answer, answer, offer
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.digest import Credentials
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.registration import Registration
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

TICK = 0.02
UNREGISTER_SECONDS = 1.0
LEG = 1

Sound = Callable[[bytes, bytes], None]
T = TypeVar("T")


class PhoneError(IvrNodeError):
    """The call or the registration was not accepted; `status` is the far end's SIP status (408: no answer)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason = status, reason


class Phone:
    """One call at a time. `on_sound(heard, said)`: pcm16 at 8000 Hz, equal lengths, from the answer on.

    `answers`: what a call that comes in gets. 200: it rings and is answered; 180: it rings; else that refusal. `called`
    is done when one was answered.
    """

    def __init__(
        self,
        log: Log,
        on_sound: Sound | None = None,
        *,
        user: str = "phone",
        codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722"),
        answers: int = 486,
    ) -> None:
        self._log, self._on_sound, self._user, self._answers = log, on_sound, user, answers
        self._capabilities = Capabilities(codecs=codecs)
        self._addresses = LocalAddresses()
        self._flows = Flows(self._sip_received, self._flow_closed, log, self._flow_refused)
        self._media = InLoopMedia(self._media_told)
        self._agent = UserAgent(random.SystemRandom(), self._sent_by, user)
        self._credentials: Credentials | None = None
        self._session: InviteSession | None = None
        self._offer: SessionDescription | None = None
        self._invited: sip.Invited | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._items = itertools.count(1)
        self._opened: asyncio.Future[media.Address] | None = None
        self._answered: asyncio.Future[None] | None = None
        self._registered: asyncio.Future[int] | None = None
        self._registration: Registration | None = None
        self._plays: dict[int, asyncio.Future[None]] = {}
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.digits_heard = ""

    async def __aenter__(self) -> Phone:
        await self._media.start()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hangup()
        await self.unregister()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        await self._media.close()
        await self._flows.close()

    async def register(self, aor: str, username: str, password: str, *, expires: int = 300) -> int:
        """Register `aor` (sip:user@host) at its host; the seconds that were granted. Raises PhoneError."""
        uri = Uri.parse(aor)
        self._credentials = Credentials(username, password)
        flow = await self._connect(uri)
        self._registered = asyncio.get_running_loop().create_future()
        registrar = Uri("sip", host=uri.host, port=uri.port)
        self._registration = self._agent.register(
            uri, registrar, flow, time.monotonic(), credentials=self._credentials, expires=expires
        )
        self._drain()
        return await self._registered

    async def unregister(self) -> None:
        """Take the registration back, if there is one; a registrar that does not answer is left alone after 1 s."""
        if self._registration is None:
            return
        self._registered = asyncio.get_running_loop().create_future()
        self._registration.unregister(time.monotonic())
        self._registration = None
        self._drain()
        with contextlib.suppress(PhoneError, TimeoutError):
            await asyncio.wait_for(self._registered, UNREGISTER_SECONDS)

    async def dial(self, target: str) -> None:
        """Call a SIP URI; returns when it is answered. Raises PhoneError when it is not, OSError without a route."""
        loop = asyncio.get_running_loop()
        uri = Uri.parse(target if ":" in target.split("@")[0] else f"sip:{target}")
        flow = await self._connect(uri)
        self._opened, self._answered = loop.create_future(), loop.create_future()
        host = self._addresses.towards(flow.remote[0])
        self._media.send(media.Open(LEG, "::" if ":" in host else "0.0.0.0"))
        _, port = await self._opened
        self._offer = offer(self._capabilities, (host, port), LocalSession(LEG))
        self._session = self._agent.invite(
            uri,
            flow,
            time.monotonic(),
            from_=NameAddr("", Uri.of_user(self._user, uri.host)),
            body=str(self._offer).encode(),
            credentials=self._credentials,
        )
        self._drain()
        await self._answered

    def play(self, pcm: bytes, rate: int) -> asyncio.Future[None]:
        """Say something after what is still to be said; done when it was sent."""
        item = next(self._items)
        self._plays[item] = asyncio.get_running_loop().create_future()
        self._media.send(media.Play(LEG, item, "pcm16", rate, pcm))
        return self._plays[item]

    def press(self, digits: str) -> None:
        """Send keys as telephone-event (RFC 4733)."""
        self._media.send(media.SendDigits(LEG, digits))

    def hangup(self) -> None:
        if self._session is not None:
            self._session.hangup(time.monotonic())
            self._drain()
            self._end("hangup")

    async def _connect(self, uri: Uri) -> Flow:
        transport = (uri.parameter("transport") or "udp").lower()
        return await self._flows.connect(transport, uri.host, uri.port or 5060)

    def _sent_by(self, flow: Flow) -> tuple[str, int]:
        return self._addresses.towards(flow.remote[0]), flow.local[1]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._agent.tick(time.monotonic())
            self._drain()

    def _sip_received(self, data: bytes, flow: Flow) -> None:
        self._agent.receive(data, flow, time.monotonic())
        self._drain()

    def _flow_closed(self, flow: Flow) -> None:
        self._agent.flow_closed(flow, time.monotonic())
        self._drain()

    def _flow_refused(self, flow: Flow) -> None:
        refused = PhoneError(503, f"connection refused: nobody listens at {flow}")
        _fail(self._answered, refused)
        _fail(self._registered, refused)
        self._agent.flow_refused(flow, time.monotonic())
        self._drain()

    def _drain(self) -> None:
        while events := self._agent.events():
            for event in events:
                self._sip_told(event)
        for data, flow in self._agent.to_send():
            self._flows.send(data, flow)

    def _sip_told(self, event: sip.Event) -> None:
        now = time.monotonic()
        match event:
            case sip.Accepted():
                self._connected(event.body)
            case sip.Rejected():
                _fail(self._answered, PhoneError(event.status, event.reason))
                self._end(f"{event.status} {event.reason}")
            case sip.Ended():
                _fail(self._answered, PhoneError(487, event.reason))
                self._end(event.reason)
            case sip.Offered():
                event.session.reject(488, now)
            case sip.Invited():
                self._called(event, now)
            case sip.Confirmed():
                self._talk()
                _finish(self.called, None)
            case sip.Asked():
                self._agent.respond(event, 200 if event.request.method == "OPTIONS" else 405, now)
            case sip.Registered():
                _finish(self._registered, event.expires)
            case sip.RegistrationFailed():
                _fail(self._registered, PhoneError(event.status, event.reason))
            case _:
                pass

    def _connected(self, body: bytes) -> None:
        if self._offer is None:
            return
        try:
            plan = accept_answer(self._offer, SessionDescription.parse(body))
        except IvrNodeError as error:
            _fail(self._answered, PhoneError(488, str(error)))
            self.hangup()
            return
        self._connect_media(plan)
        self._talk()
        _finish(self._answered, None)

    def _called(self, event: sip.Invited, now: float) -> None:
        if self._session is not None or event.offer is None or self._answers >= 300:
            event.session.reject(self._answers if self._session is None else 486, now)
            return
        self._session = event.session
        event.session.ring(now)
        if self._answers == 200:
            self._invited = event
            self._media.send(media.Open(LEG, "0.0.0.0"))

    def _answer(self, invited: sip.Invited, port: int) -> None:
        """The port for a call that came in is there."""
        address = (self._addresses.towards(invited.session.flow.remote[0]), port)
        theirs = SessionDescription.parse(invited.offer or b"")
        ours, plan = answer(theirs, self._capabilities, address, LocalSession(LEG))
        self._connect_media(plan)
        invited.session.accept(str(ours).encode(), time.monotonic())
        self._drain()

    def _connect_media(self, plan: MediaPlan) -> None:
        self._media.send(
            media.Connect(LEG, plan.remote, plan.codec, plan.payload_type, plan.digit_payload_type, plan.direction)
        )

    def _talk(self) -> None:
        if self._on_sound is not None:
            self._media.send(media.Record(LEG, True))
        self._media.send(media.Start(LEG))

    def _media_told(self, event: media.Event) -> None:
        match event:
            case media.Recorded():
                if self._on_sound is not None:
                    self._on_sound(event.heard, event.said)
            case media.ItemDone():
                if (done := self._plays.pop(event.item, None)) and not done.done():
                    done.set_result(None)
            case media.Digit():
                self.digits_heard += event.digit
            case media.Opened():
                _finish(self._opened, event.address)
                if self._invited is not None:
                    self._answer(self._invited, event.address[1])
                    self._invited = None
            case media.OpenFailed():
                _fail(self._opened, PhoneError(0, event.error))
            case _:
                pass

    def _end(self, reason: str) -> None:
        if self._session is None:
            return
        self._session = None
        self._media.send(media.Close(LEG))
        if not self.ended.done():
            self.ended.set_result(reason)


def _finish(future: asyncio.Future[T] | None, value: T) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[T] | None, error: Exception) -> None:
    if future is not None and not future.done():
        future.set_exception(error)
