"""SIP transports against peers that do not behave."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from ivrnode.log import Log
from ivrnode.net.flows import Flows
from patience import PATIENCE

HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_who_resets_a_connection_at_once_is_no_fault_of_ours(run: Callable[[Any], None]) -> None:
    async def go() -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        told: asyncio.Queue[bytes] = asyncio.Queue()
        flows = Flows(lambda data, flow: told.put_nowait(data), lambda flow: None, Log())
        _, port = await flows.listen("tcp", HOST, 0)
        for _ in range(5):
            with socket.socket() as peer:
                peer.connect((HOST, port))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        _, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await told.get()  # he came last
        known = dict(flows.sources), len(flows.streams)
        writer.close()
        await flows.close()
        assert not faults
        assert known == ({HOST: 1}, 1)

    run(go())
