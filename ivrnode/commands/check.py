"""`ivrnode check`: find what is wrong before a caller does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.errors import IvrNodeError

if TYPE_CHECKING:
    from ivrnode.config import Config

Finding = tuple[bool, str]
"""Whether it is good, and what it is."""


@click.command()
@with_config
def check(config: Config) -> None:
    """Check the configuration, every tenant, every template, and the walls around scripts. Status 1 if one is bad."""
    click.echo("ok     configuration")
    bad = 0
    for is_good, text in (*_network(config), *_tenants(config), *_walls()):
        click.echo(f"{'ok' if is_good else 'WRONG':6} {text}", err=not is_good)
        bad += not is_good
    if bad:
        raise click.ClickException(f"{bad} to put right")


def _network(config: Config) -> Iterator[Finding]:
    from ivrnode.net.outbound_policy import OutboundPolicy

    try:
        OutboundPolicy(config.scripts.connect_to)
    except IvrNodeError as error:
        yield False, f"scripts: {error}"
    names = ", ".join(sorted(config.secrets))
    yield True, f"secrets of the system: {names or 'none'}"


def _tenants(config: Config) -> Iterator[Finding]:
    from ivrnode.log import Log
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.secrets import secrets_of
    from ivrnode.tenancy.store import TenantStore
    from ivrnode.tenancy.templates import Templates

    store, templates = TenantStore(config.tenants, Log()), Templates(config.tenants, ALLOWED)
    store.refresh()
    for error in store.errors.values():
        yield False, str(error)
    if not store.tenants and not store.errors:
        yield False, f"no tenant in {config.tenants}: `ivrnode init` writes a first one"
    for tenant in store.tenants.values():
        yield True, f"tenant {tenant.domain}"
        for node in tenant.nodes.values():
            template = templates.find(tenant.domain, node.extension)
            where = f"{node.extension}@{tenant.domain}: {template.tier} template"
            yield template.error is None, f"{where} {template.error or template.path}"
            known = secrets_of(config.secrets, tenant.secrets, None)
            for name in sorted(set(node.secrets or ()) - known.keys()):
                yield (
                    False,
                    f"{node.extension}@{tenant.domain}: there is no secret {name!r}, or its variable is not set",
                )


def _walls() -> Iterator[Finding]:
    try:
        from ivrnode.net.workers import probe
    except ImportError:
        return
    try:
        yield True, f"walls around scripts: {probe()}"
    except (IvrNodeError, OSError) as error:
        yield False, f"walls around scripts: {error}"
