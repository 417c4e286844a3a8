"""What connecting a caller takes: who is where, who tells whom, and calls made of far ends that talk already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ivrnode.pbx.arrival.assignment import Assignment
from ivrnode.pbx.arrival.directory import Directory
from ivrnode.pbx.arrival.reception import Occupant, Reception
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.exchange import Exchange
from ivrnode.pbx.party.sip_party import SipParty
from ivrnode.tenancy.tenant import IvrNode

Adopt = Callable[[Assignment, SipParty, float], Call]


class Switchboard:
    """`adopt` makes a call of a far end that talks already."""

    def __init__(
        self,
        house: House,
        exchange: Exchange,
        directory: Directory,
        reception: Reception,
        under_way: Callable[[], Mapping[str, Occupant]],
        adopt: Adopt,
    ) -> None:
        self.agenda, self.exchange, self.directory, self.adopt = house.agenda, exchange, directory, adopt
        self._reception, self._under_way = reception, under_way

    def assign(self, call: Call, node: IvrNode) -> Assignment:
        """What the call is about when its caller goes on to `node`. Raises RefusedError."""
        return self._reception.reassign(call.assignment, node)

    def lend(self, call: Call, node: IvrNode, params: Mapping[str, Any]) -> Assignment:
        """As `assign`, for a second call of his beside the first. Raises RefusedError."""
        return self._reception.lend(call.assignment, node, params, self._under_way().values())

    def hand_over(self, call: Call, assignment: Assignment, now: float) -> None:
        """The caller of `call`, which is done with him, gets another script."""
        heir = self.adopt(assignment, call.party, now)
        heir.company.host, call.company.host = call.company.host, None
        if heir.company.host is not None:
            heir.company.host.moved(heir)
        call.lose_caller(now)

    def announce(self, call: Call, party: SipParty, dest: str, params: Mapping[str, Any], now: float) -> Call:
        """`party` was called for the caller of `call`, and gets a call of its own. Raises RefusedError."""
        assignment = self._reception.announce(call.assignment, dest, params, self._under_way().values())
        return self.adopt(assignment, party, now)
