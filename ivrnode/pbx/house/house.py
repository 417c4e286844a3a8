"""What all calls of a core share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivrnode.log import Log
from ivrnode.pbx.house.agenda import Agenda
from ivrnode.pbx.house.breaker import Breaker
from ivrnode.pbx.house.effects import Effects
from ivrnode.pbx.house.quotas import Quotas
from ivrnode.tenancy.tenant import Tenant


@dataclass(frozen=True, slots=True)
class House:
    effects: Effects
    agenda: Agenda
    log: Log
    quotas: Quotas
    breaker: Breaker
    tenant_of: Callable[[str], Tenant | None]
