"""Who may call what: from an INVITE to the node or phone that takes the call, or to the answer that refuses it.

domain -> tenant -> extension -> node or account -> right to call (accounts: digest) -> room for one more call
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ivrnode.log import Log
from ivrnode.pbx.arrival.assignment import Assignment, Introduction
from ivrnode.pbx.arrival.identity import Identity
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.script.messages import Boot, Facts
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.tenancy.declared import merged
from ivrnode.tenancy.routing import route
from ivrnode.tenancy.secrets import Secret, Secrets, secrets_of
from ivrnode.tenancy.store import TenantStore
from ivrnode.tenancy.templates import Templates
from ivrnode.tenancy.tenant import Account, IvrNode, Tenant, node_settings

SECRET_HEADERS = {"authorization", "proxy-authorization"}
MOST_HEADERS, MOST_HEADER = 100, 1000
BUSY = (("Retry-After", "10"),)
NO_VOICES: Mapping[str, str] = {}


class Occupant(Protocol):
    """Whatever takes a line of its tenant."""

    tenant: str


Occupants = Collection[Occupant]


class Reception:
    """`settings` and `secrets` are the system's; tenants and templates are looked at anew for each call."""

    def __init__(
        self,
        store: TenantStore,
        templates: Templates,
        identity: Identity,
        log: Log,
        ids: random.Random,
        *,
        settings: Mapping[str, Any],
        secrets: Mapping[str, Secret],
        max_calls: int,
        voices: Mapping[str, str] = NO_VOICES,
        web_url: Callable[[], str] = str,
    ) -> None:
        """`voices`: by language, where neither node nor tenant names one. `web_url`: what a call's secret is put behind
        to make its `http_url`; "": no web requests come in."""
        self._store, self._templates, self._identity, self._log, self._ids = store, templates, identity, log, ids
        self._settings, self._secrets, self._max_calls = settings, secrets, max_calls
        self._voices, self._web_url = voices, web_url

    def admit(self, request: Request, flow: Flow, calls: Occupants, now: float) -> Assignment | Introduction:
        """What the call is about. Raises RefusedError."""
        self._store.refresh()
        tenant = self._tenant(request.uri.host)
        found, account = self._called(tenant, request, flow, now)
        self._check_room(tenant, calls)
        if isinstance(found, IvrNode):
            return self._assign(tenant, found, _facts(tenant, found, account, request))
        assert account is not None  # who calls an account has proved to be one
        return Introduction(self._new_id(), tenant.domain, account, found, tenant.max_duration)

    def announce(self, before: Assignment, dest: str, params: Mapping[str, Any], calls: Occupants) -> Assignment:
        """Somebody else is called for the caller of another assignment; the same node's script takes him first. Raises
        RefusedError."""
        tenant = self._tenant(before.facts.tenant)
        self._check_room(tenant, calls)
        return self._assign(tenant, before.node, replace(before.facts, called=dest, params=params, headers=()))

    def reassign(self, before: Assignment, node: IvrNode) -> Assignment:
        """The caller of another assignment goes on to `node` of the same tenant. Raises RefusedError."""
        tenant = self._tenant(before.facts.tenant)
        return self._move(before, tenant, node, before.facts.params)

    def lend(self, before: Assignment, node: IvrNode, params: Mapping[str, Any], calls: Occupants) -> Assignment:
        """As `reassign`, for a second call beside the first. Raises RefusedError."""
        tenant = self._tenant(before.facts.tenant)
        self._check_room(tenant, calls)
        return self._move(before, tenant, node, params)

    def _move(self, before: Assignment, tenant: Tenant, node: IvrNode, params: Mapping[str, Any]) -> Assignment:
        facts = replace(
            before.facts,
            called=node.extension,
            node=node.extension,
            lang=node.language,
            may_record=node.rec,
            params=params,
        )
        return replace(self._assign(tenant, node, facts), hops=before.hops + 1)

    def _check_room(self, tenant: Tenant, calls: Occupants) -> None:
        if len(calls) >= self._max_calls:
            raise RefusedError(503, "All lines are busy", BUSY)
        if sum(call.tenant == tenant.domain for call in calls) >= tenant.max_calls:
            # Not 503: that would make an edge proxy shun the whole node for one tenant.
            raise RefusedError(480, "All lines of this tenant are busy", BUSY)

    def tenant_of(self, domain: str) -> Tenant | None:
        """The tenant as it is now; None for one that is gone while its calls are still up."""
        return self._store.resolve(domain)

    def _tenant(self, domain: str) -> Tenant:
        """Raises RefusedError."""
        tenant = self._store.resolve(domain)
        if tenant is None:
            raise RefusedError(404, "Unknown domain")
        return tenant

    def _called(
        self, tenant: Tenant, request: Request, flow: Flow, now: float
    ) -> tuple[IvrNode | Account, Account | None]:
        """Who is called, and the account that proved to be the caller, if one had to."""
        found, account = route(tenant, request.uri.plain_user), None
        if not isinstance(found, IvrNode) or found.access == "accounts":
            # Before saying whether the number exists: strangers must not be able to list a tenant's extensions.
            account = self._identity.prove(request, tenant, flow, now)
        if found is None:
            raise RefusedError(404, f"Nobody has the number {request.uri.plain_user} here")
        return found, account

    def _assign(self, tenant: Tenant, node: IvrNode, facts: Facts) -> Assignment:
        call = self._new_id()
        node = replace(node, voices={**self._voices, **node.voices})
        facts = replace(facts, callid=call, http_url=self._http_url())
        secrets = Secrets(secrets_of(self._secrets, tenant.secrets, node.secrets), call)

        def boot() -> Boot:
            template = self._templates.find(tenant.folder.name, node.extension)
            if template.error is not None:
                raise template.error
            settings, problems = merged(template.settings, _settings(self._settings, node))
            for problem in problems:
                self._log.write("CONFIG", 2, problem, tenant=tenant.domain, call=call)
            version = f"version {template.version}" if template.version else "no version yet: edited by hand"
            if template.tier != "default":
                self._log.write("SCRIPT", 5, f"{template.tier} template, {version}", tenant=tenant.domain, call=call)
            return Boot(template.text, str(template.path), facts, settings, secrets.placeholders)

        return Assignment(facts, node, boot, secrets)

    def _new_id(self) -> str:
        return f"{self._ids.getrandbits(64):016x}"

    def _http_url(self) -> str:
        base = self._web_url()
        return f"{base}{self._ids.getrandbits(128):032x}" if base else ""


def _facts(tenant: Tenant, node: IvrNode, account: Account | None, request: Request) -> Facts:
    """An account is called by its own name: its From could claim any number."""
    caller = request.from_
    user = account.name if account else caller.uri.plain_user
    is_withheld = user.lower() == "anonymous"  # RFC 3323 s4.1.1.3
    return Facts(
        callid="",
        lang=node.language,
        caller="" if is_withheld else user,
        called=request.uri.plain_user,
        caller_name=(account.display if account else "") or ("" if is_withheld else caller.display_name),
        tenant=tenant.domain,
        node=node.extension,
        from_uri=str(caller),
        to_uri=str(request.to),
        headers=_headers(request),
        may_record=node.rec,
        most_dials=tenant.quotas.dials_per_call,
    )


def _settings(system: Mapping[str, Any], node: IvrNode) -> dict[str, Any]:
    """A script that cannot go on by itself sends its caller where the core would."""
    own = node_settings(system, node)
    return {"fallback": node.fallback, **own} if node.fallback else own


def _headers(request: Request) -> tuple[tuple[str, str], ...]:
    """What `call.getHeader` gives: no proof of who somebody is, and not without end."""
    headers = [(name, value) for name, value in request.headers if name.lower() not in SECRET_HEADERS]
    return tuple((name, value[:MOST_HEADER]) for name, value in headers[:MOST_HEADERS])
