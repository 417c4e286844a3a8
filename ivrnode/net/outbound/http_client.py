"""Web requests of scripts and of the house, by aiohttp: one pool of connections, every address judged.

    fetch ─> literal address? policy ─> pool, or resolver: policy ─> TCP, TLS ─> request ─> answer ─> HttpResponse
                 ^                                                                 │ redirect (5)
                 └─────────────────────────────────────────────────────────────────┘

What the policy let through is what is connected to: aiohttp gets addresses, never asks for the name itself. An address
in the URL does not go through the resolver, so it is judged before. A connection that is used again was judged when
it was made. No cookies, no proxy from the environment, no compression (a small answer must not become a big one).
"""

from __future__ import annotations

import io
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ivrnode import __version__
from ivrnode.errors import ProtocolError
from ivrnode.net.outbound.failure import explain
from ivrnode.net.outbound.policy import OutboundBlockedError, OutboundPolicy
from ivrnode.pbx.house.http_messages import Header, HttpRequest, HttpResponse

USER_AGENT = f"ivrnode/{__version__}"
KEPT_SECONDS = 15.0
MOST_CONNECTIONS = 1000
_READ = 64 * 1024
_CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
_REDIRECTS = {301, 302, 303, 307, 308}
_BODY_HEADERS = {"content-type", "content-encoding", "content-language"}


class HttpClient:
    """`fetch` never raises for what the network or the far end does."""

    def __init__(
        self, policy: OutboundPolicy, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        """`trust` makes the context that checks servers' certificates."""
        self._policy, self._trust = policy, trust
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        try:
            for _ in range(1 + request.redirects):
                code, headers, body, location = await self._ask(request)
                if not location:
                    return HttpResponse(code, headers, body)
                request = _redirected(request, code, location)
            return _failure(f"more than {request.redirects} redirects" if request.redirects else "a redirect")
        except (ProtocolError, OutboundBlockedError) as error:
            return _failure(str(error))
        except aiohttp.InvalidURL:
            return _failure("not a URL")
        except (aiohttp.ClientError, OSError) as error:  # before ValueError: a wrong certificate is one, too
            return _failure(_explain(error, request), is_final=False)
        except ValueError:
            return _failure("not a URL")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, request: HttpRequest) -> tuple[int, tuple[tuple[str, str], ...], bytes, str]:
        """One request, no redirect followed: code, headers, body, where it redirects to."""
        url = URL(request.url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ProtocolError("not a URL with http:// or https:// and a host")
        self._check_literal(url.host, url.port or 0)
        headers = [(name, value) for name, value, _ in request.headers]
        async with self._open().request(
            request.method,
            url,
            headers=headers,
            data=io.BytesIO(request.body) if request.body else None,
            allow_redirects=False,
            ssl=self._context(request.verify),
            timeout=aiohttp.ClientTimeout(
                total=request.connect_timeout + request.read_timeout,
                connect=request.connect_timeout,
                sock_read=request.read_timeout,
            ),
        ) as answer:
            location = answer.headers.get("Location", "") if request.redirects else ""
            if location and answer.status in _REDIRECTS:
                return answer.status, (), b"", location
            body = await _body(answer, request.longest)
            return answer.status, tuple(answer.headers.items()), body, ""

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_JudgedResolver(self._policy),
                use_dns_cache=False,
                limit=MOST_CONNECTIONS,
                keepalive_timeout=KEPT_SECONDS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                skip_auto_headers=["Content-Type"],
                auto_decompress=False,
            )
        return self._session

    def _check_literal(self, host: str, port: int) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if ":" in host:  # an address with a zone: of this machine's own links
                raise OutboundBlockedError from None
            return
        self._policy.check(host, port, [str(address)])

    def _context(self, verify: bool) -> ssl.SSLContext:
        if verify not in self._contexts:
            context = self._trust()
            if not verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._contexts[verify] = context
        return self._contexts[verify]


class _JudgedResolver(AbstractResolver):
    """Gives aiohttp the addresses that the policy lets through, and no others."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses: Sequence[str] = await self._policy.resolve(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


async def _body(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_chunked(_READ):
        body += part
        if len(body) > longest:
            answer.close()  # not back into the pool: the rest is still on its way
            raise ProtocolError(f"the answer is longer than {longest} bytes")
    return bytes(body)


def _redirected(request: HttpRequest, code: int, location: str) -> HttpRequest:
    """The request that follows a redirect (RFC 9110 s15.4). Another origin gets no secret and no credentials."""
    url = urljoin(request.url, location)
    old, new = urlsplit(request.url), urlsplit(url)
    if new.scheme not in ("http", "https"):
        raise ProtocolError("redirect to a URL that is neither http nor https")
    if old.scheme == "https" and new.scheme == "http":
        raise ProtocolError("redirect from https to http refused")
    method, body, headers = request.method, request.body, request.headers
    if method not in ("GET", "HEAD") and (code == 303 or (code in (301, 302) and method == "POST")):
        method, body = "GET", b""
        headers = tuple(header for header in headers if header[0].lower() not in _BODY_HEADERS)
    if _origin(request.url) != _origin(url):
        headers = tuple(header for header in headers if not _is_private(header))
    return replace(request, method=method, url=url, headers=headers, body=body)


def _is_private(header: Header) -> bool:
    return header[2] or header[0].lower() in _CREDENTIALS


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = URL(url)
    return parts.scheme, parts.host, parts.port


def _failure(error: str, *, is_final: bool = True) -> HttpResponse:
    return HttpResponse(0, error=error, is_final=is_final)


def _explain(error: aiohttp.ClientError | OSError, request: HttpRequest) -> str:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return explain(TimeoutError(), request.connect_timeout)
        case TimeoutError():
            return f"no answer within {request.read_timeout:g} s"
        case aiohttp.ClientConnectorCertificateError():
            return explain(error.certificate_error, 0)
        case aiohttp.ClientConnectorError():
            return explain(error.os_error, 0)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionResetError():
            return "the server ended the connection"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case _:
            return explain(error, request.connect_timeout)
