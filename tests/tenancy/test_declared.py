"""Settings that a script declares: read without running it, checked, and merged below the operator's values."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.tenancy.declared import declared_settings, merged, read_settings
from ivrnode.tenancy.lint import check

json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ALL = """
SETTINGS = {
    "greeting": {"type": "str", "default": "Hello", "help": "What callers hear first."},
    "texts": {"type": "str | dict", "default": {}},
    "line": {"choices": ["sales", "support"], "default": "sales"},
    "ratio": {"type": "float", "default": -1},
    "must": {"type": "int"},
    "tries": 3,
    "is_open": True,
    "targets": {"sales": "120"},
    "crm": {"type": "secret", "help": "The key of the CRM."},
}
"""


def test_both_forms() -> None:
    settings = declared_settings(ALL)
    assert {name: (setting.types, setting.default) for name, setting in settings.items()} == {
        "greeting": (("str",), "Hello"),
        "texts": (("str", "dict"), {}),
        "line": (("str",), "sales"),
        "ratio": (("float",), -1),
        "must": (("int",), None),
        "tries": (("int",), 3),
        "is_open": (("bool",), True),
        "targets": (("dict",), {"sales": "120"}),
        "crm": (("secret",), None),
    }
    assert settings["greeting"].help == "What callers hear first."
    assert settings["line"].choices == ("sales", "support")
    assert settings["crm"].is_secret and not settings["must"].is_secret


def test_an_annotated_declaration_and_none() -> None:
    assert list(declared_settings("SETTINGS: dict = {'a': 1}")) == ["a"]
    assert declared_settings("x = 1\ndef f():\n    SETTINGS = {'a': 1}\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nSETTINGS = load()", '2:1: SETTINGS must be a literal dict, as in {"greeting": "Hello"}'),
        ("SETTINGS = {}\nSETTINGS = {}", "2:1: SETTINGS is declared twice"),
        ("SETTINGS = {\n 'a': 1,\n 'b': f(),\n}", "3:2: SETTINGS: only literals, nothing that has to be run"),
        ("SETTINGS = {**x}", "1:15: SETTINGS: only literals, nothing that has to be run"),
        ("SETTINGS = {'a': 1, 'a': 2}", '1:21: SETTINGS: "a" is declared twice'),
        ("SETTINGS = {1: 1}", "1:13: SETTINGS: the name 1 must be text"),
        (
            "SETTINGS = {'a': {'type': 'sting'}}",
            '1:13: SETTINGS: "a": unknown type "sting": known here: str, int, float, bool, list, dict, secret',
        ),
        ("SETTINGS = {'a': {'type': 'string'}}", '1:13: SETTINGS: "a": unknown type "string": did you mean "str"?'),
        (
            "SETTINGS = {'a': {'type': 'int', 'defualt': 1}}",
            '1:13: SETTINGS: "a": unknown key "defualt": did you mean "default"?',
        ),
        ("SETTINGS = {'a': {'type': 'int', 'default': '1'}}", "1:13: SETTINGS: \"a\": the default '1' must be int"),
        ("SETTINGS = {'a': {'type': 'int', 'default': True}}", '1:13: SETTINGS: "a": the default True must be int'),
        (
            "SETTINGS = {'a': {'default': 'x', 'choices': ['y', 'z']}}",
            "1:13: SETTINGS: \"a\": the default 'x' must be 'y' or 'z'",
        ),
        ("SETTINGS = {'a': {'type': 'int', 'choices': ['y']}}", '1:13: SETTINGS: "a": choices must be a list of int'),
        ("SETTINGS = {'a': {'default': 1, 'help': 2}}", '1:13: SETTINGS: "a": help must be text'),
        (
            "SETTINGS = {'a': None}",
            '1:13: SETTINGS: "a": needs a type, one of str, int, float, bool, list, dict, secret',
        ),
        ("SETTINGS = {'a': [(1,)]}", '1:13: SETTINGS: "a": the default [(1,)] must be list'),
        (
            "SETTINGS = {'a': {'type': 'secret', 'default': 'x'}}",
            '1:13: SETTINGS: "a": a secret has no default and no choices here, it is in secrets.toml',
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, message: str) -> None:
    assert str(check(text, "f", ())) == f"f:{message}"


@given(st.dictionaries(st.text(min_size=1).filter(str.strip), json_values, max_size=5))
def test_every_json_value_can_be_a_default(values: dict[str, Any]) -> None:
    table = {name: {"default": value} for name, value in values.items()}
    settings, faults = read_settings(ast.parse(f"SETTINGS = {table!r}"))
    assert not faults
    assert {name: setting.default for name, setting in settings.items()} == values
    assert json.loads(json.dumps(merged(settings, {})[0])) == values


@given(json_values)
def test_any_literal_gets_a_verdict(value: Any) -> None:
    check(f"SETTINGS = {value!r}", "f", ())
    check(f"SETTINGS = {{'a': {value!r}}}", "f", ())


def test_values_over_defaults() -> None:
    values, problems = merged(declared_settings(ALL), {"greeting": "Moin", "must": 1, "ratio": 2, "other": [1]})
    assert not problems
    assert values == {
        "greeting": "Moin", "texts": {}, "line": "sales", "ratio": 2, "must": 1, "tries": 3, "is_open": True,
        "targets": {"sales": "120"}, "other": [1],
    }  # fmt: skip


def test_a_wrong_value_does_not_count() -> None:
    wrong = {"greeting": 1, "must": "x", "line": "sale", "tries": True, "texts": [1], "crm": "sk-1"}
    values, problems = merged(declared_settings(ALL), wrong)
    assert "must" not in values and "crm" not in values
    assert (values["greeting"], values["line"], values["tries"], values["texts"]) == ("Hello", "sales", 3, {})
    assert problems == [
        "settings.greeting is 1, must be str: the default 'Hello' counts",
        "settings.must is 'x', must be int: it has no default",
        "settings.line is 'sale', must be 'sales' or 'support': the default 'sales' counts",
        "settings.tries is True, must be int: the default 3 counts",
        "settings.texts is [1], must be str or dict: the default {} counts",
        "settings.crm is ignored: the script wants it as a secret, in secrets.toml",
    ]
