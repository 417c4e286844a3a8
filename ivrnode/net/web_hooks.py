"""Web requests from outside to running calls: `call.http_url`, served by aiohttp in the core's own loop.

    POST /call/<32 hex digits>[/more]?a=b   ->   HookService.received   ->   what the script answers

Plain HTTP: a proxy with a certificate belongs before it. Bodies of more than 1 MiB get 413, who is slower than 10 s in
sending one 408. Who is connected and sends no whole request for 10 s is disconnected; where all places are taken, the
one who has been so for the longest time makes room, so that a crowd that only waits (Slowloris) keeps nobody out.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from ivrnode.errors import ConfigError
from ivrnode.pbx.services.hooks import LONGEST_BODY, Answer, HookAnswer, HookRequest

PREFIX = "/call/"
SECONDS = 10.0
MOST_AT_ONCE = 200
MOST_CONNECTIONS = 400
_MOST_HEADERS = 64
_SILENT = logging.Logger("web hooks", logging.CRITICAL + 1)
"""What strangers send wrong is no line on the operator's terminal; what goes wrong here, the loop is told."""
_PATH = re.compile(r"/call/([0-9a-f]{32})((?:/.*)?)", re.DOTALL)

Received = Callable[[str, HookRequest, Answer, float], None]


class WebHooks:
    """`start` once, `close` at the end. `url` is what a call's token is put behind."""

    def __init__(self, received: Received, knows: Callable[[str], bool], seconds: float = SECONDS) -> None:
        """`knows`: whether a call has this token; nobody else's body is waited for. `seconds`: so long each, header and
        body, may take to come."""
        self._received, self._knows, self._seconds = received, knows, seconds
        self._listener = _Listener(self._serve, seconds)
        self._runner = web.ServerRunner(self._listener)
        self._at_once = 0
        self.url = ""

    async def start(self, host: str, port: int, public_url: str) -> None:
        """Raises ConfigError when the address cannot be listened at."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"cannot listen at {host}:{port}: {error.strerror}", key="web.listen") from None
        real = self._runner.addresses[0][1]
        self.url = (public_url or f"http://{f'[{host}]' if ':' in host else host}:{real}") + PREFIX

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self._listener.has_asked(request.protocol)
        try:
            return await self._find(request)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler({"message": "a web hook failed", "exception": error})
            return web.Response(status=500, text="something is wrong here\n")
        finally:
            self._listener.is_answered(request.protocol)

    async def _find(self, request: web.BaseRequest) -> web.StreamResponse:
        found = _PATH.fullmatch(request.path)
        if found is None or not self._knows(found[1]):
            return web.Response(status=404, text="nothing is here\n")
        if self._at_once >= MOST_AT_ONCE:
            return web.Response(status=503, text="too many requests at once\n")
        self._at_once += 1
        try:
            return await self._answer(request, found[1], found[2])
        finally:
            self._at_once -= 1

    async def _answer(self, request: web.BaseRequest, token: str, path: str) -> web.Response:
        if (request.content_length or 0) > LONGEST_BODY:
            return web.Response(status=413, text="the body is too long\n")
        try:
            async with asyncio.timeout(self._seconds):
                body = await request.read()  # 413 for more than 1 MiB
        except TimeoutError:
            return web.Response(status=408, text="the body did not come\n")
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text="the body is too long\n")
        except (web.RequestPayloadError, OSError):  # no HTTP, or he has gone
            return web.Response(status=400, text="the body is broken\n")
        asked = HookRequest(request.method, path or "/", dict(request.query), list(request.headers.items()), body)
        answered: asyncio.Future[HookAnswer] = asyncio.get_running_loop().create_future()

        def answer(given: HookAnswer) -> None:
            if not answered.done():
                answered.set_result(given)

        self._received(token, asked, answer, time.monotonic())
        given = await answered
        kind = None if given.status == 204 else given.kind
        return web.Response(status=given.status, body=given.body, headers={"Content-Type": kind} if kind else None)


class _Listener(web.Server):
    """The connections: who is in no request may wait for so long, and there are so many places."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], seconds: float) -> None:
        # Bodies stay as they came: what is small on the wire must not become big here.
        super().__init__(handler, access_log=None, logger=_SILENT, max_headers=_MOST_HEADERS, auto_decompress=False)
        self._seconds = seconds
        self._connected: set[web.RequestHandler] = set()
        self._waiting: dict[web.RequestHandler, asyncio.TimerHandle] = {}  # who has waited longest comes first

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._connected.add(handler)
        self.is_answered(handler)
        if len(self._connected) > MOST_CONNECTIONS:
            self._end(next(iter(self._waiting)))

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._connected.discard(handler)
        self.has_asked(handler)
        super().connection_lost(handler, exc)

    def has_asked(self, handler: web.RequestHandler) -> None:
        if handler in self._waiting:
            self._waiting.pop(handler).cancel()

    def is_answered(self, handler: web.RequestHandler) -> None:
        if handler in self._connected:
            self._waiting[handler] = asyncio.get_running_loop().call_later(self._seconds, self._end, handler)

    def _end(self, handler: web.RequestHandler) -> None:
        self._connected.discard(handler)
        self.has_asked(handler)
        handler.force_close()
