"""The network answers a script's web requests, behind the policy of a system that opens nothing.

While it is asked the simulated clock stands still: an answer takes no time in the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from ivrnode.net.outbound.http_client import HttpClient


class LiveWeb:
    """`web.Web`."""

    def __init__(self) -> None:
        self._client: HttpClient | None = None

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        if self._client is None:
            # Here, for most scripts ask nothing, and the client takes longer to import than they to run.
            from ivrnode.net.outbound.http_client import HttpClient
            from ivrnode.net.outbound.policy import OutboundPolicy

            self._client = HttpClient(OutboundPolicy())
        return await self._client.fetch(request)

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()
