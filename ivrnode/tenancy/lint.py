"""What can be said about a script before it runs, with line and column. A friend, not a wall: those are in `script`.

Refused: what does not compile (with `await` at top level), imports that the worker would refuse, a second event loop,
settings declared wrongly. What is merely odd is the business of `advice.py`.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterator

from ivrnode.errors import ScriptError
from ivrnode.tenancy.declared import Fault, read_settings

LARGEST_SCRIPT = 256 * 1024
"""Bytes of UTF-8."""

_REFUSED_CALLS = {
    "asyncio.run": "the script has a running loop: use `await` at top level instead",
    "asyncio.to_thread": "a script has no threads: use `await` or a task",
}
_LINE_END = re.compile(r"\r\n|\r|\n")

_INSTEAD = {
    **dict.fromkeys(("requests", "httpx", "aiohttp", "urllib3"), "system.http"),
    **dict.fromkeys(("websockets", "websocket", "openai"), "Websocket"),
    "smtplib": "system.email",
}


def check(text: str, file: str, imports: Collection[str]) -> ScriptError | None:
    """The first thing that keeps `text` from running as a script, None when there is nothing.

    `imports`: modules that may be imported, each with all that is below it.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        return ScriptError("holds half a character (a lone surrogate)", file=file, line=line)
    if size > LARGEST_SCRIPT:
        return too_large(file)
    try:
        tree = compiled(text, file)
    except SyntaxError as error:
        return ScriptError(
            f"syntax error: {error.msg}", file=file, line=error.lineno or 0, column=max(error.offset or 0, 0)
        )
    except (RecursionError, MemoryError):
        return ScriptError("is nested too deeply", file=file)
    except (ValueError, OverflowError) as error:
        return ScriptError(f"does not compile: {error}", file=file)
    _, faults = read_settings(tree)
    found = sorted([*_refusals(tree, imports), *faults], key=lambda fault: (fault[0].lineno, fault[0].col_offset))
    return place(text, file, *found[0]) if found else None


def decode(data: bytes, file: str) -> str:
    """The text of a script's file. Raises ScriptError, with line and column, if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].split(b"\n")
        raise ScriptError(
            "is not UTF-8: save it as UTF-8", file=file, line=len(before), column=len(before[-1].decode()) + 1
        ) from None


def too_large(file: str) -> ScriptError:
    return ScriptError(f"is larger than {LARGEST_SCRIPT // 1024} KB", file=file)


def compiled(text: str, file: str) -> ast.Module:
    """The tree of a script that compiles. Raises SyntaxError and what else the compiler has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree: ast.Module = compile(
            text, file, "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        compile(
            tree, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )  # finds what the grammar does not: `return` at top level
    return tree


def _refusals(tree: ast.Module, imports: Collection[str]) -> Iterator[Fault]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    if not _is_allowed(name.name, imports):
                        yield node, _not_allowed(name.name)
            case ast.ImportFrom(level=level) if level:
                yield node, "a script has no package: write the import without dots before the name"
            case ast.ImportFrom(module=str(module), names=names):
                for name in names:
                    full = f"{module}.{name.name}"
                    if full in _REFUSED_CALLS:
                        yield node, f"{full}: {_REFUSED_CALLS[full]}"
                    elif not _is_allowed(full, imports):
                        yield node, _not_allowed(module)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if f"{name}.{attribute}" in _REFUSED_CALLS:
                yield node, f"{name}.{attribute}: {_REFUSED_CALLS[f'{name}.{attribute}']}"


def _is_allowed(module: str, imports: Collection[str]) -> bool:
    parts = module.split(".")
    return parts[0] == "__future__" or any(".".join(parts[:count]) in imports for count in range(1, len(parts) + 1))


def _not_allowed(module: str) -> str:
    instead = _INSTEAD.get(module.partition(".")[0])
    return f"import {module}: not allowed in a script" + (f", use {instead}" if instead else "")


def place(text: str, file: str, node: ast.AST, message: str) -> ScriptError:
    """The error at a node. The parser counts columns in bytes of UTF-8; people count characters."""
    line = _LINE_END.split(text)[node.lineno - 1]  # type: ignore[attr-defined]
    column = len(line.encode()[: node.col_offset].decode(errors="replace")) + 1  # type: ignore[attr-defined]
    return ScriptError(message, file=file, line=node.lineno, column=column)  # type: ignore[attr-defined]
