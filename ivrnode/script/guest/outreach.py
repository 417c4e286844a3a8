"""What `call` does beside sound: text messages, and web requests that come in for it."""

from __future__ import annotations

import asyncio
import json
import re
from types import CoroutineType
from typing import Any

from ivrnode.script.guest.arguments import Buffer, check, takes_object
from ivrnode.script.guest.mail import read_sent
from ivrnode.script.guest.result import Pending, Result
from ivrnode.script.guest.runtime import Handler, Runtime, adapt
from ivrnode.script.guest.services import Services

LONGEST_TEXT = 1600
LONGEST_REPLY = 1024 * 1024
_is_number = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch


class Outreach:
    """Part of `Call`."""

    _runtime: Runtime
    _services: Services
    http_url = ""
    _hook: Handler | None = None
    _hook_number = 0

    @takes_object
    def sms(self, text: str, from_: str | None = None, to: str | None = None, name: str = "") -> Pending[Result]:
        """Send a text message, to the caller if `to` is left out. Awaited it gives `ok` and `error`."""
        check("text", text, str)
        check("name", name, str)
        if not 0 < len(text) <= LONGEST_TEXT:
            raise ValueError(f"text must have 1 to {LONGEST_TEXT} characters")
        for what, number in (("from", from_), ("to", to)):
            if number is not None:
                check(what, number, str)
                if not _is_number(number):
                    raise ValueError(f"{what} must be a number in the form +49301234567, not {number!r:.40}")
        answer = self._services.ask("sms", **{"text": text, "from": from_ or "", "to": to or "", "name": name})
        return Pending(self._runtime, answer, read_sent)

    def http(self, callback: Handler | None) -> None:
        """Take web requests to `http_url`: `callback(args)` returns str, bytes, a dict or list (JSON) or None. None: no
        longer."""
        hook = None if callback is None else adapt(callback, 1)
        if self._runtime.is_over:
            return
        if hook is not None and not self.http_url:
            raise RuntimeError("call.http: this ivrnode takes no web requests ([web] in ivrnode.toml)")
        self._hook = hook
        if hook is not None and not self._hook_number:
            self._hook_number, _ = self._services.begin("hook", self._requested)
        elif hook is None and self._hook_number:
            self._services.forget(self._hook_number)
            self._services.post("hook.close")
            self._hook_number = 0

    def _requested(self, what: str, told: dict[str, Any], body: bytes) -> None:
        number = told.pop("id")
        args = Result(**told, body=body.decode("utf-8", "replace"))
        try:
            result = self._hook(args) if self._hook is not None else None
            if type(result) is CoroutineType:
                self._runtime.start(self._answer_later(number, result))  # type: ignore[arg-type]
            else:
                self._answer(number, result)
        except BaseException as error:
            self._fail(number)
            self._runtime.report(error)

    async def _answer_later(self, number: int, work: CoroutineType[Any, Any, Any]) -> None:
        try:
            self._answer(number, await work)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._fail(number)
            raise

    def _answer(self, number: int, result: object) -> None:
        kind, status = "text/plain; charset=utf-8", 200
        if result is None:
            body, status = b"", 204
        elif isinstance(result, str):
            body = result.encode("utf-8", "replace")
        elif isinstance(result, Buffer):
            body, kind = bytes(result), "application/octet-stream"
        elif isinstance(result, dict | list):
            body, kind = json.dumps(result).encode(), "application/json"
        else:
            raise TypeError(f"call.http: a handler returns str, bytes, dict, list or None, not {type(result).__name__}")
        if len(body) > LONGEST_REPLY:
            raise ValueError(f"call.http: an answer must not be longer than {LONGEST_REPLY} bytes")
        self._services.post("hook.answer", body, id=number, status=status, kind=kind)

    def _fail(self, number: int) -> None:
        self._services.post("hook.answer", b"the script failed\n", id=number, status=500, kind="text/plain")
