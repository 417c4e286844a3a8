"""Kinds of arguments that several commands take, judged before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class Keys(click.ParamType[str]):
    """Keys of a telephone (RFC 4733 s3.2)."""

    name = "keys"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        keys = str(value).upper()
        if odd := set(keys) - set("0123456789*#ABCD"):
            self.fail(f"no phone has the key {min(odd)!r}: use 0-9 * # A-D", param, ctx)
        return keys


class NewFile(click.Path):
    """A file that will be written: its folder must be there now, not only when the call is over."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        return path
