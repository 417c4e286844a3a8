"""The outgoing WebSockets of all scripts: from a URL to open or failed, and what becomes of each until it is closed.

    open() ─> policy ─> TCP ─> TLS ─> handshake ──────────> opened, message*, failed?, closed
                 ^                        │ redirect (3)
                 └────────────────────────┘        any of these may go wrong: failed, closed(1006)

Connecting takes one task, an open socket none. The listener is called in the loop, never from within `open`, `send`,
`close` or `close_call`. Nothing here writes a header's value or a URL into a text.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Protocol as Interface

from ivrnode.errors import IvrNodeError, ProtocolError
from ivrnode.net.outbound.failure import explain
from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_client import RedirectError, WebsocketClient
from ivrnode.net.outbound.websocket_request import Header, WebsocketRequest

Key = tuple[str, int]
"""(call, socket): the script's own number for the socket."""

MAX_SOCKETS = 4
"""Sockets that a call may have at once."""
MAX_REDIRECTS = 3


class SocketListener(Interface):
    """What happens to a script's sockets. After `open`: at most one `socket_failed`, and one `socket_closed`, last."""

    def socket_opened(self, key: Key, subprotocol: str) -> None: ...
    def socket_message(self, key: Key, data: str | bytes) -> None: ...
    def socket_sent(self, key: Key, buffered: int) -> None:
        """`buffered`: bytes that the network has not taken; told when it changed by 64 KB or went back to 0."""

    def socket_failed(self, key: Key, error: str) -> None: ...
    def socket_closed(self, key: Key, code: int, reason: str) -> None:
        """1006 with "" when there was no close frame: failed, lost TCP, given up."""

    def socket_headers_dropped(self, key: Key, names: tuple[str, ...]) -> None:
        """Headers that a script may not set were left out."""


class WebsocketClients:
    """All sockets of all calls. `tick` must be called every 0.1 to 1 s, `stop` at the end."""

    def __init__(
        self,
        policy: OutboundPolicy,
        listener: SocketListener,
        clock: Callable[[], float] = time.monotonic,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """`clock` gives monotonic seconds. `trust` makes the context that checks servers' certificates."""
        self._policy = policy
        self._listener = listener
        self._clock = clock
        self._trust = trust
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._calls: dict[str, dict[int, _Socket]] = {}
        self._unflushed: list[WebsocketClient] = []
        self._held: set[str] = set()
        self._is_empty = asyncio.Event()

    def open(self, key: Key, url: str, headers: Sequence[Header], verify: bool, timeout: float) -> bool:
        """Begin to connect; the rest is told to the listener. False, and nothing more, while `key` is still in use.

        `timeout` in seconds covers everything up to the end of the handshake, redirects included. A header marked
        secret goes to the URL's own origin only, never along with a redirect to another one.
        """
        call, number = key
        sockets = self._calls.setdefault(call, {})
        if number in sockets:
            return False
        sockets[number] = opened = _Socket(key, self._listener, self._forget, is_held=call in self._held)
        self._is_empty.clear()
        opened.start(self._connect(opened, url, tuple(headers), verify, timeout, len(sockets)), timeout)
        return True

    def send(self, key: Key, data: str | bytes) -> None:
        """Send one message: str as text, bytes as binary. Never blocks; dropped when the socket is not open."""
        if (found := self._calls.get(key[0], _NONE).get(key[1])) is not None and found.client is not None:
            found.client.send(data)

    def close(self, key: Key, code: int = 1000, reason: str = "") -> None:
        """Begin to close. Harmless twice and for an unknown key."""
        if (found := self._calls.get(key[0], _NONE).get(key[1])) is not None:
            found.close(code, reason)

    def hold(self, call: str, is_held: bool) -> None:
        """Deliver no more messages of this call until it is called with False: its script has enough to do, and the
        far ends have to wait."""
        if is_held:
            self._held.add(call)
        else:
            self._held.discard(call)
        for each in self._calls.get(call, _NONE).values():
            each.hold(is_held)

    def close_call(self, call: str) -> None:
        """The call is over: close all of its sockets. The listener still hears how each one ended."""
        for each in list(self._calls.get(call, _NONE).values()):
            each.close(1001, "call ended")  # RFC 6455 s7.4.1: going away

    def tick(self) -> None:
        """Watch the deadlines of open sockets: pings, pongs, closing."""
        now = self._clock()
        for client in [each.client for sockets in self._calls.values() for each in sockets.values()]:
            if client is not None:
                client.tick(now)

    async def stop(self) -> None:
        """Drop everything at once. The listener has heard `socket_closed` for every socket when this returns."""
        for each in [each for sockets in self._calls.values() for each in sockets.values()]:
            each.abort()
        if self._calls:
            await self._is_empty.wait()

    async def _connect(
        self, opened: _Socket, url: str, headers: Sequence[Header], verify: bool, seconds: float, sockets: int
    ) -> None:
        if sockets > MAX_SOCKETS:
            raise ProtocolError(f"more than {MAX_SOCKETS} sockets in one call")
        request = WebsocketRequest.build(url, headers)
        if request.dropped:
            opened.tell_dropped(request.dropped)
        async with asyncio.timeout(seconds) as limit:
            for _ in range(1 + MAX_REDIRECTS):
                addresses = await self._policy.resolve(request.uri.host, request.uri.port)
                client = opened.client = await self._first_to_answer(addresses, request, opened, verify, limit)
                try:
                    return await client.handshake
                except RedirectError as redirect:
                    request = request.redirected(redirect.location)
                finally:
                    if not opened.is_opened:
                        client.abort()
        raise ProtocolError(f"more than {MAX_REDIRECTS} redirects")

    async def _first_to_answer(
        self, addresses: Sequence[str], request: WebsocketRequest, opened: _Socket, verify: bool, limit: asyncio.Timeout
    ) -> WebsocketClient:
        """Connect to the first address that takes the connection. Each gets a fair share of the time that is left."""
        loop = asyncio.get_running_loop()
        uri = request.uri
        failure: OSError = OSError("no address")
        for position, address in enumerate(addresses):
            share = ((limit.when() or 0.0) - loop.time()) / (len(addresses) - position)
            try:
                async with asyncio.timeout(share):
                    _, client = await loop.create_connection(
                        lambda: WebsocketClient(request, opened, self._schedule_flush, self._clock),
                        address,
                        uri.port,
                        ssl=self._context(verify) if uri.secure else None,
                        server_hostname=uri.host if uri.secure else None,
                    )
                    return client
            except OSError as error:
                failure = error
        raise failure

    def _context(self, verify: bool) -> ssl.SSLContext:
        if verify not in self._contexts:
            context = self._trust()
            if not verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._contexts[verify] = context
        return self._contexts[verify]

    def _schedule_flush(self, client: WebsocketClient) -> None:
        if not self._unflushed:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unflushed.append(client)

    def _flush(self) -> None:
        unflushed, self._unflushed = self._unflushed, []
        for client in unflushed:
            client.flush()

    def _forget(self, key: Key) -> None:
        sockets = self._calls[key[0]]
        del sockets[key[1]]
        if not sockets:
            del self._calls[key[0]]
        if not self._calls:
            self._is_empty.set()


class _Socket:
    """One script socket from `open` to `socket_closed`: what its connections tell goes on to the listener, guarded.

    A listener that raises is reported to the loop's exception handler and ends nothing else.
    """

    def __init__(self, key: Key, listener: SocketListener, forget: Callable[[Key], None], *, is_held: bool) -> None:
        self.client: WebsocketClient | None = None
        self._is_held = is_held
        self._key = key
        self._listener = listener
        self._forget = forget
        self.is_opened = False
        self._task: asyncio.Task[None] | None = None

    def start(self, connecting: Coroutine[None, None, None], timeout: float) -> None:
        self._task = asyncio.get_running_loop().create_task(connecting)
        self._task.add_done_callback(lambda task: self._connected(task, timeout))

    def close(self, code: int, reason: str) -> None:
        if self.is_opened and self.client is not None:
            self.client.close(code, reason)
        else:
            self.abort()

    def hold(self, is_held: bool) -> None:
        self._is_held = is_held
        if self.is_opened and self.client is not None:
            self.client.hold(is_held)

    def abort(self) -> None:
        if not self.is_opened and self._task is not None:
            self._task.cancel()
        elif self.client is not None:
            self.client.abort()

    def tell_dropped(self, names: tuple[str, ...]) -> None:
        self._tell(self._listener.socket_headers_dropped, names)

    def _connected(self, task: asyncio.Task[None], timeout: float) -> None:
        error = None if task.cancelled() else task.exception()
        if self.is_opened:  # at the very moment of a time-out or an abort: the connection tells how it went on
            return
        if error is not None:
            self.failed(explain(error, timeout))
            if not isinstance(error, IvrNodeError | OSError):
                _report(error)
        self.closed(1006, "")

    # ClientListener

    def opened(self, subprotocol: str) -> None:
        self.is_opened = True
        if self._is_held:
            self.hold(True)
        self._tell(self._listener.socket_opened, subprotocol)

    def message(self, data: str | bytes) -> None:
        try:
            self._listener.socket_message(self._key, data)
        except Exception as error:
            _report(error)

    def sent(self, buffered: int) -> None:
        self._tell(self._listener.socket_sent, buffered)

    def failed(self, error: str) -> None:
        self._tell(self._listener.socket_failed, error)

    def closed(self, code: int, reason: str) -> None:
        self._forget(self._key)
        self._tell(self._listener.socket_closed, code, reason)

    def _tell(self, event: Callable[..., None], *facts: object) -> None:
        try:
            event(self._key, *facts)
        except Exception as error:
            _report(error)


_NONE: Mapping[int, _Socket] = {}


def _report(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": "error in the listener of a WebSocket", "exception": error}
    )
