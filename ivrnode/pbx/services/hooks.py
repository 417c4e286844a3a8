"""`call.http`: web requests that come in for one call, and what its script answers.

net/web_hooks ─ received(token, request, answer) ─> Told("request") ─> script ─> Request("hook.answer") ─> answer
                  └─ 404 no such call   410 it is over   429 quota   503 too many at once   504 no answer in 10 s
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call, Service
from ivrnode.pbx.call.incoming_call import State
from ivrnode.pbx.house.house import House
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script.messages import Request, Told

LONGEST_BODY = 1024 * 1024
AT_ONCE = 8
MOST_WAITING = 2 * LONGEST_BODY
PATIENCE = 10.0
_KINDS = ("text/plain", "text/plain; charset=utf-8", "application/json", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """`path`: what comes after the call's own URL. `headers` in their order."""

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class HookAnswer:
    status: int
    body: bytes = b""
    kind: str = "text/plain"


Answer = Callable[[HookAnswer], None]
NOT_FOUND = HookAnswer(404, b"there is no such call\n")
GONE = HookAnswer(410, b"the call is over\n")
TOO_LATE = HookAnswer(504, b"the script did not answer in time\n")
FULL = HookAnswer(503, b"too many requests at once\n")


@dataclass(slots=True)
class _Hook:
    """The handler of one call: `number` is the script's Request that stays open as long as it is there."""

    call: Call
    number: int
    waiting: dict[int, tuple[Answer, int]] = field(default_factory=dict)  # answer, size of the request


class HookService:
    """The services `hook`, `hook.close` and `hook.answer`. `forget` must be told when a call is gone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._hooks: dict[str, _Hook] = {}  # by the last part of the call's URL
        self._numbers = itertools.count(1)
        self.services: dict[str, Service] = {"hook": self._open, "hook.close": self._close, "hook.answer": self._answer}

    def knows(self, token: str) -> bool:
        return token in self._hooks

    def received(self, token: str, request: HookRequest, answer: Answer, now: float) -> None:
        """A request to the URL of a call. `answer` is called once, maybe at once."""
        hook = self._hooks.get(token)
        if hook is None:
            answer(NOT_FOUND)
            return
        call = hook.call
        line = f"> {request.method} call.http_url{request.path}, {len(request.body)} bytes"
        if call.state is not State.ANSWERED:
            answer(GONE)
        elif refusal := self._house.quotas.take(call.tenant, "hooks", 1, now):
            call.write("WEBSERVER", 3, f"{line}: {refusal}")
            call.write("SCRIPT", 2, f"call.http: {refusal}")
            answer(HookAnswer(429, f"{refusal}\n".encode()))
        elif self._is_full(hook, len(request.body)):
            call.write("WEBSERVER", 3, f"{line}: too many at once")
            answer(FULL)
        else:
            call.write("WEBSERVER", 5, line)
            self._hand_over(hook, request, answer, now)

    def forget(self, call: Call) -> None:
        hook = self._hooks.pop(_token(call), None)
        if hook is not None:
            for number in list(hook.waiting):
                self._finish(hook, number, GONE)

    def _hand_over(self, hook: _Hook, request: HookRequest, answer: Answer, now: float) -> None:
        number, call = next(self._numbers), hook.call
        hook.waiting[number] = answer, len(request.body)
        key = call.id, "hook", number
        self._house.agenda.set(key, now + PATIENCE, lambda _: self._finish(hook, number, TOO_LATE))
        headers = [{"name": name, "value": value} for name, value in request.headers]
        told = {"id": number, "method": request.method, "path": request.path, "query": request.query}
        call.tell(Told(hook.number, "request", {**told, "headers": headers}, request.body))

    def _is_full(self, hook: _Hook, size: int) -> bool:
        """What waits is in the memory of the script, too."""
        return len(hook.waiting) >= AT_ONCE or sum(waits for _, waits in hook.waiting.values()) + size > MOST_WAITING

    def _finish(self, hook: _Hook, number: int, answer: HookAnswer) -> None:
        self._house.agenda.set((hook.call.id, "hook", number), None)
        waiting = hook.waiting.pop(number, None)
        if waiting is not None:
            hook.call.write("WEBSERVER", 5, f"< call.http_url: {answer.status}, {len(answer.body)} bytes")
            waiting[0](answer)

    # What the script asks for.

    def _open(self, call: Call, request: Request, now: float) -> None:
        token = _token(call)
        if not token or token in self._hooks or not request.request:
            call.reply(request.request, error="call.http: there is no URL for this call, or it has a handler already")
        else:
            self._hooks[token] = _Hook(call, request.request)

    def _close(self, call: Call, request: Request, now: float) -> None:
        hook = self._hooks.get(_token(call))
        if hook is not None:
            self.forget(call)
            call.reply(hook.number)

    def _answer(self, call: Call, request: Request, now: float) -> None:
        hook = self._hooks.get(_token(call))
        given = Arguments(request.arguments)
        try:
            number, status = given.number("id", 0, 0, 2**53), int(given.number("status", 200, 200, 599))
            kind = given.line("kind", "")
            if kind not in _KINDS or len(request.body) > LONGEST_BODY:
                raise ScriptError("call.http: no such answer")
        except ScriptError as error:
            call.reply(request.request, error=str(error))
            return
        if hook is not None:
            self._finish(hook, int(number), HookAnswer(status, request.body, kind))


def _token(call: Call) -> str:
    return call.facts.http_url.rpartition("/")[2]
