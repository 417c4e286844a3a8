"""What scripts may ask for by name: one table, filled here."""

from __future__ import annotations

from ivrnode.pbx.core import Core
from ivrnode.pbx.http_service import HttpService


def offer_services(core: Core) -> None:
    """Put every service into `core.services`."""
    http = HttpService(core.house)
    core.services["http"] = http
    core.on_gone.append(http.forget)
