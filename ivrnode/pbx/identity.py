"""Is the caller who he says he is? Digest against a tenant's accounts (RFC 3261 s22, RFC 8760)."""

from __future__ import annotations

from ivrnode.log import Log
from ivrnode.pbx.refusal import RefusedError
from ivrnode.sip.digest import DigestServer
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.tenancy.tenant import Account, Tenant


def authenticate(digest: DigestServer, request: Request, tenant: Tenant, flow: Flow, log: Log, now: float) -> Account:
    """The account that `request` proves to be from. Raises RefusedError: 401 with challenges, strongest first.

    Unknown user and wrong password get the same answer after the same work.
    """
    accounts = tenant.accounts
    source = flow.remote[0]
    verdict = digest.verify(
        request, tenant.domain, lambda name: accounts[name].password if name in accounts else None, source, now
    )
    if verdict.is_ok and verdict.username in accounts:
        return accounts[verdict.username]
    if verdict.outcome == "wrong":
        text = f"{request.method} from {flow}: wrong user or password"
        log.write("REGISTER", 3, text, tenant=tenant.domain)
    values = digest.challenges(tenant.domain, source, now, is_stale=verdict.outcome == "stale")
    raise RefusedError(401, "Unauthorized", [("WWW-Authenticate", value) for value in values])
