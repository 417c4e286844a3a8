"""All tenants of a folder, kept in step with the files: an edit counts from the next call on.

    tenants/
    ├── ivrnode.py              template of the system tier
    ├── localhost/              answers to every name that no other tenant owns
    │   ├── tenant.toml
    │   ├── secrets.toml
    │   ├── ivrnode.py          template of the tenant
    │   └── nodes/100/ivrnode.py
    └── example.com/ ...

One tenant's fault is nobody else's: a tenant whose files are wrong keeps its last good state, or is absent if there is
none, and its fault is logged once per edit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ivrnode.errors import ConfigError
from ivrnode.log import Log
from ivrnode.tenancy.tenant import SECRETS_FILE, TENANT_FILE, Tenant, load_tenant

DEFAULT_TENANT = "localhost"
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Entry:
    stamps: tuple[_Stamp, _Stamp]
    tenant: Tenant | None
    error: ConfigError | None


class TenantStore:
    """`refresh` looks at the files, `resolve` only at memory. A folder without tenant.toml is no tenant."""

    def __init__(self, folder: Path, log: Log, environ: Mapping[str, str] = os.environ) -> None:
        """`environ`: where `env = "NAME"` in a secrets.toml looks. Values of secrets are masked in `log` for good."""
        self.folder, self._log, self._environ = folder, log, environ
        self._prefix = str(folder) + os.sep
        self._entries: dict[str, _Entry] = {}
        self._names: dict[str, Tenant] = {}
        self._conflicts: dict[str, ConfigError] = {}

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        """By domain."""
        return {entry.tenant.domain: entry.tenant for entry in self._entries.values() if entry.tenant}

    @property
    def errors(self) -> Mapping[str, ConfigError]:
        """What is wrong now, by the name of the tenant's folder. The tenant may live on in its last good state."""
        return self._conflicts | {name: entry.error for name, entry in self._entries.items() if entry.error}

    def names(self) -> list[str]:
        """The domains of all tenants, as the files are now."""
        self.refresh()
        return list(self.tenants)

    def resolve(self, domain: str) -> Tenant | None:
        """The tenant that owns `domain` (any case, a dot at its end is ignored), else the tenant localhost, if any."""
        return self._names.get(domain.lower().rstrip(".")) or self._names.get(DEFAULT_TENANT)

    def refresh(self) -> None:
        """Read what has changed since the last time. Costs one listing and two file times a tenant."""
        found = {name: stamps for name in self._folders() if (stamps := self._stamps(name))[0] is not None}
        known = {name: entry.stamps for name, entry in self._entries.items()}
        changed = [name for name, stamps in found.items() if known.get(name) != stamps]
        gone = known.keys() - found.keys()
        for name in gone:
            del self._entries[name]
        for name in changed:
            self._entries[name] = self._load(name, found[name])
        if changed or gone:
            self._entries = dict(sorted(self._entries.items()))
            self._name_all()

    def _folders(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        except OSError:
            return []

    def _stamps(self, name: str) -> tuple[_Stamp, _Stamp]:
        # Plain strings: this runs for every tenant at every call, and a Path costs more to build than its file to ask.
        folder = f"{self._prefix}{name}{os.sep}"
        return _stamp(folder + TENANT_FILE), _stamp(folder + SECRETS_FILE)

    def _load(self, name: str, stamps: tuple[_Stamp, _Stamp]) -> _Entry:
        try:
            tenant = load_tenant(self.folder / name, self._environ)
        except ConfigError as error:
            last = self._entries.get(name)
            kept = last.tenant if last else None
            self._write_error(error, "its last good state stays" if kept else "the tenant is absent until then")
            return _Entry(stamps, kept, error)
        for secret in tenant.secrets.values():
            self._log.mask(secret.value)
        count = len(tenant.nodes)
        self._log.write("CONFIG", 4, f"loaded with {count} node{'s' * (count != 1)}", tenant=tenant.domain)
        return _Entry(stamps, tenant, None)

    def _name_all(self) -> None:
        """Domains first, then aliases: a folder's own name cannot be taken by another tenant."""
        self._names = dict(self.tenants)
        conflicts: dict[str, ConfigError] = {}
        for name, entry in self._entries.items():
            for alias in entry.tenant.aliases if entry.tenant else ():
                owner = self._names.setdefault(alias, entry.tenant)  # type: ignore[arg-type]
                if owner is not entry.tenant:
                    conflicts[name] = ConfigError(
                        f'"{alias}" belongs to the tenant {owner.domain}: remove it here or there',
                        file=str(self.folder / name / TENANT_FILE),
                        key="aliases",
                    )
        for name, error in conflicts.items():
            if str(error) != str(self._conflicts.get(name, "")):
                self._write_error(error, "the alias is ignored until then")
        self._conflicts = conflicts

    def _write_error(self, error: ConfigError, consequence: str) -> None:
        self._log.write("CONFIG", 1, f"{error} ({consequence})")


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
