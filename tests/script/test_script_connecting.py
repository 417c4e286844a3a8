"""`call.transfer`, `call.dial` and what belongs to them, from the script's side."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ivrnode.script import messages as m
from script.stage import FACTS, Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK = {"ok": True, "dest": "120", "code": 200, "reason": "", "method": "bridge"}
BUSY = {"ok": False, "dest": "120", "code": 486, "reason": "Busy Here", "method": "bridge"}


def asked(script: Script) -> list[tuple[str, dict[str, Any]]]:
    return [(request.what, dict(request.arguments)) for request in script.all(m.Request)]


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("call.transfer('120')", {"dest": "120", "drain": False, "timeout": 30}),
        ("call.transfer({'dest': ' 120 ', 'drain': True})", {"dest": "120", "drain": True, "timeout": 30}),
        ("call.transfer(dest='+49301', timeout=2.5)", {"dest": "+49301", "drain": False, "timeout": 2.5}),
    ],
)
async def test_transfer_asks_the_core(stage: Stage, source: str, arguments: dict[str, Any]) -> None:
    script = await stage.play(source)
    assert asked(script) == [("transfer", arguments)]
    await script.hang_up()


async def test_the_result_comes_to_handlers_and_to_who_awaits_it(stage: Stage) -> None:
    script = await stage.play(
        "call.on('transfer', lambda r: print('told', r.ok, r['code'], r.reason, r.method, r.dest))\n"
        "call.on('hangup', lambda reason: print('over', reason))\n"
        "result = await call.transfer('120')\n"
        "print('awaited', result.ok, result['dest'])"
    )
    script.send(m.Reply(1, BUSY), m.HungUp("caller", 5.0))
    await script.ended()
    assert script.lines == ["told False 486 Busy Here bridge 120", "awaited False 120", "over caller"]


async def test_one_that_works_ends_the_script_where_it_is_awaited(stage: Stage) -> None:
    script = await stage.play("""
call.on("transfer", lambda result: print("told", result.ok))
transfer = call.transfer("120")
@call.on("hangup")
async def over(reason):
    print("over", reason, (await transfer).ok)
try:
    await transfer
    print("goes on")
except asyncio.CancelledError:
    print("cancelled")
    raise
finally:
    print("finally")
""")
    script.send(m.Reply(1, OK))
    wait = await script.idle()
    assert (script.lines, wait.tasks) == (["told True"], 1)
    script.send(m.HungUp("transferred", 5.0))
    assert (await script.ended()).reason == "finished"
    assert script.lines == ["told True", "over transferred True", "cancelled", "finally"]
    assert script.failures == []


async def test_each_transfer_is_told_of_once(stage: Stage) -> None:
    script = await stage.play(
        "call.on('transfer', lambda r: print(r.code)); call.transfer('120'); call.transfer('121')"
    )
    script.send(m.Reply(2, BUSY | {"code": 491}), m.Reply(1, OK))
    await script.idle()
    assert script.lines == ["491", "200"]
    await script.hang_up()


async def test_a_refusal_by_the_core_is_a_result_too(stage: Stage) -> None:
    script = await stage.play("r = await call.transfer('120'); print(r.ok, r.code, r.reason)")
    script.send(m.Reply(1, error="transfer: no"))
    await script.idle()
    assert script.lines == ["False 0 transfer: no"] and not script.failures
    await script.hang_up()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("call.transfer()", "TypeError"),
        ("call.transfer(120)", "TypeError: dest must be str, not int"),
        ("call.transfer('')", "ValueError: dest must be an extension or a number of up to 64 characters"),
        ("call.transfer('1' * 65)", "ValueError: dest"),
        ("call.transfer('1\\n2')", "ValueError: dest"),
        ("call.transfer('120', drain=1)", "TypeError: drain must be bool, not int"),
        ("call.transfer('120', timeout=0)", "ValueError: timeout must be from 1 to 180, not 0"),
        ("call.transfer('120', timeout='1')", "TypeError: timeout must be int or float, not str"),
        ("call.transfer('120', speed=1)", "TypeError"),
        ("call.dial(120)", "TypeError: dest must be str, not int"),
        ("call.dial('120', 'fast')", "TypeError: params must be dict or NoneType, not str"),
        ("call.dial('120', timeout=500)", "ValueError: timeout must be from 1 to 180, not 500"),
        ("call.dial('120', ivraction='ask', cobj='other')", "ValueError: cobj must be call.callid"),
        ("call.accept()", "RuntimeError: call.accept is for a leg that was started with ivraction"),
        ("call.reject('no')", "RuntimeError: call.reject is for a leg that was started with ivraction"),
        ("call.params['who'] = 'Ada'; call.accept()", "RuntimeError: call.accept is for a leg that was started with"),
        ("call.getHeader(1)", "TypeError: name must be str, not int"),
    ],
)
async def test_wrong_arguments_raise_at_once(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert not asked(script)
    assert error in script.failures[0]
    await script.hang_up()


async def test_after_the_end_nothing_is_asked_and_nothing_raises(stage: Stage) -> None:
    script = await stage.play(
        "async def over(reason):\n"
        "    result = await call.transfer('120')\n"
        "    dial = call.dial('120')\n"
        "    dial.hangup()\n"
        "    print(result.ok, result.reason, (await dial).ok)\n"
        "call.on('hangup', over)\n"
        "call.on('transfer', lambda result: print('told'))"
    )
    await script.hang_up()
    assert not asked(script) and not script.failures
    assert script.lines == ["False the call is over False"]


# dial


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("call.dial('120')", {"dest": "120", "timeout": 30}),
        ("call.dial('120', {'timeout': 5})", {"dest": "120", "timeout": 5}),
        ("call.dial('120', timeout=5)", {"dest": "120", "timeout": 5}),
        ("call.dial({'dest': '120', 'timeout': 5})", {"dest": "120", "timeout": 5}),
        (
            "call.dial('120', {'ivraction': 'announce', 'who': 'Ada'})",
            {
                "dest": "120",
                "timeout": 30,
                "params": {"ivraction": "announce", "who": "Ada", "cobj": "c1f"},
            },
        ),
        (
            "call.dial('701', who='Ada', timeout=5)",
            {"dest": "701", "timeout": 5, "params": {"who": "Ada", "timeout": 5, "cobj": "c1f"}},
        ),
    ],
)
async def test_dial_asks_the_core(stage: Stage, source: str, arguments: dict[str, Any]) -> None:
    script = await stage.play(source)
    assert asked(script) == [("dial", arguments)]
    await script.hang_up()


async def test_a_dial_beyond_the_quota_raises(stage: Stage) -> None:
    source = "for number in range(4):\n    call.dial('120')\n    print(number)\n"
    script = await stage.play(source, facts=dataclasses.replace(FACTS, most_dials=3))
    assert script.lines == ["0", "1", "2"] and len(asked(script)) == 3
    assert "RuntimeError: a call has 3 dials at most" in script.failures[0]
    script = await stage.play(
        "for _ in range(5): call.dial('120')\ntry:\n    call.dial('120')\n"
        "except RuntimeError:\n    call.on('hangup', lambda: print(call.dial('120') is not None))"
    )
    assert len(asked(script)) == 5
    await script.hang_up()
    assert script.lines == ["True"] and not script.failures


async def test_a_dial_has_a_result_and_an_end(stage: Stage) -> None:
    script = await stage.play(
        "d = call.dial('120')\n"
        "d.on('end', lambda reason: print('end', reason))\n"
        "r = await d\n"
        "print(r.ok, r.code, r['reason'])\n"
        "d.hangup()"
    )
    script.send(m.Reply(1, {"ok": True, "code": 200, "reason": ""}))
    await script.idle()
    assert asked(script)[1:] == [("dial.hangup", {"dial": 1})]
    script.send(m.Told(1, "end", {"reason": "script"}), m.Told(1, "end", {"reason": "again"}))
    await script.idle()
    assert script.lines == ["True 200 ", "end script"]
    await script.hang_up()


# A leg that was dialled.


async def test_a_dialled_leg_knows_why_and_may_accept_or_reject(stage: Stage) -> None:
    facts = dataclasses.replace(FACTS, params={"ivraction": "announce", "cobj": "c0", "who": "Ada"})
    script = await stage.play("print(call.params['who']); call.reject('not now'); call.accept()", facts=facts)
    assert script.lines == ["Ada"]
    assert asked(script) == [("reject", {"reason": "not now"}), ("accept", {})]
    await script.hang_up()


async def test_an_ordinary_call_has_no_params(stage: Stage) -> None:
    script = await stage.play("print(call.params)")
    assert script.lines == ["{}"]
    await script.hang_up()


async def test_headers_of_the_invite(stage: Stage) -> None:
    headers = (("User-Agent", "Phone/1"), ("X-Case", "7"), ("x-case", "8"))
    facts = dataclasses.replace(FACTS, headers=headers)
    script = await stage.play(
        "print(call.getHeader('user-agent'), call.getHeader('X-CASE'), call.getHeader('Subject'))", facts=facts
    )
    assert script.lines == ["Phone/1 7 None"]
    await script.hang_up()
