"""`system.http`: web requests. The core makes them; here are the arguments and what a script sees of the answer."""

from __future__ import annotations

import json
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.arguments import Buffer, check, check_headers, check_range
from ivrnode.script.guest.result import Pending, Result
from ivrnode.script.guest.runtime import Handler, Runtime, adapt
from ivrnode.script.guest.services import Answer, Services

_LONGEST_URL = 8192
_CHARSETS = {
    "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-15", "windows-1252", "utf-16", "utf-16le",
    "utf-16be", "utf-32",
}  # fmt: skip
"""What a worker has loaded; any other text is read as UTF-8."""


class HttpResult(Result):
    """`code` 0: no answer came, `data` says why. `headers` is a list of `{name, value}`, `raw` the body as bytes."""

    code: int
    data: str
    headers: list[dict[str, str]]
    raw: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.raw)


class Http:
    """Counts the requests that are under way: a call has `ops.MAX_HTTP` at once."""

    def __init__(self, runtime: Runtime, services: Services) -> None:
        self._runtime, self._services = runtime, services
        self._under_way = 0

    def request(
        self, url: object, method: object, body: object, header: object, callback: Handler | None, **rest: Any
    ) -> Pending[HttpResult]:
        """`rest` goes to the core as it is: checked by the caller."""
        check("url", url, str)
        check("method", method, str)
        if not str(url).startswith(("http://", "https://")) or len(str(url)) > _LONGEST_URL:
            raise ValueError(f"url must begin with http:// or https:// and have {_LONGEST_URL} characters at most")
        name = str(method).upper()
        if not name.isascii() or not name.isalpha() or name in ("CONNECT", "TRACE"):
            raise ValueError(f"method must be one such as GET or POST, not {method!r}")
        headers = check_headers(self._runtime, "system.http", header)
        data, kind = _body(body)
        if kind and not any(name.lower() == "content-type" for name, _, _ in headers):
            headers.append(("Content-Type", kind, False))
        told = None if callback is None else adapt(callback, 3)
        if self._under_way >= ops.MAX_HTTP:
            raise RuntimeError(f"a call has {ops.MAX_HTTP} web requests at once at most")
        answer = self._services.ask("http", data, url=url, method=name, headers=headers, **rest)
        self._under_way += 1

        def came(result: HttpResult) -> None:
            self._under_way -= 1
            if told is not None:
                self._runtime.run(told, result.code, result.data, result.headers)

        return Pending(self._runtime, answer, _read, came)


def check_timeouts(timeout: object, connect: object, read: object) -> tuple[int, int]:
    """(connect, read) in ms; `timeout` sets those of the two that were not given."""
    if timeout is not None:
        connect = timeout if connect is None else connect
        read = timeout if read is None else read
    found = []
    for name, value in (("connectTimeout", connect), ("readTimeout", read)):
        value = 10_000 if value is None else value
        check_range(name, value, 1, 60_000)  # type: ignore[arg-type]
        found.append(round(value))  # type: ignore[call-overload]
    return found[0], found[1]


def _body(body: object) -> tuple[bytes, str]:
    """The bytes, and their content type if the script names none."""
    if body is None:
        return b"", ""
    if isinstance(body, dict | list):
        return json.dumps(body, ensure_ascii=False).encode(), "application/json"
    if isinstance(body, Buffer):
        return bytes(body), "application/octet-stream"
    check("body", body, str, bytes, bytearray, memoryview, dict, list)
    return str(body).encode("utf-8", "replace"), "text/plain; charset=utf-8"


def _read(answer: Answer | None, error: str) -> HttpResult:
    if answer is None:
        return HttpResult(code=0, data=error, headers=[], raw=b"")
    value = answer.value
    headers = [{"name": name, "value": text} for name, text in value["headers"]]
    data = answer.body.decode(_charset(headers), "replace") if value["code"] else value["error"]
    return HttpResult(code=value["code"], data=data, headers=headers, raw=answer.body)


def _charset(headers: list[dict[str, str]]) -> str:
    for header in headers:
        if header["name"].lower() == "content-type":
            charset = header["value"].lower().partition("charset=")[2].partition(";")[0].strip().strip("\"'")
            return charset if charset in _CHARSETS else "utf-8"
    return "utf-8"
