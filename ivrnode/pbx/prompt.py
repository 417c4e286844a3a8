"""A file of sound that belongs to a tenant, by its name."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "prompt:"


@dataclass(frozen=True, slots=True)
class Prompt:
    """`name` without a folder; with the file's ending or without. The node's own files come before the tenant's."""

    tenant: str
    node: str
    name: str
