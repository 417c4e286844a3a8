"""The part of the global `call` that brings the caller together with somebody else."""

from __future__ import annotations

from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.arguments import check, check_range, takes_object
from ivrnode.script.guest.dial import Dial
from ivrnode.script.guest.emitter import Emitter
from ivrnode.script.guest.result import Pending, Result
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Answer, Services

_OVER = "the call is over"


class Transfer(Pending[Result]):
    """One that works ends the script where it is awaited: it goes on waiting, and is cancelled with all that waits when
    the end comes, which is on its way. `end` gives the result to who asks after that."""

    _kept: Result | None = None

    def _came(self, result: Result) -> None:
        if result.ok:
            self._kept = result
        else:
            super()._came(result)

    def end(self) -> None:
        if self._kept is not None:
            super()._came(self._kept)


class Connecting(Emitter):
    callid: str
    _services: Services

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.params: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        self._worked: Transfer | None = None
        self._dials = self._most_dials = 0

    def _begin_connecting(self, facts: dict[str, Any]) -> None:
        self.params = facts["params"]
        self._most_dials = facts["most_dials"]
        self._headers = {name.lower(): value for name, value in reversed(facts["headers"])}

    @takes_object
    def transfer(self, dest: str, drain: bool = False, timeout: float = 30) -> Pending[Result]:
        """Send the caller to an extension. Awaited it gives `ok`, `dest`, `code`, `reason`, `method`."""
        number = _check_dest(dest)
        check("drain", drain, bool)
        _check_timeout(timeout)

        def read(answer: Answer | None, error: str) -> Result:
            if answer is None:
                return Result(ok=False, dest=number, code=0, reason=error, method="bridge")
            return Result(**answer.value)

        if self._runtime.is_over:
            return Pending(self._runtime, self._services.refused(_OVER), read)
        answer = self._services.ask("transfer", dest=number, drain=drain, timeout=timeout)

        def told(result: Result) -> None:
            if result.ok:
                self._worked = transfer
            self._emit("transfer", result)

        transfer = Transfer(self._runtime, answer, read, told)
        return transfer

    def _end_connecting(self) -> None:
        if self._worked is not None:
            self._worked.end()

    def dial(self, dest: Any, params: dict[str, Any] | None = None, /, **keywords: Any) -> Dial:
        """Let the caller talk with somebody else until that one hangs up. `params`: `timeout`; the others are the
        `call.params` of a node that is dialled. With `ivraction` a phone, too, gets a script before it gets the caller:
        this one."""
        if isinstance(dest, dict):
            params, dest = dest, dest.get("dest")
        check("params", params, dict, type(None))
        given = {str(key): value for key, value in {**(params or {}), **keywords}.items() if key != "dest"}
        timeout = given.get("timeout", 30)
        _check_timeout(timeout)
        arguments: dict[str, Any] = {"dest": _check_dest(dest), "timeout": timeout}
        if given.keys() - {"timeout"}:
            if given.setdefault("cobj", self.callid) != self.callid:
                raise ValueError("cobj must be call.callid: another call cannot be joined")
            arguments["params"] = given
        if not self._runtime.is_over:
            if self._dials >= self._most_dials:
                raise RuntimeError(f"a call has {self._most_dials} dials at most")
            self._dials += 1
        return Dial(self._runtime, self._services, arguments)

    def accept(self) -> None:
        """Join this leg with the call that dialled it."""
        if not self._runtime.is_over:
            self._check_dialled("accept")
            self._services.post("accept")

    def reject(self, reason: str = "") -> None:
        """End this leg; the script that dialled it is told `reason`."""
        check("reason", reason, str)
        if not self._runtime.is_over:
            self._check_dialled("reject")
            self._services.post("reject", reason=reason[: ops.MAX_REASON])

    def getHeader(self, name: str) -> str | None:  # noqa: N802 - the name is Vodia's
        """A header of the INVITE, any case; the first one if it stands there several times."""
        check("name", name, str)
        return self._headers.get(name.lower())

    def _check_dialled(self, method: str) -> None:
        if not self.params.get("ivraction"):
            raise RuntimeError(f"call.{method} is for a leg that was started with ivraction")


def _check_dest(dest: object) -> str:
    check("dest", dest, str)
    number = str(dest).strip()
    if not number or len(number) > ops.MAX_NUMBER or not number.isprintable():
        raise ValueError(f"dest must be an extension or a number of up to {ops.MAX_NUMBER} characters")
    return number


def _check_timeout(timeout: object) -> None:
    check_range("timeout", timeout, ops.LEAST_RING, ops.MOST_RING)  # type: ignore[arg-type]
