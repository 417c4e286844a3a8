"""`system.email` and `call.sms` on the desk: who may write as whom, escaping, quotas, lines of the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from world import World

from ivrnode.errors import ScriptError
from ivrnode.pbx.house.http_messages import HttpResponse
from ivrnode.pbx.house.mail import Mailbox
from ivrnode.pbx.service_table import offer_services
from ivrnode.script import messages as script
from ivrnode.tenancy.gateways import MailServer, SmsGateway
from ivrnode.tenancy.secrets import Secret

if TYPE_CHECKING:
    from recording_desk import Desk

TENANT = (
    'access = "public"\nmail_from = "ivr@acme.example"\nsms_from = ["+49301111111", "+49302222222"]\n'
    "[quotas]\nemails_per_call = 3\nsms_per_hour = 2\n[nodes.700]\n"
)
GATEWAY = SmsGateway(
    url="https://sms.example/send?to={to}", secret="sms", headers={"Authorization": "Bearer {secret}", "X-To": "{to}"}
)
SECRETS = {"sms": Secret("sms", "k-123456", ("sms.example",))}


@pytest.fixture
def world(tmp_path: Path, desk: Desk) -> World:
    world = World(tmp_path, desk, TENANT)
    offer(world)
    for category in ("EMAIL", "WEBCLIENT"):
        world.core.house.log.set_level(category, 5)
    world.call()
    return world


def offer(world: World, **changes: Any) -> None:
    given = {"mail": MailServer(host="smtp.example", sender="x@y.example"), "sms": GATEWAY, "secrets": SECRETS}
    offer_services(world.core, **(given | changes))


def ask(world: World, what: str, body: bytes = b"", **arguments: Any) -> script.Reply | None:
    """The core's answer to it, None while it has none."""
    before = len(world.desk.told)
    world.act(script.Request(before + 1, what, arguments, body))
    return answer(world, before)


def answer(world: World, since: int = 0) -> script.Reply | None:
    replies = [event for event in world.desk.told[since:] if isinstance(event, script.Reply)]
    return replies[-1] if replies else None


# Mail.


def test_a_mail_is_sent_in_the_tenants_name(world: World, desk: Desk) -> None:
    assert ask(world, "email", "Größe".encode(), to=["Ann <ann@b.example>", "c@d.example"], subject="Hi") is None
    [(mail, done)] = desk.mails
    assert mail.sender == Mailbox("", "ivr@acme.example")
    assert mail.recipients == (Mailbox("Ann", "ann@b.example"), Mailbox("", "c@d.example"))
    assert (mail.subject, mail.body) == ("Hi", "Größe")
    done("", world.now)
    assert answer(world).value == {"error": ""}
    [line] = world.logged("mail to ann@b.example, c@d.example from ivr@acme.example")
    assert (line.category, line.level, line.tenant) == ("EMAIL", 5, "localhost")


def test_a_server_that_refuses_is_told(world: World, desk: Desk) -> None:
    ask(world, "email", to=["a@b.example"])
    desk.mails[0][1]("550 no such user", world.now)
    assert answer(world).value == {"error": "550 no such user"}
    assert [entry.level for entry in world.logged("550 no such user")] == [3]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"to": ["a@b.example"], "sender": "boss@bank.example"}, "mail from boss@bank.example is not allowed"),
        ({"to": []}, "to must be 1 to 20 addresses"),
        ({"to": ["a@b.example"] * 21}, "to must be a list of up to 20"),
        ({"to": ["nobody"]}, "'nobody' is no e-mail address"),
        ({"to": ["a@b.example"], "subject": "Hi\r\nBcc: c@d.example"}, "subject must not have line breaks"),
        ({"to": ["a@b.example"], "subject": 7}, "subject must be text"),
        ({"to": ["a@b.example"], "attach": "0123456789abcdef-1"}, "attach must be the id of a recording of this call"),
        ({"to": ["a@b.example"], "attach": "../../etc/passwd"}, "attach must be the id"),
        ({"to": ["a@b.example"] * 4}, "quota emails_per_call: 3 are used up"),
    ],
)
def test_what_is_no_mail(world: World, desk: Desk, arguments: dict[str, Any], error: str) -> None:
    reply = ask(world, "email", **arguments)
    assert reply is not None
    assert error in reply.value["error"]
    assert not desk.mails
    assert {entry.category for entry in world.logged(error)} == {"EMAIL", "SCRIPT"}


@pytest.mark.parametrize(
    "sign", ["\r", "\n", "\x00", "\x0b", "\x0c", "\x1b", "\x1e", "\x85", "\x9b", "\u2028", "\u2029"]
)
@pytest.mark.parametrize("name", ["subject", "sender"])
def test_no_header_of_a_mail_is_two(world: World, desk: Desk, name: str, sign: str) -> None:
    """The mail package takes every line break of Unicode for one; a terminal obeys C1 controls."""
    given: dict[str, Any] = {"to": ["a@b.example"], name: f"ivr@acme.example{sign}Bcc: x@y.example"}
    reply = ask(world, "email", **given)
    assert reply is not None
    assert reply.error or reply.value["error"]
    assert not desk.mails


def test_another_address_of_the_tenants_domain_may_write(world: World, desk: Desk) -> None:
    ask(world, "email", to=["a@b.example"], sender="Sales <sales@ACME.example>")
    assert desk.mails[0][0].sender == Mailbox("Sales", "sales@ACME.example")


def test_a_recording_of_the_call_goes_along(world: World, desk: Desk) -> None:
    ask(world, "email", to=["a@b.example"], attach=f"{world.name}-2")
    assert desk.mails[0][0].recording == f"{world.name}-2"


def test_without_a_mail_server(world: World, desk: Desk) -> None:
    offer(world, mail=MailServer())
    assert "no mail server is configured" in ask(world, "email", to=["a@b.example"]).value["error"]


@pytest.mark.parametrize("text", ['"a\nBcc: x" <b@c.example>', "a..b@c.example", "b@c_d"])
def test_no_mailbox(text: str) -> None:
    with pytest.raises(ScriptError):
        Mailbox.parse(text)


# Text messages.


def test_a_text_message_is_one_request_to_the_gateway(world: World, desk: Desk) -> None:
    assert ask(world, "sms", to="+49171000000", text='"Hi"\n{to}') is None
    [(request, done)] = desk.fetched
    assert (request.method, request.url) == ("POST", "https://sms.example/send?to=%2B49171000000")
    assert request.is_operators
    assert request.redirects == 0
    assert request.headers == (
        ("Authorization", "Bearer k-123456", True), ("X-To", "+49171000000", True),
        ("Content-Type", "application/json", False),
    )  # fmt: skip
    assert json.loads(request.body) == {"to": "+49171000000", "from": "+49301111111", "text": '"Hi"\n{to}'}
    done(HttpResponse(202), world.now)
    assert answer(world).value == {"error": ""}
    assert [entry.level for entry in world.logged("text message to +49171000000 from +49301111111: sent")] == [5]


@pytest.mark.parametrize(
    ("content_type", "body", "sent"),
    [
        ("application/x-www-form-urlencoded", "to={to}&text={text}", "to=%2B49171000000&text=a%26b+%3C%22%3E"),
        ("text/xml; charset=utf-8", "<m to='{to}'>{text}</m>", "<m to='+49171000000'>a&amp;b &lt;&quot;&gt;</m>"),
        ("text/plain", "{to} {from}: {text}", '+49171000000 +49302222222: a&b <">'),
        ("application/vnd.sms+json", '{"t": "{text}"}', '{"t": "a&b <\\">"}'),
    ],
)
def test_values_are_escaped_for_where_they_stand(
    world: World, desk: Desk, content_type: str, body: str, sent: str
) -> None:
    offer(world, sms=SmsGateway(url="http://g/", content_type=content_type, body=body))
    ask(world, "sms", **{"to": "+49171000000", "text": 'a&b <">', "from": "+49302222222"})
    assert desk.fetched[0][0].body.decode() == sent


@pytest.mark.parametrize(("code", "error"), [(0, "connection refused"), (401, "the gateway answered 401")])
def test_a_gateway_that_fails(world: World, desk: Desk, code: int, error: str) -> None:
    ask(world, "sms", to="+49171000000", text="x")
    desk.fetched[0][1](HttpResponse(code, error="" if code else error), world.now)
    assert answer(world).value == {"error": error}
    assert [entry.level for entry in world.logged(error)] == [3]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"text": "x"}, "'40' is no number in the form +49301234567"),
        ({"to": "+49 171", "text": "x"}, "'+49 171' is no number"),
        ({"to": "+49171000000", "text": ""}, "the text is empty"),
        ({"to": "+49171000000", "text": "x" * 1601}, "text must be text of up to 1600 characters"),
        ({"to": "+49171000000"}, "text must be text"),
        ({"to": "+49171000000", "text": "x", "from": "+1900"}, "a message from '+1900' is not allowed"),
    ],
)
def test_what_is_no_text_message(world: World, desk: Desk, arguments: dict[str, Any], error: str) -> None:
    assert error in ask(world, "sms", **arguments).value["error"]
    assert not desk.fetched
    assert [entry.level for entry in world.logged(error)] == [2]


def test_text_messages_are_counted(world: World, desk: Desk) -> None:
    for _ in range(2):
        ask(world, "sms", to="+49171000000", text="x")
    assert ask(world, "sms", to="+49171000000", text="x").value == {"error": "quota sms_per_hour: 2 are used up"}
    assert len(desk.fetched) == 2


def test_without_a_gateway_or_its_key(world: World, desk: Desk) -> None:
    offer(world, sms=SmsGateway())
    assert "no SMS gateway is configured" in ask(world, "sms", to="+49171000000", text="x").value["error"]
    offer(world, secrets={})
    assert 'secret "sms" is not set' in ask(world, "sms", to="+49171000000", text="x").value["error"]
    offer(world, secrets={"sms": Secret("sms", "k", ("other.example",))})
    assert "not for its host" in ask(world, "sms", to="+49171000000", text="x").value["error"]
    assert not desk.fetched
