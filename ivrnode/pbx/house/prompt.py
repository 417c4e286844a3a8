"""A file of sound that belongs to a tenant, by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ivrnode.errors import ScriptError

PREFIX = "prompt:"
_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Prompt:
    """`name` without a folder; with the file's ending or without. The node's own files come before the tenant's.
    Raises ScriptError for a name that could lead elsewhere."""

    tenant: str
    node: str
    name: str

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise ScriptError(f"{self.name!r} cannot be the name of a prompt: letters, digits, - _ and . only")
