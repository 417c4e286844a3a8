"""What a test of scripts gets: one desk, and words for it. `ivrnode.testing` hands it out as the fixture `ivr`."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ivrnode.errors import ConfigError
from ivrnode.pbx.house.http_messages import HttpRequest
from ivrnode.pbx.house.mail import Mail
from ivrnode.realtime.brain import Brain
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.rules import Script
from ivrnode.sim.caller import Caller
from ivrnode.sim.desk import Desk
from ivrnode.sim.phone import Phone
from ivrnode.sim.studio import Studio
from ivrnode.sim.web import LaidOutWeb

Rules = Sequence[Mapping[str, Any]]
P = ParamSpec("P")
T = TypeVar("T")


def _blames_test(method: Callable[P, T]) -> Callable[P, T]:
    """A wrong key stands in the test, and in a tenant.toml that only the desk has seen: its line is the test's."""

    @functools.wraps(method)
    def blame(*arguments: P.args, **keywords: P.kwargs) -> T:
        try:
            return method(*arguments, **keywords)
        except ConfigError as error:
            frame = sys._getframe()
            while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("ivrnode."):
                frame = frame.f_back
            key = re.sub(r"^nodes\.\w+\.", "", error.key)
            raise ConfigError(error.message, file=frame.f_code.co_filename, key=key, line=frame.f_lineno) from None

    return blame


class Ivr:
    """A system with one tenant, in memory. Scripts are named by path, from the test's own folder or the current one."""

    def __init__(self, studio: Studio, folder: Path, here: Path) -> None:
        """`folder`: an empty one; `here`: the test's."""
        self.callers: list[Caller] = []
        self._here = here
        self._web = LaidOutWeb()
        self._desk = Desk(studio, folder, self._web)

    def call(
        self,
        script: str | Path,
        *,
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        lang: str = "en",
        number: str = "0301234567",
        name: str = "",
        **keys: Any,
    ) -> Caller:
        """Put `script` on a new node and call it; the caller, connected. `keys`: more keys of the node in tenant.toml.

        `number` and `name` are the caller's; `lang` is the node's, and the one that the caller speaks. Raises
        ConfigError, CallError.
        """
        for secret, value in (secrets or {}).items():
            self._desk.add_secret(secret, value)
        extension = self.node(script, settings=settings, language=lang, **keys)
        caller = Caller(self._desk, extension, number, name, lang)
        self.callers.append(caller)
        return caller

    @_blames_test
    def node(
        self, script: str | Path, extension: str = "", *, settings: Mapping[str, Any] | None = None, **keys: Any
    ) -> str:
        """A node that runs `script`, to be transferred to. Its extension: from 700 on, unless it is given."""
        return self._desk.tenant.add_node(self._find(script), extension, settings=settings or {}, **keys)

    @_blames_test
    def phone(self, extension: str, *, answers: int = 200) -> Phone:
        """A registered phone that takes calls; `answers`: 486 = it is busy, 180 = it only rings."""
        return self._desk.add_extension(extension, answers=answers)

    @_blames_test
    def tenant(self, **keys: Any) -> None:
        """Keys of the tenant in tenant.toml. Raises ConfigError."""
        self._desk.tenant.configure(keys)

    def service(self, rules: Rules | str | Path | None = None, *, faults: Sequence[str] = ()) -> None:
        """Let every WebSocket lead to the stand-in speech service. `rules`: what it answers, as a list of tables or a
        file (see docs/realtime.md); without any it says back what it heard. It takes any key."""
        self._desk.add_secret("openai", "key-of-the-stand-in")
        self._desk.use_stand_in(self._brain(rules), Faults.parse(faults))

    def http(
        self, url: str, body: str | bytes | dict[str, Any] | list[Any] = "", *, code: int = 200, method: str = "GET"
    ) -> None:
        """Lay an answer ready for `system.http`. dict and list go out as JSON; without a query `url` fits every query.

        What no answer is laid ready for gets code 0: no test reaches the network.
        """
        self._web.lay(url, body, code, method)

    @property
    def requests(self) -> list[HttpRequest]:
        """What scripts have asked of web servers, in order."""
        return list(self._web.requests)

    @property
    def mails(self) -> list[Mail]:
        """What scripts have sent by `system.email`; on the desk every mail is taken."""
        return list(self._desk.world.mails)

    def close(self) -> None:
        """Hang up whoever still talks."""
        for caller in self.callers:
            if caller.hung_up is None:
                caller.hangs_up()
        self._desk.close()

    def _brain(self, rules: Rules | str | Path | None) -> Callable[[], Brain]:
        if rules is None:
            return Parrot
        if isinstance(rules, str | Path):
            file = self._find(rules)
            Script.load(file)  # what is wrong in it is told now, not at the first socket
            return lambda: Script.load(file)
        document = {"rule": [dict(rule) for rule in rules]}
        Script.parse(document)
        return lambda: Script.parse(document)

    def _find(self, file: str | Path) -> Path:
        folders = list(dict.fromkeys((self._here, Path.cwd())))
        for folder in folders:
            if (folder / file).is_file():
                return folder / file
        raise ConfigError(f"there is no {file} in {' nor in '.join(map(str, folders))}")
