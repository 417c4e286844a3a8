"""Log categories as the command line takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ivrnode.log import CATEGORIES

CATEGORY = click.Choice(CATEGORIES, case_sensitive=False)
F = TypeVar("F", bound=Callable[..., Any])


def with_categories(command: F) -> F:
    """The option --category, several joined by commas; the command gets `categories: list[str]`, empty = all."""
    return click.option(
        "--category",
        "categories",
        default="",
        metavar="NAME,...",
        callback=_split,
        help="Entries of these categories only.",
    )(command)


def _split(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    return [CATEGORY.convert(name.strip(), param, ctx) for name in value.split(",") if name.strip()]
