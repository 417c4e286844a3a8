"""`ivrnode template`: look at, save and reset the scripts of the system, of tenants and of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config, with_tenant_and_node
from ivrnode.errors import ConfigError, ScriptError

if TYPE_CHECKING:
    from pathlib import Path

    from ivrnode.config import Config
    from ivrnode.tenancy.templates import Templates


@click.group()
def template() -> None:
    """Look at, save and reset templates.

    The nearest one that is not empty runs: the node's, else the tenant's, else the system's, else the built-in one.
    Without --tenant and --node a command is about the system's template. An edit counts from the next call on.
    """


@template.command()
@with_tenant_and_node
@with_config
def which(config: Config, tenant: str, node: str) -> None:
    """Show the tiers, nearest first, and mark the one that runs."""
    templates = _templates(config, tenant, node)
    runs = templates.find(tenant, node)
    for tier, path in templates.places(tenant, node):
        mark = "runs ->" if tier == runs.tier else ""
        click.echo(f"{mark:7} {tier:7} {path}{'  (empty)' if _is_empty(path) else ''}")
    if runs.error is not None:
        raise runs.error


@template.command()
@with_tenant_and_node
@with_config
def show(config: Config, tenant: str, node: str) -> None:
    """Print the template that runs there."""
    found = _templates(config, tenant, node).find(tenant, node)
    click.echo(found.text, nl=False)
    if found.error is not None:
        raise found.error


@template.command("set")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@with_tenant_and_node
@with_config
def save(config: Config, file: str, tenant: str, node: str) -> None:
    """Save FILE (- = standard input) as the template. One that cannot run is refused, with line and column."""
    from ivrnode.tenancy.lint import decode, dunder_warnings

    templates = _templates(config, tenant, node)
    name = "standard input" if file == "-" else file
    try:
        with click.open_file(file, "rb") as opened:
            text = decode(opened.read(), name)
        path = templates.save(text, tenant, node)
    except ScriptError as error:  # the place that counts is the one in the file that was given
        raise ScriptError(error.message, file=name, line=error.line, column=error.column) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    for warning in dunder_warnings(text, name):
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"saved as {path}; it runs from the next call on")


@template.command()
@with_tenant_and_node
@with_config
def reset(config: Config, tenant: str, node: str) -> None:
    """Empty the template; the next tier applies from the next call on."""
    templates = _templates(config, tenant, node)
    path = templates.path(tenant, node)
    click.echo(f"removed {path}" if templates.reset(tenant, node) else f"{path} was empty already")


def _is_empty(path: Path) -> bool:
    """True where the next tier applies: no file, or nothing but blanks in it."""
    try:
        return not path.read_bytes().strip()
    except OSError:
        return not path.exists()


def _templates(config: Config, tenant: str, node: str) -> Templates:
    """Raises ConfigError for a tenant or node that does not exist."""
    from ivrnode.log import Log
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.document import unknown
    from ivrnode.tenancy.store import TenantStore
    from ivrnode.tenancy.templates import Templates

    if node and not tenant:
        raise click.UsageError("--node needs --tenant: an extension belongs to a tenant.")
    if tenant:
        store = TenantStore(config.tenants, Log())
        store.refresh()
        if tenant in store.errors:
            raise store.errors[tenant]
        if tenant not in store.tenants:
            raise ConfigError(unknown(tenant, "tenant", store.tenants), file=str(config.tenants))
        if node and node not in store.tenants[tenant].nodes:
            raise ConfigError(unknown(node, "node", store.tenants[tenant].nodes), file=str(config.tenants / tenant))
    return Templates(config.tenants, ALLOWED)
