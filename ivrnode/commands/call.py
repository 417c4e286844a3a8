"""`ivrnode call`: the calls of a running ivrnode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config

if TYPE_CHECKING:
    from ivrnode.config import Config


@click.group()
def call() -> None:
    """The calls of a running ivrnode."""


@call.command("list")
@with_config
def list_calls(config: Config) -> None:
    """One line a call: who talks to which node, and for how long."""
    from ivrnode.net.control import ControlClient
    from ivrnode.net.log_sinks import escaped

    with ControlClient(config.control.socket) as client:
        for row in client.call("call.list"):
            click.echo(escaped("  ".join(f"{key}={value}" for key, value in row.items())))


@call.command()
@click.argument("id")
@with_config
def hangup(config: Config, id: str) -> None:
    """End the call ID, as `ivrnode call list` shows it. Its script hears `hangup` with the reason `admin`."""
    from ivrnode.net.control import ControlClient

    with ControlClient(config.control.socket) as client:
        if not client.call("call.hangup", id=id):
            raise click.ClickException(f"there is no call {id}: `ivrnode call list` shows those that there are")
