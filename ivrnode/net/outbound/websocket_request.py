"""What a script asks for when it opens a WebSocket, made ready for the handshake (RFC 6455 s4.1), without a socket.

A script gives headers as a browser's developer tools show them. Some of them are no headers to a WebSocket client but
parts of the handshake: they are mapped or dropped here. Nothing in this file puts a header's value into a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from ivrnode import __version__
from ivrnode.errors import ProtocolError

Header = tuple[str, str, bool]
"""(name, value, is_secret). A secret header never follows a redirect to another origin."""

USER_AGENT = f"ivrnode/{__version__}"
MAX_MESSAGE = 2 * 1024 * 1024
"""Bytes of one message that may come in; more closes with 1009."""

_OURS = {"host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
_CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
_is_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110 s5.6.2
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch  # RFC 9110 s5.5
_is_blank = re.compile(r"[\x00-\x20\x7f]").search


@dataclass(frozen=True, slots=True, repr=False)
class WebsocketRequest:
    """One handshake to be made. `dropped` names the headers that a script may not set."""

    uri: WebSocketURI
    url: str
    headers: tuple[Header, ...]
    subprotocols: tuple[str, ...]
    user_agent: str
    dropped: tuple[str, ...]

    @classmethod
    def build(cls, url: str, headers: Sequence[Header]) -> WebsocketRequest:
        """Map a script's headers. Raises ProtocolError for a URL or a header that no handshake can carry."""
        kept: list[Header] = []
        dropped: list[str] = []
        subprotocols: list[str] = []
        user_agent = USER_AGENT
        for name, value, is_secret in headers:
            if not _is_token(name):
                raise ProtocolError("a header name holds a character that is not allowed")
            if not _is_value(value):
                raise ProtocolError(f"the value of header {name} holds a character that is not allowed")
            match name.lower():
                case "sec-websocket-protocol":
                    subprotocols += filter(None, (part.strip() for part in value.split(",")))
                case "user-agent":
                    user_agent = value
                case lowered if lowered in _OURS:
                    dropped.append(name)
                case _:
                    kept.append((name, value, is_secret))
        if not all(map(_is_token, subprotocols)):
            raise ProtocolError("the value of header Sec-WebSocket-Protocol holds a character that is not allowed")
        offered = tuple(dict.fromkeys(subprotocols))
        return cls(_parse(url), url, tuple(kept), offered, user_agent, tuple(dropped))

    def redirected(self, location: str) -> WebsocketRequest:
        """The request that follows a redirect (RFC 9110 s15.4). Raises ProtocolError where it may not be followed.

        Another origin gets no secret, no credentials and no user info of the first URL.
        """
        url = re.sub("^http", "ws", urljoin(self.url, location))
        uri = _parse(url)
        if self.uri.secure and not uri.secure:
            raise ProtocolError("redirect from wss to ws refused")
        if (uri.secure, uri.host, uri.port) == (self.uri.secure, self.uri.host, self.uri.port):
            return replace(self, uri=uri, url=url)
        harmless = tuple(header for header in self.headers if not header[2] and header[0].lower() not in _CREDENTIALS)
        return replace(self, uri=uri, url=url, headers=harmless)

    def start(self, protocol: ClientProtocol) -> None:
        """Put the opening handshake into what `protocol` has to send."""
        request = protocol.connect()
        request.headers["User-Agent"] = self.user_agent
        for name, value, _ in self.headers:
            request.headers[name] = value
        protocol.send_request(request)

    def offered(self) -> list[Subprotocol] | None:
        return [Subprotocol(name) for name in self.subprotocols] or None


def _parse(url: str) -> WebSocketURI:
    # Never a URL in the text: its query may hold a key.
    if _is_blank(url):
        raise ProtocolError("not a WebSocket URL: holds a blank or a control character")
    try:
        return parse_uri(url)
    except InvalidURI as error:
        raise ProtocolError(f"not a WebSocket URL: {error.msg}") from None
    except ValueError:
        raise ProtocolError("not a WebSocket URL") from None
