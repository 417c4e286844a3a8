"""Who is not listened to: sources that guess passwords, that flood, or that say they are scanners.

```
  packet ─▶ is_shut ─▶ parser ─▶ admits, for what is no repeat ─▶ digest ─▶ failed, succeeded
             locked sources       scanners, more than `rate` a second        locks
```
So many wrong answers from one source within a minute lock it: its packets are dropped without an answer. Only answers
to a challenge count that this very source was given, so a forged address locks nobody out. A source that has proved to
be an account stays open, for behind one address may be a company: there the account that is tried is locked, for that
source alone, and no stranger can cut off a phone. A flow that a phone is registered over stays free for that phone.

Sources are addresses, of IPv6 the first 64 bits. What is remembered of strangers is bounded.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ivrnode.log import Log
from ivrnode.pbx.arrival.lockout import WINDOW, Lockout
from ivrnode.pbx.house.bounded import Bounded
from ivrnode.sip.flow import Flow
from ivrnode.sip.message import Request
from ivrnode.sip.registrar import Registrar

MOST = 10_000
"""Sources, or accounts as sources see them, that are remembered."""
PROVED_FOR = 7200.0
"""So long a source counts as one where an account of ours is: the longest life of a registration."""
IN_CALLS = 10
"""So many times the rate is taken of what belongs to calls that are up."""
SAID_EVERY = 60.0
MANY_SOURCES = 5
"""Wrong answers for one account from so many sources within a minute are told."""
SCANNERS = (
    "friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan", "sundayddr", "iwar", "vaxsipuseragent",
    "pplsip", "siparmyknife", "smap ",
)  # fmt: skip
"""What scanners call themselves in User-Agent, in small letters."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class _Bucket:
    """Holds twice the rate: a phone may send some requests at once."""

    tokens: float
    at: float

    def take(self, rate: float, now: float) -> bool:
        self.tokens = min(2 * rate, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Said:
    at: float = -SAID_EVERY
    unsaid: int = 0


class Doorman:
    def __init__(
        self,
        log: Log,
        registrar: Registrar,
        *,
        rate: int = 20,
        wrong_answers: int = 10,
        lock_seconds: float = 600.0,
        trusted: Sequence[Network] = (),
    ) -> None:
        """`rate`: requests a second that begin something new, from one source; 0 = any number. `lock_seconds`: the
        first lock; each further one is twice as long, up to a day. `trusted`: who is neither limited nor locked."""
        self._log, self._registrar, self._rate = log, registrar, rate
        self._source_of = lru_cache(MOST)(lambda host: _source(host, trusted))
        self._sources = Lockout(wrong_answers, lock_seconds, MOST)
        self._accounts = Lockout(wrong_answers, lock_seconds, MOST)
        self._buckets: Bounded[_Bucket] = Bounded(MOST)
        self._proved: Bounded[float] = Bounded(MOST)
        self._tried_from: Bounded[dict[str, float]] = Bounded(MOST)
        self._said: Bounded[_Said] = Bounded(MOST)

    def is_shut(self, flow: Flow, now: float) -> bool:
        """Whether what comes over `flow` is to be dropped, unless it belongs to a call that is up."""
        if not self._sources:
            return False
        return self._sources.is_locked(self._source_of(flow.remote[0]), now) and not self._registrar.is_bound(flow, now)

    def admits(self, request: Request, flow: Flow, is_expected: bool, now: float) -> bool:
        """Whether a request is looked at, that was not here before. One that is not gets no answer. `is_expected`: it
        belongs to a call that is up."""
        source = self._source_of(flow.remote[0])
        if not source:
            return True
        if is_expected:
            return self._takes(f"{source} within its calls", IN_CALLS * self._rate, flow, now)
        agent = request.headers.get("User-Agent") or ""
        if any(name in agent.lower() for name in SCANNERS):
            self._say("SIP", 4, f"{source} is a scanner and gets no answer", agent[:80], now)
            return False
        if self.is_shut(flow, now):
            return False
        return self._takes(source, self._rate, flow, now)

    def _takes(self, what: str, rate: int, flow: Flow, now: float) -> bool:
        if not rate or self._buckets.use(what, lambda: _Bucket(2 * rate, now)).take(rate, now):
            return True
        if self._registrar.is_bound(flow, now):
            return True
        text = f"{what} sends more than {rate} new requests a second: the others are dropped"
        self._say("SIP", 3, text, str(flow), now)
        return False

    def is_locked_out(self, account: str, flow: Flow, now: float) -> bool:
        """Whether nobody there is believed to be `account` (name@domain), whatever he answers."""
        if not self._accounts:
            return False
        source = self._source_of(flow.remote[0])
        is_locked = self._accounts.is_locked(f"{account} {source}", now)
        return is_locked and not self._registrar.is_bound(flow, now, account)

    def succeeded(self, flow: Flow, now: float) -> None:
        """Somebody there has proved to be an account."""
        if source := self._source_of(flow.remote[0]):
            self._proved.put(source, now + PROVED_FOR)

    def failed(self, account: str, flow: Flow, now: float) -> None:
        """A wrong answer to a challenge of ours came from there, for `account`, which need not exist."""
        source = self._source_of(flow.remote[0])
        self._say("REGISTER", 3, f"{source or flow.remote[0]}: wrong user or password", account[:80], now)
        if not source:
            return
        if self._accounts.failed(f"{account} {source}", now):
            seconds = self._accounts.lock(f"{account} {source}", now)
            self._tell_lock(f"{source} is not believed to be {account[:80]}", seconds)
        has_proved = now < (self._proved.get(source) or 0.0)
        if self._sources.failed(source, now) and not has_proved:
            self._tell_lock(f"{source} is not listened to", self._sources.lock(source, now))
        self._watch(account, source, now)

    def _watch(self, account: str, source: str, now: float) -> None:
        """Guesses at one account from many places lock nobody, or a stranger could cut off its phone: they are told."""
        tried = self._tried_from.use(account, dict)
        tried[source] = now
        for old in [name for name, at in tried.items() if now - at > WINDOW]:
            del tried[old]
        if len(tried) >= MANY_SOURCES:
            self._say("REGISTER", 2, f"{account[:80]} is tried from {MANY_SOURCES} sources or more", source, now)

    def _tell_lock(self, text: str, seconds: float) -> None:
        if seconds:
            self._log.write("REGISTER", 2, f"{text} for {seconds / 60:.0f} min: too many wrong answers")

    def _say(self, category: str, level: int, what: str, detail: str, now: float) -> None:
        """One line a minute for each `what`, never one a packet."""
        said = self._said.use(what, _Said)
        if now - said.at < SAID_EVERY:
            said.unsaid += 1
            return
        more = f", {said.unsaid} more since it was last said" if said.unsaid else ""
        said.at, said.unsaid = now, 0
        self._log.write(category, level, f"{what} ({detail}){more}")


def _source(host: str, trusted: Sequence[Network]) -> str:
    """What an address counts as; "" for one that is trusted."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if any(address in network for network in trusted):
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
