"""Everything an operator can do to a running core, in one table. The command line is its first face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ivrnode.pbx.call import Call
from ivrnode.pbx.core import Core


def call_operations(core: Core, clock: Callable[[], float]) -> dict[str, Callable[..., Any]]:
    """Operations by name; each takes keyword arguments and returns JSON types. `clock`: monotonic seconds."""

    def list_calls(tenant: str = "") -> list[dict[str, Any]]:
        now = clock()
        return [_describe(call, now) for call in core.calls.values() if tenant in ("", call.tenant)]

    def hang_up(id: str) -> bool:
        return core.hangup(id, clock())

    return {"call.list": list_calls, "call.hangup": hang_up}


def _describe(call: Call, now: float) -> dict[str, Any]:
    return {
        "id": call.id,
        "tenant": call.tenant,
        "node": call.node.extension,
        "caller": call.facts.caller,
        "state": call.state.name.lower(),
        "seconds": round(now - call.started_at, 1),
        "codec": call.party.plan.codec if call.party.plan else "",
    }
