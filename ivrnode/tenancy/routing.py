"""Who is called: the user part of a request URI, looked up in its tenant (RFC 3261 s16.5, s19.1.1)."""

from __future__ import annotations

from ivrnode.tenancy.tenant import Account, IvrNode, Tenant


def route(tenant: Tenant, user: str) -> IvrNode | Account | None:
    """The node or account that `user` names, None if nobody has that name. User parts are case-sensitive (s19.1.4)."""
    return tenant.nodes.get(user) or tenant.accounts.get(user)
