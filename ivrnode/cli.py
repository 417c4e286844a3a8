"""The command line. One file of `ivrnode/commands/` is one command: `NAME.py` holds the click command NAME.

Nothing is imported before it is needed: `--help` reads the first line of each file's docstring, `NAME: what it does.`
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ivrnode import __version__
from ivrnode.errors import IvrNodeError

if TYPE_CHECKING:
    from ivrnode.config import Config

F = TypeVar("F", bound=Callable[..., Any])

_FOLDER = Path(__file__).parent / "commands"


class CommandFolder(click.Group):
    """A group whose commands are files. An error that we raise on purpose ends in one line and status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return _names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _names():
            return None
        command: click.Command = getattr(importlib.import_module(f"ivrnode.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name)) for name in _names()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except IvrNodeError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ivrnode")
def main() -> None:
    """A scriptable IVR runtime: every call runs its tenant's sandboxed Python script."""


def with_config(command: F) -> F:
    """The option --config; the command gets `config: Config`. Raises ConfigError."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="IVRNODE_CONFIG",
        callback=_load_config,
        help="The configuration; without it ivrnode.toml here, if there is one, else the defaults.",
    )(command)


def with_tenant_and_node(command: F) -> F:
    """The options --tenant and --node; the command gets `tenant: str` and `node: str`, "" when not given."""
    command = click.option("--node", default="", metavar="EXTENSION", help="A node of the tenant.")(command)
    return click.option("--tenant", default="", metavar="DOMAIN", help="A tenant.")(command)


def _load_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> Config:
    from ivrnode.config import Config

    return Config.load(value)


def _names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("[!_]*.py"))


def _summary(name: str) -> str:
    """The first sentence of the file's docstring, without the command's name before it."""
    text = ast.get_docstring(ast.parse((_FOLDER / f"{name}.py").read_bytes())) or ""
    sentence = re.split(r"\.\s|\.$|\n\n", text, maxsplit=1)[0]
    sentence = " ".join(sentence.rpartition("`: ")[2].split())
    return sentence[:1].upper() + sentence[1:]
