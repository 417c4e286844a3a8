"""What a script does that runs, but is hardly meant: told when it is saved, with line and column. It refuses nothing.

    names that neither Python nor the API nor the script has         setTimout(f, 100)
    members, events, arguments that the API does not have            call.sya("Hi"), ws.on("mesage", f)
    settings that the script does not declare, if it declares any    settings["greting"]
    attributes with two underscores                                  ().__class__
    keys that belong into secrets.toml                               "sk-..."

Names are looked at file by file, not scope by scope: what is bound anywhere counts as known. So it says too little at
times, and hardly ever too much.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator

from ivrnode.errors import ScriptError
from ivrnode.tenancy.declared import DECLARATION, read_settings
from ivrnode.tenancy.lint import compiled, place
from ivrnode.tenancy.literal_secret import literal_secret
from ivrnode.tenancy.vocabulary import Method, Noun, Vocabulary

_COMMON_DUNDERS = {"__init__", "__name__", "__qualname__", "__doc__", "__class_getitem__", "__main__", "__post_init__"}
_LONG_LIST = 12

Advice = tuple[ast.AST, str]


def advise(text: str, file: str, vocabulary: Vocabulary) -> list[ScriptError]:
    """All that there is to say, by line. `text` has passed `check`."""
    tree = compiled(text, file)
    script = _Script(tree, vocabulary)
    found = {(where.lineno, where.col_offset, what): where for where, what in script.advice()}  # type: ignore[attr-defined]
    return [place(text, file, where, what) for (_, _, what), where in sorted(found.items(), key=lambda item: item[0])]


class _Script:
    def __init__(self, tree: ast.Module, vocabulary: Vocabulary) -> None:
        self._nodes = list(ast.walk(tree))
        self._vocabulary = vocabulary
        self._bindings = _bindings(self._nodes)
        self._settings, _ = read_settings(tree)
        self._nouns = {name: noun for name, noun in vocabulary.names.items() if name not in self._bindings}
        self._nouns |= {name: noun for name, values in self._bindings.items() if (noun := self._made(values))}
        self._own = {
            (node.value.id, node.attr)
            for node in self._nodes
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
        }

    def advice(self) -> Iterator[Advice]:
        has_star = any(isinstance(node, ast.alias) and node.name == "*" for node in self._nodes)
        for node in self._nodes:
            match node:
                case ast.Name(ctx=ast.Load()) if not has_star:
                    yield from self._name(node)
                case ast.Attribute():
                    yield from self._attribute(node)
                case ast.Subscript(slice=ast.Constant(value=str(key))):
                    yield from self._item(node, key)
                case ast.Call():
                    yield from self._call(node)
                case ast.Constant(value=str(text)):
                    yield from _text(node, text)

    def _name(self, node: ast.Name) -> Iterator[Advice]:
        known = self._vocabulary.names.keys() | self._bindings.keys()
        if node.id in known or (node.id in self._vocabulary.builtins and not _is_dunder(node.id)):
            return
        if _is_dunder(node.id):
            if node.id not in _COMMON_DUNDERS:
                yield node, f"{node.id}: names with two underscores are no part of the script API"
            return
        close = difflib.get_close_matches(node.id, [*known, *self._vocabulary.builtins], n=1, cutoff=0.75)
        yield node, f"{node.id} is not defined" + (f": did you mean {close[0]}?" if close else "")

    def _attribute(self, node: ast.Attribute) -> Iterator[Advice]:
        if _is_dunder(node.attr):
            if node.attr not in _COMMON_DUNDERS:
                yield node, f"{node.attr}: attributes with two underscores are no part of the script API"
            return
        noun = self._noun(node.value)
        if noun is None or noun.members is None or node.attr in noun.members:
            return
        name = ast.unparse(node.value)
        if isinstance(node.ctx, ast.Store):
            if difflib.get_close_matches(node.attr, noun.members, n=1, cutoff=0.75):
                yield node, _unknown("name", node.attr, noun.members, f"{name}.")
        elif (name, node.attr) not in self._own:
            yield node, _unknown("name", node.attr, noun.members, f"{name}.")

    def _item(self, node: ast.Subscript, key: str) -> Iterator[Advice]:
        noun = self._noun(node.value)
        if noun is not None and noun.items and key not in noun.items:
            yield node, _unknown("key", key, noun.items, f"{ast.unparse(node.value)}: ")
        if self._is_settings(node.value):
            yield from self._setting(node, key, is_secret=False)

    def _call(self, node: ast.Call) -> Iterator[Advice]:
        method = self._method(node.func)
        name = ast.unparse(node.func)
        if method is not None and method.arguments is not None:
            for keyword in node.keywords:
                if keyword.arg is not None and keyword.arg not in method.arguments:
                    yield keyword, _unknown("argument", keyword.arg, method.arguments, f"{name}: ")
            if method.takes_object and len(node.args) == 1 and isinstance(node.args[0], ast.Dict):
                keys = {argument.rstrip("_") for argument in method.arguments}
                for key in node.args[0].keys:
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value not in keys:
                        yield key, _unknown("key", key.value, keys, f"{name}: ")
        if not isinstance(node.func, ast.Attribute) or not node.args:
            return
        noun, first = self._noun(node.func.value), node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return
        if noun is not None and noun.events and node.func.attr == "on" and first.value not in noun.events:
            yield first, _unknown("event", first.value, noun.events, f"{name}: ")
        if self._is_settings(node.func.value) and node.func.attr in ("get", "secret"):
            yield from self._setting(first, first.value, is_secret=node.func.attr == "secret")

    def _is_settings(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "settings" and node.id in self._nouns

    def _setting(self, node: ast.AST, name: str, *, is_secret: bool) -> Iterator[Advice]:
        known = [setting.name for setting in self._settings.values() if setting.is_secret is is_secret]
        if self._settings and name not in known:
            what, entry = ("secret", f'"{name}": {{"type": "secret"}}') if is_secret else ("setting", f'"{name}": ...')
            close = difflib.get_close_matches(name, known, n=1)
            way_out = f'did you mean "{close[0]}"?' if close else f"add {entry} to {DECLARATION}"
            yield node, f'{DECLARATION} does not declare the {what} "{name}": {way_out}'

    def _noun(self, node: ast.expr) -> Noun | None:
        match node:
            case ast.Name(id=name):
                return self._nouns.get(name)
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
                noun = self._noun(value)
                return noun.items.get(key) if noun else None
            case ast.NamedExpr(value=value):
                return self._noun(value)
            case ast.Call(func=func):
                method = self._method(func)
                return method.makes if method else None
        return None

    def _method(self, node: ast.expr) -> Method | None:
        match node:
            case ast.Name(id=name):
                noun = self._nouns.get(name)
                return noun.call if noun else None
            case ast.Attribute(value=value, attr=name):
                noun = self._noun(value)
                return noun.members.get(name) if noun and noun.members else None
        return None

    def _made(self, values: list[ast.expr | None]) -> Noun | None:
        """The noun that a variable holds, if it never holds anything else but None."""
        real = [value for value in values if not (isinstance(value, ast.Constant) and value.value is None)]
        nouns = [self._noun(value) if isinstance(value, ast.Call) else None for value in real]
        return nouns[0] if nouns and all(noun is nouns[0] for noun in nouns) else None


def _bindings(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr | None]]:
    """Every name that the script binds, and what to: None for what cannot be told."""
    found: dict[str, list[ast.expr | None]] = {}
    seen: set[ast.AST] = set()
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name() as target], value=value)
                | ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value)
                | ast.NamedExpr(target=ast.Name() as target, value=value)
            ):
                seen.add(target)
                found.setdefault(target.id, []).append(value)
    for node in nodes:
        for name in _bound(node) if node not in seen else ():
            found.setdefault(name, []).append(None)
    return found


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]


def _text(node: ast.Constant, text: str) -> Iterator[Advice]:
    if kind := literal_secret(text):
        yield node, f'looks like {kind}: put it into secrets.toml and write settings.secret("name")'
    elif _is_dunder(text) and text not in _COMMON_DUNDERS:
        yield node, f"{text!r}: names with two underscores are no part of the script API"


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def _unknown(what: str, word: str, known: Iterable[str], where: str) -> str:
    """`where` stands before the word and before the one that was meant, if it ends in a dot."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    prefix = where if where.endswith(".") else ""
    text = f'{where.removesuffix(prefix) if prefix else where}unknown {what} "{prefix}{word}"'
    if close:
        return f'{text}: did you mean "{prefix}{close[0]}"?'
    return f"{text}: known here: {', '.join(names)}" if 0 < len(names) <= _LONG_LIST else text
