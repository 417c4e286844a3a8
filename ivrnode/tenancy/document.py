"""A TOML file, read strictly: the dataclasses say what may stand in it, a fault names file, line, key and a way out.

A field's type is its first rule; `option` adds ranges, choices and a parser, `named` takes the table's own name.

    annotation              TOML
    bool int float str      the same (an int is a float, too)
    Path                    text, relative to the file's folder (so is a default)
    tuple[str, ...]         list of texts
    Mapping[str, Any]       table of JSON values
    Mapping[str, int|str]   table of such values
    a dataclass             table; left out, it is an empty one
    Mapping[str, <dataclass>]   table of tables, each one named
    any other               whatever the option's parser makes of it
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ivrnode.errors import ConfigError

T = TypeVar("T")

_RULE = "rule"
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "text (a path)"}
_WIDEST_INTEGER = 2**53  # beyond it JSON readers disagree (RFC 8259 s6)
_SYNTAX_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class _Rule:
    parse: Callable[[Any], Any] | None = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    is_secret: bool = False
    name_pattern: str = ""
    name_hint: str = ""


def option(
    default: Any = dataclasses.MISSING,
    *,
    parse: Callable[[Any], Any] | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    is_secret: bool = False,
) -> Any:
    """A key with rules. `parse` gets the TOML value; its ValueError says what the value must be.

    Without a default the key must be there. `is_secret`: no message and no repr shows the value.
    """
    rule = _Rule(parse, low, high, choices, is_secret)
    if isinstance(default, dict):
        return field(default_factory=default.copy, repr=not is_secret, metadata={_RULE: rule})
    return field(default=default, repr=not is_secret, metadata={_RULE: rule})


def named(pattern: str, hint: str) -> Any:
    """The name of the table itself, as in `[nodes.100]`. `hint` says in words what `pattern` asks for."""
    return field(metadata={_RULE: _Rule(name_pattern=pattern, name_hint=hint)})


class Document:
    """One parsed file. Every fault is a ConfigError with the line of its key."""

    def __init__(self, text: str, file: str, folder: Path = Path()) -> None:
        """Raises ConfigError when `text` is not TOML. `folder`: where relative paths of the file start."""
        self.text, self.file, self.folder = text, file, folder
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = _SYNTAX_PLACE.search(str(error))
            line = int(place["line"]) if place and place["line"] else text.count("\n") + 1
            what = str(error)[: place.start()] if place else str(error)
            raise ConfigError(f"not TOML: {what[:1].lower()}{what[1:]}", file=file, line=line) from None

    @classmethod
    def load(cls, path: Path) -> Document:
        """Raises ConfigError when the file cannot be read or is not TOML in UTF-8."""
        try:
            return cls(path.read_text("utf-8"), str(path), path.parent)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigError("is not UTF-8: save it as UTF-8", file=str(path), line=line) from None

    def read(self, kind: type[T]) -> T:
        """The whole file as one `kind`. Raises ConfigError."""
        return self._table(kind, self.values, ())

    def has(self, *path: str) -> bool:
        return _find(self.values, path)

    def line(self, path: Sequence[str]) -> int:
        """The line (1-based) on which the key or table `path` begins; 0 when the file does not hold it."""
        return line_of(self.text, path)

    def error(self, path: Sequence[str], message: str) -> ConfigError:
        return ConfigError(message, file=self.file, key=dotted(path), line=self.line(path))

    def _table(self, kind: type[T], value: Any, path: tuple[str, ...]) -> T:
        if not isinstance(value, dict):
            raise self._wrong(value, f"a table: write [{dotted(path)}]", path, is_secret=False)
        names = _keys(kind)
        for key in value:
            if key not in names:
                raise self.error((*path, key), unknown(key, "key", names))
        hints = typing.get_type_hints(kind)
        known: dict[str, Any] = {}
        for item in dataclasses.fields(kind):  # type: ignore[arg-type]
            rule = _rule(item)
            if rule.name_pattern:
                known[item.name] = self._name(rule, path)
            elif item.name in value:
                known[item.name] = self._value(hints[item.name], value[item.name], rule, (*path, item.name))
            elif dataclasses.is_dataclass(hints[item.name]):  # a section left out is an empty one
                known[item.name] = self._table(hints[item.name], {}, (*path, item.name))
            elif isinstance(item.default, Path):
                known[item.name] = self.folder / item.default
            elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                raise self.error(path, f"{item.name} is missing: add {item.name} = {_example(hints[item.name])}")
        return kind(**known)

    def _name(self, rule: _Rule, path: tuple[str, ...]) -> str:
        if not re.fullmatch(rule.name_pattern, path[-1]):
            raise self.error(path, f"{path[-1]!r} cannot be a name here: {rule.name_hint}")
        return path[-1]

    def _value(self, hint: Any, value: Any, rule: _Rule, path: tuple[str, ...]) -> Any:
        if rule.parse is not None:
            try:
                return rule.parse(value)
            except ValueError as error:
                raise self._wrong(value, str(error), path, rule.is_secret) from None
        if isinstance(hint, types.UnionType):  # `X | None`: TOML has no null, so the value is an X
            hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
        if dataclasses.is_dataclass(hint):
            return self._table(typing.cast(type[Any], hint), value, path)
        origin = typing.get_origin(hint)
        if origin is tuple:
            if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
                raise self._wrong(value, 'a list of texts, as in ["a", "b"]', path, rule.is_secret)
            return tuple(value)
        if origin is not None and issubclass(origin, Mapping):
            return self._mapping(typing.get_args(hint)[1], value, rule, path)
        return self._scalar(hint, value, rule, path)

    def _mapping(self, hint: Any, value: Any, rule: _Rule, path: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(value, f"a table: write [{dotted(path)}]", path, rule.is_secret)
        if hint is Any:
            return {key: self._json(part, (*path, key)) for key, part in value.items()}
        return {key: self._value(hint, part, rule, (*path, key)) for key, part in value.items()}

    def _scalar(self, hint: type, value: Any, rule: _Rule, path: tuple[str, ...]) -> Any:
        accepted: Any = {float: (int, float), Path: str}.get(hint, hint)
        if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
            raise self._wrong(value, _KINDS[hint], path, rule.is_secret)
        if rule.choices and value not in rule.choices:
            raise self._wrong(value, " or ".join(f'"{choice}"' for choice in rule.choices), path, rule.is_secret)
        if not isinstance(value, str) and not rule.low <= value <= rule.high:
            raise self._wrong(value, f"from {rule.low} to {rule.high}", path, rule.is_secret)
        if hint is Path:
            if not value or "\0" in value:
                raise self._wrong(value, "the path of a file or folder", path, rule.is_secret)
            return self.folder / Path(value).expanduser()
        return float(value) if hint is float else value

    def _json(self, value: Any, path: tuple[str, ...]) -> Any:
        """Settings reach the script as JSON: what JSON cannot hold is refused here."""
        match value:
            case dict():
                return {key: self._json(part, (*path, key)) for key, part in value.items()}
            case list():
                return [self._json(part, path) for part in value]
            case bool() | str():
                return value
            case int() if abs(value) <= _WIDEST_INTEGER:
                return value
            case float() if math.isfinite(value):
                return value
        raise self._wrong(value, "text, a number, true, false, a list or a table: write others as text", path, False)

    def _wrong(self, value: Any, must_be: str, path: tuple[str, ...], is_secret: bool) -> ConfigError:
        is_now = "" if is_secret else f"is {_shown(value)}, "
        return self.error(path, f"{is_now}must be {must_be}")


def unknown(word: str, what: str, known: Iterable[str]) -> str:
    """`unknown key "lisen": did you mean "listen"?`, or the list of those that exist."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f'unknown {what} "{word}": did you mean "{close[0]}"?'
    return f'unknown {what} "{word}": ' + (f"known here: {', '.join(names)}" if names else "none is known here")


def dotted(path: Sequence[str]) -> str:
    """A key as TOML writes it."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path)


def line_of(text: str, path: Sequence[str]) -> int:
    """The line (1-based) on which `path` begins in a TOML text; 0 when it is not there.

    No second parser: the lines up to and including a statement are TOML, too, and its key is in them but not in the
    lines before it. The first such end is found by halving, the beginning by stepping back over lines that are no end
    of a statement (a text or list of several lines).
    """
    lines = text.replace("\r\n", "\n").split("\n")

    def holds(count: int) -> bool | None:
        """Whether the first `count` lines hold the path; None when they end inside a statement."""
        try:
            return _find(tomllib.loads("\n".join(lines[:count])), path)
        except tomllib.TOMLDecodeError:
            return None

    low, high = 0, len(lines)  # low: a statement's end without the path; high: one with it
    if not path or not holds(high):
        return 0
    while True:
        middle = next((count for count in range((low + high) // 2, low, -1) if holds(count) is not None), None)
        middle = middle or next((count for count in range(low + 1, high) if holds(count) is not None), None)
        if middle is None:
            return low + 1
        if holds(middle):
            high = middle
        else:
            low = middle


def _find(values: Any, path: Sequence[str]) -> bool:
    for key in path:
        if isinstance(values, list):  # [[array of tables]]: its last one is the open one
            values = values[-1] if values else None
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True


def _keys(kind: Any) -> list[str]:
    return [item.name for item in dataclasses.fields(kind) if not _rule(item).name_pattern]


def _rule(item: dataclasses.Field[Any]) -> _Rule:
    rule: _Rule = item.metadata.get(_RULE, _Rule())
    return rule


def _example(hint: Any) -> str:
    return '["..."]' if typing.get_origin(hint) is tuple else '"..."'


def _shown(value: Any) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        text = f"[{', '.join(map(_shown, value))}]"
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
