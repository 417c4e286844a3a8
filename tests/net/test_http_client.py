"""Web requests over real sockets on loopback: redirects, limits, failures, and what the policy lets through."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from ivrnode.net.outbound.http_client import HttpClient
from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.pbx.house.http_messages import LONGEST_ANSWER, HttpRequest, HttpResponse

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BLOCKED = "blocked by outbound policy"


class Server:
    """A web server with one handler; `asked` is what came, `connections` how many were opened."""

    def __init__(self) -> None:
        self.asked: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.handler: Handler | None = None
        self.port = 0
        self.connections: set[object] = set()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        self.connections.add(request.transport)
        self.bodies.append(await request.read())
        return await self.handler(request) if self.handler else web.Response(text="hello")

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def servers() -> AsyncIterator[list[Server]]:
    found, runners = [Server(), Server()], []
    for server in found:
        runner = web.ServerRunner(web.Server(server.serve, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        runners.append(runner)
    yield found
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def server(servers: list[Server]) -> Server:
    return servers[0]


class Names:
    """A resolver whose answers the test sets, one after the other."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def client(names: Names) -> AsyncIterator[HttpClient]:
    """May connect to loopback as 127.0.0.1 and as `open.example`, under no other name."""
    client = HttpClient(OutboundPolicy(["127.0.0.1", "open.example"], names))
    yield client
    await client.close()


@pytest.fixture
async def strict(names: Names) -> AsyncIterator[HttpClient]:
    """May connect to public addresses, and to `open.example`."""
    client = HttpClient(OutboundPolicy(["open.example"], names))
    yield client
    await client.close()


def redirect_to(url: str, code: int = 302) -> Handler:
    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, headers={"Location": url})

    return redirect


async def test_a_request_and_its_answer(client: HttpClient, server: Server) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404, body=b"no", headers={"X-A": "1"})

    server.handler = answer
    headers = (("X-Key", "k", True), ("Content-Type", "text/plain", False))
    got = await client.fetch(HttpRequest("POST", server.url("/a b?c=ä"), headers, b"body"))
    assert (got.code, got.body, got.error) == (404, b"no", "")
    assert ("X-A", "1") in got.headers
    [asked] = server.asked
    assert (asked.method, asked.path, asked.query["c"]) == ("POST", "/a b", "ä")
    assert asked.headers["User-Agent"].startswith("ivrnode/")
    assert asked.headers["X-Key"] == "k"
    assert asked.headers.getall("Content-Type") == ["text/plain"]
    assert server.bodies == [b"body"]


async def test_a_connection_is_used_again_and_no_cookie_is_kept(client: HttpClient, server: Server) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "a=b"})

    server.handler = answer
    for _ in range(3):
        await client.fetch(HttpRequest("GET", server.url()))
    assert len(server.connections) == 1
    assert all("Cookie" not in asked.headers for asked in server.asked)


# Limits and failures.


@pytest.mark.parametrize(("size", "code"), [(LONGEST_ANSWER, 200), (LONGEST_ANSWER + 1, 0)])
async def test_the_longest_answer(client: HttpClient, server: Server, size: int, code: int) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, size, 65536):
            await response.write(bytes(min(65536, size - start)))
        return response

    server.handler = answer
    got = await client.fetch(HttpRequest("GET", server.url()))
    assert got.code == code
    assert len(got.body) == (size if code else 0)
    assert got.error == ("" if code else "the answer is longer than 2097152 bytes")


async def test_nobody_there(client: HttpClient, unused_tcp_port: int) -> None:
    got = await client.fetch(HttpRequest("GET", f"http://127.0.0.1:{unused_tcp_port}/"))
    assert got == HttpResponse(0, error="connection refused", is_final=False)


async def test_no_such_name(client: HttpClient) -> None:
    got = await client.fetch(HttpRequest("GET", "http://nowhere.example/"))
    assert got == HttpResponse(0, error="host name: Name or service not known", is_final=False)


async def test_an_answer_that_does_not_come(client: HttpClient, server: Server) -> None:
    hold = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        await hold.wait()
        return web.Response()

    server.handler = wait
    got = await client.fetch(HttpRequest("GET", server.url(), read_timeout=0.05))
    hold.set()
    assert got == HttpResponse(0, error="no answer within 0.05 s", is_final=False)


async def test_a_server_that_speaks_no_http(client: HttpClient) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        got = await client.fetch(HttpRequest("GET", f"http://127.0.0.1:{port}/"))
        tls = await client.fetch(HttpRequest("GET", f"https://127.0.0.1:{port}/", connect_timeout=0.1))
    assert (got.code, got.error) == (0, "the answer is not HTTP")
    assert tls.code == 0


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "http:///x", "http://127.0.0.1:99999/", "http://[::1/"])
async def test_no_url(client: HttpClient, url: str) -> None:
    got = await client.fetch(HttpRequest("GET", url))
    assert got.code == 0
    assert got.error.startswith("not a URL")


# Redirects.


async def test_redirects_are_followed_up_to_five(client: HttpClient, server: Server) -> None:
    async def step(request: web.BaseRequest) -> web.StreamResponse:
        left = int(request.path.strip("/"))
        return web.Response(status=302, headers={"Location": f"/{left - 1}"}) if left else web.Response(text="there")

    server.handler = step
    assert (await client.fetch(HttpRequest("GET", server.url("/5")))).body == b"there"
    assert (await client.fetch(HttpRequest("GET", server.url("/6")))).error == "more than 5 redirects"
    got = await client.fetch(HttpRequest("GET", server.url("/1"), redirects=0))
    assert (got.code, got.error) == (302, "")


@pytest.mark.parametrize(
    ("code", "method", "sent", "body"),
    [(301, "POST", "GET", b""), (302, "PUT", "PUT", b"x"), (303, "PUT", "GET", b""), (307, "POST", "POST", b"x"),
     (308, "PUT", "PUT", b"x"), (303, "HEAD", "HEAD", b"x")],
)  # fmt: skip
async def test_what_becomes_of_the_method(
    client: HttpClient, servers: list[Server], code: int, method: str, sent: str, body: bytes
) -> None:
    first, second = servers
    first.handler = redirect_to(second.url(), code)
    await client.fetch(HttpRequest(method, first.url(), (("Content-Type", "a/b", False),), b"x"))
    assert (second.asked[0].method, second.bodies[0]) == (sent, body)
    assert ("Content-Type" in second.asked[0].headers) == bool(body)


async def test_a_secret_follows_no_redirect_to_another_origin(client: HttpClient, servers: list[Server]) -> None:
    first, second = servers
    headers = (
        ("X-Key", "sk-1", True),
        ("Authorization", "Bearer x", False),
        ("Cookie", "a", False),
        ("X-B", "b", False),
    )
    first.handler = redirect_to(second.url())
    await client.fetch(HttpRequest("GET", first.url(), headers))
    assert not {"X-Key", "Authorization", "Cookie"} & set(second.asked[0].headers)
    assert second.asked[0].headers["X-B"] == "b"

    async def once(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/there"}) if request.path == "/" else web.Response()

    first.handler = once
    await client.fetch(HttpRequest("GET", first.url(), headers))
    assert first.asked[-1].headers["X-Key"] == "sk-1"


# The policy.


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0", "[fe80::1%25lo]"]
)
async def test_addresses_that_are_not_public(strict: HttpClient, server: Server, host: str) -> None:
    got = await strict.fetch(HttpRequest("GET", server.url(host=host)))
    assert got == HttpResponse(0, error=BLOCKED)
    assert not server.asked


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "0177.0.0.1"])
async def test_odd_spellings_of_an_address(names: Names, strict: HttpClient, server: Server, host: str) -> None:
    names.answers[host] = [["127.0.0.1"]]
    got = await strict.fetch(HttpRequest("GET", server.url(host=host)))
    assert got.code == 0
    assert not server.asked


async def test_a_name_that_is_private(names: Names, strict: HttpClient, server: Server) -> None:
    names.answers["inner.example"] = [["127.0.0.1"]]
    assert await strict.fetch(HttpRequest("GET", server.url(host="inner.example"))) == HttpResponse(0, error=BLOCKED)
    assert not server.asked


async def test_connect_to_opens_a_name(names: Names, strict: HttpClient, server: Server) -> None:
    names.answers["open.example"] = [["127.0.0.1"]]
    assert (await strict.fetch(HttpRequest("GET", server.url(host="open.example")))).body == b"hello"
    assert server.asked[0].headers["Host"] == f"open.example:{server.port}"


@pytest.mark.parametrize("target", ["127.0.0.1", "inner.example", "[::ffff:7f00:1]"])
async def test_a_redirect_to_loopback(names: Names, strict: HttpClient, servers: list[Server], target: str) -> None:
    first, second = servers
    names.answers |= {"open.example": [["127.0.0.1"]], "inner.example": [["127.0.0.1"]]}
    first.handler = redirect_to(second.url(host=target))
    assert await strict.fetch(HttpRequest("GET", first.url(host="open.example"))) == HttpResponse(0, error=BLOCKED)
    assert len(first.asked) == 1
    assert not second.asked


async def test_a_name_that_turns_to_where_it_must_not(names: Names, client: HttpClient, server: Server) -> None:
    """What is connected to is what was judged: one answer for each connection, never a second one for the same."""

    async def close(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers={"Connection": "close"})

    server.handler = close
    names.answers["turns.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    request = HttpRequest("GET", server.url(host="turns.example"))
    assert (await client.fetch(request)).code == 200
    assert names.asked == ["turns.example"]
    assert await client.fetch(request) == HttpResponse(0, error=BLOCKED)
    assert len(server.asked) == 1


async def test_a_redirect_out_of_tls_or_to_no_web_server(client: HttpClient, server: Server) -> None:
    server.handler = redirect_to("file:///etc/passwd")
    got = await client.fetch(HttpRequest("GET", server.url()))
    assert got == HttpResponse(0, error="redirect to a URL that is neither http nor https")
