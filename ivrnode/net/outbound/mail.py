"""Mail of scripts, handed to the operator's server (RFC 5321, RFC 8314) by aiosmtplib."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

import aiosmtplib

from ivrnode.net.outbound.failure import explain
from ivrnode.pbx.house.mail import Mail, Mailbox
from ivrnode.tenancy.gateways import MailServer

SECONDS = 30.0
LARGEST_ATTACHMENT = 20 * 1024 * 1024
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailSender:
    """One connection a mail: scripts send few, and a server that was restarted is no matter."""

    def __init__(
        self,
        server: MailServer,
        password: str,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """`trust` makes the context that checks the server's certificate."""
        self._server, self._password = server, password
        self._trust = trust
        self._context: ssl.SSLContext | None = None

    async def send(self, mail: Mail, recording: Path | None = None) -> str:
        """ "" when the server took it for all recipients, else what is wrong. `recording`: the file to be attached."""
        server = self._server
        if server.user and not self._password:
            return f'the secret "{server.secret}" of the mail server is not set'
        try:
            message = _message(mail)
        except ValueError as wrong:  # what one of its headers cannot hold
            return f"this is no mail: {wrong}"
        if recording is not None and (error := await asyncio.to_thread(_attach, message, recording)):
            return error
        try:
            refused, _ = await aiosmtplib.send(
                message,
                sender=mail.sender.address,
                recipients=[to.address for to in mail.recipients],
                hostname=server.host,
                port=server.port or _PORTS[server.security],
                username=server.user or None,
                password=self._password or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                tls_context=self._tls(),
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return "; ".join(f"{one.recipient}: {one.code} {one.message}" for one in error.recipients)
        except aiosmtplib.SMTPResponseException as error:
            return f"the mail server says {error.code} {error.message}"
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"the mail server cannot be reached: {_explain(error)}"
        return "; ".join(f"{to}: {answer.code} {answer.message}" for to, answer in refused.items())

    def _tls(self) -> ssl.SSLContext | None:
        if self._server.security != "none" and self._context is None:
            self._context = self._trust()
            if not self._server.verify:
                self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        return self._context


def _explain(error: aiosmtplib.SMTPException | OSError) -> str:
    """What TLS has against the server is behind the error, or is it."""
    for found in (error, error.__cause__):
        if isinstance(found, ssl.SSLError):
            return explain(found, SECONDS)
    return str(error)


def _message(mail: Mail) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(mail.sender)
    message["To"] = [_address(to) for to in mail.recipients]
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=mail.sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 s5: nobody's out-of-office reply
    message.set_content(mail.body)
    return message


def _attach(message: EmailMessage, file: Path) -> str:
    try:
        data = file.read_bytes() if file.stat().st_size <= LARGEST_ATTACHMENT else None
    except OSError as error:
        return f"the recording cannot be read: {error.strerror}"
    if data is None:
        return f"the recording is larger than {LARGEST_ATTACHMENT >> 20} MiB: too large for a mail"
    message.add_attachment(data, maintype="audio", subtype="wav", filename=file.name)
    return ""


def _address(mailbox: Mailbox) -> Address:
    return Address(mailbox.name, addr_spec=mailbox.address)
