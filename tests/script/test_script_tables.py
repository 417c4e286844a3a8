"""`tables`: the script's side."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def begun(stage: Stage, source: str) -> Script:
    """It waits for the answer: that is no wait of its loop."""
    script = stage.run(source)
    await script.until(lambda: script.all(m.Request))
    return script


async def test_a_search_waits_and_what_comes_meanwhile_keeps_its_turn(stage: Stage) -> None:
    script = await begun(
        stage,
        "call.dtmf(lambda key: print('key', key))\n"
        "print(tables['adrbook'].search({'text': 'ann', 'number': '030', 'limit': 2}))",
    )
    [request] = script.all(m.Request)
    assert (request.what, request.arguments) == ("adrbook", {"text": "ann", "number": "030", "limit": 2})
    script.send(m.DigitPressed("1"), m.Reply(request.request, [{"name": "Ann"}]), m.DigitPressed("2"))
    await script.until(lambda: len(script.lines) == 3)
    await script.idle()
    assert script.lines == ["[{'name': 'Ann'}]", "key 1", "key 2"]


async def test_a_refusal_is_an_error(stage: Stage) -> None:
    script = await begun(stage, "tables['adrbook'].search(text='x')")
    script.send(m.Reply(script.all(m.Request)[0].request, error="too many"))
    await script.until(lambda: script.failures)
    assert "RuntimeError: too many" in script.failures[0]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("text=3", "TypeError: text must be str"),
        ("number='1' * 201", "ValueError: number must not be longer than 200"),
        ("limit=0", "ValueError: limit must be from 1 to 100"),
        ("limit=1.5", "TypeError: limit must be int"),
    ],
)
async def test_wrong_use(stage: Stage, arguments: str, error: str) -> None:
    script = await stage.play(f"tables['adrbook'].search({arguments})")
    assert error in script.failures[0]


async def test_the_fields_of_a_call(stage: Stage) -> None:
    script = await stage.play(
        "print([tables['cobjs'].get(call.callid, name) for name in"
        " ('from', 'to', 'caller', 'called', 'caller_name', 'tenant', 'node', 'lang', 'callid', 'other')],"
        " tables['cobjs'].get('another', 'from') == '')"
    )
    assert script.lines == [
        """['"Ada" <sip:+4930123@acme.example>', '<sip:700@acme.example>', '+4930123', '700', 'Ada', 'acme.example', """
        "'700', 'en', 'c1f', ''] True"
    ]
