"""`tables["adrbook"].search`: the address book of the call's tenant."""

from __future__ import annotations

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script import ops
from ivrnode.script.limits import Bucket
from ivrnode.script.messages import Request
from ivrnode.tenancy.address_book import AddressBook, AddressBooks

AT_ONCE, A_SECOND = 50, 20
"""A search looks at every name, in the core's own time."""


class AddressService:
    """The service `adrbook`. `forget` must be told when a call is gone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._books = AddressBooks(house.log)
        self._buckets: dict[str, Bucket] = {}

    def __call__(self, call: Call, request: Request, now: float) -> None:
        given = Arguments(request.arguments)
        try:
            if not self._buckets.setdefault(call.id, Bucket(AT_ONCE, A_SECOND)).take(1, now):
                raise ScriptError(f"adrbook.search: more than {A_SECOND} searches a second")
            text, number = given.text("text", "", most=200), given.text("number", "", most=200)
            limit = int(given.number("limit", 10, 1, ops.MAX_FOUND))
        except ScriptError as error:
            call.reply(request.request, error=str(error))
            return
        tenant = self._house.tenant_of(call.tenant)
        book = self._books.of(tenant) if tenant is not None else AddressBook()
        found = book.search(text, number, limit)
        call.reply(request.request, [{"name": e.name, "number": e.number, "email": e.email} for e in found])

    def forget(self, call: Call) -> None:
        self._buckets.pop(call.id, None)
