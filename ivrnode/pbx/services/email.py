"""`system.email`: who may write to whom, how often, and the lines of the log. The server is the world's."""

from __future__ import annotations

import re

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.house.mail import Mail, Mailbox
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script.messages import Request
from ivrnode.tenancy.gateways import MailServer

MOST_RECIPIENTS = 20
LONGEST_SUBJECT = 500
LONGEST_BODY = 1024 * 1024
REFUSED, FAILED, SENT = 2, 3, 5


class MailService:
    """The service `email`. Its answer is {"error": ""}; who was refused hears why."""

    def __init__(self, house: House, server: MailServer) -> None:
        self._house, self._server = house, server

    def __call__(self, call: Call, request: Request, now: float) -> None:
        def sent(error: str, _: float) -> None:
            if error:
                call.write("EMAIL", FAILED, f"{line}: {error}")
            else:
                call.write("EMAIL", SENT, line)
            call.reply(request.request, {"error": error})

        try:
            mail = self._read(call, request)
            line = f"mail to {', '.join(to.address for to in mail.recipients)} from {mail.sender.address}"
            if refusal := self._house.quotas.take(call.tenant, "emails", len(mail.recipients), now, call.id):
                raise ScriptError(refusal)
        except ScriptError as error:
            call.write("EMAIL", FAILED, f"refused: {error}")
            call.write("SCRIPT", REFUSED, f"system.email: {error}")
            call.reply(request.request, {"error": str(error)})
            return
        self._house.effects.send_mail(mail, sent)

    def _read(self, call: Call, request: Request) -> Mail:
        if not self._server.host:
            raise ScriptError("no mail server is configured: [mail] in ivrnode.toml")
        given = Arguments(request.arguments)
        recipients = given.rows("to", most=MOST_RECIPIENTS)
        if not recipients or not all(isinstance(to, str) and len(to) <= 320 for to in recipients):
            raise ScriptError(f"to must be 1 to {MOST_RECIPIENTS} addresses")
        if len(request.body) > LONGEST_BODY:
            raise ScriptError(f"body must not be longer than {LONGEST_BODY} bytes")
        return Mail(
            sender=self._sender(call, given.line("sender", "", most=320)),
            recipients=tuple(map(Mailbox.parse, recipients)),
            subject=given.line("subject", "", most=LONGEST_SUBJECT),
            body=request.body.decode("utf-8", "replace"),
            recording=self._recording(call, given.line("attach", "", most=100)),
        )

    def _recording(self, call: Call, id: str) -> str:
        """No call gives away what others have recorded."""
        if id and not re.fullmatch(rf"{re.escape(call.id)}-[0-9]{{1,3}}", id):
            raise ScriptError(f"attach must be the id of a recording of this call, not {id!r:.60}")
        return id

    def _sender(self, call: Call, wanted: str) -> Mailbox:
        """The tenant's own address, or another one of its domain: no tenant writes in the name of another."""
        tenant = self._house.tenant_of(call.tenant)
        own = (tenant.mail_from if tenant is not None else "") or self._server.sender
        if not own:
            raise ScriptError("this tenant has no address to send from: mail_from in tenant.toml")
        sender = Mailbox.parse(wanted or own)
        if sender.domain != Mailbox.parse(own).domain:
            raise ScriptError(f"mail from {sender.address} is not allowed: this tenant writes as {own}")
        return sender
