"""The network answers a script's web requests, behind the policy of a system that opens nothing.

While it is asked the simulated clock stands still: an answer takes no time in the call.
"""

from __future__ import annotations

from ivrnode.net.http_client import HttpClient
from ivrnode.net.outbound_policy import OutboundPolicy
from ivrnode.pbx.http_messages import HttpRequest, HttpResponse


class LiveWeb:
    """`web.Web`."""

    def __init__(self) -> None:
        self._client = HttpClient(OutboundPolicy())

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        return await self._client.fetch(request)

    async def stop(self) -> None:
        await self._client.close()
