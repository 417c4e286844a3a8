"""`call.sms`, `call.http` and `system.email`: the script's side."""

from __future__ import annotations

import dataclasses

import pytest

from ivrnode.script import messages as m
from script.stage import FACTS, Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITH_URL = dataclasses.replace(FACTS, http_url="http://h/call/0123")


def reply(script: Script, value: object = None, error: str = "") -> None:
    script.send(m.Reply(script.all(m.Request)[-1].request, value, b"", error))


# Text messages and mail.


async def test_a_text_message(stage: Stage) -> None:
    script = await stage.play("r = await call.sms('Hi')\nprint(r.ok, r['error'])")
    [request] = script.all(m.Request)
    assert (request.what, request.arguments) == ("sms", {"text": "Hi", "from": "", "to": "", "name": ""})
    reply(script, {"error": ""})
    await script.idle()
    assert script.lines == ["True "]


async def test_the_keys_of_a_text_message(stage: Stage) -> None:
    script = await stage.play("r = await call.sms({'text': 'x', 'to': '+49171000000', 'from': '+49301', 'name': 'A'})")
    assert "ValueError: from must be a number in the form +49301234567" in script.failures[0]
    script = await stage.play("call.sms(text='x', to='+49171000000', from_='+49301111111', name='A')")
    assert script.all(m.Request)[0].arguments == {
        "text": "x", "to": "+49171000000", "from": "+49301111111", "name": "A",
    }  # fmt: skip


async def test_a_mail(stage: Stage) -> None:
    script = await stage.play(
        "print(await system.email(to=['a@b.example', 'C <c@d.example>'], from_='x@y.example', subject='ä', body='ß'))"
    )
    [request] = script.all(m.Request)
    assert (request.what, request.body) == ("email", "ß".encode())
    assert request.arguments == {
        "to": ["a@b.example", "C <c@d.example>"],
        "sender": "x@y.example",
        "subject": "ä",
        "attach": "",
    }
    reply(script, {"error": "no mail server is configured"})
    await script.idle()
    assert script.lines == ["Result(ok=False, error='no mail server is configured')"]


async def test_a_refusal_is_not_ok(stage: Stage) -> None:
    script = await stage.play("print(await system.email({'to': 'a@b.example'}))")
    reply(script, error="email is no service of this core")
    await script.idle()
    assert script.lines == ["Result(ok=False, error='email is no service of this core')"]


@pytest.mark.parametrize("what", ["call.sms('x')", "system.email(to='a@b.example')"])
async def test_they_go_on_in_the_grace(stage: Stage, what: str) -> None:
    script = await stage.play(f"call.on('hangup', lambda: {what})")
    script.send(m.HungUp("caller", 5.0))
    await script.until(lambda: script.all(m.Request))
    await script.idle()
    assert not script.all(m.Finished)
    reply(script, {"error": ""})
    await script.until(lambda: script.all(m.Finished))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("call.sms(3)", "TypeError: text must be str"),
        ("call.sms('')", "ValueError: text must have 1 to 1600 characters"),
        ("call.sms('x', to='0171')", "ValueError: to must be a number in the form +49301234567, not '0171'"),
        ("system.email(to='nobody')", "ValueError: to must be an e-mail address, not 'nobody'"),
        ("system.email(to=[])", "ValueError: to must be 1 to 20 addresses"),
        ("system.email(to='a@b.c', subject='x\\ny')", "ValueError: subject must not have line breaks"),
        ("system.email(to='a@b.c', attach=None)", "TypeError: attach"),
        ("system.email(to='a@b.c', from_=3)", "TypeError: from must be str"),
        ("system.email(to='a@b.c', body='x' * 1100000)", "ValueError: body must not be longer than 1048576 bytes"),
        ("call.http(print)", "RuntimeError: call.http: this ivrnode takes no web requests"),
        ("call.http(3)", "TypeError: the handler must be a function"),
        ("system.parseEmailAdr(3)", "TypeError: str must be str"),
    ],
)
async def test_wrong_use(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert error in script.failures[0]
    assert not script.all(m.Request)


async def test_the_parts_of_an_address(stage: Stage) -> None:
    script = await stage.play(
        r"""
for text in ['ann@Acme.example', '"Ann, \\"A\\" Lee" <ann.lee@acme.example>', 'Ann Lee <a@b>', ' <a@b.c> ', 'a b@c',
             'a@', '', 'Ann <a@b', 'x@y <a@b.c>', '"a b"@c.example', 'a..b@c', 'a@b' + 'c' * 300, 'Ann " Lee <a@b.c>']:
    found = system.parseEmailAdr(text)
    print(found and list(found.values()))
"""
    )
    assert script.lines == [
        "['', 'ann@Acme.example', 'ann', 'acme.example']",
        """['Ann, "A" Lee', 'ann.lee@acme.example', 'ann.lee', 'acme.example']""",
        "['Ann Lee', 'a@b', 'a', 'b']",
        "['', 'a@b.c', 'a', 'b.c']",
        "None", "None", "None", "None", "None",
        "['', '\"a b\"@c.example', '\"a b\"', 'c.example']",
        "None", "None",
        "['Ann \" Lee', 'a@b.c', 'a', 'b.c']",
    ]  # fmt: skip


# Web requests that come in.


def ask(script: Script, number: int = 1, body: bytes = b"", **told: object) -> None:
    given = {"id": number, "method": "GET", "path": "/", "query": {}, "headers": []} | told
    script.send(m.Told(script.all(m.Request)[0].request, "request", given, body))


def answers(script: Script) -> list[tuple[object, ...]]:
    found = [request for request in script.all(m.Request) if request.what == "hook.answer"]
    return [(a.arguments["id"], a.arguments["status"], a.arguments["kind"], a.body) for a in found]


async def test_a_request_is_handed_over(stage: Stage) -> None:
    script = await stage.play(
        """
def asked(args):
    print(call.http_url, args.method, args["path"], args.query, args.headers, args.body)
    return "thanks"

call.http(asked)
""",
        facts=WITH_URL,
    )
    assert [request.what for request in script.all(m.Request)] == ["hook"]
    headers = [{"name": "X-A", "value": "1"}]
    ask(script, 7, "ä".encode(), method="POST", path="/done", query={"a": "b"}, headers=headers)
    await script.idle()
    assert script.lines == ["http://h/call/0123 POST /done {'a': 'b'} [{'name': 'X-A', 'value': '1'}] ä"]
    assert answers(script) == [(7, 200, "text/plain; charset=utf-8", b"thanks")]


@pytest.mark.parametrize(
    ("returns", "answer"),
    [
        ("None", (1, 204, "text/plain; charset=utf-8", b"")),
        ("{'a': 1}", (1, 200, "application/json", b'{"a": 1}')),
        ("b'\\0'", (1, 200, "application/octet-stream", b"\0")),
        ("1 / 0", (1, 500, "text/plain", b"the script failed\n")),
        ("3", (1, 500, "text/plain", b"the script failed\n")),
        ("'x' * 1048577", (1, 500, "text/plain", b"the script failed\n")),
    ],
)
@pytest.mark.parametrize("style", ["def", "async def"])
async def test_answers(stage: Stage, style: str, returns: str, answer: tuple[object, ...]) -> None:
    script = await stage.play(f"{style} asked(args):\n    return {returns}\ncall.http(asked)", facts=WITH_URL)
    ask(script)
    await script.until(lambda: answers(script))
    await script.idle()
    assert answers(script) == [answer]
    assert len(script.failures) == (answer[1] == 500)


async def test_a_handler_without_arguments_and_a_new_one(stage: Stage) -> None:
    script = await stage.play(
        "call.http(lambda: 'one')\ncall.dtmf(lambda: call.http(lambda args: 'two'))", facts=WITH_URL
    )
    ask(script, 1)
    script.send(m.DigitPressed("1"))
    ask(script, 2)
    await script.idle()
    assert [body for *_, body in answers(script)] == [b"one", b"two"]
    assert [request.what for request in script.all(m.Request)].count("hook") == 1


async def test_no_longer(stage: Stage) -> None:
    script = await stage.play("call.http(print)\ncall.http(None)\ncall.http(None)", facts=WITH_URL)
    assert [request.what for request in script.all(m.Request)] == ["hook", "hook.close"]
