"""What web servers answer to a script: what a test has laid ready. `live_web.py` asks the network."""

from __future__ import annotations

import json
from typing import Any, Protocol
from urllib.parse import urlsplit

from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse


class Web(Protocol):
    async def fetch(self, request: HttpRequest) -> HttpResponse: ...

    async def stop(self) -> None: ...


class LaidOutWeb:
    """Answers by URL; one without a query fits every query. `requests`: what was asked, in order."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self._answers: dict[tuple[str, str], HttpResponse] = {}

    def lay(self, url: str, body: str | bytes | dict[str, Any] | list[Any], code: int, method: str) -> None:
        """dict and list are answered as JSON."""
        kind = "text/plain; charset=utf-8"
        if isinstance(body, dict | list):
            body, kind = json.dumps(body), "application/json"
        data = body.encode() if isinstance(body, str) else body
        self._answers[method.upper(), url] = HttpResponse(code, (("Content-Type", kind),), data)

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        bare = urlsplit(request.url)._replace(query="", fragment="").geturl()
        for url in (request.url, bare):
            if answer := self._answers.get((request.method.upper(), url)):
                return answer
        return HttpResponse(0, error=f"no answer is laid ready for {request.method} {bare}: ivr.http()")

    async def stop(self) -> None:
        pass
