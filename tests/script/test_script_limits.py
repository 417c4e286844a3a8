"""The figures that scripts are promised: whoever changes one changes the API."""

from __future__ import annotations

from ivrnode.net.outbound import websocket_client, websocket_clients, websocket_request
from ivrnode.pbx.call import script_run
from ivrnode.pbx.house import breaker, http_messages
from ivrnode.script import ops
from ivrnode.script.limits import KIB, MIB, Limits


def test_of_a_worker() -> None:
    limits = Limits()
    assert (limits.cpu_event_ms, limits.cpu_start_ms, limits.memory) == (250, 1000, 64 * MIB)
    assert (limits.frames_burst, limits.frames_rate) == (2000, 500)
    assert (limits.bytes_burst, limits.bytes_rate) == (4 * MIB, 1 * MIB)
    assert (limits.audio_waiting, limits.audio_waiting_bytes) == (256, 2 * MIB)
    assert (limits.log_rate, ops.MAX_LINE) == (64 * KIB, 8 * KIB)


def test_of_sockets_and_web_requests() -> None:
    assert (ops.MAX_SOCKETS, websocket_clients.MAX_SOCKETS, websocket_clients.MAX_REDIRECTS) == (4, 4, 3)
    assert (ops.MAX_MESSAGE, websocket_request.MAX_MESSAGE) == (2 * MIB, 2 * MIB)
    assert (websocket_client.MAX_UNSENT, websocket_client.PING_INTERVAL) == (4 * MIB, 20)
    assert (ops.MAX_HTTP, http_messages.REDIRECTS, http_messages.LONGEST_ANSWER) == (8, 5, 2 * MIB)


def test_of_the_end() -> None:
    assert (script_run.GRACE, script_run.SOCKET_GRACE) == (5, 1)
    assert (breaker.KILLS, breaker.WINDOW, breaker.PAUSE) == (5, 600, 600)
