"""`system.http`: what a script wants from a web server. Secrets, quotas, attempts and log lines; the wire is the
world's (`Effects.fetch`).

    Request("http") ─> look at it ─> fill secrets ─> attempt ─> fetch ─> answer ──────────────> Reply
                            │             │             ^          └── none came: 1 s, again ──┐
                            └─────────────┴─> code 0    └──────────────────────────────────────┘
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script import ops
from ivrnode.script.messages import Request

MOST_ATTEMPTS = 10
PAUSE = 1.0
LONGEST_MS = 60_000
FAILURE, LINE = 3, 5
_OURS = {
    "host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer", "keep-alive",
    "proxy-connection",
}  # fmt: skip
"""Headers that belong to the connection, not to the request (RFC 9110 s7.6.1)."""
_is_method = re.compile(r"(?!CONNECT$|TRACE$)[A-Z][A-Z-]{0,19}").fullmatch
_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 s5.6.2
_is_value = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*").fullmatch


@dataclass(slots=True)
class _Exchange:
    """One request of a script. `name` is what the log calls it."""

    call: Call
    number: int
    http: HttpRequest
    name: str
    attempts: int
    began_at: float = 0.0
    call_off: Callable[[], object] | None = None


class HttpService:
    """The service `http`. `forget` must be told when a call is gone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._open: dict[str, dict[int, _Exchange]] = {}

    def __call__(self, call: Call, request: Request, now: float) -> None:
        open_ = self._open.setdefault(call.id, {})
        try:
            if request.request in open_ or len(open_) >= ops.MAX_HTTP:
                raise ScriptError(f"system.http: a call has {ops.MAX_HTTP} requests at once at most")
            exchange = self._read(call, request)
        except ScriptError as error:
            call.reply(request.request, error=str(error))
            return
        open_[request.request] = exchange
        try:
            exchange.http = self._filled(call, exchange.http)
        except ScriptError as error:
            self._refuse(exchange, str(error))
            return
        self._attempt(exchange, now)

    def forget(self, call: Call) -> None:
        for exchange in self._open.pop(call.id, {}).values():
            self._house.agenda.set((call.id, "http", exchange.number), None)
            if exchange.call_off is not None:
                exchange.call_off()

    def _read(self, call: Call, request: Request) -> _Exchange:
        given = Arguments(request.arguments)
        method = given.line("method", "GET", most=20)
        url = given.line("url")
        if not _is_method(method):
            raise ScriptError("system.http: method must be a word in capital letters, not CONNECT or TRACE")
        scheme, host = _split(url)
        if scheme not in ("http", "https") or not host or "\\" in url:
            raise ScriptError("system.http: url must begin with http:// or https:// and a host")
        http = HttpRequest(
            method=method,
            url=url,
            headers=self._headers(call, given),
            body=request.body,
            verify=given.flag("verify", True),
            connect_timeout=given.number("connect_ms", 10_000, 1, LONGEST_MS) / 1000,
            read_timeout=given.number("read_ms", 10_000, 1, LONGEST_MS) / 1000,
        )
        domain = given.line("domain", "", most=255)
        name = f"{method} {given.line('logurl', '') or url}" + (f" for {domain}" if domain else "")
        return _Exchange(call, request.request, http, name, int(given.number("attempts", 1, 1, MOST_ATTEMPTS)))

    def _headers(self, call: Call, given: Arguments) -> tuple[tuple[str, str, bool], ...]:
        headers = []
        for row in given.rows("headers", most=ops.MAX_HEADERS):
            match row:
                case [str(name), str(value), bool(is_secret)] if _is_token(name) and _is_value(value):
                    if name.lower() in _OURS:
                        call.write("SCRIPT", 4, f"system.http: header {name} is the runtime's own and was left out")
                    else:
                        headers.append((name, value, is_secret))
                case _:
                    raise ScriptError("system.http: a header holds a character that is not allowed (RFC 9110 s5.5)")
        return tuple(headers)

    def _filled(self, call: Call, http: HttpRequest) -> HttpRequest:
        """With the values of secrets in, marked as secret whatever the script says: they follow no redirect."""
        _, host = _split(http.url)
        call.masks.add(value for _, value, is_secret in http.headers if is_secret)
        headers = []
        for name, value, is_secret in http.headers:
            filled = call.secrets.fill(value, host)
            headers.append((name, filled, is_secret or filled != value))
        return replace(http, url=call.secrets.fill_url(http.url), headers=tuple(headers))

    def _attempt(self, exchange: _Exchange, now: float) -> None:
        call, quotas = exchange.call, self._house.quotas
        refusal = quotas.take(call.tenant, "requests", 1, now)
        if refusal := refusal or quotas.take(call.tenant, "bytes_out", len(exchange.http.body), now):
            self._refuse(exchange, refusal)
            return
        exchange.attempts -= 1
        exchange.began_at = now
        call.write("WEBCLIENT", LINE, f"> {exchange.name}" + _size(exchange.http.body))
        exchange.call_off = self._house.effects.fetch(
            exchange.http, lambda answer, at: self._came(exchange, answer, at)
        )

    def _came(self, exchange: _Exchange, answer: HttpResponse, now: float) -> None:
        exchange.call_off = None
        seconds = now - exchange.began_at
        if answer.code:
            text = f"< {exchange.name}: {answer.code}{_size(answer.body)} after {seconds:.2f} s"
            exchange.call.write("WEBCLIENT", LINE, text)
            self._reply(exchange, answer)
        else:
            exchange.call.write("WEBCLIENT", FAILURE, f"{exchange.name}: {answer.error} after {seconds:.2f} s")
            if exchange.attempts and not answer.is_final:
                key = exchange.call.id, "http", exchange.number
                self._house.agenda.set(key, now + PAUSE, lambda at: self._attempt(exchange, at))
            else:
                self._reply(exchange, answer)

    def _refuse(self, exchange: _Exchange, error: str) -> None:
        exchange.call.write("WEBCLIENT", FAILURE, f"{exchange.name}: {error}")
        exchange.call.write("SCRIPT", 2, f"system.http: {error}")
        self._reply(exchange, HttpResponse(0, error=error))

    def _reply(self, exchange: _Exchange, answer: HttpResponse) -> None:
        open_ = self._open.get(exchange.call.id)
        if open_ is not None:
            open_.pop(exchange.number, None)
        value = {"code": answer.code, "headers": [list(header) for header in answer.headers], "error": answer.error}
        exchange.call.reply(exchange.number, value, answer.body)


def _split(url: str) -> tuple[str, str]:
    """Scheme and host; "" for what is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def _size(body: bytes) -> str:
    return f", {len(body)} bytes" if body else ""
