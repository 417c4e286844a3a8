"""The globals of a script: what it finds without importing anything."""

from __future__ import annotations

import asyncio
import binascii
import functools
import json
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from ivrnode.script.guest.arguments import Buffer
from ivrnode.script.guest.call import Call
from ivrnode.script.guest.imports import script_builtins
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Services
from ivrnode.script.guest.system import System
from ivrnode.script.guest.tables import AddressBook, Calls
from ivrnode.script.guest.timers import Timers
from ivrnode.script.guest.websocket import Sockets, Websocket


class Console:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def log(self, *args: object) -> None:
        self._runtime.log(5, " ".join(map(str, args)))

    def warn(self, *args: object) -> None:
        self._runtime.log(3, " ".join(map(str, args)))

    def error(self, *args: object) -> None:
        self._runtime.log(2, " ".join(map(str, args)))


class Settings(Mapping[str, Any]):
    """Read-only. `secret(name)` gives a placeholder that the core replaces, and only where that secret may go."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._secrets: dict[str, str] = {}

    def _begin(self, values: dict[str, Any], secrets: dict[str, str]) -> None:
        self._values, self._secrets = values, secrets

    def secret(self, name: str) -> str:
        if name not in self._secrets:
            raise KeyError(f"no secret {name!r} for this node, which has {' '.join(self._secrets) or 'none'}")
        return self._secrets[name]

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise KeyError(f"no setting {key!r} for this node: set it, or give it a default in SETTINGS")
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values


def from_base64(str: str) -> bytes:
    if isinstance(str, Buffer):
        raise TypeError("fromBase64String takes str, not bytes")
    return binascii.a2b_base64(str, strict_mode=True)


def to_base64(bytes: Buffer) -> str:
    return binascii.b2a_base64(bytes, newline=False).decode("ascii")


class Environment:
    """All names of section 3 of the API. Made in the zygote, so that a call begins with `begin` and little else."""

    def __init__(self, runtime: Runtime) -> None:
        self.services = Services(runtime)
        self.call = Call(runtime, self.services)
        runtime.hangup = self.call.hangup
        self.timers = Timers(runtime)
        self.sockets = Sockets(runtime)
        self._settings = Settings()
        self._calls = Calls()
        self._module = ModuleType("__main__")
        self.names = self._module.__dict__
        self.names |= {
            "__builtins__": script_builtins(),
            "call": self.call,
            "system": System(runtime, self.services),
            "tables": {"cobjs": self._calls, "adrbook": AddressBook(runtime, self.services)},
            "Websocket": functools.partial(Websocket, self.sockets),
            "settings": self._settings,
            "secret": "",
            "console": Console(runtime),
            "fromBase64String": from_base64,
            "toBase64String": to_base64,
            "setTimeout": self.timers.set_timeout,
            "clearTimeout": self.timers.clear,
            "setInterval": self.timers.set_interval,
            "clearInterval": self.timers.clear,
            "json": json,
            "asyncio": asyncio,
        }

    def begin(self, facts: dict[str, Any], settings: dict[str, Any], secrets: dict[str, str]) -> None:
        self.call._begin(facts)
        self._calls._begin(facts)
        self._settings._begin(settings, secrets)
        self.names["secret"] = secrets.get("openai", "")
        sys.modules["__main__"] = self._module  # where dataclasses and typing look for a script's own names
