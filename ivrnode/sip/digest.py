"""Digest, both sides: RFC 7616 and RFC 8760 over RFC 3261 s22, with MD5, SHA-256 and SHA-512-256.

A nonce needs no memory: it is its moment and a serial number, sealed by an HMAC with realm and source.

    serial, time | HMAC(secret; serial, time, realm, source)

It lives 60 s, and only for the source that got it. Memory is spent on a nonce only once a right password came with it:
then the nonce counts seen are kept, so that no request passes twice.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ivrnode.errors import ProtocolError
from ivrnode.sip.auth_field import AuthField, write_challenge, write_credentials
from ivrnode.sip.message import Request
from ivrnode.sip.uri import Uri

NONCE_LIFE = 60.0
WINDOW = 64
"""How far behind the highest nonce count a late one may come."""

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Strongest first."""

_SEALED = 16  # hex digits of the serial number, and as many of the time in microseconds


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the Authorization of a request is worth.

    `ok`: it is `username`. `absent`: no usable answer for this realm. `stale`: the nonce is too old or was not issued
    to this source; nothing was tried, so it says nothing about the password (challenge again with `is_stale`).
    `wrong`: a nonce of ours for this source, but not the right name and password: the one that counts for lock-out.
    `replayed`: right, but this nonce count was used before.
    """

    outcome: Literal["ok", "absent", "stale", "wrong", "replayed"]
    username: str = ""

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"


def digest_response(
    algorithm: str,
    credentials: Credentials,
    realm: str,
    nonce: str,
    method: str,
    uri: str,
    *,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The `response` value (RFC 7616 s3.4.1); `qop` "" is the form without it (RFC 2617 s3.2.2.1)."""
    hash_name = _HASHES[algorithm]
    ha1 = _hash(hash_name, f"{credentials.username}:{realm}:{credentials.password}")
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += ":" + hashlib.new(hash_name, body, usedforsecurity=False).hexdigest()
    ha2 = _hash(hash_name, a2)
    return _hash(hash_name, f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}" if qop else f"{ha1}:{nonce}:{ha2}")


def authorize(
    challenges: Sequence[str],
    credentials: Credentials,
    method: str,
    uri: str,
    body: bytes,
    count: int,
    *,
    cnonce: str = "",
) -> str:
    """The Authorization (after 401) or Proxy-Authorization (after 407) value that answers the strongest challenge.

    `uri` is the Request-URI as sent. `count` is how often this nonce has been used, this time included. `cnonce` is
    drawn at random when not given. Raises ProtocolError when there is no challenge that we can meet.
    """
    field, algorithm, qop = _strongest(challenges)
    realm, nonce = field["realm"], field["nonce"]
    nc = f"{count:08x}"
    cnonce = cnonce or secrets.token_hex(8)
    response = digest_response(
        algorithm, credentials, realm, nonce, method, uri, qop=qop, nc=nc, cnonce=cnonce, body=body
    )
    answer = [("username", credentials.username), ("realm", realm), ("nonce", nonce), ("uri", uri)]
    answer.append(("response", response))
    if "algorithm" in field:
        answer.append(("algorithm", algorithm))
    if "opaque" in field:
        answer.append(("opaque", field["opaque"]))
    if qop:
        answer += [("qop", qop), ("nc", nc), ("cnonce", cnonce)]
    return write_credentials(answer)


def _strongest(challenges: Sequence[str]) -> tuple[dict[str, str], str, str]:
    """Parameters, algorithm and qop of the best challenge; what we do not know is passed over (RFC 8760 s2.4)."""
    usable = []
    for text in challenges:
        try:
            field = AuthField.parse(text)
        except ProtocolError:
            continue
        algorithm = field.parameters.get("algorithm", "MD5").upper()
        qop = _choose_qop(field.parameters.get("qop"))
        if field.scheme == "digest" and algorithm in _HASHES and qop is not None and "nonce" in field.parameters:
            usable.append(({"realm": "", **field.parameters}, algorithm, qop))
    if not usable:
        raise ProtocolError("No challenge that can be met", 401)
    order = list(_HASHES)
    return min(usable, key=lambda one: order.index(one[1]))


def _choose_qop(offered: str | None) -> str | None:
    """`auth` where it is offered, "" where nothing is, None when only unknown ones are."""
    if offered is None:
        return ""
    options = {option.strip().lower() for option in offered.split(",")}
    return next((qop for qop in ("auth", "auth-int") if qop in options), None)


class DigestServer:
    """Challenges requests and judges the answers. One for the whole node: realms and sources are told apart by it.

    `source` is any text that names where the request came from, the same for challenge and answer.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        qops: Sequence[str] = ("auth",),
        life: float = NONCE_LIFE,
    ) -> None:
        self._secret = secret
        self._algorithms = tuple(algorithms)
        self._qops = tuple(qops)
        self._life = life
        self._serial = 0
        self._counts: dict[str, _Counts] = {}  # in the order of their first use

    def challenges(self, realm: str, source: str, now: float, is_stale: bool = False) -> list[str]:
        """WWW-Authenticate values, one per line of the answer, strongest first (RFC 8760 s2.4)."""
        self._serial += 1
        stamp = f"{self._serial & 0xFFFFFFFFFFFFFFFF:016x}{int(now * 1e6) & 0xFFFFFFFFFFFFFFFF:016x}"
        nonce = stamp + self._seal(stamp, realm, source)
        shared = [("realm", realm), ("nonce", nonce)]
        if self._qops:
            shared.append(("qop", ",".join(self._qops)))
        if is_stale:
            shared.append(("stale", "true"))
        return [write_challenge([*shared, ("algorithm", algorithm)]) for algorithm in self._algorithms]

    def verify(
        self, request: Request, realm: str, password_of: Callable[[str], str | None], source: str, now: float
    ) -> Verdict:
        """Judge the Authorization of `request`. `password_of` gives None for a user that does not exist.

        An unknown user costs the same work and gets the same verdict as a wrong password.
        """
        answer = self._find_answer(request, realm)
        if answer is None:
            return Verdict("absent")
        if not self._is_fresh(answer["nonce"], realm, source, now):
            return Verdict("stale")
        username = answer["username"]
        password = password_of(username)
        is_right = self._is_right(
            answer, Credentials(username, self._decoy() if password is None else password), request
        )
        if not is_right or password is None or not _is_for(request.uri, answer["uri"], realm):
            return Verdict("wrong", username)
        if not self._is_first_use(answer, now):
            return Verdict("replayed", username)
        return Verdict("ok", username)

    def _find_answer(self, request: Request, realm: str) -> dict[str, str] | None:
        """Parameters of the credentials for `realm`, None when there are none that could be right."""
        for text in request.headers.get_all("Authorization"):
            try:
                field = AuthField.parse(text)
            except ProtocolError:
                continue
            answer = field.parameters
            if (
                field.scheme == "digest"
                and answer.get("realm") == realm
                and {"username", "nonce", "uri", "response"} <= answer.keys()
                and answer.get("algorithm", "MD5").upper() in self._algorithms
                and self._has_good_qop(answer)
            ):
                return answer
        return None

    def _has_good_qop(self, answer: dict[str, str]) -> bool:
        """Old phones leave qop out although it was offered (RFC 2069); their nonce then serves once."""
        qop = answer.get("qop")
        if qop is None:
            return True
        nc = answer.get("nc", "")
        return qop in self._qops and "cnonce" in answer and len(nc) == 8 and not set(nc) - set("0123456789abcdefABCDEF")

    def _is_right(self, answer: dict[str, str], credentials: Credentials, request: Request) -> bool:
        expected = digest_response(
            answer.get("algorithm", "MD5").upper(),
            credentials,
            answer["realm"],
            answer["nonce"],
            request.method,
            answer["uri"],
            qop=answer.get("qop", ""),
            nc=answer.get("nc", ""),
            cnonce=answer.get("cnonce", ""),
            body=request.body,
        )
        return hmac.compare_digest(expected.encode(), _bytes(answer["response"].lower()))

    def _is_fresh(self, nonce: str, realm: str, source: str, now: float) -> bool:
        stamp, seal = nonce[: 2 * _SEALED], nonce[2 * _SEALED :]
        if not hmac.compare_digest(_bytes(self._seal(stamp, realm, source)), _bytes(seal)):
            return False
        age = now - int(stamp[_SEALED:], 16) / 1e6
        return -1.0 <= age <= self._life

    def _is_first_use(self, answer: dict[str, str], now: float) -> bool:
        for nonce, counts in list(self._counts.items()):
            if now - counts.first_use <= self._life:
                break
            del self._counts[nonce]  # its nonce was older still: stale by now
        counts = self._counts.setdefault(answer["nonce"], _Counts(now))
        return counts.take(int(answer["nc"], 16) if "qop" in answer else None)

    def _seal(self, stamp: str, realm: str, source: str) -> str:
        text = "\0".join((stamp, realm, source))
        return hmac.new(self._secret, _bytes(text), hashlib.sha256).hexdigest()[:32]

    def _decoy(self) -> str:
        return hashlib.sha256(self._secret).hexdigest()[:16]


class _Counts:
    """The nonce counts seen with one nonce: the highest, and a bit for each of the WINDOW up to it."""

    __slots__ = ("_highest", "_seen", "first_use")

    def __init__(self, first_use: float) -> None:
        self.first_use = first_use
        self._highest = 0
        self._seen = 1

    def take(self, count: int | None) -> bool:
        """True if `count` is new. None, an answer without counts, is new only as the very first of its nonce."""
        if count is None:
            is_first = self._highest == 0
            self._highest = 2**32
            return is_first
        if count > self._highest:
            ahead = min(count - self._highest, WINDOW)
            self._seen = (self._seen << ahead | 1) & (2**WINDOW - 1)
            self._highest = count
            return True
        behind = self._highest - count
        if behind >= WINDOW or self._seen >> behind & 1:
            return False
        self._seen |= 1 << behind
        return True


def _is_for(target: Uri, text: str, realm: str) -> bool:
    """Whether the digest's `uri` means what the request asks for.

    A proxy may have rewritten the host of the Request-URI (RFC 3261 s22.4 item 8), so the realm's name is as good;
    who is called must be the same, else an answer taken from one call could pay for another.
    """
    try:
        uri = Uri.parse(text)
    except ProtocolError:
        return False
    return uri.plain_user == target.plain_user and uri.host in (target.host, realm.lower())


def _hash(hash_name: str, text: str) -> str:
    return hashlib.new(hash_name, _bytes(text), usedforsecurity=False).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
