"""The names of the script API, as the lint needs them. They are taken from the API itself, by whoever may know it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Method:
    """`arguments`: the names that may stand before a =; None = any. `takes_object`: also as keys of one dict.
    `makes`: what it returns, if that is a part of the API that can be told."""

    arguments: frozenset[str] | None = None
    takes_object: bool = False
    makes: Noun | None = None


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing of the API. `members` None = any; a member that is no method is None. `items`: `x["name"]`."""

    members: Mapping[str, Method | None] | None = None
    events: Collection[str] = ()
    items: Mapping[str, Noun] = field(default_factory=dict)
    call: Method | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`names`: what a script finds without importing anything, without the `builtins` of Python."""

    names: Mapping[str, Noun]
    builtins: Collection[str]
