"""Who sits at the keyboard, for the versions of templates."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from ivrnode.tenancy.versions import Note

F = TypeVar("F", bound=Callable[..., Any])


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user list
        return "unknown"


def with_author(command: F) -> F:
    """The option --author; the command gets `author: str`."""
    return click.option("--author", default=_login_name, metavar="NAME", help="Who saves. Default: the login.")(command)


def note(author: str, comment: str) -> Note:
    """Of now."""
    return Note(author, datetime.now(UTC), comment)
