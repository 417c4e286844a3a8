"""Whole calls whose scripts get more at once than waits for anybody: all of it comes, and nobody is killed for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

LONGEST = 2 * 1024 * 1024

REQUESTS = """
asked = [system.http(url=settings["server"] + "/" + str(number)) for number in range(8)]
replies = [await reply for reply in asked]
print("came", [(reply.code, len(reply.raw), reply.data[:1]) for reply in replies])
"""

MESSAGES = """
ws = Websocket(settings["server"])
sizes = {}

@ws.on("message")
def came(data):
    sizes[len(data)] = sizes.get(len(data), 0) + 1
    if data == "end":
        print("came", sorted(sizes.items()))
        ws.close()

ws.connect()
"""


SOUNDS = """
items = [call.play(codec="g711_ulaw", audio=bytes([0x10]) * 160) for _ in range(1500)]

@call.dtmf
def key(digit):
    call.mute()
    setTimeout(lambda: print("came", sum(item.stopped for item in items) > 1000, all(item.done for item in items)), 100)

print("ready")
"""


async def test_one_mute_ends_very_many_sounds(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house, caller = await open_house(scripts={"700": SOUNDS}), await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("ready")
    caller.phone.press("1")
    assert (await house.wrote("came")).text == "came True True"


async def test_eight_long_answers_at_once(open_house: OpenHouse, new_caller: NewCaller) -> None:
    all_asked, asked = asyncio.Event(), list[str]()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        if len(asked) == 8:
            all_asked.set()
        await all_asked.wait()
        return web.Response(body=request.path[-1].encode() * LONGEST)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"127.0.0.1:{runner.addresses[0][1]}"
    config = f'[scripts]\nconnect_to = ["{server}"]\n[settings]\nserver = "http://{server}"\n'
    house, caller = await open_house(scripts={"700": REQUESTS}, config=config), await new_caller()
    await caller.dial(house.uri("700"))
    came = await house.wrote("came")
    assert came.text == f"came {[(200, LONGEST, str(number)) for number in range(8)]}"
    assert await caller.left() == "bye"
    await runner.cleanup()


async def test_long_messages_and_very_many_short_ones(open_house: OpenHouse, new_caller: NewCaller) -> None:
    async def talk(connection: ServerConnection) -> None:
        for _ in range(8):
            await connection.send(b"x" * LONGEST)
        for _ in range(5000):
            await connection.send("short")
        await connection.send("end")
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        address = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        config = f'[scripts]\nconnect_to = ["{address}"]\n[settings]\nserver = "ws://{address}"\n'
        house, caller = await open_house(scripts={"700": MESSAGES}, config=config), await new_caller()
        await caller.dial(house.uri("700"))
        came = await house.wrote("came")
        assert came.text == f"came {[(3, 1), (5, 5000), (LONGEST, 8)]}"
        assert await caller.left() == "bye"
