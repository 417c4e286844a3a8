"""The control socket: frames however they were cut, results, streams, errors, and who owns the path."""

from __future__ import annotations

import asyncio
import socket
import stat
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ConfigError, ProtocolError
from ivrnode.net.control import LARGEST_FRAME, ControlClient, ControlError, ControlServer, FrameReader, encode_frame
from patience import PATIENCE

T = TypeVar("T")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
frames = st.dictionaries(st.text(), values, max_size=4)


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 40)))
def test_frames_come_out_as_they_went_in(sent: list[dict[str, Any]], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, sent))
    reader, got = FrameReader(), []
    for cut in cuts:
        got += reader.feed(data[:cut])
        data = data[cut:]
    assert got + reader.feed(data) == sent


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes_give_frames_or_a_protocol_error(parts: list[bytes]) -> None:
    reader = FrameReader()
    try:
        for part in parts:
            assert all(isinstance(frame, dict) for frame in reader.feed(part))
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"[]\n",
        b"{\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b" " * (LARGEST_FRAME + 1),
        b" " * (LARGEST_FRAME + 1) + b"\n",
    ],
)
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameReader().feed(data)


class Desk:
    """Operations to play with; `ended` is set when a stream was closed."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def operations(self) -> dict[str, Callable[..., Any]]:
        return {
            "add": lambda a, b=1: a + b,
            "later": self.later,
            "count": self.count,
            "forever": self.forever,
            "refuse": self.refuse,
            "break": lambda: 1 / 0,
        }

    async def later(self) -> str:
        await asyncio.sleep(0)
        return "done"

    async def count(self, to: int) -> AsyncGenerator[int]:
        for number in range(to):
            yield number

    async def forever(self) -> AsyncGenerator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    def refuse(self) -> None:
        raise ValueError("not today")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control"


@pytest.fixture
async def desk(path: Path) -> AsyncIterator[Desk]:
    desk = Desk()
    server = ControlServer(path, desk.operations())
    await server.start()
    yield desk
    await server.close()


async def ask(path: Path, work: Callable[[ControlClient], T]) -> T:
    """Run the blocking client in a thread beside the server's loop."""

    def run() -> T:
        with ControlClient(path, PATIENCE) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_results(desk: Desk, path: Path) -> None:
    assert await ask(path, lambda client: (client.call("add", a=1), client.call("add", a=1, b=2))) == (2, 3)
    assert await ask(path, lambda client: client.call("later")) == "done"


async def test_streams(desk: Desk, path: Path) -> None:
    assert await ask(path, lambda client: list(client.stream("count", to=3))) == [0, 1, 2]
    assert await ask(path, lambda client: (list(client.stream("count", to=0)), client.call("add", a=1))) == ([], 2)


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("sub", {}, "unknown operation 'sub': known are add, break, count, forever, later, refuse"),
        ("add", {}, "add: missing a required argument: 'a'"),
        ("add", {"a": 1, "c": 2}, "add: got an unexpected keyword argument 'c'"),
        ("refuse", {}, "not today"),
        ("break", {}, "internal error: ZeroDivisionError: division by zero"),
    ],
)
async def test_errors(desk: Desk, path: Path, operation: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ControlError) as caught:
        await ask(path, lambda client: client.call(operation, **arguments))
    assert str(caught.value) == message


async def test_a_client_that_leaves_ends_its_streams(desk: Desk, path: Path) -> None:
    assert await ask(path, lambda client: next(client.stream("forever"))) == 1
    await asyncio.wait_for(desk.ended.wait(), PATIENCE)


async def test_operations_run_side_by_side(desk: Desk, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(
        encode_frame({"id": 1, "operation": "forever"})
        + encode_frame({"id": 2, "operation": "add", "arguments": {"a": 1}})
    )
    got = [await asyncio.wait_for(reader.readline(), PATIENCE) for _ in range(2)]
    assert sorted(got) == [b'{"id":1,"item":1}\n', b'{"id":2,"result":2}\n']
    writer.close()


async def test_nonsense_ends_the_connection_but_not_the_server(desk: Desk, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
    assert await ask(path, lambda client: client.call("add", a=1)) == 2


async def test_wrong_arguments_are_told(desk: Desk, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode_frame({"id": 1, "operation": "add", "arguments": [1]}) + encode_frame({"operation": []}))
    first, second = [await asyncio.wait_for(reader.readline(), PATIENCE) for _ in range(2)]
    assert first == b'{"id":1,"error":"the arguments of an operation are a JSON object"}\n'
    assert second.startswith(b'{"id":null,"error":"unknown operation []')
    writer.close()


async def test_only_the_owner_may_open_it(desk: Desk, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_closing_removes_the_socket_and_its_connections(path: Path) -> None:
    desk = Desk()
    server = ControlServer(path, desk.operations())
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode_frame({"id": 1, "operation": "forever"}))
    await reader.readline()
    await server.close()
    await server.close()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    assert desk.ended.is_set()
    assert not path.exists()
    writer.close()


async def test_a_second_server_is_refused(desk: Desk, path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        await ControlServer(path, {}).start()
    assert str(caught.value) == f"{path}: another ivrnode serves here: end it or name another control.socket"
    assert await ask(path, lambda client: client.call("add", a=1)) == 2


async def test_a_socket_that_was_left_behind_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = ControlServer(path, {"ping": lambda: "pong"})
    await server.start()
    assert await ask(path, lambda client: client.call("ping")) == "pong"
    await server.close()


async def test_a_file_in_the_way_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ConfigError) as caught:
        await ControlServer(path, {}).start()
    assert str(caught.value) == f"{path}: is in the way of the control socket: remove it or name another path"
    assert path.read_text() == "precious"


async def test_a_folder_that_cannot_be(path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(ConfigError, match="cannot be a socket: "):
        await ControlServer(path, {}).start()


async def test_a_newer_socket_at_the_path_survives_the_old_server(path: Path) -> None:
    old = ControlServer(path, {})
    await old.start()
    path.unlink()
    new = ControlServer(path, {"ping": lambda: "pong"})
    await new.start()
    await old.close()
    assert await ask(path, lambda client: client.call("ping")) == "pong"
    await new.close()


def test_nobody_serves(path: Path) -> None:
    with pytest.raises(ControlError) as caught:
        ControlClient(path)
    assert str(caught.value) == (
        f"no running ivrnode at {path} (No such file or directory): start it with `ivrnode serve`, "
        "or name its file with --config"
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "ivrnode has closed the connection"),
        (b"nonsense\n", "the connection to ivrnode failed: a control frame is not JSON"),
        (None, "no answer to ping within 0.05 s"),
    ],
)
def test_a_server_that_fails(path: Path, answer: bytes | None, message: str) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        is_over = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                if answer is None:
                    is_over.wait(PATIENCE)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ControlError) as caught, ControlClient(path, 0.05 if answer is None else PATIENCE) as client:
            client.call("ping")
        is_over.set()
        thread.join()
    assert str(caught.value) == message
