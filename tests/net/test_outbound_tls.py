"""Web requests and mail over TLS: a certificate of an authority that is trusted, for the right host; and all others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from ivrnode.net.outbound.http_client import HttpClient
from ivrnode.net.outbound.mail import MailSender
from ivrnode.net.outbound.policy import OutboundPolicy
from ivrnode.pbx.house.http_messages import HttpRequest
from ivrnode.pbx.house.mail import Mail, Mailbox
from ivrnode.tenancy.gateways import MailServer
from net.authority import Authority

HOSTS = {"web.example": "127.0.0.1", "localhost": "127.0.0.1"}
WRONG = "TLS: Hostname mismatch, certificate is not valid for 'web.example'."
UNKNOWN = "TLS: unable to get local issuer certificate"
ENDED = "TLS: certificate has expired"
MAIL = Mail(Mailbox("", "ivr@acme.example"), (Mailbox("", "ann@b.example"),), "Hello", "A word.\n")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


async def look_up(host: str, port: int) -> list[str]:
    return [HOSTS[host]]


@asynccontextmanager
async def https(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=f"{request.scheme} {request.headers['Authorization']}")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def client(authority: Authority) -> AsyncIterator[HttpClient]:
    client = HttpClient(OutboundPolicy(["web.example", "127.0.0.1"], look_up), authority.trust)
    yield client
    await client.close()


def ask(port: int, host: str = "web.example", *, verify: bool = True) -> HttpRequest:
    return HttpRequest("GET", f"https://{host}:{port}/", (("Authorization", "key", True),), verify=verify)


async def test_a_request_over_tls(authority: Authority, client: HttpClient) -> None:
    async with https(authority.server("web.example")) as port:
        answer = await client.fetch(ask(port))
        assert (answer.code, answer.body) == (200, b"https key")


async def test_a_request_over_tls_to_an_address(authority: Authority, client: HttpClient) -> None:
    async with https(authority.server("127.0.0.1")) as port:
        assert (await client.fetch(ask(port, "127.0.0.1"))).body == b"https key"
    async with https(authority.server("web.example")) as port:
        answer = await client.fetch(ask(port, "127.0.0.1"))
        assert answer.error == "TLS: IP address mismatch, certificate is not valid for '127.0.0.1'."


@pytest.mark.parametrize(
    ("names", "days", "error"),
    [(["other.example"], -1, WRONG), (["*.web.example"], -1, WRONG), (["web.example"], 1, ENDED)],
)
async def test_a_certificate_that_is_not_right(
    names: list[str], days: int, error: str, authority: Authority, client: HttpClient
) -> None:
    async with https(authority.server(*names, ended_days_ago=days)) as port:
        answer = await client.fetch(ask(port))
        assert (answer.code, answer.body, answer.error) == (0, b"", error)
        assert (await client.fetch(ask(port, verify=False))).body == b"https key"
        assert (await client.fetch(ask(port))).error == error, "what was not checked is used again for nobody else"


async def test_an_authority_that_nobody_trusts(stranger: Authority, client: HttpClient) -> None:
    async with https(stranger.server("web.example")) as port:
        assert (await client.fetch(ask(port))).error == UNKNOWN


async def test_a_server_that_speaks_no_tls(client: HttpClient) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    answer = await client.fetch(ask(server.sockets[0].getsockname()[1]))
    assert answer.error.startswith("TLS: ")
    server.close()


class Office:
    """A mail server that keeps what it gets, and what password it was told over which line."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.logins: list[tuple[bytes, bool]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 taken"

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        is_secret = server.transport.get_extra_info("ssl_object") is not None
        self.logins.append((data.password, is_secret))  # type: ignore[attr-defined]
        return AuthResult(success=True, handled=False)


Opened = Callable[[ssl.SSLContext], AbstractAsyncContextManager[int]]


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(params=["tls", "starttls"])
def security(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(office: Office, security: str) -> Iterator[Opened]:
    @asynccontextmanager
    async def opened(context: ssl.SSLContext) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        by_command = context if security == "starttls" else None
        desks: list[SMTP] = []

        def desk() -> SMTP:
            desks.append(SMTP(office, loop=loop, tls_context=by_command, authenticator=office.log_in,
                              require_starttls=by_command is not None, auth_require_tls=False))  # fmt: skip
            return desks[-1]

        server = await loop.create_server(desk, "127.0.0.1", 0, ssl=None if by_command else context)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for used in desks:
                if used._original_transport is not None:  # after STARTTLS it forgets to close it
                    used._original_transport.abort()
            server.close()
            await server.wait_closed()

    yield opened


def mail_sender(authority: Authority, port: int, security: str, *, verify: bool = True) -> MailSender:
    server = MailServer(host="localhost", port=port, security=security, user="ivr", verify=verify)
    return MailSender(server, "word", authority.trust)


async def test_a_mail_over_tls(authority: Authority, office: Office, opened: Opened, security: str) -> None:
    async with opened(authority.server("localhost")) as port:
        sender = mail_sender(authority, port, security)
        assert [await sender.send(MAIL), await sender.send(MAIL)] == ["", ""]
    assert office.logins == [(b"word", True)] * 2
    assert b"A word." in office.mails[0]


@pytest.mark.parametrize(
    ("name", "days", "error"),
    [
        ("other.example", -1, "TLS: Hostname mismatch, certificate is not valid for 'localhost'."),
        ("localhost", 1, ENDED),
    ],
)
async def test_mail_goes_to_no_server_with_a_wrong_certificate(
    name: str, days: int, error: str, authority: Authority, office: Office, opened: Opened, security: str
) -> None:
    async with opened(authority.server(name, ended_days_ago=days)) as port:
        said = await mail_sender(authority, port, security).send(MAIL)
        assert said == f"the mail server cannot be reached: {error}"
        assert (office.mails, office.logins) == ([], [])
        assert await mail_sender(authority, port, security, verify=False).send(MAIL) == ""


async def test_mail_goes_to_no_server_of_an_unknown_authority(
    authority: Authority, stranger: Authority, office: Office, opened: Opened, security: str
) -> None:
    async with opened(stranger.server("localhost")) as port:
        said = await mail_sender(authority, port, security).send(MAIL)
    assert said == f"the mail server cannot be reached: {UNKNOWN}"
    assert (office.mails, office.logins) == ([], [])


async def test_a_server_that_takes_the_encryption_out_gets_no_password(authority: Authority, office: Office) -> None:
    """What somebody on the way does: the line STARTTLS is missing from the server's greeting."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(office, loop=loop, authenticator=office.log_in, auth_require_tls=False), "127.0.0.1", 0
    )
    said = await mail_sender(authority, server.sockets[0].getsockname()[1], "starttls").send(MAIL)
    assert "STARTTLS" in said
    assert (office.mails, office.logins) == ([], [])
    server.close()
    await server.wait_closed()
