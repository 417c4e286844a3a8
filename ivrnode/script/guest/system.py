"""The global `system`: the world beside the call."""

from __future__ import annotations

from typing import Any

from ivrnode.script.guest import mail
from ivrnode.script.guest.arguments import check, check_range, takes_object
from ivrnode.script.guest.http import Http, HttpResult, check_timeouts
from ivrnode.script.guest.result import Pending, Result
from ivrnode.script.guest.runtime import Handler, Runtime
from ivrnode.script.guest.services import Services


class System:
    """All of it works in the grace after the end of the call, too."""

    def __init__(self, runtime: Runtime, services: Services) -> None:
        self._runtime, self._services = runtime, services
        self._http = Http(runtime, services)

    @takes_object
    def http(
        self,
        url: str,
        method: str = "GET",
        logurl: str = "",
        body: Any = None,
        verify: bool = True,
        attempts: int = 1,
        readTimeout: float | None = None,  # noqa: N803 - the names are Vodia's
        connectTimeout: float | None = None,  # noqa: N803
        timeout: float | None = None,
        header: list[dict[str, Any]] | None = None,
        domain: str = "",
        callback: Handler | None = None,
    ) -> Pending[HttpResult]:
        """Ask a web server. Awaited it gives `code` (0: no answer), `data`, `headers`, `raw` and `json()`."""
        check("logurl", logurl, str)
        check("domain", domain, str)
        check("verify", verify, bool)
        check("attempts", attempts, int)
        check_range("attempts", attempts, 1, 10)
        connect_ms, read_ms = check_timeouts(timeout, connectTimeout, readTimeout)
        return self._http.request(
            url,
            method,
            body,
            header,
            callback,
            logurl=logurl,
            domain=domain,
            verify=verify,
            attempts=attempts,
            connect_ms=connect_ms,
            read_ms=read_ms,
        )

    @takes_object
    def email(
        self, to: str | list[str], from_: str | None = None, subject: str = "", body: str = "", attach: str = ""
    ) -> Pending[Result]:
        """Send a mail through the operator's server. Awaited it gives `ok` and `error`."""
        return mail.send(self._runtime, self._services, to, from_, subject, body, attach)

    def parseEmailAdr(self, str: str) -> dict[str, str] | None:  # noqa: N802
        """The parts of `"Ann" <ann@acme.example>`: name, address, user, domain."""
        return mail.parse_address(str)
