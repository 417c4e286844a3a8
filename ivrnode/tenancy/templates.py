"""Templates: the `ivrnode.py` files, in four tiers. The nearest one that is not empty runs; nothing is merged.

    node      tenants/<tenant>/nodes/<extension>/ivrnode.py      nearest
    tenant    tenants/<tenant>/ivrnode.py
    system    tenants/ivrnode.py
    default   part of the package: the OpenAI Realtime demo

A file is read again when it has changed, so an edit counts from the next call on; a running call keeps its text. What
is saved through `save` has passed `check`, and is kept as a version (`versions.py`). A broken text that came into the
file by another way still wins its tier, with `error` set: the caller then hears an apology and the log says why,
instead of a script that nobody meant to run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivrnode.errors import ScriptError
from ivrnode.tenancy.declared import Setting, declared_settings
from ivrnode.tenancy.lint import LARGEST_SCRIPT, check, decode, too_large
from ivrnode.tenancy.versions import Note, Version, Versions

TEMPLATE_FILE = "ivrnode.py"
DEFAULT_TEMPLATE = Path(__file__).parent / "default" / TEMPLATE_FILE


@dataclass(frozen=True, slots=True)
class Template:
    """The text that runs. `path` is the name in its tracebacks. `error` set: it must not run.

    `version`: its number; 0 for one that no save has seen. `settings`: those that the script declares.
    """

    tier: str
    path: Path
    text: str
    error: ScriptError | None = None
    version: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)


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

    def save(self, text: str, note: Note, tenant: str = "", node: str = "") -> Version:
        """Put `text` into the tier. Raises ScriptError, with line and column, for a faulty one."""
        path = self.path(tenant, node)
        if error := check(text, str(path), self._imports):
            raise error
        return Versions(path).save(text.encode(), note)

    def reset(self, note: Note, tenant: str = "", node: str = "") -> bool:
        """Empty the tier, the next one applies. False when it was empty."""
        path = self.path(tenant, node)
        if not path.exists():
            return False
        Versions(path).save(b"", note)
        return True

    def history(self, tenant: str = "", node: str = "") -> list[Version]:
        """The tier's versions, oldest first; an edit by hand is one of them."""
        versions = Versions(self.path(tenant, node))
        versions.take_up()
        return versions.all()

    def version(self, number: int, tenant: str = "", node: str = "") -> str:
        """The text of a version. Raises ScriptError when there is none of that number, or it is not UTF-8."""
        path = self.path(tenant, node)
        data = Versions(path).data(number)
        if data is None:
            raise ScriptError(f"there is no version {number}", file=str(path))
        return decode(data, f"version {number}")

    def rollback(self, number: int, note: Note, tenant: str = "", node: str = "") -> Version:
        """Make a version the newest one again. Raises ScriptError for one that is not there or cannot run."""
        text = self.version(number, tenant, node)
        if error := check(text, f"version {number}", self._imports):
            raise error
        return Versions(self.path(tenant, node)).save(text.encode(), note)

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
        data = path.read_bytes()
        text = decode(data, str(path))
    except ScriptError as error:
        return Template(tier, path, "", error)
    except OSError as error:
        return Template(tier, path, "", ScriptError(f"cannot be read: {error.strerror}", file=str(path)))
    if fault := check(text, str(path), imports):
        return Template(tier, path, text, fault)
    return Template(tier, path, text, None, Versions(path).number_of(data), declared_settings(text))
