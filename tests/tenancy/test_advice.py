"""What is told of a script that runs but is hardly meant. The names of the API are a small one of the test's own here;
tests/cli/test_vocabulary.py holds the real ones against it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.tenancy.advice import advise
from ivrnode.tenancy.lint import check
from ivrnode.tenancy.vocabulary import Method, Noun, Vocabulary

SOCKET = Noun({"send": Method(frozenset({"data"})), "on": Method(frozenset({"name", "fn"})), "state": None}, ("open",))
CALL = Noun(
    {
        "say": Method(frozenset({"text", "lang"}), takes_object=True),
        "sms": Method(frozenset({"text", "from_"}), takes_object=True),
        "on": Method(frozenset({"name", "fn"})),
        "any": Method(),
        "lang": None,
    },
    ("hangup", "drained"),
)
VOCABULARY = Vocabulary(
    {
        "call": CALL,
        "Websocket": Noun(call=Method(frozenset({"url", "verify"}), makes=SOCKET)),
        "tables": Noun({"get": None}, items={"cobjs": Noun({"get": Method()})}),
        "settings": Noun({"get": Method(), "secret": Method()}),
        "secret": Noun(),
        "setTimeout": Noun(call=Method(frozenset({"fn", "ms"}))),
    },
    frozenset({"print", "getattr", "__import__", "ValueError", "super", "type", "range"}),
)


def advice(text: str) -> list[str]:
    assert check(text, "f", ("json",)) is None
    return [str(item) for item in advise(text, "f", VOCABULARY)]


@pytest.mark.parametrize(
    "text",
    [
        "call.say('x', lang='de'); call.say({'text': 'x'}); call.say(text='x')",
        "call.on('hangup', print)\n@call.on('drained')\ndef f(): pass\n",
        "ws = Websocket('wss://x', verify=False)\nws.on('open', print); ws.send(data='1'); ws.state\n",
        "ws = None\ndef f():\n    global ws\n    ws = Websocket('x')\n    ws.send(1)\n",
        "call.sms({'text': 'x', 'from': '1'}); call.sms(from_='1', text='x'); call.any(x=1)",
        "call.mine = 1\nprint(call.mine)",
        "call.lang = 'de'",
        "for call in range(3): call.anything",  # a name of the script's own
        "def f(call): return call.anything",
        "x = Websocket('a')\nx = 1\nx.anything",
        "tables['cobjs'].get('x', 'y'); tables.get('z'); settings['free']; settings.get('free')",
        "try:\n    pass\nexcept ValueError as error:\n    print(error)\n",
        "import json as j\nfrom json import loads\nj.dumps(loads('1'))\n",
        "match 1:\n    case {'a': b, **rest}: print(b, rest)\n    case [c, *d]: print(c, d)\n    case e: print(e)\n",
        "print([(x, y) for x in range(2) if (y := x)], lambda z, *a, **k: (z, a, k))",
        "class A(type):\n    def __init__(self): super().__init__(); print(type(self).__name__)\n",
        "if __name__ == '__main__': print(__doc__)",
        "from json import *\nloads('1')",
        "SETTINGS = {'a': 1, 'k': {'type': 'secret'}}\nsettings['a'], settings.get('a', 1), settings.secret('k')",
        "global_later()\ndef global_later(): pass",
        "f'Bearer {secret}', 'Bearer ' + secret",
    ],
)
def test_nothing_to_say(text: str) -> None:
    assert advice(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nsetTimout(x, 1)", "2:1: setTimout is not defined: did you mean setTimeout?"),
        ("foo(1)", "1:1: foo is not defined"),
        ("call.sya('x')", '1:1: unknown name "call.sya": did you mean "call.say"?'),
        ("call.zzz", '1:1: unknown name "call.zzz": known here: any, lang, on, say, sms'),
        ("call.lagn = 'de'", '1:1: unknown name "call.lagn": did you mean "call.lang"?'),
        ("'ä'; call.say(txt='x')", '1:15: call.say: unknown argument "txt": did you mean "text"?'),
        ("call.say({'text': 'x', 'lnag': 1})", '1:24: call.say: unknown key "lnag": did you mean "lang"?'),
        ("call.sms({'from_': 'x'})", '1:11: call.sms: unknown key "from_": did you mean "from"?'),
        ("setTimeout(print, msec=1)", '1:19: setTimeout: unknown argument "msec": did you mean "ms"?'),
        ("call.on('hangpu', print)", '1:9: call.on: unknown event "hangpu": did you mean "hangup"?'),
        ("@call.on('end')\ndef f(): pass", '1:10: call.on: unknown event "end": known here: drained, hangup'),
        ("ws = Websocket('x', verfy=1)", '1:21: Websocket: unknown argument "verfy": did you mean "verify"?'),
        ("ws = Websocket('x')\nws.sned(1)", '2:1: unknown name "ws.sned": did you mean "ws.send"?'),
        ("(w := Websocket('x')).on('opne', print)", "1:26: (w := Websocket('x')).on: unknown event \"opne\""),
        ("ws: type = Websocket('x')\nws.on('opne', 1)", '2:7: ws.on: unknown event "opne": did you mean "open"?'),
        ("tables['cobj']", '1:1: tables: unknown key "cobj": did you mean "cobjs"?'),
        ("tables['cobjs'].got(1)", "1:1: unknown name \"tables['cobjs'].got\": did you mean \"tables['cobjs'].get\"?"),
        (
            "SETTINGS = {'greeting': 1}\nsettings['greting']",
            '2:1: SETTINGS does not declare the setting "greting": did you mean "greeting"?',
        ),
        (
            "SETTINGS = {'greeting': 1}\nsettings.get('hour')",
            '2:14: SETTINGS does not declare the setting "hour": add "hour": ... to SETTINGS',
        ),
        (
            "SETTINGS = {'greeting': 1}\nsettings.secret('crm')",
            '2:17: SETTINGS does not declare the secret "crm": add "crm": {"type": "secret"} to SETTINGS',
        ),
        ("().__class__", "1:1: __class__: attributes with two underscores are no part of the script API"),
        ("__import__('os')", "1:1: __import__: names with two underscores are no part of the script API"),
        ("__builtins__", "1:1: __builtins__: names with two underscores are no part of the script API"),
        ("getattr(call, '__dict__')", "1:15: '__dict__': names with two underscores are no part of the script API"),
        (
            "x = 'sk-abcdefgh12345678'",
            '1:5: looks like an OpenAI key (sk-...): put it into secrets.toml and write settings.secret("name")',
        ),
        ("f'Bearer abcdefgh12345678'", "1:"),
    ],
)
def test_what_is_told_and_where(text: str, message: str) -> None:
    [told] = advice(text)
    assert told.startswith(f"f:{message}")


def test_a_key_is_not_repeated() -> None:
    assert "abcdefgh12345678" not in advice("x = 'sk-abcdefgh12345678'")[0]


def test_all_of_it_by_line() -> None:
    lines = [int(item.split(":")[1]) for item in advice("foo()\ncall.sya()\n\ncall.on('x')\nfoo()\n")]
    assert lines == [1, 2, 4, 5]


@given(st.text(st.sampled_from("callsy.on(')=\n:{} wx1Websocket[]"), max_size=60))
def test_any_script_that_compiles_gets_a_verdict(text: str) -> None:
    if check(text, "f", ()) is None:
        advise(text, "f", VOCABULARY)
