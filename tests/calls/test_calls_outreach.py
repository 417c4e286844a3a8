"""Whole calls whose scripts talk to web servers, and web servers that talk to scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from conftest import NewCaller, OpenHouse

SCRIPT = """
key = settings.secret("crm")
reply = await system.http(url=settings["crm"] + "/known", header=[{"name": "X-Key", "value": key, "secret": True}])
print("crm says", reply.code, reply.json()["name"])
print("elsewhere:", (await system.http(url=settings["other"])).data)

@call.on("hangup")
def over(reason):
    system.http(url=settings["crm"] + "/over", method="POST", body={"reason": reason})

async def asked(args):
    await asyncio.sleep(0)
    print("asked", args.method, args.path, args.body)
    return {"caller": call.caller}

call.http(asked)
print("url", call.http_url)
"""


async def test_there_and_back(open_house: OpenHouse, new_caller: NewCaller) -> None:
    asked: list[tuple[str, str | None, str]] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        asked.append((request.path, request.headers.get("X-Key"), await request.text()))
        return web.json_response({"name": "Ada"})

    runner = web.ServerRunner(web.Server(serve, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    house = await open_house(
        scripts={"700": SCRIPT},
        config=(
            f'[scripts]\nconnect_to = ["127.0.0.1:{port}"]\n[web]\nlisten = "127.0.0.1:0"\n'
            f'[settings]\ncrm = "http://127.0.0.1:{port}"\nother = "http://127.0.0.1:1/"\n'
            '[secrets.crm]\nvalue = "key-123456"\nhosts = ["127.0.0.1"]\n'
        ),
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("crm says 200 Ada", category="SCRIPT")
    await house.wrote("elsewhere: blocked by outbound policy")
    url = (await house.wrote("url http://127.0.0.1:")).text.split()[1]
    async with aiohttp.ClientSession() as session, session.post(url + "/done", data="hello") as answer:
        assert answer.status == 200
        assert set(await answer.json()) == {"caller"}
    await house.wrote("asked POST /done hello")
    caller.phone.hangup()
    await house.wrote("script finished")
    async with aiohttp.ClientSession() as session, session.post(url) as answer:
        assert answer.status == 404
    assert asked == [("/known", "key-123456", ""), ("/over", None, '{"reason": "caller"}')]
    assert not [entry for entry in house.lines if "key-123456" in entry.text]
    await runner.cleanup()
