"""What a script may import, and the guard that says so. A help for honest scripts: the wall is the kernel.

Behind the lock-down no file can be read, so the zygote imports everything beforehand, also what the standard library
would only import on first use.
"""

from __future__ import annotations

import builtins
import codecs
import importlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

ALLOWED = (
    "array", "asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "io", "itertools", "json", "math",
    "operator", "random", "re", "secrets", "statistics", "string", "struct", "textwrap", "time", "traceback", "typing",
    "unicodedata", "urllib.parse", "uuid", "zlib",
)  # fmt: skip
_BEHIND = (  # imported by the above only when first needed
    "__future__", "_strptime", "ast", "calendar", "collections.abc", "encodings.idna", "html.entities", "html.parser",
    "ipaddress", "json.decoder", "linecache", "numbers", "tokenize",
)  # fmt: skip
_ENCODINGS = (
    "ascii", "cp1252", "idna", "iso8859-1", "iso8859-15", "punycode", "unicode_escape", "utf-8-sig", "utf-16",
    "utf-16-le", "utf-16-be", "utf-32",
)  # fmt: skip


def preload() -> None:
    """Import all that scripts may import, and wake what loads itself on first use.

    Nothing of it gets to run after each fork, as `threading` and `logging` would: a process of one thread has no locks
    to mend, and each worker would copy the pages of memory that this touches. `random` is seeded anew by the zygote.
    """
    sys.modules["ssl"] = None  # type: ignore[assignment]  # asyncio does without, and a worker is smaller
    register_at_fork, os.register_at_fork = os.register_at_fork, _run_nothing
    for name in (*ALLOWED, *_BEHIND):
        importlib.import_module(name)
    os.register_at_fork = register_at_fork
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    time.localtime()  # reads the time zone
    time.strptime("2000", "%Y")
    sys.modules["hashlib"].pbkdf2_hmac("sha256", b"", b"salt", 1)  # OpenSSL fetches its algorithms
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s"):
        sys.modules["hashlib"].new(name, b"").hexdigest()
    uuid: Any = sys.modules["uuid"]
    uuid._GETTERS, uuid._generate_time_safe = [], None  # asking for the network card would be a forbidden call
    time.sleep = _no_sleep  # type: ignore[assignment]


def _run_nothing(**hooks: object) -> None:
    pass


def script_builtins() -> dict[str, Any]:
    """The builtins of a script: its own imports are checked, those of the standard library are not."""
    return vars(builtins) | {"__import__": _import, "open": _no_open}


def is_allowed(name: str) -> bool:
    """`collections.abc` comes with `collections`, but `urllib` does not come with `urllib.parse`."""
    if name in ALLOWED or name == "__future__":
        return True
    return name.partition(".")[0] in ALLOWED and name in sys.modules


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    inner = bool(fromlist) and all(is_allowed(f"{name}.{part}") for part in fromlist or ())
    is_builtin = isinstance(fromlist, list)  # C code that imports for itself, as datetime does for strptime
    if not is_builtin and (level or not (is_allowed(name) or inner)):
        raise ImportError(f"a script cannot import {name!r}. It may import: {' '.join(ALLOWED)}", name=name)
    return builtins.__import__(name, globals, locals, fromlist or (), 0)


def _no_open(*_: object, **__: object) -> NoReturn:
    raise PermissionError("a script has no files: open() does not work")


def _no_sleep(seconds: float) -> NoReturn:
    raise RuntimeError("time.sleep() would stop the whole call: write `await asyncio.sleep(seconds)`")
