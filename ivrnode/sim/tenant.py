"""The tenant on the desk: a folder like any other tenant's, written by the desk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivrnode.errors import ConfigError
from ivrnode.sim.phone import DOMAIN
from ivrnode.tenancy.templates import TEMPLATE_FILE
from ivrnode.tenancy.tenant import TENANT_FILE

FIRST_NODE = 700
PASSWORD = "not a secret"


class TenantFolder:
    """`folder` is the tenants' folder. Every change is on disk at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / DOMAIN
        self._nodes: dict[str, dict[str, Any]] = {}
        self._accounts: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, Any] = {"access": "public"}

    def configure(self, keys: Mapping[str, Any]) -> None:
        """Keys of tenant.toml."""
        self._keys |= keys
        self._write()

    def add_node(self, script: Path, extension: str = "", **keys: Any) -> str:
        """A node that runs the file `script` as it stands. Its extension: the next free one, unless it is given."""
        extension = extension or str(FIRST_NODE + len(self._nodes))
        link = self.folder / "nodes" / extension / TEMPLATE_FILE
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(script.resolve())
        self._nodes[extension] = keys
        self._write()
        return extension

    def add_account(self, name: str) -> None:
        self._accounts[name] = {"password": PASSWORD}
        self._write()

    def _write(self) -> None:
        document = self._keys | {"nodes": self._nodes, "accounts": self._accounts}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / TENANT_FILE).write_text(_toml(document), "utf-8")


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
