"""`ivrnode tenant`: list tenants, put one into an archive, take one out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.commands._login import note, with_author
from ivrnode.errors import ConfigError

if TYPE_CHECKING:
    from ivrnode.config import Config
    from ivrnode.tenancy.store import TenantStore


@click.group()
def tenant() -> None:
    """List tenants, put one into an archive, take one out of it: on the files, no ivrnode has to run. Unblock one."""


@tenant.command("list")
@with_config
def list_tenants(config: Config) -> None:
    """One line a tenant: its domain, how many nodes and accounts it has, its other names."""
    store = _store(config)
    for domain, found in store.tenants.items():
        names = f"  {' '.join(found.aliases)}" if found.aliases else ""
        click.echo(f"{domain:30}  {len(found.nodes):4} nodes  {len(found.accounts):4} accounts{names}")
    for error in store.errors.values():
        click.echo(f"Error: {error}", err=True)
    if not store.tenants and not store.errors:
        click.echo(f"no tenant in {config.tenants}")


@tenant.command("export")
@click.argument("domain")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--with-secrets", is_flag=True, help="secrets.toml, too.")
@with_config
def export(config: Config, domain: str, file: Path, with_secrets: bool) -> None:
    """Put the tenant DOMAIN into FILE (.tar.gz), readable for you alone: it holds the passwords of accounts."""
    from ivrnode.tenancy.archive import export_tenant
    from ivrnode.tenancy.document import unknown

    store = _store(config)
    if domain not in store.tenants:
        raise store.errors.get(domain) or ConfigError(
            unknown(domain, "tenant", store.tenants), file=str(config.tenants)
        )
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(part, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
            contents = export_tenant(config.tenants / domain, opened, with_secrets=with_secrets)
        part.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    for link in contents.links:
        click.echo(f"Warning: {link} is a link and was left out", err=True)
    click.echo(f"wrote {file}: {domain}, {contents.files} files, {'with' if with_secrets else 'without'} secrets")


@tenant.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "domain", default="", metavar="DOMAIN", help="Under this name instead of its own.")
@click.option("--replace", "is_replacing", is_flag=True, help="In place of the tenant of that name.")
@with_author
@with_config
def import_(config: Config, file: Path, domain: str, is_replacing: bool, author: str) -> None:
    """Take the tenant in FILE, as `ivrnode tenant export` wrote it. It counts from the next call on.

    In place of another tenant, that one's secrets stay if FILE has none.
    """
    from ivrnode.tenancy.archive import import_tenant

    try:
        config.tenants.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as opened:
            contents = import_tenant(
                opened,
                str(file),
                config.tenants,
                note(author, f"imported from {file.name}"),
                os.environ,
                domain=domain,
                is_replacing=is_replacing,
            )
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    if fault := _store(config).errors.get(contents.domain):
        click.echo(f"Warning: {fault}", err=True)
    click.echo(f"imported {contents.domain}: {contents.files} files; `ivrnode check` looks at its templates")


@tenant.command()
@click.argument("domain")
@with_config
def unblock(config: Config, domain: str) -> None:
    """Let the scripts of DOMAIN start again in a running ivrnode, which stopped that after too many were killed."""
    from ivrnode.net.control import ControlClient
    from ivrnode.tenancy.document import unknown

    with ControlClient(config.control.socket) as client:
        was_blocked = client.call("tenant.unblock", tenant=domain)
    if was_blocked:
        click.echo(f"the scripts of {domain} start again")
        return
    store = _store(config)
    if domain not in store.tenants and domain not in store.errors:
        raise ConfigError(unknown(domain, "tenant", store.tenants), file=str(config.tenants))
    click.echo(f"the scripts of {domain} were not blocked")


def _store(config: Config) -> TenantStore:
    from ivrnode.log import Log
    from ivrnode.tenancy.store import TenantStore

    store = TenantStore(config.tenants, Log())
    store.refresh()
    return store
