"""`ivrnode call`: the calls of a running ivrnode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.commands._categories import with_categories

if TYPE_CHECKING:
    from ivrnode.config import Config


@click.group()
def call() -> None:
    """The calls of a running ivrnode. The first characters of a call's ID will do, if no other begins with them."""


@call.command("list")
@click.option("--all", "is_all", is_flag=True, help="The last ones that are over, too.")
@click.option("--tenant", default="", metavar="DOMAIN", help="Of this tenant only.")
@with_config
def list_calls(config: Config, is_all: bool, tenant: str) -> None:
    """One line a call: who talks to which node, and for how long."""
    from ivrnode.net.control import ControlClient
    from ivrnode.net.log_sinks import escaped

    with ControlClient(config.control.socket) as client:
        for row in client.call("call.list", tenant=tenant, all=is_all):
            click.echo(escaped("  ".join(f"{key}={value}" for key, value in row.items())))


@call.command("log")
@click.argument("id")
@with_categories
@with_config
def show_log(config: Config, id: str, categories: list[str]) -> None:
    """Print what was logged of the call ID, also when it is over."""
    from ivrnode.net.control import ControlClient
    from ivrnode.net.log_sinks import entry_line

    with ControlClient(config.control.socket) as client:
        for entry in client.stream("call.log", id=id, categories=categories):
            click.echo(entry_line(entry))


@call.command()
@click.argument("id")
@with_config
def hangup(config: Config, id: str) -> None:
    """End the call ID, as `ivrnode call list` shows it. Its script hears `hangup` with the reason `admin`."""
    from ivrnode.net.control import ControlClient

    with ControlClient(config.control.socket) as client:
        if not client.call("call.hangup", id=id):
            raise click.ClickException(f"there is no call {id}: `ivrnode call list` shows those that there are")
