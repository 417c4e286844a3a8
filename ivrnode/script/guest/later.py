"""What the script API names and this version does not do yet. Using any of it says so; nothing is done by halves."""

from __future__ import annotations

from typing import Any, NoReturn

METHODS = {
    "Table": ["search"],
}


class Later:
    """The methods of METHODS, for the class of that name."""

    def __getattr__(self, name: str) -> Any:
        owner = type(self).__name__
        if name not in METHODS[owner]:
            raise AttributeError(f"{owner.lower()!r} has no attribute {name!r}", name=name, obj=self)

        def missing(*_: object, **__: object) -> NoReturn:
            refuse(f"{owner.lower()}.{name}")

        return missing


def refuse(what: str) -> NoReturn:
    raise NotImplementedError(f"{what} comes in a later version of ivrnode")
