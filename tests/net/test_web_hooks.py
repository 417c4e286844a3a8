"""Web requests from outside, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from ivrnode.errors import ConfigError
from ivrnode.net import web_hooks
from ivrnode.net.web_hooks import WebHooks
from ivrnode.pbx.services.hooks import LONGEST_BODY, Answer, HookAnswer, HookRequest

TOKEN = "0123456789abcdef" * 2


class Desk:
    """Keeps what comes in; `reply` answers at once, None leaves it waiting."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, HookRequest, Answer]] = []
        self.reply: HookAnswer | None = HookAnswer(200, b"thanks")
        self.came = asyncio.Event()

    def knows(self, token: str) -> bool:
        return token == TOKEN

    def received(self, token: str, request: HookRequest, answer: Answer, now: float) -> None:
        self.asked.append((token, request, answer))
        self.came.set()
        if self.reply is not None:
            answer(self.reply)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def hooks(desk: Desk) -> AsyncIterator[WebHooks]:
    hooks = WebHooks(desk.received, desk.knows)
    await hooks.start("127.0.0.1", 0, "")
    yield hooks
    await hooks.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_request(desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession) -> None:
    async with client.post(f"{hooks.url}{TOKEN}/a%20b?x=1&y=%C3%A4", data=b"body", headers={"X-A": "1"}) as answer:
        assert (answer.status, await answer.read(), answer.headers["Content-Type"]) == (200, b"thanks", "text/plain")
    [(token, request, _)] = desk.asked
    assert token == TOKEN
    assert (request.method, request.path, request.query) == ("POST", "/a b", {"x": "1", "y": "ä"})
    assert request.body == b"body"
    assert ("X-A", "1") in request.headers


async def test_an_answer_without_a_body_and_one_that_comes_later(
    desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession
) -> None:
    desk.reply = None
    asking = asyncio.create_task(client.get(hooks.url + TOKEN))
    await desk.came.wait()
    _, request, answer = desk.asked[0]
    assert request.path == "/"
    answer(HookAnswer(204))
    answer(HookAnswer(500))
    async with await asking as answered:
        assert answered.status == 204
        assert "Content-Type" not in answered.headers


@pytest.mark.parametrize(
    "path", ["/", "/call/", "/call/short", "/other/" + TOKEN, "/call/" + TOKEN.upper(), "/call/" + TOKEN[::-1]]
)
async def test_other_paths(desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(hooks.url.removesuffix("/call/") + path) as answer:
        assert answer.status == 404
    assert not desk.asked


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_that_is_too_long(
    desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession, is_chunked: bool
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(LONGEST_BODY // 65536 + 1):
            yield bytes(65536)

    data: object = parts() if is_chunked else io.BytesIO(bytes(LONGEST_BODY + 1))
    try:
        async with client.post(hooks.url + TOKEN, data=data) as answer:
            assert answer.status == 413
    except aiohttp.ClientOSError:  # the server has closed before all was sent
        pass
    assert not desk.asked


async def test_a_body_of_full_length(desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(LONGEST_BODY // 65536):
            yield bytes(65536)

    async with client.post(hooks.url + TOKEN, data=parts()) as answer:
        assert answer.status == 200
    assert len(desk.asked[0][1].body) == LONGEST_BODY


async def test_the_public_url(desk: Desk) -> None:
    hooks = WebHooks(desk.received, desk.knows)
    await hooks.start("127.0.0.1", 0, "https://ivr.example.com/voice")
    assert hooks.url == "https://ivr.example.com/voice/call/"
    await hooks.close()


async def test_an_address_that_is_taken(desk: Desk, hooks: WebHooks) -> None:
    port = int(hooks.url.split(":")[2].split("/")[0])
    second = WebHooks(desk.received, desk.knows)
    with pytest.raises(ConfigError, match=r"web\.listen: cannot listen at 127\.0\.0\.1"):
        await second.start("127.0.0.1", port, "")
    await second.close()


QUICK = 0.2
"""Seconds, instead of ten."""


@pytest.fixture
async def quick(desk: Desk) -> AsyncIterator[WebHooks]:
    hooks = WebHooks(desk.received, desk.knows, QUICK)
    await hooks.start("127.0.0.1", 0, "")
    yield hooks
    await hooks.close()


async def connect(hooks: WebHooks) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(hooks.url.split(":")[2].split("/")[0]))


def head(length: int = 0, path: str = f"/call/{TOKEN}") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize("said", [b"", b"POST /call", head()[:-2]])
async def test_who_never_finishes_his_request_is_disconnected(desk: Desk, quick: WebHooks, said: bytes) -> None:
    reader, writer = await connect(quick)
    writer.write(said)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert not desk.asked


async def test_nor_may_he_do_so_byte_by_byte(desk: Desk, quick: WebHooks) -> None:
    reader, writer = await connect(quick)
    writer.write(head()[:-2] + b"X-Long: ")
    async with asyncio.timeout(5):
        while True:
            try:
                async with asyncio.timeout(QUICK / 10):
                    assert await reader.read() == b""
                break
            except TimeoutError:
                writer.write(b"x")
    writer.close()
    assert not desk.asked


async def test_nor_after_a_request_that_was_good(desk: Desk, quick: WebHooks) -> None:
    reader, writer = await connect(quick)
    writer.write(head() + head()[:-2])
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    assert len(desk.asked) == 1


async def test_a_body_that_does_not_come(desk: Desk, quick: WebHooks) -> None:
    reader, writer = await connect(quick)
    writer.write(head(100) + b"half")
    async with asyncio.timeout(5):
        assert (await reader.readline()) == b"HTTP/1.1 408 Request Timeout\r\n"
    writer.close()
    assert not desk.asked


async def test_nobodys_body_is_waited_for(desk: Desk, quick: WebHooks) -> None:
    reader, writer = await connect(quick)
    writer.write(head(100, f"/call/{TOKEN[::-1]}"))
    async with asyncio.timeout(5):
        assert (await reader.readline()) == b"HTTP/1.1 404 Not Found\r\n"
    writer.close()


async def test_who_waits_for_a_slow_script_is_not_disconnected(desk: Desk, quick: WebHooks) -> None:
    desk.reply = None
    reader, writer = await connect(quick)
    writer.write(head())
    await desk.came.wait()
    idle, other = await connect(quick)
    async with asyncio.timeout(5):
        assert await idle.read() == b"", "by now he has waited for longer than one may without a request"
    desk.asked[0][2](HookAnswer(200, b"at last"))
    assert (await reader.readuntil(b"at last")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    other.close()


async def test_a_crowd_that_waits_keeps_nobody_out(
    desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_hooks, "MOST_CONNECTIONS", 5)
    crowd = [await connect(hooks) for _ in range(5)]
    for _, writer in crowd:
        writer.write(b"POST /call")
    async with client.get(hooks.url + TOKEN) as answer:
        assert answer.status == 200
    async with asyncio.timeout(5):
        assert await crowd[0][0].read() == b"", "the first who came made room"
    for _, writer in crowd[1:]:
        writer.write(head()[len("POST /call") :])
    for reader, writer in crowd[1:]:
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writer.close()
    crowd[0][1].close()


@pytest.mark.parametrize(
    "wrong",
    [
        head()[:-2] + b"".join(b"X-%d: y\r\n" % number for number in range(70)) + b"\r\n",
        head()[:-2] + b"X-Long: " + bytes([120]) * 10000 + b"\r\n\r\n",
        b"\x1b[2J nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        f"POST /call/{TOKEN} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n".encode(),
        head()[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_strangers_send_is_no_line_on_the_terminal(
    desk: Desk, quick: WebHooks, wrong: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(quick)
    writer.write(wrong)
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()
    assert not desk.asked
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


async def test_who_goes_in_the_middle_of_his_body_is_no_fault(desk: Desk, hooks: WebHooks) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    _, writer = await connect(hooks)
    writer.write(head(100) + b"half")
    await writer.drain()
    while not hooks._at_once:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)
    writer.transport.abort()
    while hooks._at_once:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (desk.asked, told) == ([], [])


async def test_a_fault_of_ours_is_told_and_answered(
    desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setattr(hooks, "_received", lambda *_: 1 / 0)
    async with client.get(hooks.url + TOKEN) as answer:
        assert answer.status == 500
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


async def test_a_body_stays_as_small_as_it_came(desk: Desk, hooks: WebHooks, client: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(bytes(LONGEST_BODY * 4))
    async with client.post(hooks.url + TOKEN, data=bomb, headers={"Content-Encoding": "gzip"}) as answer:
        assert answer.status == 200
    assert desk.asked[0][1].body == bomb
