"""What crosses the border between a call and its script: events to the script, actions from it. Plain data.

Nothing here depends on the script's language. How a message looks on the wire is the business of `frames.py`; what a
script sees of it, of the language's worker (`guest/` for Python). An int that the script's side chooses names a
playback (`item`), a socket (`socket`) and a question that wants an answer (`request`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ivrnode.record import record


@record
class Facts:
    """What a script may know of its call from the start."""

    callid: str
    lang: str
    caller: str
    called: str
    caller_name: str
    tenant: str
    node: str
    from_uri: str = ""
    to_uri: str = ""
    http_url: str = ""
    may_record: bool = False
    most_dials: int = 5
    params: Mapping[str, Any] = field(default_factory=dict)
    """Given by the `dial` that started this leg."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of the INVITE."""


# Events: what happened, told to the script.


@record
class Boot:
    """The first message: run this. `source` is the template's text, `filename` the name its tracebacks show.

    `secrets` maps a secret's name to the placeholder that stands for it; the value never crosses this border.
    `clock`: seconds on a simulated clock that the script's timers are to go by; None: the machine's own. `is_known`:
    the worker has this source already.
    """

    source: str
    filename: str
    facts: Facts
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    clock: float | None = None
    is_known: bool = False


@record
class Clock:
    """The simulated clock of Boot has moved on to `seconds`. Told before what happens then."""

    seconds: float


@record
class AudioHeard:
    """A chunk of the stream `stream`."""

    audio: bytes
    stream: int = 0


@record
class DigitPressed:
    digit: str


@record
class PlaybackDone:
    item: int
    played_ms: int
    is_stopped: bool
    error: str


@record
class QueueDrained:
    pass


@record
class SocketOpened:
    socket: int
    subprotocol: str


@record
class SocketMessage:
    """A whole message: str = text frame, bytes = binary frame."""

    socket: int
    data: str | bytes


@record
class SocketSent:
    """`buffered`: bytes not yet handed to the network. Told when it changes by much, for `Websocket.buffered`."""

    socket: int
    buffered: int


@record
class SocketFailed:
    """Told before SocketClosed."""

    socket: int
    error: str


@record
class SocketClosed:
    """Exactly once per OpenSocket, always last."""

    socket: int
    code: int
    reason: str


@record
class Result:
    """The answer to a question: JSON types only. `error` non-empty: raise it instead."""

    request: int
    value: Any = None
    error: str = ""


@record
class Reply:
    """The answer to a Request, in its turn among the events. `value`: JSON types; `error` non-empty: raise it."""

    request: int
    value: Any = None
    body: bytes = b""
    error: str = ""


@record
class Told:
    """News of something that a Request began: `subject` is its number, `what` says which news."""

    subject: int
    what: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""


@record
class Wake:
    """The seconds of the last Wait are over."""


@record
class HungUp:
    """The call is over: run `hangup` handlers, cancel tasks; no sound from here on. `grace` seconds until the kill."""

    reason: str
    grace: float


Event = (
    Boot
    | Clock
    | AudioHeard
    | DigitPressed
    | PlaybackDone
    | QueueDrained
    | SocketOpened
    | SocketMessage
    | SocketSent
    | SocketFailed
    | SocketClosed
    | Result
    | Reply
    | Told
    | Wake
    | HungUp
)


# Actions: what the script wants.


@record
class Ready:
    """Locked down and checked; the worker waits for Boot."""


@record
class Say:
    item: int
    text: str
    lang: str
    voice: str = ""
    tag: str = ""
    is_background: bool = False


@record
class Play:
    item: int
    codec: str
    rate: int
    audio: bytes
    tag: str = ""
    is_background: bool = False


@record
class Ask:
    """A question: `what` is `mute`, `stop` (key = item), `tag` (key = tag), `item`, `item_queued` (key = item) or
    `queued`. Answered by Result with an int of milliseconds."""

    request: int
    what: str
    key: str = ""


@record
class Stream:
    """codec "" stops. `hang_over_ms` above 0: only speech is wanted, with so much after it and `pre_roll_ms` before.
    `stream`: the number that its chunks carry."""

    codec: str
    rate: int = 8000
    interval_ms: int = 60
    pre_roll_ms: int = 0
    hang_over_ms: int = 0
    stream: int = 0


@record
class ListenDigits:
    is_on: bool


@record
class SetLang:
    lang: str


@record
class Hangup:
    is_drained: bool = False


@record
class Log:
    """A SCRIPT line. `level` 0 (most important) to 9 (debug)."""

    level: int
    text: str


@record
class OpenSocket:
    """`headers`: (name, value, is_secret). Placeholders of secrets are still in url and values. `timeout` seconds."""

    socket: int
    url: str
    headers: tuple[tuple[str, str, bool], ...]
    verify: bool
    timeout: float


@record
class SendSocket:
    socket: int
    data: str | bytes


@record
class CloseSocket:
    socket: int
    code: int
    reason: str


@record
class Request:
    """A service is wanted that is asked for seldom: `what` names it, `arguments` are JSON types. Answered by one Reply;
    `request` 0 wants none."""

    request: int
    what: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""


@record
class Wait:
    """The script's loop is idle. `seconds` until its next timer, None = no timer. `tasks`: coroutines not finished."""

    seconds: float | None
    tasks: int


@record
class Failed:
    """An exception that no one caught. `is_fatal`: at top level or in compiling, so the fallback must speak."""

    text: str
    line: int
    is_fatal: bool


@record
class Finished:
    """After HungUp: nothing is pending any more, the worker may be ended before the grace is over."""


Action = (
    Ready
    | Say
    | Play
    | Ask
    | Stream
    | ListenDigits
    | SetLang
    | Hangup
    | Log
    | OpenSocket
    | SendSocket
    | CloseSocket
    | Request
    | Wait
    | Failed
    | Finished
)
