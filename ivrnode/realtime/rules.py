"""The brain that obeys a list of rules: a play in which the stand-in has its lines.

    [[rule]]                        # the first rule that fits is taken
    turn = 1                        # the caller's first turn
    say = "Good morning."

    [[rule]]
    text = "(?i)office"             # a pattern in what was heard or written
    say = "One moment."
    call = "transfer"               # a tool
    arguments = { target = "office" }

    [[rule]]
    output = "busy"                 # a pattern in what a tool has answered
    say = "Nobody is there."
    hang_up = 1000                  # the close code

Also: `error = "code"` sends an error event, `fault = "drop=2"` switches a fault on, `once = true` lets a rule fit only
once. A rule without turn, text and output fits every turn of the caller. JSON: `{"rule": [{...}, ...]}`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivrnode.errors import ConfigError
from ivrnode.realtime.brain import Break, CallTool, HangUp, Say, SendError, Step, Turn
from ivrnode.realtime.faults import Faults

_TYPES: dict[str, tuple[type, ...]] = {
    "turn": (int,), "text": (str,), "output": (str,), "once": (bool,), "say": (str,), "call": (str,),
    "arguments": (dict, str), "hang_up": (int,), "error": (str,), "fault": (str,),
}  # fmt: skip


@dataclass
class Rule:
    turn: int | None = None
    text: re.Pattern[str] | None = None
    output: re.Pattern[str] | None = None
    is_once: bool = False
    steps: list[Step] = field(default_factory=list)

    def fits(self, turn: Turn) -> bool:
        if self.output is not None:
            return turn.output is not None and self.output.search(turn.output) is not None
        if turn.output is not None:
            return False
        if self.turn is not None and self.turn != turn.number:
            return False
        return self.text is None or self.text.search(turn.text) is not None


class Script:
    """Answers by the first rule that fits; with no response at all when none does."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = list(rules)

    @classmethod
    def load(cls, path: Path) -> Script:
        """Read a TOML or JSON file. Raises ConfigError with the file and the key."""
        try:
            text = path.read_text("utf-8")
            document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise ConfigError(str(error), file=str(path)) from None
        return cls.parse(document, str(path))

    @classmethod
    def parse(cls, document: Any, file: str = "") -> Script:
        rules = document.get("rule") if isinstance(document, dict) else None
        if not isinstance(rules, list) or not rules or len(document) > 1:
            raise ConfigError("only a list of [[rule]] is allowed here", file=file, key="rule")
        return cls([_parse_rule(values, file, f"rule[{index}]") for index, values in enumerate(rules, 1)])

    def answer(self, turn: Turn) -> Sequence[Step] | None:
        rule = next((rule for rule in self._rules if rule.fits(turn)), None)
        if rule is None:
            return None
        if rule.is_once:
            self._rules.remove(rule)
        return rule.steps


def _parse_rule(values: Any, file: str, key: str) -> Rule:
    if not isinstance(values, dict):
        raise ConfigError("expected a table", file=file, key=key)
    for name, value in values.items():
        if name not in _TYPES:
            raise ConfigError(f"unknown; one of {' '.join(_TYPES)}", file=file, key=f"{key}.{name}")
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and bool not in _TYPES[name]):
            kinds = " or ".join(kind.__name__ for kind in _TYPES[name])
            raise ConfigError(f"expected {kinds}, not {value!r}", file=file, key=f"{key}.{name}")
    try:
        patterns = {name: re.compile(values[name]) for name in ("text", "output") if name in values}
        if "fault" in values:
            faults = Faults.parse([values["fault"]])
            if faults.is_on("refuse"):
                raise ConfigError("fault refuse: the socket is open already")
    except (re.error, ConfigError) as error:
        raise ConfigError(str(error), file=file, key=key) from None
    steps = _steps(values)
    if not steps:
        raise ConfigError("does nothing: needs say, call, hang_up, error or fault", file=file, key=key)
    return Rule(values.get("turn"), patterns.get("text"), patterns.get("output"), values.get("once", False), steps)


def _steps(values: dict[str, Any]) -> list[Step]:
    steps: list[Step] = []
    if "fault" in values:
        name, _, value = values["fault"].partition("=")
        steps.append(Break(name, value))
    if "error" in values:
        steps.append(SendError(values["error"]))
    if "say" in values:
        steps.append(Say(values["say"]))
    if "call" in values:
        arguments = values.get("arguments", {})
        steps.append(CallTool(values["call"], arguments if isinstance(arguments, str) else json.dumps(arguments)))
    if "hang_up" in values:
        steps.append(HangUp(values["hang_up"]))
    return steps
