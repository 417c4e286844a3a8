"""`ivrnode check`: find what is wrong before a caller does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.errors import IvrNodeError

if TYPE_CHECKING:
    from ivrnode.config import Config

GOOD, NOTE, WRONG = "ok", "note", "WRONG"
LATER = ("fallback", "transfer_to", "rec")
"""Keys of a node that wait for what comes later: transfers and recording."""
Finding = tuple[str, str]
"""One of the marks above, and what was found."""


@click.command()
@with_config
def check(config: Config) -> None:
    """Check the configuration, every tenant, every template, and the walls around scripts. Status 1 if one is bad."""
    click.echo("ok     configuration")
    wrong = 0
    for mark, text in (*_network(config), *_tenants(config), *_walls()):
        click.echo(f"{mark:6} {text}", err=mark == WRONG)
        wrong += mark == WRONG
    if wrong:
        raise click.ClickException(f"{wrong} to put right")


def _network(config: Config) -> Iterator[Finding]:
    from ivrnode.net.outbound_policy import OutboundPolicy

    try:
        OutboundPolicy(config.scripts.connect_to)
    except IvrNodeError as error:
        yield WRONG, f"scripts: {error}"
    names = ", ".join(sorted(config.secrets))
    yield GOOD, f"secrets of the system: {names or 'none'}"


def _tenants(config: Config) -> Iterator[Finding]:
    from ivrnode.log import Log
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.secrets import secrets_of
    from ivrnode.tenancy.store import TenantStore
    from ivrnode.tenancy.templates import Templates

    store, templates = TenantStore(config.tenants, Log()), Templates(config.tenants, ALLOWED)
    store.refresh()
    for error in store.errors.values():
        yield WRONG, str(error)
    if not store.tenants and not store.errors:
        yield WRONG, f"no tenant in {config.tenants}: `ivrnode init` writes a first one"
    for tenant in store.tenants.values():
        yield GOOD, f"tenant {tenant.domain}"
        for node in tenant.nodes.values():
            template = templates.find(tenant.domain, node.extension)
            where = f"{node.extension}@{tenant.domain}: {template.tier} template"
            yield WRONG if template.error else GOOD, f"{where} {template.error or template.path}"
            known = secrets_of(config.secrets, tenant.secrets, None)
            for name in LATER:
                if getattr(node, name):
                    yield NOTE, f"{node.extension}@{tenant.domain}: {name} has no effect in this version"
            for name in sorted(set(node.secrets or ()) - known.keys()):
                yield WRONG, f"{node.extension}@{tenant.domain}: no secret {name!r}, or its variable is not set"


def _walls() -> Iterator[Finding]:
    from ivrnode.net.walls import probe

    walls = probe()
    if walls.can_run:
        yield GOOD, f"walls around scripts: {walls}"
    else:
        yield WRONG, "scripts will not be started: there are no walls to put around them"
    for warning in walls.warnings():
        yield NOTE, warning
