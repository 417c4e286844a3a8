"""`ivrnode template`: look at, save, check and roll back the scripts of the system, of tenants and of nodes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ivrnode.cli import with_config, with_tenant_and_node
from ivrnode.commands._login import note, with_author
from ivrnode.errors import ConfigError, ScriptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ivrnode.config import Config
    from ivrnode.tenancy.declared import Setting
    from ivrnode.tenancy.secrets import Secret
    from ivrnode.tenancy.templates import Templates
    from ivrnode.tenancy.tenant import Tenant


_script = click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
_comment = click.option("--comment", default="", metavar="TEXT", help="Why, in a few words.")


@click.group()
def template() -> None:
    """Look at, save, check and roll back templates.

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
@click.option("--version", type=int, metavar="NUMBER", help="This version of the tier, as `history` numbers them.")
@with_tenant_and_node
@with_config
def show(config: Config, tenant: str, node: str, version: int | None) -> None:
    """Print the template that runs there."""
    templates = _templates(config, tenant, node)
    if version is not None:
        click.echo(templates.version(version, tenant, node), nl=False)
        return
    found = templates.find(tenant, node)
    click.echo(found.text, nl=False)
    if found.error is not None:
        raise found.error


@template.command("set")
@_script
@_comment
@with_author
@with_tenant_and_node
@with_config
def save(config: Config, file: str, comment: str, author: str, tenant: str, node: str) -> None:
    """Save FILE (- = standard input) as the template.

    One that cannot run is refused, with line and column; what is merely odd is told. Each save keeps a version.
    """
    templates = _templates(config, tenant, node)
    name, text = _read(file)
    try:
        with _writing():
            version = templates.save(text, note(author, comment), tenant, node)
    except ScriptError as error:  # the place that counts is the one in the file that was given
        raise ScriptError(error.message, file=name, line=error.line, column=error.column) from None
    _warn(text, name)
    path = templates.path(tenant, node)
    click.echo(f"saved as version {version.number} of {path}; it runs from the next call on")


@template.command()
@_script
def check(file: str) -> None:
    """Say what is wrong or odd in FILE (- = standard input), and save nothing. Status 1 if it cannot run."""
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.lint import check

    name, text = _read(file)
    if error := check(text, name, ALLOWED):
        raise error
    _warn(text, name)
    click.echo(f"{name} can run")


@template.command()
@_comment
@with_author
@with_tenant_and_node
@with_config
def reset(config: Config, comment: str, author: str, tenant: str, node: str) -> None:
    """Empty the template; the next tier applies from the next call on. Its versions stay."""
    templates = _templates(config, tenant, node)
    path = templates.path(tenant, node)
    with _writing():
        is_done = templates.reset(note(author, comment or "reset"), tenant, node)
    click.echo(f"removed {path}" if is_done else f"{path} was empty already")


@template.command()
@with_tenant_and_node
@with_config
def history(config: Config, tenant: str, node: str) -> None:
    """List the versions of the tier, newest first: number, time, author, bytes, comment."""
    versions = _templates(config, tenant, node).history(tenant, node)
    for version in reversed(versions):
        about = version.note
        size = f"{version.size} bytes" if version.size else "empty"
        line = f"{version.number:4}  {about.time.astimezone():%Y-%m-%d %H:%M:%S}  {about.author:12}  {size:>12}"
        click.echo(f"{line}  {about.comment}".rstrip())
    if not versions:
        click.echo("no version yet")


@template.command()
@click.argument("old", metavar="A", type=int)
@click.argument("new", metavar="[B]", type=int, required=False)
@with_tenant_and_node
@with_config
def diff(config: Config, old: int, new: int | None, tenant: str, node: str) -> None:
    """Show what changed from version A to version B (without B: to the newest)."""
    import difflib

    templates = _templates(config, tenant, node)
    versions = templates.history(tenant, node)
    if new is None:
        new = versions[-1].number if versions else 0
    before, after = (templates.version(number, tenant, node).splitlines() for number in (old, new))
    for line in difflib.unified_diff(before, after, f"version {old}", f"version {new}", lineterm=""):
        click.echo(line)


@template.command()
@click.argument("number", type=int)
@_comment
@with_author
@with_tenant_and_node
@with_config
def rollback(config: Config, number: int, comment: str, author: str, tenant: str, node: str) -> None:
    """Make version NUMBER the newest one again. It gets a number of its own, so nothing is lost."""
    reason = note(author, comment or f"back to version {number}")
    with _writing():
        version = _templates(config, tenant, node).rollback(number, reason, tenant, node)
    click.echo(f"version {number} is back as version {version.number}; it runs from the next call on")


@template.command()
@click.option("--json", "is_json", is_flag=True, help="As JSON, for a form.")
@with_tenant_and_node
@with_config
def settings(config: Config, is_json: bool, tenant: str, node: str) -> None:
    """Show the settings that the script there declares, and what they are now."""
    from ivrnode.tenancy.declared import merged

    found = _templates(config, tenant, node).find(tenant, node)
    if found.error is not None:
        raise found.error
    values, secrets = _values(config, tenant, node)
    current, problems = merged(found.settings, values)
    rows = [_row(setting, current, secrets) for setting in found.settings.values()]
    if is_json:
        click.echo(json.dumps({"settings": rows, "problems": problems}, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(_line(row))
    for problem in problems:
        click.echo(f"Warning: {problem}", err=True)
    if not rows:
        click.echo(f"the {found.tier} template declares no settings")


def _row(setting: Setting, values: Mapping[str, Any], secrets: Mapping[str, Secret]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": setting.name, "type": " | ".join(setting.types), "help": setting.help}
    if setting.is_secret:
        return row | {"is_set": setting.name in secrets}
    if setting.choices:
        row["choices"] = list(setting.choices)
    return row | {"default": setting.default, "value": values.get(setting.name)}


def _line(row: Mapping[str, Any]) -> str:
    if row["type"] == "secret":
        value = "(set)" if row["is_set"] else "(not set)"
    elif row["value"] == row["default"]:
        value = "(none)" if row["value"] is None else f"{_short(row['value'])} (default)"
    else:
        default = "no default" if row["default"] is None else f"default {_short(row['default'])}"
        value = f"{_short(row['value'])} ({default})"
    help = f"  # {row['help']}" if row["help"] else ""
    return f"{row['name']} ({row['type']}) = {value}{help}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _values(config: Config, tenant: str, node: str) -> tuple[dict[str, Any], dict[str, Secret]]:
    """The settings and secrets that a script there would get."""
    from ivrnode.tenancy.secrets import secrets_of
    from ivrnode.tenancy.tenant import node_settings

    if not tenant:
        return dict(config.settings), dict(config.secrets)
    owner = _tenant(config, tenant)
    if not node:
        return node_settings(config.settings, owner), secrets_of(config.secrets, owner.secrets, None)
    found = owner.nodes[node]
    return node_settings(config.settings, found), secrets_of(config.secrets, owner.secrets, found.secrets)


def _read(file: str) -> tuple[str, str]:
    """Name and text of FILE. Raises ScriptError for what is not UTF-8."""
    from ivrnode.tenancy.lint import decode

    name = "standard input" if file == "-" else file
    try:
        with click.open_file(file, "rb") as opened:
            return name, decode(opened.read(), name)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from None


def _warn(text: str, name: str) -> None:
    from ivrnode.commands._vocabulary import vocabulary
    from ivrnode.tenancy.advice import advise

    for warning in advise(text, name, vocabulary()):
        click.echo(f"Warning: {warning}", err=True)


def _is_empty(path: Path) -> bool:
    """True where the next tier applies: no file, or nothing but blanks in it."""
    try:
        return not path.read_bytes().strip()
    except OSError:
        return not path.exists()


def _templates(config: Config, tenant: str, node: str) -> Templates:
    """Raises ConfigError for a tenant or node that does not exist."""
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.document import unknown
    from ivrnode.tenancy.templates import Templates

    if node and not tenant:
        raise click.UsageError("--node needs --tenant: an extension belongs to a tenant.")
    if tenant:
        nodes = _tenant(config, tenant).nodes
        if node and node not in nodes:
            raise ConfigError(unknown(node, "node", nodes), file=str(config.tenants / tenant))
    return Templates(config.tenants, ALLOWED)


def _tenant(config: Config, domain: str) -> Tenant:
    """Raises ConfigError for one that does not exist or cannot be read."""
    from ivrnode.log import Log
    from ivrnode.tenancy.document import unknown
    from ivrnode.tenancy.store import TenantStore

    store = TenantStore(config.tenants, Log())
    store.refresh()
    if domain in store.errors:
        raise store.errors[domain]
    if domain not in store.tenants:
        raise ConfigError(unknown(domain, "tenant", store.tenants), file=str(config.tenants))
    return store.tenants[domain]
