"""The names of the script API, taken from the objects that a script gets: there is no second list of them."""

from __future__ import annotations

import functools
import inspect
from types import ModuleType
from typing import Any

from ivrnode.script.guest.environment import Environment
from ivrnode.script.guest.link import Link
from ivrnode.script.guest.loop import ScriptLoop
from ivrnode.script.guest.runtime import Runtime
from ivrnode.tenancy.vocabulary import Method, Noun, Vocabulary

_EXAMPLES: dict[str, tuple[Any, ...]] = {"Websocket": ("wss://vocabulary.invalid",)}
"""Arguments that a class of the API can be made with: only an object has all of its attributes."""


def vocabulary() -> Vocabulary:
    link = Link()
    loop = ScriptLoop(link, {})
    try:
        names = Environment(Runtime(link, loop)).names
        nouns = {name: _noun(value) for name, value in names.items() if not name.startswith("__")}
        return Vocabulary(nouns, frozenset(names["__builtins__"]))
    finally:
        loop.close()


def _noun(value: Any) -> Noun:
    if isinstance(value, ModuleType):
        return Noun(dict.fromkeys(dir(value)))
    if isinstance(value, dict):
        return Noun(dict.fromkeys(dir(dict)), items={name: _noun(item) for name, item in value.items()})
    if isinstance(value, functools.partial):
        made = _noun(value(*_EXAMPLES[value.func.__name__])) if isinstance(value.func, type) else None
        return Noun(call=Method(_method(value).arguments, makes=made))
    if inspect.isroutine(value):
        return Noun(call=_method(value))
    if isinstance(value, str):
        return Noun()
    return _object(value)


def _object(value: Any) -> Noun:
    kind = type(value)
    names = set(dir(value))
    for base in kind.__mro__:
        names |= set(inspect.get_annotations(base))
    members = {name: _member(kind, name) for name in names if not name.startswith("_")}
    return Noun(members, tuple(getattr(kind, "_events", ())))


def _member(kind: type, name: str) -> Method | None:
    member = inspect.getattr_static(kind, name, None)
    return _method(member, is_bound=False) if inspect.isfunction(member) else None


def _method(function: Any, *, is_bound: bool = True) -> Method:
    parameters = list(inspect.signature(function).parameters.values())[0 if is_bound else 1 :]
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return Method()
    named = (parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_POSITIONAL)
    return Method(frozenset(named), hasattr(function, "__wrapped__"))
