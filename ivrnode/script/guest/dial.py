"""One attempt of a script to reach somebody for its caller."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ivrnode.script.guest.emitter import Emitter
from ivrnode.script.guest.result import Pending, Result, await_first
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Answer, Services


class Dial(Emitter):
    """What `call.dial` returns. `await` gives `ok`, `code`, `reason` when it is answered or has failed; `end` comes
    once after an answer, with the reason."""

    _events = {"end": 1}

    def __init__(self, runtime: Runtime, services: Services, arguments: dict[str, Any]) -> None:
        super().__init__(runtime)
        self._services = services
        self._number = 0
        if runtime.is_over:
            answer = services.refused("the call is over")
        else:
            self._number, answer = services.begin("dial", self._told, **arguments)
        self._pending = Pending(runtime, answer, _read, self._answered)

    def hangup(self) -> None:
        """Stop the ringing, or send the other one away. Harmless twice."""
        if not self._runtime.is_over:
            self._services.post("dial.hangup", dial=self._number)

    def __await__(self) -> Generator[Any, None, Result]:
        return self._pending.__await__()

    def __getattr__(self, name: str) -> Any:
        raise await_first(self, name)

    def _answered(self, result: Result) -> None:
        if not result.ok:
            self._services.forget(self._number)

    def _told(self, what: str, arguments: dict[str, Any], body: bytes) -> None:
        self._services.forget(self._number)
        self._emit("end", arguments["reason"])


def _read(answer: Answer | None, error: str) -> Result:
    return Result(ok=False, code=0, reason=error) if answer is None else Result(**answer.value)
