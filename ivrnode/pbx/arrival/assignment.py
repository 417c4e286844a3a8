"""What a call is about, decided before it is answered: a node's script, or another phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.script.messages import Boot, Facts
from ivrnode.tenancy.secrets import Secrets
from ivrnode.tenancy.tenant import Account, IvrNode


@dataclass(frozen=True, slots=True)
class Assignment:
    """`boot` raises ScriptError when the node's template cannot be used. `hops`: nodes that had the caller before."""

    facts: Facts
    node: IvrNode
    boot: Callable[[], Boot]
    secrets: Secrets
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Introduction:
    """Two accounts of `tenant` are to talk. `id`: the name of their call in the log. `max_duration`: seconds."""

    id: str
    tenant: str
    caller: Account
    called: Account
    max_duration: int
