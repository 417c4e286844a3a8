"""How a request of ours answers challenges: one 401 and one 407, then the refusal stands (RFC 3261 s22.2, s22.3)."""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.digest import Credentials, authorize
from ivrnode.sip.message import Request, Response

_CHALLENGES = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


class Authentication:
    """The challenges that one request met so far."""

    __slots__ = ("_credentials", "_met")

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._met: set[int] = set()

    def answer(self, request: Request, response: Response) -> bool:
        """Write the answer to `response` into `request`, which the caller sends anew with the next CSeq.

        Returns False when `response` is no challenge, or one that we cannot meet or have met before.
        """
        names = _CHALLENGES.get(response.status)
        if names is None or self._credentials is None or response.status in self._met:
            return False
        self._met.add(response.status)
        challenges = list(response.headers.get_all(names[0]))
        try:
            value = authorize(challenges, self._credentials, request.method, str(request.uri), request.body, 1)
        except ProtocolError:
            return False
        request.headers.set(names[1], value)
        return True


def copy_credentials(source: Request, target: Request) -> None:
    """An ACK cannot be challenged, so it carries what its INVITE carried (RFC 3261 s22.1)."""
    for _, name in _CHALLENGES.values():
        for value in source.headers.get_all(name):
            target.headers.add(name, value)
