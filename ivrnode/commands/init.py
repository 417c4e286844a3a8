"""`ivrnode init`: write a first configuration with one tenant and one node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import click

STARTER = Path(__file__).parents[1] / "tenancy" / "starter"
PASSWORD_MARK = "@password@"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Write a commented configuration into FOLDER. Nothing that is there already is touched."""
    files = dict(starter_files())
    in_the_way = [name for name in files if (folder / name).exists()]
    if in_the_way:
        raise click.ClickException(f"{folder / in_the_way[0]} exists already: name an empty folder")
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600 if path.suffix == ".toml" else 0o644)  # tenants' files hold passwords
            path.write_text(text, "utf-8")
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
        click.echo(f"wrote {path}")
    click.echo(f"\nStart it:  ivrnode serve --config {folder / 'ivrnode.toml'}")


def starter_files() -> Iterator[tuple[str, str]]:
    """Relative path and text of each file, the account with a password of its own."""
    password = secrets.token_urlsafe(12)
    for path in sorted(STARTER.rglob("*")):
        if path.is_file() and path.suffix in (".toml", ".py"):
            text = path.read_text("utf-8").replace(PASSWORD_MARK, password)
            yield str(path.relative_to(STARTER)), text
