"""The four transaction machines of RFC 3261 s17 with the corrections of RFC 6026, as tables.

A table maps (state, input) to the next state, the actions and the timers to start. Inputs are `request` (a repeated
one), `ack`, the status classes `1xx`, `2xx`, `3xx-6xx`, `flow_closed`, `abandon` and the timers by the RFC's letters.
An input that a state does not name is absorbed; so a timer started in a state that was left since does nothing.

INVITE_CLIENT                                   INVITE_SERVER
  send, A, B                                      new INVITE goes up to the core, timer_trying
      │        A: repeat, A                            │     timer_trying: send 100
      ▼       ┌──────┐                                 ▼    ┌───────────────────────▶┐
   CALLING ───┴──────┘                             TRYING ──┤                        │
      │  B: 408 up ─────────▶ TERMINATED               │ 1xx: send                   ▼
      │ 1xx: up                                        └──────────────────────▶ PROCEEDING  request: repeat
      ▼                                                                           │   │    1xx: send
   PROCEEDING  1xx: up                                           2xx: send, L ────┘   └─ 3xx-6xx: send, G, H
      │    │                                                      ▼                          ▼
  2xx │    │ 3xx-6xx                                           ACCEPTED                  COMPLETED  G: repeat, G
   up │    │ ACK, up, D                                 request: -   2xx: repeat   request: repeat  H: -
    M ▼    ▼                                              L │                    ack, I │
 ACCEPTED  COMPLETED  3xx-6xx: ACK again                    ▼                           ▼
 2xx: up                                                TERMINATED ◀──── I ────── CONFIRMED  ack: -
  M │      │ D
    ▼      ▼
   TERMINATED      (CALLING goes to ACCEPTED and COMPLETED the same way)

CLIENT (all but INVITE)                         SERVER (all but INVITE and ACK)
  send, E, F                                      new request goes up to the core
      ▼       E: repeat, E                            ▼      request: -
   TRYING ─────────────────────┐                   TRYING ─────────────────────┐
      │ 1xx: up                │ 2xx-6xx              │ 1xx: send              │ 2xx-6xx
      ▼                        │ up, K                ▼                        │ send, J
   PROCEEDING  E: repeat, E ───┤                   PROCEEDING  request: repeat ┤
      │          at once a T2  ▼                                               ▼
      │ F: 408 up           COMPLETED                                      COMPLETED  request: repeat
      ▼                        │ K                                             │ J
   TERMINATED ◀────────────────┘                   TERMINATED ◀────────────────┘

A transaction keeps the bytes of what it would have to send again, and drops the parsed message (about 1 KB a call).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request, Response

T1 = 0.5
"""Estimate of the round trip, seconds (RFC 3261 s17.1.1.1)."""
T2 = 4.0
"""Longest pause between repeats of a request other than INVITE and of a final response to INVITE."""
T4 = 5.0
"""How long a message may wander in the network."""
TRYING_AFTER = 0.2
"""An INVITE not answered by the core in this time gets 100 (RFC 3261 s17.2.1)."""


class State(StrEnum):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Row(NamedTuple):
    """What an input does: the next state, then the actions, then the timers to start."""

    state: State
    actions: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()


Table = Mapping[tuple[State, str], Row]

_REPEATED = {"timer_a": 64 * T1, "timer_e": T2, "timer_g": T2}
"""Timers that double from T1 up to this; off on streams."""
_WAITS = {
    "timer_trying": TRYING_AFTER,
    "timer_b": 64 * T1,
    "timer_f": 64 * T1,
    "timer_h": 64 * T1,
    "timer_l": 64 * T1,
    "timer_m": 64 * T1,
    "timer_d": 64 * T1,
    "timer_j": 64 * T1,
    "timer_i": T4,
    "timer_k": T4,
}
_ZERO_ON_STREAMS = frozenset({"timer_d", "timer_i", "timer_j", "timer_k"})

INVITE_CLIENT: Table = {
    (State.CALLING, "start"): Row(State.CALLING, ("send",), ("timer_a", "timer_b")),
    (State.CALLING, "timer_a"): Row(State.CALLING, ("repeat",), ("timer_a",)),
    (State.CALLING, "timer_b"): Row(State.TERMINATED, ("time_out",)),
    (State.CALLING, "flow_closed"): Row(State.TERMINATED, ("lose_flow",)),
    (State.CALLING, "1xx"): Row(State.PROCEEDING, ("pass_up",)),
    (State.CALLING, "2xx"): Row(State.ACCEPTED, ("pass_up",), ("timer_m",)),
    (State.CALLING, "3xx-6xx"): Row(State.COMPLETED, ("send_ack", "pass_up"), ("timer_d",)),
    (State.PROCEEDING, "1xx"): Row(State.PROCEEDING, ("pass_up",)),
    (State.PROCEEDING, "2xx"): Row(State.ACCEPTED, ("pass_up",), ("timer_m",)),
    (State.PROCEEDING, "3xx-6xx"): Row(State.COMPLETED, ("send_ack", "pass_up"), ("timer_d",)),
    (State.PROCEEDING, "flow_closed"): Row(State.TERMINATED, ("lose_flow",)),
    (State.PROCEEDING, "abandon"): Row(State.TERMINATED),
    (State.ACCEPTED, "2xx"): Row(State.ACCEPTED, ("pass_up",)),
    (State.ACCEPTED, "timer_m"): Row(State.TERMINATED),
    (State.ACCEPTED, "flow_closed"): Row(State.TERMINATED),
    (State.COMPLETED, "3xx-6xx"): Row(State.COMPLETED, ("repeat",)),
    (State.COMPLETED, "timer_d"): Row(State.TERMINATED),
    (State.COMPLETED, "flow_closed"): Row(State.TERMINATED),
}

CLIENT: Table = {
    (State.TRYING, "start"): Row(State.TRYING, ("send",), ("timer_e", "timer_f")),
    (State.TRYING, "timer_e"): Row(State.TRYING, ("repeat",), ("timer_e",)),
    (State.TRYING, "timer_f"): Row(State.TERMINATED, ("time_out",)),
    (State.TRYING, "flow_closed"): Row(State.TERMINATED, ("lose_flow",)),
    (State.TRYING, "1xx"): Row(State.PROCEEDING, ("pass_up",)),
    (State.TRYING, "2xx"): Row(State.COMPLETED, ("pass_up", "drop"), ("timer_k",)),
    (State.TRYING, "3xx-6xx"): Row(State.COMPLETED, ("pass_up", "drop"), ("timer_k",)),
    (State.PROCEEDING, "timer_e"): Row(State.PROCEEDING, ("repeat", "slow_down"), ("timer_e",)),
    (State.PROCEEDING, "timer_f"): Row(State.TERMINATED, ("time_out",)),
    (State.PROCEEDING, "flow_closed"): Row(State.TERMINATED, ("lose_flow",)),
    (State.PROCEEDING, "1xx"): Row(State.PROCEEDING, ("pass_up",)),
    (State.PROCEEDING, "2xx"): Row(State.COMPLETED, ("pass_up", "drop"), ("timer_k",)),
    (State.PROCEEDING, "3xx-6xx"): Row(State.COMPLETED, ("pass_up", "drop"), ("timer_k",)),
    (State.COMPLETED, "timer_k"): Row(State.TERMINATED),
    (State.COMPLETED, "flow_closed"): Row(State.TERMINATED),
}

INVITE_SERVER: Table = {
    (State.TRYING, "start"): Row(State.TRYING, (), ("timer_trying",)),
    (State.TRYING, "timer_trying"): Row(State.PROCEEDING, ("send_trying",)),
    (State.TRYING, "request"): Row(State.PROCEEDING, ("send_trying",)),
    (State.TRYING, "1xx"): Row(State.PROCEEDING, ("send",)),
    (State.TRYING, "2xx"): Row(State.ACCEPTED, ("send",), ("timer_l",)),
    (State.TRYING, "3xx-6xx"): Row(State.COMPLETED, ("send",), ("timer_g", "timer_h")),
    (State.TRYING, "flow_closed"): Row(State.TERMINATED),
    (State.PROCEEDING, "request"): Row(State.PROCEEDING, ("repeat",)),
    (State.PROCEEDING, "1xx"): Row(State.PROCEEDING, ("send",)),
    (State.PROCEEDING, "2xx"): Row(State.ACCEPTED, ("send",), ("timer_l",)),
    (State.PROCEEDING, "3xx-6xx"): Row(State.COMPLETED, ("send",), ("timer_g", "timer_h")),
    (State.PROCEEDING, "flow_closed"): Row(State.TERMINATED),
    (State.ACCEPTED, "2xx"): Row(State.ACCEPTED, ("repeat",)),
    (State.ACCEPTED, "timer_l"): Row(State.TERMINATED),
    (State.ACCEPTED, "flow_closed"): Row(State.TERMINATED),
    (State.COMPLETED, "request"): Row(State.COMPLETED, ("repeat",)),
    (State.COMPLETED, "timer_g"): Row(State.COMPLETED, ("repeat",), ("timer_g",)),
    (State.COMPLETED, "timer_h"): Row(State.TERMINATED),
    (State.COMPLETED, "ack"): Row(State.CONFIRMED, ("drop",), ("timer_i",)),
    (State.COMPLETED, "flow_closed"): Row(State.TERMINATED),
    (State.CONFIRMED, "timer_i"): Row(State.TERMINATED),
    (State.CONFIRMED, "flow_closed"): Row(State.TERMINATED),
}

SERVER: Table = {
    (State.TRYING, "start"): Row(State.TRYING),
    (State.TRYING, "1xx"): Row(State.PROCEEDING, ("send",)),
    (State.TRYING, "2xx"): Row(State.COMPLETED, ("send",), ("timer_j",)),
    (State.TRYING, "3xx-6xx"): Row(State.COMPLETED, ("send",), ("timer_j",)),
    (State.TRYING, "flow_closed"): Row(State.TERMINATED),
    (State.PROCEEDING, "request"): Row(State.PROCEEDING, ("repeat",)),
    (State.PROCEEDING, "1xx"): Row(State.PROCEEDING, ("send",)),
    (State.PROCEEDING, "2xx"): Row(State.COMPLETED, ("send",), ("timer_j",)),
    (State.PROCEEDING, "3xx-6xx"): Row(State.COMPLETED, ("send",), ("timer_j",)),
    (State.PROCEEDING, "flow_closed"): Row(State.TERMINATED),
    (State.COMPLETED, "request"): Row(State.COMPLETED, ("repeat",)),
    (State.COMPLETED, "timer_j"): Row(State.TERMINATED),
    (State.COMPLETED, "flow_closed"): Row(State.TERMINATED),
}


class ServerOwner(Protocol):
    """The part of the core that answers an INVITE: it hears of the CANCEL that matches its transaction."""

    def cancel_received(self, request: Request, now: float) -> None: ...


class ClientOwner(Protocol):
    """Who sent a request: it gets every response that the transaction does not absorb.

    A time-out comes as a response 408 and a lost flow as 503, as if the far end had sent them (RFC 3261 s8.1.3.1).
    """

    def response_received(self, response: Response, transaction: ClientTransaction, now: float) -> None: ...


class Wire(Protocol):
    """What a transaction asks of its layer."""

    def send(self, data: bytes, flow: Flow) -> None: ...
    def start_timer(self, transaction: Transaction, timer: str, delay: float, now: float) -> None: ...
    def forget_server(self, transaction: ServerTransaction) -> None: ...
    def forget_client(self, transaction: ClientTransaction) -> None: ...


class Transaction:
    """What the four machines share: a table, a state, the bytes to repeat, and timers by name."""

    __slots__ = ("_interval", "_last", "_table", "_wire", "flow", "key", "state")

    def __init__(self, wire: Wire, table: Table, state: State, key: tuple[object, ...], flow: Flow) -> None:
        self._wire = wire
        self._table = table
        self._last = b""
        self._interval = T1
        self.state = state
        self.key = key
        self.flow = flow

    def timer_fired(self, timer: str, now: float) -> None:
        self._step(timer, now)

    def flow_closed(self, now: float) -> None:
        """The flow is dead: nothing can be repeated or answered on it."""
        self._step("flow_closed", now)

    def start(self, now: float) -> None:
        """Enter the first state."""
        self._step("start", now)

    def _step(self, entry: str, now: float, message: Response | bytes | None = None) -> bool:
        """Take the table's row for `entry`, which `message` came with (or is to be sent with, as bytes).

        Returns False when the state absorbs it.
        """
        row = self._table.get((self.state, entry))
        if row is None:
            return False
        self.state, actions, timers = row
        for action in actions:
            getattr(self, "_" + action)(message, now)
        for timer in timers:
            self._start_timer(timer, now)
        if self.state is State.TERMINATED:
            self._last = b""
            self._forget()
        return True

    def _forget(self) -> None:
        """Let the layer drop this transaction; may come twice."""
        raise NotImplementedError

    def _start_timer(self, timer: str, now: float) -> None:
        longest = _REPEATED.get(timer)
        if longest is None:
            if timer in _ZERO_ON_STREAMS and self.flow.is_stream:
                self._step(timer, now)
            else:
                self._wire.start_timer(self, timer, _WAITS[timer], now)
        elif not self.flow.is_stream:
            self._wire.start_timer(self, timer, self._interval, now)
            self._interval = min(2 * self._interval, longest)

    # Actions: (message, now), named by the tables.

    def _send(self, message: bytes, now: float) -> None:
        self._last = message
        self._wire.send(message, self.flow)

    def _repeat(self, message: Response | bytes | None, now: float) -> None:
        self._wire.send(self._last, self.flow)

    def _drop(self, message: Response | bytes | None, now: float) -> None:
        self._last = b""


class ServerTransaction(Transaction):
    """A request of the far end: absorbs its repeats and repeats our answer (RFC 3261 s17.2)."""

    __slots__ = ("_request", "local_tag", "merge_key", "owner")

    def __init__(
        self, wire: Wire, request: Request, key: tuple[object, ...], merge_key: tuple[object, ...] | None, flow: Flow
    ) -> None:
        is_invite = request.method == "INVITE"
        super().__init__(wire, INVITE_SERVER if is_invite else SERVER, State.TRYING, key, flow)
        self._request = request if is_invite else None
        self.merge_key = merge_key
        self.local_tag = ""
        self.owner: ServerOwner | None = None

    def request_received(self, now: float) -> None:
        """A repeat of the request came."""
        self._step("request", now)

    def ack_received(self, now: float) -> bool:
        """An ACK with this transaction's branch came. Returns False when it is not for a 3xx-6xx: then it goes up."""
        return self._step("ack", now) or self.state is State.CONFIRMED

    def respond(self, response: Response, now: float) -> None:
        """Send `response`. A final one after a final one is dropped: the first stands.

        Raises ValueError, and does nothing, for CR, LF or NUL in it.
        """
        data = bytes(response)
        self._request = None
        self._step(status_class(response.status), now, data)

    def repeat_provisional(self, now: float) -> None:
        """Send the last provisional response again, as a repeat of the request would."""
        self._step("request", now)

    def repeat_success(self, now: float) -> None:
        """Send the 2xx to an INVITE again: the core's duty until the ACK (RFC 3261 s13.3.1.4)."""
        self._step("2xx", now)

    def _forget(self) -> None:
        self.owner = None
        self._wire.forget_server(self)

    def _send_trying(self, message: Response | bytes | None, now: float) -> None:
        if self._request is not None:
            self._send(bytes(self._request.response(100)), now)
            self._request = None


class ClientTransaction(Transaction):
    """A request of ours: repeats it until it is answered (RFC 3261 s17.1)."""

    __slots__ = ("_request", "owner")

    def __init__(self, wire: Wire, request: Request, key: tuple[object, ...], flow: Flow, owner: ClientOwner) -> None:
        is_invite = request.method == "INVITE"
        table, state = (INVITE_CLIENT, State.CALLING) if is_invite else (CLIENT, State.TRYING)
        super().__init__(wire, table, state, key, flow)
        self._request: Request | None = request
        self.owner: ClientOwner | None = owner

    def start(self, now: float) -> None:
        if self._request is not None:
            self._step("start", now, bytes(self._request))

    def response_received(self, response: Response, now: float) -> None:
        self._step(status_class(response.status), now, response)

    def abandon(self, now: float) -> None:
        """Give an INVITE up that was cancelled and never answered (RFC 3261 s9.1)."""
        self._step("abandon", now)

    def _forget(self) -> None:
        self.owner = None
        self._wire.forget_client(self)

    def _pass_up(self, message: Response, now: float) -> None:
        if message.status >= 200:
            self._request = None
        if self.owner is not None:
            self.owner.response_received(message, self, now)

    def _send_ack(self, message: Response, now: float) -> None:
        if self._request is not None:
            self._send(bytes(_acknowledgement(self._request, message)), now)

    def _time_out(self, message: Response | bytes | None, now: float) -> None:
        self._fail(408, now)

    def _lose_flow(self, message: Response | bytes | None, now: float) -> None:
        self._fail(503, now)

    def _fail(self, status: int, now: float) -> None:
        if self._request is not None:
            self._pass_up(self._request.response(status), now)

    def _slow_down(self, message: Response | bytes | None, now: float) -> None:
        self._interval = T2


def status_class(status: int) -> str:
    """The tables' name for a status code."""
    return "1xx" if status < 200 else "2xx" if status < 300 else "3xx-6xx"


def _acknowledgement(invite: Request, response: Response) -> Request:
    """The ACK to a 3xx-6xx: the INVITE's own branch, target, route and credentials (RFC 3261 s17.1.1.3, s22.1)."""
    ack = Request("ACK", invite.uri)
    headers = ack.headers
    headers.add("Via", str(invite.top_via))
    for name in ("Route", "Max-Forwards", "From"):
        for value in invite.headers.get_all(name):
            headers.add(name, value)
    headers.add("To", response.headers.get("To") or "")
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq.number} ACK")
    for name in ("Authorization", "Proxy-Authorization"):
        for value in invite.headers.get_all(name):
            headers.add(name, value)
    return ack
