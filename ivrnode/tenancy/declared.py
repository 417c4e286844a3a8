"""The settings that a script declares itself, so that a form can be shown for them before any call:

    SETTINGS = {
        "greeting": {"type": "str", "default": "Hello", "help": "What callers hear first."},
        "line": {"default": "sales", "choices": ["sales", "support"]},
        "tries": 3,
        "crm": {"type": "secret", "help": "The key of the CRM."},
    }

A literal at top level: it is read, never run. A value of its own is the short form of a default; a dict is the short
form only if it has none of the keys above. Types may be joined, as in "str | dict". Defaults count below what the node,
its tenant and the system say; a secret has none, it is in secrets.toml.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ivrnode.tenancy.document import unknown

DECLARATION = "SETTINGS"
SECRET = "secret"
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
_KEYS = ("type", "default", "help", "choices")

Fault = tuple[ast.expr | ast.stmt, str]
"""Where, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` None: there is none. `choices` empty: any value of the type will do."""

    name: str
    types: tuple[str, ...]
    default: Any = None
    help: str = ""
    choices: tuple[Any, ...] = ()

    @property
    def is_secret(self) -> bool:
        return self.types == (SECRET,)

    @property
    def must_be(self) -> str:
        """What a value has to be, in words."""
        return " or ".join(map(repr, self.choices) if self.choices else self.types)

    def is_for(self, value: Any) -> bool:
        if self.choices:
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        return any(_is_kind(value, name) for name in self.types)


def declared_settings(text: str) -> dict[str, Setting]:
    """By name, those of them that are right. `text` has passed `check`, so all are."""
    settings, _ = read_settings(ast.parse(text))
    return settings


def read_settings(tree: ast.Module) -> tuple[dict[str, Setting], list[Fault]]:
    """What the script declares, and what is wrong with it."""
    found = [(node, value) for node in tree.body if (value := _declaration(node)) is not None]
    if not found:
        return {}, []
    node, table = found[0]
    if len(found) > 1:
        return {}, [(found[1][0], f"{DECLARATION} is declared twice")]
    if not isinstance(table, ast.Dict):
        return {}, [(node, f'{DECLARATION} must be a literal dict, as in {{"greeting": "Hello"}}')]
    settings: dict[str, Setting] = {}
    faults: list[Fault] = []
    for key, value in zip(table.keys, table.values, strict=True):
        try:
            setting = _read(_literal(key), _literal(value))
            if setting.name in settings:
                raise ValueError(f'"{setting.name}" is declared twice')
            settings[setting.name] = setting
        except ValueError as error:
            faults.append((key or value, f"{DECLARATION}: {error}"))
    return settings, faults


def merged(settings: Mapping[str, Setting], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """`values` over the defaults, and what is wrong with them. A wrong value does not count."""
    result = {setting.name: setting.default for setting in settings.values() if setting.default is not None}
    problems = []
    for name, value in values.items():
        setting = settings.get(name)
        if setting is None or setting.is_for(value):
            result[name] = value
        elif setting.is_secret:
            problems.append(f"settings.{name} is ignored: the script wants it as a secret, in secrets.toml")
        else:
            has_default = setting.default is not None
            instead = f"the default {_shown(setting.default)} counts" if has_default else "it has no default"
            problems.append(f"settings.{name} is {_shown(value)}, must be {setting.must_be}: {instead}")
    return result, problems


def misspelled(settings: Mapping[str, Setting], values: Mapping[str, Any]) -> list[str]:
    """Values that no declaration asks for, if one asks for nearly that. Others may be meant for another script."""
    names = [name for name in values if name not in settings]
    close = ((name, difflib.get_close_matches(name, settings, n=1, cutoff=0.75)) for name in names)
    return [
        f'settings.{name} is not declared by the script: did you mean "{found[0]}"?' for name, found in close if found
    ]


def _declaration(node: ast.stmt) -> ast.expr | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == DECLARATION:
            return value
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if name == DECLARATION:
            return value
    return None


def _literal(node: ast.expr | None) -> Any:
    try:
        if node is not None:
            return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise ValueError("only literals, nothing that has to be run")


def _read(name: Any, value: Any) -> Setting:
    """One entry. Raises ValueError in the words of the one who wrote it."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"the name {name!r} must be text")
    if not isinstance(value, dict) or not value.keys() & set(_KEYS):
        value = {"default": value}
    for key in value:
        if key not in _KEYS:
            raise ValueError(f'"{name}": {unknown(str(key), "key", _KEYS)}')
    default, help, choices = value.get("default"), value.get("help", ""), value.get("choices", [])
    if not isinstance(help, str):
        raise ValueError(f'"{name}": help must be text')
    types = _types(name, value.get("type"), default, choices)
    if types == (SECRET,) and ("default" in value or choices):
        raise ValueError(f'"{name}": a secret has no default and no choices here, it is in secrets.toml')
    if not isinstance(choices, list) or not all(_is_any(choice, types) for choice in choices):
        raise ValueError(f'"{name}": choices must be a list of {" or ".join(types)}')
    setting = Setting(name, types, default, help, tuple(choices))
    if "default" in value and not (_is_json(default) and setting.is_for(default)):
        raise ValueError(f'"{name}": the default {_shown(default)} must be {setting.must_be}')
    return setting


def _types(name: str, given: Any, default: Any, choices: Any) -> tuple[str, ...]:
    if given is None:
        example = choices[0] if isinstance(choices, list) and choices else default
        for kind in ("bool", "int", "float", "str", "list", "dict"):
            if _is_kind(example, kind):
                return (kind,)
        raise ValueError(f'"{name}": needs a type, one of {", ".join((*_KINDS, SECRET))}')
    types = tuple(part.strip() for part in given.split("|")) if isinstance(given, str) else ()
    if types == (SECRET,) or (types and set(types) <= _KINDS.keys()):
        return types
    raise ValueError(f'"{name}": {unknown(str(given), "type", (*_KINDS, SECRET))}')


def _is_any(value: Any, types: tuple[str, ...]) -> bool:
    return any(_is_kind(value, name) for name in types)


def _is_kind(value: Any, name: str) -> bool:
    """A bool is no number."""
    return isinstance(value, _KINDS.get(name, ())) and (name == "bool" or not isinstance(value, bool))


def _is_json(value: Any) -> bool:
    return all(_is_json_part(part) for part in _parts(value))


def _parts(value: Any) -> Iterator[Any]:
    yield value
    inner = [*value.values(), *value.keys()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inner:
        yield from _parts(part)


def _is_json_part(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | list)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
