"""The stand-in service on a port: the handshake, the key, and one Connection per socket.

    GET /v1/realtime?model=...     Authorization: Bearer KEY     (Sec-WebSocket-Protocol: realtime)

Every key is good but `bad`. A client that wants the beta shape (`OpenAI-Beta`) is sent away, as the real service does
since May 2026, unless the server was told to serve it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ivrnode.realtime import connection
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.connection import Connection
from ivrnode.realtime.ear import Ear
from ivrnode.realtime.echo import Echo
from ivrnode.realtime.ending import BAD_KEY, NO_MODEL, SUNSET, Ending
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.recorder import Recorder
from ivrnode.realtime.session import Session, SessionSetup
from ivrnode.realtime.voice import Voice

PATH = "/v1/realtime"
SESSION_SECONDS = 3600.0
_MAX_FRAME = 21 * 1024 * 1024  # 15 MiB of audio in base64


class RealtimeServer:
    """`brain` makes the brain of one session; None: echo mode. `pace`: how many times faster than real time audio is
    sent (inf: at once). `record`: folder for what every socket sent and got."""

    def __init__(
        self,
        voice: Voice,
        *,
        brain: Callable[[], Brain] | None = Parrot,
        faults: Faults | None = None,
        ear: Ear | None = None,
        pace: float = 3.5,
        serves_beta: bool = False,
        record: Path | None = None,
        ids: random.Random | None = None,
    ) -> None:
        self._voice, self._brain, self._ear = voice, brain, ear
        self._faults = faults or Faults()
        self._pace, self._serves_beta, self._record = pace, serves_beta, record
        self._ids = ids or random.Random()
        self._server: Server | None = None
        self._sockets = 0
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; `url` is complete from here on. Port 0: any free one."""
        if self._record:
            await asyncio.to_thread(self._record.mkdir, parents=True, exist_ok=True)
        self._server = await serve(
            self._connected,
            host,
            port,
            process_request=self._process_request,
            select_subprotocol=_select_subprotocol,
            compression=None,
            max_size=_MAX_FRAME,
            ping_interval=None,
            open_timeout=None,  # or the fault refuse=hang would end
        )
        bound_host, bound_port = self._server.sockets[0].getsockname()[:2]
        name = f"[{bound_host}]" if ":" in bound_host else bound_host
        self.url = f"ws://{name}:{bound_port}{PATH}"

    async def close(self) -> None:
        """End all sockets with 1001 and stop listening."""
        if self._server:
            for socket in self._server.connections:
                if not socket.transport.is_reading():  # stalled: it would not even read the answer to a close frame
                    socket.transport.abort()
            self._server.close()
            await self._server.wait_closed()

    async def __aenter__(self) -> RealtimeServer:
        if self._server is None:
            await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _process_request(self, socket: ServerConnection, request: Request) -> Response | None:
        refusal = self._faults.value("refuse")
        if refusal == "hang":
            await socket.wait_closed()
        if refusal:
            return _http_error(HTTPStatus(int(refusal)))
        if not urlsplit(request.path).path.endswith("/realtime"):
            return _http_error(HTTPStatus.NOT_FOUND)
        if not _key(request):
            return _http_error(HTTPStatus.UNAUTHORIZED)
        return None

    async def _connected(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        wants_beta = "OpenAI-Beta" in socket.request.headers
        model = parse_qs(urlsplit(socket.request.path).query).get("model", [""])[0]
        ending = self._ending_at_once(_key(socket.request), model, wants_beta)
        if ending:
            if ending.error:
                error: dict[str, Any] = ending.error.to_json(None)
                await socket.send(json.dumps({"type": "error", "event_id": "event_refused", "error": error}))
            await connection.end(socket, ending)
            return
        expires_at = int(time.time() + (self._faults.seconds("expire") or SESSION_SECONDS))
        if self._brain is None:
            await connection.echo(socket, Echo(model, expires_at))
            return
        setup = SessionSetup(model, expires_at, self._pace, wants_beta, has_ear=self._ear is not None)
        session = Session(setup, self._brain(), self._faults.copy(), self._ids, time.monotonic())
        recorder = self._new_recorder()
        try:
            await Connection(socket, session, self._voice, self._ear, recorder, time.monotonic).run()
        finally:
            if recorder:
                recorder.close()

    def _ending_at_once(self, key: str, model: str, wants_beta: bool) -> Ending | None:
        if key == "bad" or self._faults.is_on("bad-key"):
            return BAD_KEY
        if self._faults.is_on("sunset") or (wants_beta and not self._serves_beta):
            return SUNSET
        return None if model else NO_MODEL

    def _new_recorder(self) -> Recorder | None:
        if self._record is None:
            return None
        self._sockets += 1
        return Recorder(self._record / f"{self._sockets:04}")


def _key(request: Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _select_subprotocol(socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    name = Subprotocol("realtime")
    return name if name in offered else None


def _http_error(status: HTTPStatus) -> Response:
    body = json.dumps({"error": {"message": status.phrase, "type": "invalid_request_error"}}).encode()
    headers = Headers([("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return Response(status.value, status.phrase, headers, body)
