"""`ivrnode log`: watch and tune the log of a running ivrnode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.commands._categories import CATEGORY, with_categories

if TYPE_CHECKING:
    from ivrnode.config import Config

_with_tenant = click.option("--tenant", default="", metavar="DOMAIN", help="For this tenant only.")


@click.group()
def log() -> None:
    """Watch and tune the log of a running ivrnode. Levels: 0 (most important) to 9 (debug)."""


@log.command()
@click.argument("category", type=CATEGORY)
@click.argument("level", type=click.IntRange(0, 9))
@_with_tenant
@with_config
def level(config: Config, category: str, level: int, tenant: str) -> None:
    """Let entries of CATEGORY up to LEVEL through, until the next start."""
    from ivrnode.net.control import ControlClient

    with ControlClient(config.control.socket) as client:
        client.call("log.level", category=category, level=level, tenant=tenant)


@log.command()
@_with_tenant
@with_config
def levels(config: Config, tenant: str) -> None:
    """Show the level of each category."""
    from ivrnode.net.control import ControlClient

    with ControlClient(config.control.socket) as client:
        for category, level in client.call("log.levels", tenant=tenant).items():
            click.echo(f"{category:10} {level}")


@log.command()
@_with_tenant
@with_categories
@with_config
def follow(config: Config, tenant: str, categories: list[str]) -> None:
    """Print entries as they come, until Ctrl-C."""
    from ivrnode.net.control import ControlClient
    from ivrnode.net.log_sinks import entry_line

    with ControlClient(config.control.socket) as client:
        for entry in client.stream("log.follow", tenant=tenant, categories=categories):
            click.echo(entry_line(entry))
