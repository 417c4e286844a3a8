"""Mail of scripts, handed to the operator's server (RFC 5321, RFC 8314) by aiosmtplib."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

import aiosmtplib

from ivrnode.pbx.mail import Mail, Mailbox
from ivrnode.tenancy.gateways import MailServer

SECONDS = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailSender:
    """One connection a mail: scripts send few, and a server that was restarted is no matter."""

    def __init__(self, server: MailServer, password: str) -> None:
        self._server, self._password = server, password

    async def send(self, mail: Mail) -> str:
        """ "" when the server took it for all recipients, else what is wrong."""
        server = self._server
        if server.user and not self._password:
            return f'the secret "{server.secret}" of the mail server is not set'
        try:
            refused, _ = await aiosmtplib.send(
                _message(mail),
                sender=mail.sender.address,
                recipients=[to.address for to in mail.recipients],
                hostname=server.host,
                port=server.port or _PORTS[server.security],
                username=server.user or None,
                password=self._password or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                validate_certs=server.verify,
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return "; ".join(f"{one.recipient}: {one.code} {one.message}" for one in error.recipients)
        except aiosmtplib.SMTPResponseException as error:
            return f"the mail server says {error.code} {error.message}"
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"the mail server cannot be reached: {error}"
        return "; ".join(f"{to}: {answer.code} {answer.message}" for to, answer in refused.items())


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


def _address(mailbox: Mailbox) -> Address:
    return Address(mailbox.name, addr_spec=mailbox.address)
