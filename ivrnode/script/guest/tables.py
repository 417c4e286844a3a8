"""The global `tables`: what there is to look up."""

from __future__ import annotations

from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.arguments import check, check_range, takes_object
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Services

_LONGEST = 200


class Calls:
    """`tables["cobjs"]`: this call alone."""

    def __init__(self) -> None:
        self._callid = ""
        self._fields: dict[str, str] = {}

    def _begin(self, facts: dict[str, Any]) -> None:
        self._callid = facts["callid"]
        self._fields = {"from": facts["from_uri"], "to": facts["to_uri"]}
        for name in ("callid", "caller", "called", "caller_name", "tenant", "node", "lang"):
            self._fields[name] = facts[name]

    def get(self, callid: str, field: str) -> str:
        """`from`, `to` and the facts that `call` has at its start; "" for any other field or call."""
        return self._fields.get(field, "") if callid == self._callid else ""


class AddressBook:
    """`tables["adrbook"]`: the tenant's."""

    def __init__(self, runtime: Runtime, services: Services) -> None:
        self._runtime, self._services = runtime, services

    @takes_object
    def search(self, text: str = "", number: str = "", limit: int = 10) -> list[dict[str, str]]:
        """Dicts `name`, `number`, `email`: those with every word of `text` in name or e-mail, and with `number`."""
        for what, value in (("text", text), ("number", number)):
            check(what, value, str)
            if len(value) > _LONGEST:
                raise ValueError(f"{what} must not be longer than {_LONGEST} characters")
        check("limit", limit, int)
        check_range("limit", limit, 1, ops.MAX_FOUND)
        found: list[dict[str, str]] = self._services.ask_now("adrbook", text=text, number=number, limit=limit).value
        return found
