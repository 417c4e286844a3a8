"""Web requests from outside to running calls: `call.http_url`, served by aiohttp in the core's own loop.

    POST /call/<32 hex digits>[/more]?a=b   ->   HookService.received   ->   what the script answers

Plain HTTP: a proxy with a certificate belongs before it. Bodies of more than 1 MiB get 413, who is slower than 10 s in
sending one 408.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from aiohttp import web

from ivrnode.errors import ConfigError
from ivrnode.pbx.hook_service import LONGEST_BODY, Answer, HookAnswer, HookRequest

PREFIX = "/call/"
BODY_SECONDS = 10.0
MOST_AT_ONCE = 200
_PATH = re.compile(r"/call/([0-9a-f]{32})((?:/.*)?)", re.DOTALL)

Received = Callable[[str, HookRequest, Answer, float], None]


class WebHooks:
    """`start` once, `close` at the end. `url` is what a call's token is put behind."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
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
        found = _PATH.fullmatch(request.path)
        if found is None:
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
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()  # 413 for more than 1 MiB
        except TimeoutError:
            return web.Response(status=408, text="the body did not come\n")
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text="the body is too long\n")
        asked = HookRequest(request.method, path or "/", dict(request.query), list(request.headers.items()), body)
        answered: asyncio.Future[HookAnswer] = asyncio.get_running_loop().create_future()

        def answer(given: HookAnswer) -> None:
            if not answered.done():
                answered.set_result(given)

        self._received(token, asked, answer, time.monotonic())
        given = await answered
        kind = None if given.status == 204 else given.kind
        return web.Response(status=given.status, body=given.body, headers={"Content-Type": kind} if kind else None)
