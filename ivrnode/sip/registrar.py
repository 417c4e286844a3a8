"""The registrar: who can be reached where, and over which flow (RFC 3261 s10.3, RFC 3327, RFC 5626).

```
  REGISTER ─▶ process ─ all contacts fit ──▶ bindings of the address of record change, 200 with all of them
                      └ one does not ──────▶ nothing changes, 400 / 403 / 423
  a binding goes: at its time (tick), by Expires 0, with its stream flow (flow_closed)
```
Who may register is decided before: here the request counts as authorised for `aor`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ivrnode.errors import ProtocolError
from ivrnode.sip.address import NameAddr
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.sip.refusal import RefusalError
from ivrnode.sip.uri import Uri

Answer = tuple[int, str, list[tuple[str, str]]]
"""Status, reason, header fields."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of an address of record.

    `contact` is the Contact as it came, without `expires`. A phone is reached through `flow`, not through the host in
    its Contact; `path` are the Route values to send with the request (RFC 3327 s5.1). `expires_at` is monotonic.
    """

    contact: NameAddr
    flow: Flow
    expires_at: float
    call_id: str
    sequence: int
    q: float = 1.0
    path: tuple[str, ...] = ()

    @property
    def uri(self) -> Uri:
        """The Request-URI for a request to this contact."""
        return self.contact.uri

    @property
    def instance(self) -> tuple[str, str] | None:
        """What names the phone across new addresses: `+sip.instance` and `reg-id` (RFC 5626 s6)."""
        return _instance(self.contact)


class Registrar:
    """Bindings of any number of addresses of record, which are plain texts to it such as `sip:7@example.com`."""

    def __init__(
        self, *, min_expires: int = 60, default_expires: int = 3600, max_expires: int = 7200, max_bindings: int = 10
    ) -> None:
        self._min_expires = min_expires
        self._default_expires = default_expires
        self._max_expires = max_expires
        self._max_bindings = max_bindings
        self._bindings: dict[str, list[Binding]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._awaited: dict[str, float] = {}  # address of record -> its moment in `_expiries`, so it stands there once
        self._of_flow: dict[Flow, set[str]] = {}
        self.changes = 0
        """How often bindings came, were refreshed or went: tells whether a snapshot is old."""

    def process(self, request: Request, aor: str, flow: Flow, now: float) -> Answer:
        """Do what a REGISTER for `aor` asks. All its contacts take effect or none. Never raises."""
        try:
            if request.has_wildcard_contact:
                changed = self._without_all(request, aor, now)
            else:
                changed = self._with_contacts(request, aor, flow, now)
        except RefusalError as error:
            return error.status, str(error), list(error.headers)
        except ProtocolError as error:
            return error.status, str(error), []
        self._replace(aor, changed)
        headers = [("Contact", _written(binding, now)) for binding in self.bindings(aor, now)]
        if "path" in (tag.lower() for tag in request.headers.get_all("Supported")):
            headers += [("Path", value) for value in request.headers.get_all("Path")]
        return 200, "OK", headers

    def bindings(self, aor: str, now: float) -> list[Binding]:
        """What `aor` is bound to now: the most wanted first (q), then the newest."""
        alive = [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now]
        return sorted(alive, key=lambda binding: -binding.q)

    def is_bound(self, flow: Flow, now: float, aor: str = "") -> bool:
        """Whether a phone is reached over `flow`: one of `aor`, or any."""
        aors = self._of_flow.get(flow, ())
        return any(
            binding.flow == flow
            for bound in ((aor,) if aor in aors else () if aor else aors)
            for binding in self.bindings(bound, now)
        )

    def flow_closed(self, flow: Flow) -> None:
        """Drop what a dead stream flow carried (RFC 5626 s4.2.1)."""
        for aor in tuple(self._of_flow.get(flow, ()) if flow.is_stream else ()):
            self._replace(aor, [kept for kept in self._bindings[aor] if kept.flow != flow])

    def tick(self, now: float) -> None:
        """Drop what is over."""
        while self._expiries and self._expiries[0][0] <= now:
            _, aor = heapq.heappop(self._expiries)
            self._awaited.pop(aor, None)
            self._replace(aor, [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now])

    def snapshot(self, now: float) -> list[dict[str, Any]]:
        """Bindings that outlive a restart, in JSON types: those of datagram flows, with the seconds they have left."""
        return [
            {
                "aor": aor,
                "contact": str(binding.contact),
                "expires": round(binding.expires_at - now, 3),
                "call_id": binding.call_id,
                "sequence": binding.sequence,
                "path": list(binding.path),
                "local": list(binding.flow.local),
                "remote": list(binding.flow.remote),
            }
            for aor, bindings in self._bindings.items()
            for binding in bindings
            if not binding.flow.is_stream
        ]

    def restore(
        self,
        entries: Iterable[dict[str, Any]],
        flow_between: Callable[[tuple[str, int], tuple[str, int]], Flow | None],
        now: float,
        age: float = 0.0,
    ) -> int:
        """Take back a snapshot that is `age` seconds old, all of it or nothing; how many bindings still are.

        `flow_between` gives the datagram flow that leads from a local to a remote address now; a binding without one
        is dropped, and so is one whose time is over. Raises ProtocolError, KeyError, TypeError or ValueError for what
        is no snapshot.
        """
        restored: dict[str, list[Binding]] = {}
        for entry in entries:
            contact = NameAddr.parse(str(entry["contact"]))
            left = min(float(entry["expires"]), self._max_expires) - age
            flow = flow_between(_address(entry["local"]), _address(entry["remote"]))
            call_id, sequence, path = str(entry["call_id"]), int(entry["sequence"]), tuple(map(str, entry["path"]))
            if flow is not None and left > 0:
                binding = Binding(contact, flow, now + left, call_id, sequence, _q(contact), path)
                restored.setdefault(str(entry["aor"]), []).append(binding)
        for aor, bindings in restored.items():
            self._replace(aor, bindings)
        return sum(map(len, restored.values()))

    def _without_all(self, request: Request, aor: str, now: float) -> list[Binding]:
        """`Contact: *` is for taking everything back, and for nothing else (RFC 3261 s10.2.2)."""
        if request.expires != 0:
            raise ProtocolError("Contact * Needs Expires 0", 400)
        for binding in self.bindings(aor, now):
            _check_order(request, binding)
        return []

    def _with_contacts(self, request: Request, aor: str, flow: Flow, now: float) -> list[Binding]:
        """The bindings after all contacts of `request` (none: a question) took effect, newest first."""
        bindings = [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now]
        path = tuple(request.headers.get_all("Path"))
        before = tuple(bindings)
        for contact in request.contacts:
            if contact.uri.scheme not in ("sip", "sips"):
                raise ProtocolError("Contact Is No SIP URI", 400)
            expires = self._expires(request, contact)
            q = _q(contact)
            known = next((binding for binding in bindings if _is_same(binding, contact)), None)
            if known is not None:
                if known in before:
                    _check_order(request, known)
                bindings.remove(known)
            if expires:
                binding = Binding(
                    _without_expires(contact), flow, now + expires, request.call_id, request.cseq.number, q, path
                )
                bindings.insert(0, binding)
        if len(bindings) > self._max_bindings:
            raise ProtocolError("Too Many Bindings", 403)
        return bindings

    def _expires(self, request: Request, contact: NameAddr) -> int:
        """How long the contact wants to stay: its own parameter, the request's field, or our default."""
        parameter = contact.parameter("expires")
        if parameter is None:
            expires = self._default_expires if request.expires is None else request.expires
        else:
            is_number = parameter.isdecimal() and parameter.isascii() and len(parameter) <= 10
            expires = int(parameter) if is_number else self._default_expires  # RFC 3261 s10.2.1.1
        if 0 < expires < self._min_expires:
            raise RefusalError(423, ("Min-Expires", str(self._min_expires)))
        return min(expires, self._max_expires)

    def _replace(self, aor: str, bindings: list[Binding]) -> None:
        self.changes += 1
        before = {binding.flow for binding in self._bindings.get(aor, ())}
        after = {binding.flow for binding in bindings}
        for flow in after - before:
            self._of_flow.setdefault(flow, set()).add(aor)
        for flow in before - after:
            self._of_flow[flow].discard(aor)
            if not self._of_flow[flow]:
                del self._of_flow[flow]
        if not bindings:
            self._bindings.pop(aor, None)
            return
        self._bindings[aor] = bindings
        first = min(binding.expires_at for binding in bindings)
        if first < self._awaited.get(aor, math.inf):
            self._awaited[aor] = first
            heapq.heappush(self._expiries, (first, aor))


def _check_order(request: Request, binding: Binding) -> None:
    """A request that was overtaken by a later one of the same phone must not undo it (RFC 3261 s10.3 step 7)."""
    if request.call_id == binding.call_id and request.cseq.number <= binding.sequence:
        raise ProtocolError("CSeq Out of Order", 400)


def _is_same(binding: Binding, contact: NameAddr) -> bool:
    """The same phone by its instance, else the same address (RFC 5626 s6, RFC 3261 s10.3 step 7)."""
    instance = _instance(contact)
    if instance is not None and binding.instance is not None:
        return instance == binding.instance
    return binding.uri.matches(contact.uri)


def _instance(contact: NameAddr) -> tuple[str, str] | None:
    instance, flow = contact.parameter("+sip.instance"), contact.parameter("reg-id")
    return (instance, flow) if instance and flow else None


def _q(contact: NameAddr) -> float:
    """RFC 3261 s20.10: 0 to 1, 1 when absent."""
    text = contact.parameter("q")
    if text is None:
        return 1.0
    if not text.replace(".", "", 1).isdecimal() or not text.isascii() or len(text) > 5 or float(text) > 1:
        raise ProtocolError("Bad q Value", 400)
    return float(text)


def _address(pair: list[Any]) -> tuple[str, int]:
    host, port = pair
    return str(host), int(port)


def _without_expires(contact: NameAddr) -> NameAddr:
    parameters = tuple(pair for pair in contact.parameters if pair[0].lower() != "expires")
    return NameAddr(contact.display_name, contact.uri, parameters)


def _written(binding: Binding, now: float) -> str:
    return str(binding.contact.with_parameter("expires", str(max(1, round(binding.expires_at - now)))))
