"""What a call is about, decided before it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.script.messages import Boot, Facts
from ivrnode.tenancy.secrets import Secrets
from ivrnode.tenancy.tenant import IvrNode


@dataclass(frozen=True, slots=True)
class Assignment:
    """`boot` raises ScriptError when the node's template cannot be used. `hops`: nodes that had the caller before."""

    facts: Facts
    node: IvrNode
    boot: Callable[[], Boot]
    secrets: Secrets
    hops: int = 0
