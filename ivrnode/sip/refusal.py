"""A request that the user agent itself turns down, and the header fields that tell the far end what would do."""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.status import reason_of


class RefusalError(ProtocolError):
    """Answer the request with `status` and `headers`."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(reason_of(status), status)
        self.headers = headers
