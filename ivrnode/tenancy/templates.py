"""Templates: the `ivrnode.py` files, in four tiers. The nearest one that is not empty runs; nothing is merged.

    node      tenants/<tenant>/nodes/<extension>/ivrnode.py      nearest
    tenant    tenants/<tenant>/ivrnode.py
    system    tenants/ivrnode.py
    default   part of the package: the OpenAI Realtime demo

A file is read again when it has changed, so an edit counts from the next call on; a running call keeps its text. What
is saved through `save` has passed `check`. A broken text that came into the file by another way still wins its tier,
with `error` set: the caller then hears an apology and the log says why, instead of a script that nobody meant to run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ivrnode.errors import ScriptError
from ivrnode.tenancy.lint import LARGEST_SCRIPT, check, decode, too_large

TEMPLATE_FILE = "ivrnode.py"
DEFAULT_TEMPLATE = Path(__file__).parent / "default" / TEMPLATE_FILE


@dataclass(frozen=True, slots=True)
class Template:
    """The text that runs. `path` is the name in its tracebacks. `error` set: it must not run."""

    tier: str
    path: Path
    text: str
    error: ScriptError | None = None


class Templates:
    """The templates below one tenants folder. A tier is named by what it belongs to: `tenant` (its folder's name) and
    `node` (its extension); neither is the system tier."""

    def __init__(self, folder: Path, imports: Collection[str]) -> None:
        """`imports`: the modules that a script may import."""
        self._folder, self._imports = folder, imports
        self._read: dict[Path, tuple[tuple[int, int, int], Template]] = {}

    def path(self, tenant: str = "", node: str = "") -> Path:
        folder = self._folder / tenant if tenant else self._folder
        return (folder / "nodes" / node if node else folder) / TEMPLATE_FILE

    def find(self, tenant: str = "", node: str = "") -> Template:
        """The template that the next call there runs."""
        for tier, path in self.places(tenant, node):
            if template := self._load(tier, path):
                return template
        missing = ScriptError("the package is not complete: install it again", file=str(DEFAULT_TEMPLATE))
        return Template("default", DEFAULT_TEMPLATE, "", missing)

    def places(self, tenant: str = "", node: str = "") -> Iterator[tuple[str, Path]]:
        """The tiers that count there and their files, nearest first."""
        if node:
            yield "node", self.path(tenant, node)
        if tenant:
            yield "tenant", self.path(tenant)
        yield "system", self.path()
        yield "default", DEFAULT_TEMPLATE

    def save(self, text: str, tenant: str = "", node: str = "") -> Path:
        """Put `text` into the tier, at once and whole. Raises ScriptError, with line and column, for a faulty one."""
        path = self.path(tenant, node)
        if error := check(text, str(path), self._imports):
            raise error
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{TEMPLATE_FILE}.{os.getpid()}")
        new.write_text(text, "utf-8")
        new.replace(path)
        return path

    def reset(self, tenant: str = "", node: str = "") -> bool:
        """Empty the tier, the next one applies. False when it was empty."""
        path = self.path(tenant, node)
        is_there = path.exists()
        path.unlink(missing_ok=True)
        return is_there

    def _load(self, tier: str, path: Path) -> Template | None:
        try:
            found = path.stat()
        except OSError:
            self._read.pop(path, None)
            return None
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = stamp, _read(tier, path, found.st_size, self._imports)
        template = known[1]
        return template if template.error or template.text.strip() else None


def _read(tier: str, path: Path, size: int, imports: Collection[str]) -> Template:
    if size > LARGEST_SCRIPT:
        return Template(tier, path, "", too_large(str(path)))
    try:
        text = decode(path.read_bytes(), str(path))
    except ScriptError as error:
        return Template(tier, path, "", error)
    except OSError as error:
        return Template(tier, path, "", ScriptError(f"cannot be read: {error.strerror}", file=str(path)))
    return Template(tier, path, text, check(text, str(path), imports))
