"""Whom a node's callers may be connected with, and where his phones are."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.pbx.arrival.registration_desk import RegistrationDesk
from ivrnode.pbx.party.sip_party import OutgoingCall
from ivrnode.script.messages import Facts
from ivrnode.sip.address import NameAddr
from ivrnode.sip.registrar import Binding
from ivrnode.sip.uri import Uri
from ivrnode.tenancy.routing import route
from ivrnode.tenancy.tenant import Account, IvrNode, Tenant

MOST_HOPS = 70  # RFC 3261 s8.1.1.6
_SUBSCRIBER = frozenset("+0123456789*#")


class Directory:
    def __init__(self, tenant_of: Callable[[str], Tenant | None], desk: RegistrationDesk) -> None:
        self._tenant_of, self._desk = tenant_of, desk

    def find(self, domain: str, node: IvrNode, number: str) -> IvrNode | Account:
        """Who has `number`, as far as the callers of `node` may reach it. Raises RefusedError: 403, 404.

        `transfer_to` of the node decides; without it, the tenant's own extensions. The node's fallback is always one.
        """
        tenant = self._tenant_of(domain)
        found = route(tenant, number) if tenant is not None else None
        is_allowed = any(fnmatchcase(number, pattern) for pattern in node.transfer_to)
        if not is_allowed and (node.transfer_to or found is None) and number != node.fallback:
            if node.transfer_to:
                raise RefusedError(403, f"{number} is not allowed by transfer_to (node {node.extension})")
            raise RefusedError(
                403, f"{number} is not allowed: no extension of this tenant, nor in transfer_to (node {node.extension})"
            )
        if found is not None:
            return found
        if number and set(number) <= _SUBSCRIBER:
            raise RefusedError(404, f"{number} is outside: that needs a trunk, and there is none")
        raise RefusedError(404, f"nobody has the number {number}")

    def phones(
        self, domain: str, account: Account, caller: NameAddr, hops: int | None, now: float
    ) -> list[OutgoingCall]:
        """An INVITE for each phone of the account. `hops`: Max-Forwards of the call that it is made for, so that loops
        end; None: it has none. Raises RefusedError: 480, 483."""
        hops = MOST_HOPS if hops is None else hops
        if hops <= 1:
            raise RefusedError(483, "Too Many Hops")
        bindings = self._desk.bindings(account.name, domain, now)
        if not bindings:
            raise RefusedError(480, f"{account.name} has no phone that is registered")
        called = NameAddr("", Uri.of_user(account.name, domain))
        return [
            OutgoingCall(binding.uri, binding.flow, caller, called, (("Max-Forwards", str(hops - 1)), *_route(binding)))
            for binding in bindings
        ]


def caller_of(facts: Facts) -> NameAddr:
    """From whom a call that is made for the caller of `facts` comes."""
    return NameAddr(facts.caller_name, Uri.of_user(facts.caller or "anonymous", facts.tenant))


def _route(binding: Binding) -> list[tuple[str, str]]:
    """RFC 3327 s5.1."""
    return [("Route", hop) for hop in binding.path]
