"""Web requests from outside, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest

from ivrnode.errors import ConfigError
from ivrnode.net.web_hooks import WebHooks
from ivrnode.pbx.hook_service import LONGEST_BODY, Answer, HookAnswer, HookRequest

TOKEN = "0123456789abcdef" * 2


class Desk:
    """Keeps what comes in; `reply` answers at once, None leaves it waiting."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, HookRequest, Answer]] = []
        self.reply: HookAnswer | None = HookAnswer(200, b"thanks")
        self.came = asyncio.Event()

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
    hooks = WebHooks(desk.received)
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


@pytest.mark.parametrize("path", ["/", "/call/", "/call/short", "/other/" + TOKEN, "/call/" + TOKEN.upper()])
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
    hooks = WebHooks(desk.received)
    await hooks.start("127.0.0.1", 0, "https://ivr.example.com/voice")
    assert hooks.url == "https://ivr.example.com/voice/call/"
    await hooks.close()


async def test_an_address_that_is_taken(desk: Desk, hooks: WebHooks) -> None:
    port = int(hooks.url.split(":")[2].split("/")[0])
    second = WebHooks(desk.received)
    with pytest.raises(ConfigError, match=r"web\.listen: cannot listen at 127\.0\.0\.1"):
        await second.start("127.0.0.1", port, "")
    await second.close()
