"""Mail, handed to a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from dataclasses import replace
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from ivrnode.net.outbound.mail import MailSender
from ivrnode.pbx.house.mail import Mail, Mailbox
from ivrnode.tenancy.gateways import MailServer

MAIL = Mail(
    Mailbox("Ärzte & Co", "ivr@acme.example"),
    (Mailbox("", "ann@b.example"), Mailbox("Bob, jr", "bob@b.example")),
    "Grüße",
    "Zeile 1\n.\nZeile 3: ß\n",
)


class Sink:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refused: dict[str, str] = {}
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 taken"

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(sink, authenticator=sink.log_in, auth_require_tls=False, loop=loop), "127.0.0.1", 0
    )
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()
    await server.wait_closed()


def sender(sink: Sink, password: str = "", **changes: Any) -> MailSender:
    return MailSender(MailServer(host="127.0.0.1", port=sink.port, security="none", **changes), password)


async def test_a_mail_arrives(sink: Sink) -> None:
    assert await sender(sink).send(MAIL) == ""
    [envelope] = sink.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ivr@acme.example", ["ann@b.example", "bob@b.example"])
    message = email.message_from_bytes(envelope.content, policy=default)
    assert message["From"].addresses[0].display_name == "Ärzte & Co"
    assert [str(to) for to in message["To"].addresses] == ["ann@b.example", '"Bob, jr" <bob@b.example>']
    assert message["Subject"] == "Grüße"
    assert message.get_content().replace("\r\n", "\n") == MAIL.body
    assert message["Date"]
    assert message["Message-ID"].endswith("@acme.example>")
    assert message["Auto-Submitted"] == "auto-generated"


async def test_a_recording_is_attached(sink: Sink, tmp_path: Path) -> None:
    recording = tmp_path / "3f9c-1.wav"
    recording.write_bytes(b"RIFF" + bytes(range(256)))
    assert await sender(sink).send(MAIL, recording) == ""
    message = email.message_from_bytes(sink.envelopes[0].content, policy=default)
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("3f9c-1.wav", "audio/wav")
    assert attached.get_content() == recording.read_bytes()
    assert message.get_body().get_content().replace("\r\n", "\n") == MAIL.body


async def test_a_recording_that_is_too_large_or_gone_is_told(sink: Sink, tmp_path: Path) -> None:
    with (tmp_path / "long.wav").open("wb") as file:
        file.truncate(20 * 1024 * 1024 + 1)
    assert "larger than 20 MiB" in await sender(sink).send(MAIL, tmp_path / "long.wav")
    assert "cannot be read" in await sender(sink).send(MAIL, tmp_path / "gone.wav")
    assert not sink.envelopes


async def test_logging_in(sink: Sink) -> None:
    assert await sender(sink, "right", user="ivr").send(MAIL) == ""
    assert sink.logins == [(b"ivr", b"right")]
    assert "the mail server says 535" in await sender(sink, "wrong", user="ivr").send(MAIL)
    assert (
        await sender(sink, "", user="ivr", secret="smtp").send(MAIL)
        == 'the secret "smtp" of the mail server is not set'
    )
    assert len(sink.envelopes) == 1


async def test_recipients_that_are_refused(sink: Sink) -> None:
    sink.refused = {"bob@b.example": "550 gone"}
    assert await sender(sink).send(MAIL) == "bob@b.example: 550 gone"
    assert sink.envelopes[0].rcpt_tos == ["ann@b.example"]
    sink.refused["ann@b.example"] = "550 gone too"
    assert await sender(sink).send(MAIL) == "ann@b.example: 550 gone too; bob@b.example: 550 gone"


async def test_no_server_there(unused_tcp_port: int) -> None:
    server = MailServer(host="127.0.0.1", port=unused_tcp_port, security="none")
    assert "the mail server cannot be reached" in await MailSender(server, "").send(MAIL)


async def test_a_server_without_the_encryption_that_was_asked_for(sink: Sink) -> None:
    server = MailServer(host="127.0.0.1", port=sink.port, security="starttls")
    assert await MailSender(server, "").send(MAIL) != ""
    assert not sink.envelopes


async def test_what_no_header_can_hold_is_told(sink: Sink) -> None:
    assert (await sender(sink).send(replace(MAIL, subject="a\nBcc: b"))).startswith(
        "this is no mail: Header values may not"
    )
    assert not sink.envelopes
