"""`system.http`: the script's side. What goes over the wire is tested with the service and the client."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def answer(
    script: Script, *, code: int = 200, body: bytes = b"", kind: str = "", error: str = "", at: int = -1
) -> None:
    headers = [["Content-Type", kind]] if kind else []
    script.send(m.Reply(script.all(m.Request)[at].request, {"code": code, "headers": headers, "error": error}, body))


async def test_the_defaults(stage: Stage) -> None:
    script = await stage.play("system.http({'url': 'https://h/x'})")
    [request] = script.all(m.Request)
    assert (request.what, request.body) == ("http", b"")
    assert request.arguments == {
        "url": "https://h/x", "method": "GET", "headers": [], "logurl": "", "domain": "", "verify": True,
        "attempts": 1, "connect_ms": 10_000, "read_ms": 10_000,
    }  # fmt: skip


async def test_every_key(stage: Stage) -> None:
    script = await stage.play(
        "system.http(url='http://h', method='post', logurl='http://h/***', body='ö', verify=False, attempts=3,"
        " readTimeout=2000, timeout=500, header=[{'name': 'X-Key', 'value': 'k', 'secret': True}], domain='acme')"
    )
    [request] = script.all(m.Request)
    assert request.body == "ö".encode()
    assert request.arguments == {
        "url": "http://h", "method": "POST", "logurl": "http://h/***", "domain": "acme", "verify": False, "attempts": 3,
        "headers": [["X-Key", "k", True], ["Content-Type", "text/plain; charset=utf-8", False]],
        "connect_ms": 500, "read_ms": 2000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ("{'a': 'ä'}", '{"a": "ä"}'.encode(), "application/json"),
        ("[1]", b"[1]", "application/json"),
        ("b'\\0'", b"\0", "application/octet-stream"),
        ("{'a': 1}, header=[{'name': 'content-type', 'value': 'x/y'}]", b'{"a": 1}', "x/y"),
    ],
)
async def test_bodies(stage: Stage, body: str, sent: bytes, kind: str) -> None:
    script = await stage.play(f"system.http(url='http://h', method='PUT', body={body})")
    [request] = script.all(m.Request)
    assert request.body == sent
    assert [row[1] for row in request.arguments["headers"] if row[0].lower() == "content-type"] == [kind]


async def test_an_awaited_answer(stage: Stage) -> None:
    script = await stage.play(
        "r = await system.http(url='http://h')\nprint(r.code, r['code'], r.data, r.raw, r.headers, r.json()['a'])"
    )
    answer(script, body=b'{"a": "\xc3\xa4"}', kind="application/json")
    await script.idle()
    assert script.lines == [
        """200 200 {"a": "ä"} b'{"a": "\\xc3\\xa4"}' [{'name': 'Content-Type', 'value': 'application/json'}] ä"""
    ]


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/plain; charset=ISO-8859-1", b"\xe4"), ('text/html;charset="utf-8"', b"\xc3\xa4"), ("", b"\xc3\xa4"),
     ("text/plain; charset=punycode", b"\xc3\xa4"), ("text/plain; charset=utf-16le", b"\xe4\0")],
)  # fmt: skip
async def test_text_is_read_by_its_charset(stage: Stage, kind: str, body: bytes) -> None:
    script = await stage.play("system.http(url='http://h', callback=lambda code, data: print(code, data))")
    answer(script, body=body, kind=kind)
    await script.idle()
    assert script.lines == ["200 ä"]


async def test_no_answer_is_code_0(stage: Stage) -> None:
    script = await stage.play(
        "system.http(url='http://h', callback=print)\nr = await system.http(url='http://h')\nprint(r)"
    )
    answer(script, code=0, error="connection refused", at=0)
    answer(script, code=0, error="no connection within 10 s")
    await script.idle()
    assert script.lines == [
        "0 connection refused []",
        "HttpResult(code=0, data='no connection within 10 s', headers=[], raw=b'')",
    ]


async def test_a_refusal_of_the_core_is_code_0_too(stage: Stage) -> None:
    script = await stage.play("print((await system.http(url='http://h')).data)")
    script.send(m.Reply(1, None, b"", "not today"))
    await script.idle()
    assert script.lines == ["not today"]


async def test_eight_at_once(stage: Stage) -> None:
    script = await stage.play(
        """
for n in range(8):
    system.http(url="http://h", callback=lambda code: system.http(url="http://h/again"))
try:
    system.http(url="http://h")
except RuntimeError as error:
    print(error)
"""
    )
    assert script.lines == ["a call has 8 web requests at once at most"]
    assert len(script.all(m.Request)) == 8
    answer(script)
    await script.idle()
    assert script.all(m.Request)[-1].arguments["url"] == "http://h/again"


async def test_who_gives_up_waiting_stops_nothing(stage: Stage) -> None:
    script = await stage.play(
        """
pending = system.http(url="http://h")
try:
    await asyncio.wait_for(pending, 0.01)
except TimeoutError:
    print("late")
print((await pending).data, (await pending).data)
"""
    )
    await script.until(lambda: script.lines)
    answer(script, body=b"here")
    await script.idle()
    assert script.lines == ["late", "here here"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("", "TypeError"),
        ("3", "TypeError: url must be str"),
        ("url='ftp://h'", "ValueError: url must begin with http:// or https://"),
        ("url='http://h/' + 'x' * 9000", "ValueError: url must begin with http:// or https:// and have 8192"),
        ("url='http://h', method='GE T'", "ValueError: method must be one such as GET"),
        ("url='http://h', method='CONNECT'", "ValueError: method must be one such as GET"),
        ("url='http://h', body=3", "TypeError: body must be str or bytes"),
        ("url='http://h', body=b'x' * 2097153", "ValueError: http: the body must not be longer than 2097152 bytes"),
        ("url='http://h', verify=1", "TypeError: verify must be bool"),
        ("url='http://h', attempts=0", "ValueError: attempts must be from 1 to 10"),
        ("url='http://h', attempts=1.5", "TypeError: attempts must be int"),
        ("url='http://h', timeout=0", "ValueError: connectTimeout must be from 1 to 60000"),
        ("url='http://h', readTimeout='5'", "TypeError: readTimeout must be int or float"),
        ("url='http://h', header=[{'name': 'a', 'value': 'b\\r\\nc'}]", "ValueError: value of header 'a' must not"),
        ("url='http://h', header=[{'name': 'a'}]", "TypeError: value of a header must be str"),
        ("url='http://h', header='a: b'", "TypeError: header must be list or tuple"),
        ("url='http://h', callback=3", "TypeError: the handler must be a function"),
        ("url='http://h', colour='red'", "TypeError"),
    ],
)
async def test_wrong_use(stage: Stage, arguments: str, error: str) -> None:
    script = await stage.play(f"system.http({arguments})")
    assert error in script.failures[0]
    assert not script.all(m.Request)


async def test_an_unknown_key_of_a_dict_is_ignored(stage: Stage) -> None:
    script = await stage.play("system.http({'url': 'http://h', 'colour': 'red'})")
    assert script.all(m.Log) == [m.Log(4, "System.http: unknown key 'colour' ignored")]
    assert script.all(m.Request)


async def test_what_was_asked_in_the_end_is_waited_for(stage: Stage) -> None:
    script = await stage.play(
        """
@call.on("hangup")
def over(reason):
    system.http(url="http://h/" + reason, callback=lambda code: print("told", code))
"""
    )
    script.send(m.HungUp("caller", 5.0))
    await script.until(lambda: script.all(m.Request))
    await script.idle()
    assert not script.all(m.Finished)
    answer(script, code=204)
    await script.until(lambda: script.all(m.Finished))
    assert script.lines == ["told 204"]
