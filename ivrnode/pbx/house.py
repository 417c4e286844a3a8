"""What all calls of a core share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.log import Log
from ivrnode.pbx.agenda import Agenda
from ivrnode.pbx.breaker import Breaker
from ivrnode.pbx.effects import Effects
from ivrnode.pbx.quotas import Quotas
from ivrnode.tenancy.tenant import Tenant


@dataclass(frozen=True, slots=True)
class House:
    effects: Effects
    agenda: Agenda
    log: Log
    quotas: Quotas
    breaker: Breaker
    tenant_of: Callable[[str], Tenant | None]
