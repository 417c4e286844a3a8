"""Everything an operator can do to a running core, in one table. The command line is its first face."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from ivrnode.pbx.call.call import Call
from ivrnode.pbx.connect.conversation import Conversation
from ivrnode.pbx.core import Core

REMEMBERED = 200
"""Calls that are over."""
SHORTEST_PREFIX = 4


def call_operations(core: Core, clock: Callable[[], float]) -> dict[str, Callable[..., Any]]:
    """Operations by name; each takes keyword arguments and returns JSON types. `clock`: monotonic seconds."""
    over: deque[tuple[float, dict[str, Any]]] = deque(maxlen=REMEMBERED)

    def remember(call: Call | Conversation) -> None:
        row = _describe(call, call.ended_at) | {"state": "ended", "reason": call.reason or "refused"}
        over.append((call.ended_at, row))

    core.on_gone.append(remember)
    core.on_parted.append(remember)

    def list_calls(tenant: str = "", all: bool = False) -> list[dict[str, Any]]:
        now = clock()
        past = [row | {"ago": round(now - at, 1)} for at, row in over] if all else []
        rows = [*past, *(_describe(call, now) for call in core.under_way().values())]
        return [row for row in rows if tenant in ("", row["tenant"])]

    def hang_up(id: str) -> bool:
        name = by_prefix(id, core.under_way())
        return name is not None and core.hangup(name, clock())

    return {"call.list": list_calls, "call.hangup": hang_up, "tenant.unblock": core.breaker.reset}


def by_prefix(id: str, known: Collection[str]) -> str | None:
    """The one of `known` that is `id` or, if that is long enough, begins with it. Raises ValueError for several."""
    if id in known or len(id) < SHORTEST_PREFIX:
        return id if id in known else None
    found = [name for name in known if name.startswith(id)]
    if len(found) > 1:
        raise ValueError(f"{len(found)} calls begin with {id}: give more of it")
    return found[0] if found else None


def _describe(call: Call | Conversation, now: float) -> dict[str, Any]:
    return {
        "id": call.id,
        "tenant": call.tenant,
        "node": call.extension,
        "caller": call.caller,
        "state": call.state.name.lower(),
        "seconds": round(now - call.started_at, 1),
        "codec": call.party.plan.codec if call.party.plan else "",
    }
