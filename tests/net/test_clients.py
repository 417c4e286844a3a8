"""Outgoing WebSockets against the server of `websockets` on loopback: headers, messages, closing, redirects."""

from __future__ import annotations

import asyncio
import gc
import http
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from heard import Clock, Heard
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_clients import MAX_SOCKETS, Key, WebsocketClients
from ivrnode.net.outbound.websocket_request import MAX_MESSAGE, USER_AGENT

KEY: Key = ("call", 1)
Handler = Callable[[ServerConnection], Awaitable[None]]
Answer = Callable[[ServerConnection, Request], Response | None]


async def echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


class House:
    """The clients under test, what they tell, and servers that live as long as the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.heard = Heard()
        self.clock = Clock()
        self.clients = WebsocketClients(OutboundPolicy(["127.0.0.0/8"]), self.heard, self.clock)
        self.requests: list[Request] = []
        self._stack = stack

    async def serve(self, handler: Handler = echo, answer: Answer | None = None, **options: Any) -> str:
        def note(connection: ServerConnection, request: Request) -> Response | None:
            self.requests.append(request)
            return answer(connection, request) if answer else None

        server: Server = await self._stack.enter_async_context(
            serve(handler, "127.0.0.1", 0, process_request=note, max_size=None, **options)
        )
        return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    def open(self, url: str, headers: Sequence[tuple[str, str, bool]] = (), key: Key = KEY, timeout: float = 5) -> bool:
        return self.clients.open(key, url, headers, True, timeout)

    async def opened(self, handler: Handler = echo, **options: Any) -> str:
        url = await self.serve(handler, **options)
        self.open(url)
        assert await self.heard.next() == ("opened", KEY, "")
        return url


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        house = House(stack)
        yield house
        await house.clients.stop()
        gc.collect()  # an exception that nobody fetched would show up here


async def test_headers_are_mapped_dropped_or_passed_on(house: House) -> None:
    url = await house.serve(subprotocols=["realtime"])
    house.open(
        url + "/v1/realtime?model=x",
        [
            ("Sec-WebSocket-Protocol", "realtime, openai-beta.realtime-v1", False),
            ("User-Agent", "phone/1", False),
            ("Authorization", "Bearer key", True),
            ("OpenAI-Beta", "realtime=v1", False),
            ("Cache-Control", "no-cache", False),
            ("Host", "elsewhere", False),
            ("connection", "close", False),
            ("Upgrade", "h2c", False),
            ("Sec-WebSocket-Key", "x", False),
            ("Sec-WebSocket-Version", "12", False),
            ("Sec-WebSocket-Extensions", "permessage-deflate", False),
        ],
    )
    dropped = (
        "Host",
        "connection",
        "Upgrade",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Extensions",
    )
    assert await house.heard.next() == ("headers_dropped", KEY, dropped)
    assert await house.heard.next() == ("opened", KEY, "realtime")
    request = house.requests[0]
    assert request.path == "/v1/realtime?model=x"
    assert request.headers["Host"] == url.removeprefix("ws://")
    assert request.headers.get_all("User-Agent") == ["phone/1"]
    assert request.headers["Authorization"] == "Bearer key"
    assert request.headers["OpenAI-Beta"] == "realtime=v1"
    assert request.headers["Cache-Control"] == "no-cache"
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_the_product_is_the_default_user_agent(house: House) -> None:
    await house.opened()
    assert house.requests[0].headers["User-Agent"] == USER_AGENT


async def test_a_server_that_picks_no_subprotocol_still_opens(house: House) -> None:
    house.open(await house.serve(), [("Sec-WebSocket-Protocol", "realtime", False)])
    assert await house.heard.next() == ("opened", KEY, "")


async def test_a_server_that_picks_another_subprotocol_fails(house: House) -> None:
    house.open(
        await house.serve(subprotocols=["other"], select_subprotocol=lambda *_: "other"),
        [("Sec-WebSocket-Protocol", "realtime", False)],
    )
    assert await house.heard.next() == ("failed", KEY, "handshake failed: unsupported subprotocol: other")
    assert await house.heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize(
    "headers",
    [
        [("Bad Name", "value", False)],
        [("", "value", False)],
        [("X-Split", "a\r\nX-Injected: 1", True)],
        [("X-Nul", "a\0b", True)],
        [("X-Wide", "密", True)],
        [("Sec-WebSocket-Protocol", "a b", False)],
    ],
)
async def test_headers_that_no_handshake_can_carry_fail(house: House, headers: list[tuple[str, str, bool]]) -> None:
    house.open(await house.serve(), headers)
    event, _, text = await house.heard.next()
    assert event == "failed"
    assert "character that is not allowed" in text
    assert headers[0][1] not in text
    assert await house.heard.next() == ("closed", KEY, 1006, "")
    assert not house.requests


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "ws://",
        "ws:///x",
        "ws://127.0.0.1:x/",
        "ws://127.0.0.1/#top",
        "ws://127.0.0.1/a b",
        "",
        "ws://[::1",
    ],
)
async def test_what_is_no_websocket_url_fails(house: House, url: str) -> None:
    house.open(url)
    assert "not a WebSocket URL" in (await house.heard.next())[2]
    assert await house.heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize(
    "data", ["", "x", "ä€😀", "y" * 125, "y" * 126, "y" * 65535, "y" * 65536, b"", b"\0\xff", b"z" * 70000]
)
async def test_text_comes_as_str_and_binary_as_bytes(house: House, data: str | bytes) -> None:
    await house.opened()
    house.clients.send(KEY, data)
    event, _, echoed = await house.heard.until("message")
    assert (event, type(echoed), echoed) == ("message", type(data), data)


async def test_messages_keep_their_order(house: House) -> None:
    await house.opened()
    texts = [str(number) * (number % 300) for number in range(1, 1000)]
    for text in texts:
        house.clients.send(KEY, text)
    assert [(await house.heard.until("message"))[2] for _ in texts] == texts


async def test_a_message_in_fragments_comes_whole(house: House) -> None:
    async def in_parts(connection: ServerConnection) -> None:
        await connection.send(["ein", "s ", "", "zw", "ei"])
        await connection.send([b"1", b"2"])
        await connection.send("whole")
        await connection.wait_closed()

    await house.opened(in_parts)
    assert [(await house.heard.next())[2] for _ in range(3)] == ["eins zwei", b"12", "whole"]


@pytest.mark.parametrize("parts", [1, 3])
async def test_two_megabytes_come_in(house: House, parts: int) -> None:
    message = "a" * MAX_MESSAGE

    async def big(connection: ServerConnection) -> None:
        step = -(-len(message) // parts)
        await connection.send(
            [message[at : at + step] for at in range(0, len(message), step)] if parts > 1 else message
        )
        await connection.wait_closed()

    await house.opened(big)
    assert await house.heard.next() == ("message", KEY, message)


@pytest.mark.parametrize("parts", [1, 3])
async def test_more_than_two_megabytes_close_with_1009(house: House, parts: int) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def too_big(connection: ServerConnection) -> None:
        message = "a" * (MAX_MESSAGE + 1)
        with suppress(ConnectionClosed):
            await connection.send([message[: 1 << 20], message[1 << 20 :]] if parts > 1 else message)
        await connection.wait_closed()
        codes.put_nowait(connection.close_code)

    await house.opened(too_big)
    assert (await house.heard.next())[0] == "failed"
    assert (await house.heard.next())[:3] == ("closed", KEY, 1009)
    assert await codes.get() == 1009


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going away"), (3000, "bad key"), (4000, "ä" * 60)])
async def test_the_peer_s_close_is_told_with_code_and_reason(house: House, code: int, reason: str) -> None:
    async def bye(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code, reason)

    await house.opened(bye)
    assert await house.heard.next() == ("message", KEY, "last words")
    assert await house.heard.next() == ("closed", KEY, code, reason)


@pytest.mark.parametrize(
    ("code", "reason", "sent"),
    [
        (1000, "", (1000, "")),
        (4123, "done", (4123, "done")),
        (1006, "not a code to send", (1000, "not a code to send")),
        (70000, "", (1000, "")),
        (3000, "ü" * 100, (3000, "ü" * 61)),
    ],
)
async def test_our_close_reaches_the_peer(house: House, code: int, reason: str, sent: tuple[int, str]) -> None:
    closes: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        closes.put_nowait((connection.close_code, connection.close_reason))

    await house.opened(wait)
    house.clients.close(KEY, code, reason)
    house.clients.close(KEY, 1011, "harmless the second time")
    assert await closes.get() == sent
    assert await house.heard.next() == ("closed", KEY, *sent)
    house.clients.close(KEY)
    house.clients.close(("unknown", 1))
    assert house.heard.rest() == []


async def test_lost_tcp_is_1006_and_no_failure(house: House) -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    await house.opened(vanish)
    assert await house.heard.next() == ("closed", KEY, 1006, "")


async def test_messages_after_our_close_are_not_told(house: House) -> None:
    async def chatty(connection: ServerConnection) -> None:
        await connection.recv()
        for _ in range(100):
            await connection.send("x" * 1000)
        await connection.wait_closed()

    await house.opened(chatty)
    house.clients.send(KEY, "go")
    await house.heard.next()
    house.clients.close(KEY, 1000, "")
    house.clients.send(KEY, "too late")
    assert (await house.heard.until("closed"))[2] == 1000
    assert house.heard.rest() == []


async def test_an_open_key_is_left_alone_and_a_closed_one_may_open_again(house: House) -> None:
    url = await house.opened()
    assert house.open(url) is False
    house.clients.send(KEY, "still there")
    assert await house.heard.next() == ("message", KEY, "still there")
    house.clients.close(KEY)
    assert await house.heard.next() == ("closed", KEY, 1000, "")
    assert house.open(url) is True
    assert await house.heard.next() == ("opened", KEY, "")


async def test_a_call_has_four_sockets_at_once(house: House) -> None:
    url = await house.serve()
    for number in range(MAX_SOCKETS):
        house.open(url, key=("call", number))
        assert (await house.heard.next())[:2] == ("opened", ("call", number))
    house.open(url, key=("call", 99))
    assert await house.heard.next() == ("failed", ("call", 99), "more than 4 sockets in one call")
    assert await house.heard.next() == ("closed", ("call", 99), 1006, "")
    house.open(url, key=("other call", 99))
    assert (await house.heard.next())[0] == "opened"


async def test_close_call_closes_the_call_s_sockets_and_no_others(house: House) -> None:
    url = await house.serve()
    for key in (("a", 1), ("a", 2), ("b", 1)):
        house.open(url, key=key)
        await house.heard.next()
    house.clients.close_call("a")
    house.clients.close_call("nobody")
    assert {await house.heard.next(), await house.heard.next()} == {
        ("closed", ("a", number), 1001, "call ended") for number in (1, 2)
    }
    house.clients.send(("b", 1), "here")
    assert await house.heard.next() == ("message", ("b", 1), "here")


async def test_a_call_that_is_held_gets_no_message_until_it_may_go_on(house: House) -> None:
    """Also of a socket that opens meanwhile; other calls go on."""
    url = await house.serve()
    for key in (("a", 1), ("b", 1)):
        house.open(url, key=key)
        await house.heard.until("opened")
    house.clients.hold("a", True)
    house.open(url, key=("a", 2))
    await house.heard.until("opened")
    for number in (1, 2):
        house.clients.send(("a", number), f"kept {number}")
    for number in range(20):  # there and back so often that the others would have come
        house.clients.send(("b", 1), str(number))
        assert await house.heard.next() == ("message", ("b", 1), str(number))
    house.clients.hold("a", False)
    assert {await house.heard.next(), await house.heard.next()} == {
        ("message", ("a", number), f"kept {number}") for number in (1, 2)
    }
    house.clients.hold("nobody", True)


async def test_closing_while_connecting_is_1006_without_a_failure(house: House) -> None:
    house.open(await house.serve())
    house.clients.close(KEY, 1000, "")
    assert house.heard.rest() == []  # never from within
    assert await house.heard.next() == ("closed", KEY, 1006, "")


async def test_stop_tells_every_socket_closed(house: House) -> None:
    url = await house.opened()
    house.open(url, key=("call", 2))
    await house.clients.stop()
    assert sorted(house.heard.rest()) == [("closed", KEY, 1006, ""), ("closed", ("call", 2), 1006, "")]


async def test_a_listener_that_raises_ends_nothing_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    url = await house.opened()
    house.open(url, key=("call", 2))
    await house.heard.next()

    def fault(key: Key, data: str | bytes) -> None:
        if data == "fault":
            raise RuntimeError("in the listener")
        house.heard.waiting.put_nowait(("message", key, data))

    monkeypatch.setattr(house.heard, "socket_message", fault)
    house.clients.send(KEY, "fault")
    house.clients.send(KEY, "after")
    assert await house.heard.next() == ("message", KEY, "after")
    house.clients.send(("call", 2), "beside")
    assert await house.heard.next() == ("message", ("call", 2), "beside")
    assert [str(report["exception"]) for report in reports] == ["in the listener"]


# Pings, by a clock that the test moves.


async def test_a_ping_every_20_s_keeps_an_answering_peer(house: House) -> None:
    await house.opened()
    for _ in range(5):
        house.clock.now += 20
        house.clients.tick()
        house.clients.send(KEY, "x")
        assert await house.heard.next() == ("message", KEY, "x")  # the pong came before the echo
    assert house.heard.rest() == []


# Redirects.


def moved(location: str, status: http.HTTPStatus = http.HTTPStatus.FOUND) -> Answer:
    def answer(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(status, "elsewhere\n")
        response.headers["Location"] = location
        return response

    return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(house: House, status: int) -> None:
    there = await house.serve()
    house.open(await house.serve(answer=moved(there + "/there", http.HTTPStatus(status))))
    assert await house.heard.next() == ("opened", KEY, "")
    assert [request.path for request in house.requests] == ["/", "/there"]


async def test_a_redirect_to_http_means_ws(house: House) -> None:
    there = await house.serve()
    house.open(await house.serve(answer=moved(there.replace("ws:", "http:") + "/x")))
    assert await house.heard.next() == ("opened", KEY, "")


HEADERS = [
    ("Authorization", "literal", False),
    ("X-Key", "secret", True),
    ("Cookie", "a=b", False),
    ("X-Plain", "plain", False),
    ("Sec-WebSocket-Protocol", "realtime", False),
]


async def test_another_origin_gets_no_secret(house: House) -> None:
    there = await house.serve(subprotocols=["realtime"])
    house.open((await house.serve(answer=moved(there))).replace("://", "://user:password@"), HEADERS)
    assert await house.heard.next() == ("opened", KEY, "realtime")
    first, second = (request.headers for request in house.requests)
    assert (first["X-Key"], first["Cookie"], first["X-Plain"]) == ("secret", "a=b", "plain")
    assert len(first.get_all("Authorization")) == 2
    assert second["X-Plain"] == "plain"
    assert not {"Authorization", "Cookie", "X-Key"} & {name for name, _ in second.raw_items()}


async def test_the_same_origin_keeps_them(house: House) -> None:
    url = await house.serve(answer=lambda c, r: None if r.path == "/b" else moved("/b")(c, r))
    house.open(url + "/a", HEADERS)
    assert (await house.heard.next())[0] == "opened"
    assert house.requests[1].headers["X-Key"] == "secret"


async def test_three_redirects_and_no_more(house: House) -> None:
    def count_down(connection: ServerConnection, request: Request) -> Response | None:
        left = int(request.path[1:])
        return moved(f"/{left - 1}")(connection, request) if left else None

    url = await house.serve(answer=count_down)
    house.open(url + "/3")
    assert (await house.heard.next())[0] == "opened"
    house.open(url + "/4", key=("call", 2))
    assert await house.heard.next() == ("failed", ("call", 2), "more than 3 redirects")
    assert await house.heard.next() == ("closed", ("call", 2), 1006, "")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("ws://[::1]:9/", "blocked by outbound policy"),
        ("http://10.0.0.1/latest/meta-data", "blocked by outbound policy"),
        ("ftp://127.0.0.1/", "not a WebSocket URL"),
    ],
)
async def test_every_redirect_is_checked(house: House, location: str, text: str) -> None:
    house.open(await house.serve(answer=moved(location)))
    event, _, error = await house.heard.next()
    assert (event, text in error) == ("failed", True)
    assert await house.heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize("status", [200, 204, 302, 401, 404, 429, 500, 503])
async def test_any_other_answer_fails_with_its_status(house: House, status: int) -> None:
    house.open(await house.serve(answer=lambda c, _: c.respond(http.HTTPStatus(status), "no key sk-123\n")))
    assert await house.heard.next() == ("failed", KEY, f"the server answered HTTP {status}")
    assert await house.heard.next() == ("closed", KEY, 1006, "")


# The policy.


async def test_loopback_is_blocked_without_an_opening() -> None:
    heard = Heard()
    clients = WebsocketClients(OutboundPolicy(), heard)
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for number, host in enumerate(["localhost", "127.0.0.1", "0", "[::ffff:127.0.0.1]"]):
            clients.open(("call", number), f"ws://{host}:{port}/", (), True, 5)
            assert await heard.next() == ("failed", ("call", number), "blocked by outbound policy")
            assert await heard.next() == ("closed", ("call", number), 1006, "")
    await clients.stop()


async def test_a_name_that_turns_private_between_check_and_connect_gains_nothing(house: House) -> None:
    """The resolver is asked once a connection, and the address that it gave then is the one connected to."""
    url = await house.serve()
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    heard = Heard()
    clients = WebsocketClients(OutboundPolicy(["127.0.0.1"], rebinding), heard)
    target = url.replace("127.0.0.1", "rebind.example")
    clients.open(KEY, target, (), True, 5)
    assert await heard.next() == ("opened", KEY, "")
    assert house.requests[0].headers["Host"] == target.removeprefix("ws://")
    assert asked == ["rebind.example"]
    clients.open(("call", 2), target, (), True, 5)
    assert await heard.next() == ("failed", ("call", 2), "blocked by outbound policy")
    await clients.stop()


async def test_the_addresses_of_a_name_are_tried_in_order(house: House) -> None:
    url = await house.serve()

    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]  # nothing listens on the first

    heard = Heard()
    clients = WebsocketClients(OutboundPolicy(["127.0.0.0/8"], two), heard)
    clients.open(KEY, url.replace("127.0.0.1", "two.example"), (), True, 5)
    assert await heard.next() == ("opened", KEY, "")
    await clients.stop()


async def test_a_name_that_does_not_exist_fails() -> None:
    heard = Heard()
    clients = WebsocketClients(OutboundPolicy(), heard)
    clients.open(KEY, "ws://no..name/", (), True, 5)
    assert (await heard.next())[2].startswith("host name: ")
    assert await heard.next() == ("closed", KEY, 1006, "")
