"""What a script asks the core for now and then: a request with a name and arguments, and the answer to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from ivrnode.script import ops
from ivrnode.script.guest.runtime import Runtime


class Answer(NamedTuple):
    value: Any
    body: bytes


News = Callable[[str, dict[str, Any], bytes], None]
"""What, arguments, body."""


_LASTING = {"http", "email", "sms"}
"""These go on in the grace after the end of the call."""


class Services:
    """Requests of one script. `ask` gives a future of the Answer; RuntimeError in the core's words when it refuses."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._last = 0
        self._open: dict[int, asyncio.Future[Answer]] = {}
        self._listeners: dict[int, News] = {}
        self._lasting: set[int] = set()

    @property
    def is_lasting(self) -> bool:
        """Something is under way that the end of the call does not end."""
        return bool(self._lasting)

    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> asyncio.Future[Answer]:
        self._put(self._last + 1, what, arguments, body)
        self._last += 1
        answer: asyncio.Future[Answer] = self._runtime.loop.create_future()
        self._open[self._last] = answer
        if what in _LASTING:
            self._lasting.add(self._last)
        return answer

    def refused(self, error: str) -> asyncio.Future[Answer]:
        """The answer to what need not be asked any more."""
        answer: asyncio.Future[Answer] = self._runtime.loop.create_future()
        answer.set_exception(RuntimeError(error))
        return answer

    def ask_now(self, what: str, /, **arguments: Any) -> Answer:
        """Ask and wait: for what the core knows at once. Raises RuntimeError in its words."""
        self._put(self._last + 1, what, arguments, b"")
        self._last += 1
        head, body = _cut(self._runtime.link.wait_for(ops.REPLY, self._last))
        self._runtime.link.handled += 1  # an answer is an event like any other
        if head["error"]:
            raise RuntimeError(head["error"])
        return Answer(head["value"], body)

    def begin(self, what: str, news: News, /, **arguments: Any) -> tuple[int, asyncio.Future[Answer]]:
        """Ask for something that goes on: `news` hears of it until `forget`. Its number, and the answer's future."""
        answer = self.ask(what, **arguments)
        self.listen(self._last, news)
        return self._last, answer

    def listen(self, number: int, news: News) -> None:
        """Hear news of `number`; 0: what no request has begun."""
        self._listeners[number] = news

    def forget(self, number: int) -> None:
        self._listeners.pop(number, None)

    def post(self, what: str, body: bytes = b"", /, **arguments: Any) -> None:
        """Ask for what needs no answer."""
        self._put(0, what, arguments, body)

    def _put(self, number: int, what: str, arguments: dict[str, Any], body: bytes) -> None:
        text = json.dumps({"what": what, "arguments": arguments}, ensure_ascii=False).encode("utf-8", "replace")
        if len(text) > ops.MAX_ARGUMENTS:
            raise ValueError(f"{what}: the arguments must not be longer than {ops.MAX_ARGUMENTS} bytes")
        if len(body) > ops.MAX_MESSAGE:
            raise ValueError(f"{what}: the body must not be longer than {ops.MAX_MESSAGE} bytes")
        self._runtime.link.put(ops.REQUEST, number, ops.BODY_HEAD.pack(len(text)) + text + body)

    # What happened.

    def _replied(self, number: int, payload: bytes) -> None:
        head, body = _cut(payload)
        self._lasting.discard(number)
        answer = self._open.pop(number, None)
        if answer is None or answer.done():
            return
        if head["error"]:
            answer.set_exception(RuntimeError(head["error"]))
            answer.exception()  # looked at: a script that does not await it is told nothing of it by the loop
        else:
            answer.set_result(Answer(head["value"], body))

    def _told(self, number: int, payload: bytes) -> None:
        head, body = _cut(payload)
        listener = self._listeners.get(number)
        if listener is not None:
            listener(head["what"], head["arguments"], body)


def _cut(payload: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = ops.BODY_HEAD.unpack_from(payload)
    end = ops.BODY_HEAD.size + length
    return json.loads(payload[ops.BODY_HEAD.size : end]), payload[end:]
