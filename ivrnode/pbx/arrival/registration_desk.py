"""Where the tenants' phones are: REGISTER, proved by digest (RFC 3261 s10)."""

from __future__ import annotations

from ivrnode.log import Log
from ivrnode.pbx.arrival.identity import Identity, address_of
from ivrnode.pbx.arrival.refusal import RefusedError
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.sip.registrar import Binding, Registrar
from ivrnode.tenancy.store import TenantStore

Answer = tuple[int, str, tuple[tuple[str, str], ...]]


class RegistrationDesk:
    def __init__(self, store: TenantStore, identity: Identity, registrar: Registrar, log: Log) -> None:
        self._store, self._identity, self._registrar, self._log = store, identity, registrar, log

    def register(self, request: Request, flow: Flow, now: float) -> Answer:
        """Status, reason and headers that answer a REGISTER."""
        try:
            return self._register(request, flow, now)
        except RefusedError as refused:
            return refused.status, refused.reason, refused.headers

    def bindings(self, account: str, domain: str, now: float) -> list[Binding]:
        """Where the account's phones are now."""
        return self._registrar.bindings(address_of(account, domain), now)

    def flow_closed(self, flow: Flow) -> None:
        self._registrar.flow_closed(flow)

    def tick(self, now: float) -> None:
        self._registrar.tick(now)

    def _register(self, request: Request, flow: Flow, now: float) -> Answer:
        self._store.refresh()
        uri = request.to.uri
        tenant = self._store.resolve(uri.host)
        if tenant is None:
            raise RefusedError(404, "Unknown domain")
        account = self._identity.prove(request, tenant, flow, now)
        if account.name != uri.plain_user:
            raise RefusedError(403, f"Account {account.name} may not register {uri.plain_user}")
        aor = address_of(account.name, tenant.domain)
        status, reason, headers = self._registrar.process(request, aor, flow, now)
        count = len(self._registrar.bindings(aor, now))
        self._log.write(
            "REGISTER",
            4 if status == 200 else 3,
            f"{account.name} from {flow}: {status}, {count} contacts",
            tenant=tenant.domain,
        )
        return status, reason, tuple(headers)
