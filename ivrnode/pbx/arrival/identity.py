"""Is the caller who he says he is? Digest against a tenant's accounts (RFC 3261 s22, RFC 8760)."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.pbx.arrival.doorman import Doorman
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.sip.digest import DigestServer
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.tenancy.tenant import Account, Tenant


def address_of(account: str, domain: str) -> str:
    """What an account is called where tenants meet: its address of record, without a scheme."""
    return f"{account}@{domain}"


@dataclass(frozen=True, slots=True)
class Identity:
    digest: DigestServer
    doorman: Doorman

    def prove(self, request: Request, tenant: Tenant, flow: Flow, now: float) -> Account:
        """The account that `request` proves to be from. Raises RefusedError: 401 with challenges, strongest first.

        Unknown user, wrong password and an account that is locked out get the same answer after the same work.
        """
        accounts, source = tenant.accounts, flow.remote[0]
        verdict = self.digest.verify(
            request, tenant.domain, lambda name: accounts[name].password if name in accounts else None, source, now
        )
        address = address_of(verdict.username, tenant.domain)
        if verdict.outcome == "wrong":
            self.doorman.failed(address, flow, now)
        elif verdict.is_ok and not self.doorman.is_locked_out(address, flow, now):
            self.doorman.succeeded(flow, now)
            return accounts[verdict.username]
        values = self.digest.challenges(tenant.domain, source, now, is_stale=verdict.outcome == "stale")
        raise RefusedError(401, "Unauthorized", [("WWW-Authenticate", value) for value in values])
