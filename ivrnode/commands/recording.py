"""`ivrnode recording`: what scripts have recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config

if TYPE_CHECKING:
    from ivrnode.config import Config


@click.group()
def recording() -> None:
    """What scripts have recorded. Read from the disk: ivrnode need not run."""


@recording.command("list")
@click.option("--tenant", default="", metavar="DOMAIN", help="Of this tenant only.")
@with_config
def list_recordings(config: Config, tenant: str) -> None:
    """One line a recording, the oldest first."""
    from ivrnode.net.log_sinks import escaped
    from ivrnode.net.sound.recordings import RecordingStore

    for facts in RecordingStore(config.recordings.folder).list(tenant):
        shown = ("id", "tenant", "began", "node", "caller", "seconds", "reason")
        click.echo(escaped("  ".join(f"{key}={facts[key]}" for key in shown if facts.get(key, "") != "")))


@recording.command()
@click.argument("id")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=None, help="The file; else ID.wav here."
)
@with_config
def get(config: Config, id: str, output: Path | None) -> None:
    """Copy the recording ID as a WAV file: the caller is left, what he heard is right."""
    from ivrnode.net.sound.recordings import RecordingStore, copy_recording

    target = output or Path(f"{id}.wav")
    copy_recording(RecordingStore(config.recordings.folder), id, target)
    click.echo(str(target))
