"""The callers, all in one loop of one process: SIP by the project's own user agent, RTP by `Caller`.

{"order": "dial", "user": "700", "count": 50, "rate": 25}    answered when all are up or have failed
{"order": "storm", "user": "702", "seconds": 5, "at_once": 20}    short calls, always `at_once` of them
{"order": "ping"}    from here on the core is asked something small, now and then
{"order": "reset"}, {"order": "report"}, {"order": "hangup"}

python -m bench.load PORT
"""

from __future__ import annotations

import math
import random
import select
import socket
import sys
import time
from dataclasses import asdict
from typing import Any

from bench.caller import Caller, Heard
from bench.child import Orders, say
from ivrnode.sip import events as sip
from ivrnode.sip.address import NameAddr
from ivrnode.sip.flow import Flow
from ivrnode.sip.invite import InviteSession
from ivrnode.sip.uri import Uri
from ivrnode.sip.user_agent import UserAgent

TURN, SLOTS = 0.005, 4
PING_INTERVAL = 0.05


class Load:
    def __init__(self, port: int) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sip.connect(("127.0.0.1", port))
        self._sip.setblocking(False)
        self._flow = Flow("udp", self._sip.getsockname(), ("127.0.0.1", port), 1)
        self._agent = UserAgent(random.SystemRandom(), lambda flow: flow.local, "bench")
        self._orders = Orders()
        self._calls: dict[InviteSession, Caller] = {}
        self._slots: list[list[Caller]] = [[] for _ in range(SLOTS)]
        self._readers: dict[int, Caller] = {}
        self._epoll = select.epoll()
        self._epoll.register(self._sip.fileno(), select.EPOLLIN)
        self._epoll.register(self._orders.fileno(), select.EPOLLIN)
        self._heard = Heard()
        self._from = NameAddr("", Uri.parse("sip:bench@127.0.0.1"))
        self._pings: dict[int, float] = {}
        self._ping_at = math.inf
        self._user = ""
        self._to_dial = 0
        self._dial_at, self._dial_interval = 0.0, 0.0
        self._is_dialing = self._is_leaving = False
        self._storm_until = 0.0
        self._at_once = 0
        self._done = self._failed = 0

    def run(self) -> None:
        say(ready=True)
        start, turn = time.monotonic(), 0
        while True:
            self._wait(max(0.0, start + turn * TURN - time.monotonic()))
            while start + turn * TURN <= time.monotonic():
                for caller in self._slots[turn % SLOTS]:
                    caller.send()
                turn += 1
            now = time.monotonic()
            self._agent.tick(now)
            self._dial(now)
            self._ping(now)
            self._drain(now)
            self._answer_orders(now)

    def _wait(self, seconds: float) -> None:
        for descriptor, _ in self._epoll.poll(seconds):
            if caller := self._readers.get(descriptor):
                caller.receive()
            elif descriptor == self._sip.fileno():
                self._read_sip()
            else:
                for order in self._orders.read():
                    self._obey(order)

    def _read_sip(self) -> None:
        try:
            while True:
                self._agent.receive(self._sip.recv(65536), self._flow, time.monotonic())
        except OSError:
            return

    # Orders.

    def _obey(self, order: dict[str, Any]) -> None:
        now = time.monotonic()
        match order["order"]:
            case "dial":
                self._user, self._to_dial = order["user"], order["count"]
                self._dial_at, self._dial_interval = now, 1 / order["rate"]
                self._is_dialing = True
            case "storm":
                self._user, self._at_once = order["user"], order["at_once"]
                self._storm_until, self._done = now + order["seconds"], 0
            case "ping":
                self._ping_at = now
            case "reset":
                self._heard.clear()
                for caller in self._calls.values():
                    caller.sent = caller.received = caller.sounding = 0
            case "report":
                self._report()
            case "hangup":
                self._is_leaving = True
                for session in list(self._calls):
                    session.hangup(now)

    def _answer_orders(self, now: float) -> None:
        """Say so when what was ordered is done."""
        if self._is_dialing and not self._to_dial and all(caller.is_up for caller in self._calls.values()):
            self._is_dialing = False
            say(up=len(self._calls), failed=self._failed)
        if self._is_leaving and not self._calls:
            self._is_leaving = False
            say(left=True)
        if self._storm_until and now >= self._storm_until and not self._calls:
            self._storm_until = 0.0
            say(done=self._done, failed=self._failed)

    def _report(self) -> None:
        calls = [(caller.sent, caller.received, caller.sounding) for caller in self._calls.values()]
        say(calls=calls, **asdict(self._heard))

    # Calls.

    def _dial(self, now: float) -> None:
        while self._to_dial and self._dial_at <= now:
            self._to_dial -= 1
            self._dial_at += self._dial_interval
            self._call(now)
        while now < self._storm_until and len(self._calls) < self._at_once:
            self._call(now)

    def _ping(self, now: float) -> None:
        """Ask the core something small, for as long as there are calls."""
        if self._calls and now >= self._ping_at:
            self._ping_at = now + PING_INTERVAL
            number = self._agent.request("OPTIONS", self._target("ping"), self._flow, now, from_=self._from)
            self._pings[number] = now

    def _target(self, user: str) -> Uri:
        return Uri.parse(f"sip:{user}@127.0.0.1:{self._flow.remote[1]}")

    def _call(self, now: float) -> None:
        caller = Caller(self._heard)
        target = self._target(self._user)
        session = self._agent.invite(target, self._flow, now, from_=self._from, body=caller.offer())
        self._calls[session] = caller

    def _drain(self, now: float) -> None:
        while events := self._agent.events():
            for event in events:
                self._told(event)
        for data, _ in self._agent.to_send():
            self._sip.send(data)

    def _told(self, event: sip.Event) -> None:
        match event:
            case sip.Accepted() if caller := self._calls.get(event.session):
                caller.answered(event.body)
                self._readers[caller.fileno()] = caller
                self._epoll.register(caller.fileno(), select.EPOLLIN)
                min(self._slots, key=len).append(caller)
            case sip.Rejected():
                self._failed += 1
                self._forget(event.session)
            case sip.Ended():
                self._done += 1
                self._forget(event.session)
            case sip.Responded():
                asked = self._pings.pop(event.request_id)
                self._heard.answers.append((time.monotonic() - asked) * 1000)
            case _:
                pass

    def _forget(self, session: InviteSession) -> None:
        caller = self._calls.pop(session, None)
        if caller is None:
            return
        if self._readers.pop(caller.fileno(), None) is not None:
            self._epoll.unregister(caller.fileno())
            next(slot for slot in self._slots if caller in slot).remove(caller)
        caller.close()


if __name__ == "__main__":
    Load(int(sys.argv[1])).run()
