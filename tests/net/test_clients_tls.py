"""Outgoing WebSockets over TLS, with a certificate that the test makes for `localhost`."""

from __future__ import annotations

import datetime
import http
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from heard import Heard
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.net.outbound.websocket_clients import Key, WebsocketClients

KEY: Key = ("call", 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PEM file: the key and a self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.fixture
async def port(certificate: Path) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def clients(heard: Heard) -> AsyncIterator[WebsocketClients]:
    clients = WebsocketClients(OutboundPolicy(["127.0.0.1"]), heard)
    yield clients
    await clients.stop()


async def test_a_certificate_of_nobody_we_trust_fails(port: int, clients: WebsocketClients, heard: Heard) -> None:
    clients.open(KEY, f"wss://localhost:{port}/", (), True, 5)
    assert await heard.next() == ("failed", KEY, "TLS: self-signed certificate")
    assert await heard.next() == ("closed", KEY, 1006, "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_without_verify_any_certificate_does(
    port: int, clients: WebsocketClients, heard: Heard, host: str
) -> None:
    clients.open(KEY, f"wss://{host}:{port}/", (), False, 5)
    assert await heard.next() == ("opened", KEY, "")
    clients.send(KEY, "x" * 300_000)
    assert (await heard.until("message"))[2] == "x" * 300_000
    clients.close(KEY)
    assert await heard.until("closed") == ("closed", KEY, 1000, "")


async def test_a_trusted_certificate_opens_for_its_own_name_only(port: int, heard: Heard, certificate: Path) -> None:
    clients = WebsocketClients(
        OutboundPolicy(["127.0.0.1"]), heard, trust=lambda: ssl.create_default_context(cafile=certificate)
    )
    clients.open(KEY, f"wss://localhost:{port}/", (), True, 5)
    assert await heard.next() == ("opened", KEY, "")
    clients.open(("call", 2), f"wss://127.0.0.1:{port}/", (), True, 5)
    assert (await heard.next())[2].startswith("TLS: IP address mismatch")
    await clients.stop()


async def test_over_tls_a_held_socket_waits_too(clients: WebsocketClients, heard: Heard, port: int) -> None:
    for key in (KEY, ("other", 1)):
        clients.open(key, f"wss://localhost:{port}/", (), False, 5)
        await heard.until("opened")
    clients.hold(KEY[0], True)
    sent = [bytes([number]) * 100_000 for number in range(5)]
    for data in sent:
        clients.send(KEY, data)
    for number in range(20):
        clients.send(("other", 1), str(number))
        assert await heard.until("message") == ("message", ("other", 1), str(number))
    clients.hold(KEY[0], False)
    assert [await heard.until("message") for _ in sent] == [("message", KEY, data) for data in sent]


async def test_not_verifying_one_socket_does_not_weaken_the_next(
    port: int, clients: WebsocketClients, heard: Heard
) -> None:
    clients.open(KEY, f"wss://localhost:{port}/", (), False, 5)
    assert (await heard.next())[0] == "opened"
    clients.open(("call", 2), f"wss://localhost:{port}/", (), True, 5)
    assert (await heard.next())[0] == "failed"


async def test_tls_to_a_server_that_speaks_none_fails(clients: WebsocketClients, heard: Heard) -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        clients.open(KEY, f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", (), True, 5)
        assert await heard.next() == ("failed", KEY, "the server ended the connection")
        assert await heard.next() == ("closed", KEY, 1006, "")


async def test_a_redirect_out_of_tls_is_refused(certificate: Path, clients: WebsocketClients, heard: Heard) -> None:
    def down(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://127.0.0.1:9/"
        return response

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(echo, "127.0.0.1", 0, ssl=context, process_request=down) as server:
        clients.open(KEY, f"wss://localhost:{next(iter(server.sockets)).getsockname()[1]}/", (), False, 5)
        assert await heard.next() == ("failed", KEY, "redirect from wss to ws refused")
