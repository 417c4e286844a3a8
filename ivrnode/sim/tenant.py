"""The tenant on the desk: a folder like any other tenant's, written by the desk.

A script is a link in it to the file that was given, and so are the sounds that the script would have: those of
`prompts/` beside it, and where it lies in a tenant's folder (`TENANT/nodes/700/ivrnode.py`), those of the tenant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivrnode.errors import ConfigError
from ivrnode.sim.phone import DOMAIN
from ivrnode.tenancy.templates import TEMPLATE_FILE
from ivrnode.tenancy.tenant import TENANT_FILE, load_tenant

FIRST_NODE = 700
PASSWORD = "not a secret"
NODES, PROMPTS = "nodes", "prompts"


class TenantFolder:
    """`folder` is the tenants' folder. Every change is on disk at once, or there is none: ConfigError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / DOMAIN
        self._document: dict[str, Any] = {"access": "public", "nodes": {}, "accounts": {}}

    def configure(self, keys: Mapping[str, Any]) -> None:
        """Keys of tenant.toml."""
        self._change({**self._document, **keys})

    def add_node(self, script: Path, extension: str = "", **keys: Any) -> str:
        """A node that runs the file `script` as it stands. Its extension: the next free one, unless it is given."""
        extension = extension or str(FIRST_NODE + len(self._document["nodes"]))
        self._add("nodes", extension, keys)
        script, node = script.resolve(), self.folder / NODES / extension
        _link(node / TEMPLATE_FILE, script)
        _link(node / PROMPTS, script.parent / PROMPTS)
        if script.parent.parent.name == NODES:
            _link(self.folder / PROMPTS, script.parent.parent.parent / PROMPTS)
        return extension

    def add_account(self, name: str) -> None:
        self._add("accounts", name, {"password": PASSWORD})

    def _add(self, table: str, name: str, keys: Mapping[str, Any]) -> None:
        self._change({**self._document, table: {**self._document[table], name: keys}})

    def _change(self, document: dict[str, Any]) -> None:
        text = _toml(document)
        self._write(text)
        try:
            load_tenant(self.folder, {})
        except ConfigError:
            self._write(_toml(self._document))
            raise
        self._document = document

    def _write(self, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / TENANT_FILE).write_text(text, "utf-8")


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _toml(document: Mapping[str, Any]) -> str:
    """Every top-level value on a line of its own; tables are inline."""
    return "".join(f"{_text(name)} = {_value(value)}\n" for name, value in document.items())


def _value(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case bool() | int() | float():
            return json.dumps(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(str(name))} = {_value(part)}" for name, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
    raise ConfigError(f"a setting cannot be {value!r}: text, a number, true, false, a list or a table")


def _text(text: str) -> str:
    """TOML's basic string is JSON's, but that it must not hold DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
