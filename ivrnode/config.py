"""The operator's file `ivrnode.toml`: every section and key may be left out, what is wrong is named with its line.

The dataclasses below are the reference: a field is a key, a class is a section, a default is the default.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ivrnode.errors import ConfigError
from ivrnode.log import CATEGORIES, Log
from ivrnode.script.limits import MIB, Limits
from ivrnode.tenancy.document import Document, option, unknown
from ivrnode.tenancy.gateways import MailServer, SmsGateway
from ivrnode.tenancy.opening import Opening
from ivrnode.tenancy.secrets import Secret, SecretSource, read_secrets

CONFIG_FILE = "ivrnode.toml"
ADDRESS_SPACE_RESERVE = 32 * MIB  # what the interpreter maps without using it
ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
LONGEST_SOCKET_PATH = 107  # sockaddr_un, unix(7)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Listen:
    """Where SIP comes in. `transport`: udp or tcp; port 0 = any free one."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def _listen(value: object) -> tuple[Listen, ...]:
    message = 'a list of addresses, as in ["udp:0.0.0.0:5060", "tcp:[::]:5060"]'
    if not isinstance(value, list) or not value:
        raise ValueError(message)
    listens = []
    for text in value:
        match = re.fullmatch(r"(udp|tcp):(\[[^\]]*\]|[^:\[\]]*):(\d{1,5})", text) if isinstance(text, str) else None
        if not match or int(match[3]) > 65535:
            raise ValueError(message)
        try:
            host = str(ipaddress.ip_address(match[2].strip("[]")))
        except ValueError:
            raise ValueError(f"{message}: {match[2]!r} is no address of an interface") from None
        listens.append(Listen(match[1], host, int(match[3])))
    return tuple(listens)


def _networks(value: object) -> tuple[Network, ...]:
    message = 'a list of networks, as in ["10.0.0.0/8", "fd00::/8"]'
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(message)
    try:
        return tuple(ipaddress.ip_network(text) for text in value)
    except ValueError as error:
        raise ValueError(f"{message}: {error}") from None


def _ports(value: object) -> tuple[int, int]:
    match value:
        case [int(low), int(high)] if (low, high) == (0, 0) or 1024 <= low < high <= 65535:
            return low, high
    raise ValueError("the first and the last port, within 1024 and 65535, as in [10000, 20000], or [0, 0] for any")


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError('an address of this machine, as in "192.0.2.10"') from None


def _host(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:-]{0,253}", value):
        raise ValueError("a host name or address, without scheme and port")
    return value


_PRIVATE = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip


def _digest(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not set(value) <= set(ALGORITHMS):
        raise ValueError(f"a list of one or more of {', '.join(ALGORITHMS)}")
    return tuple(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sip:
    """`external_host`: our name in Via, Contact and SDP towards peers outside `local_nets` ("" = the interface's).
    `digest`: the algorithms that phones are challenged with. Many phones give up when they see another one than MD5,
    even beside it, so the others are for those whose phones are known (RFC 8760). `registrations`: the file in which
    they outlive a restart."""

    listen: tuple[Listen, ...] = option((Listen("udp", "0.0.0.0", 5060), Listen("tcp", "0.0.0.0", 5060)), parse=_listen)
    external_host: str = option("", parse=_host)
    local_nets: tuple[Network, ...] = option(tuple(map(ipaddress.ip_network, _PRIVATE)), parse=_networks)
    digest: tuple[str, ...] = option(("MD5",), parse=_digest)
    registrations: Path = Path("var/registrations.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Against strangers who guess and flood. `requests_per_second`: from one source, of those that begin something new;
    0 = any number. `wrong_answers` within a minute lock their source for `lock_minutes`, then for twice as long.
    `trusted`: who is neither limited nor locked."""

    requests_per_second: int = option(20, low=0, high=100_000)
    wrong_answers: int = option(10, low=2, high=1000)
    lock_minutes: int = option(10, low=1, high=1440)
    trusted: tuple[Network, ...] = option(tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128"))), parse=_networks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """`ports`: first and last port for RTP, (0, 0) = any. `address`: where to bind RTP ("" = where the call's SIP came
    in). `in_process`: packets in the core's own loop instead of a process apart: simpler, for development."""

    ports: tuple[int, int] = option((10000, 20000), parse=_ports)
    address: str = option("", parse=_address)
    in_process: bool = False


def _connect_to(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError('a list of hosts and networks, as in ["127.0.0.1:8080", "10.0.0.0/8"]')
    for entry in value:
        try:
            Opening.parse(entry)
        except ConfigError as error:
            raise ValueError(f"a list of hosts and networks: {error.message}") from None
    return tuple(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripts:
    """Limits of each script, and where scripts may connect to besides public addresses: `connect_to` holds hosts or
    networks, with a port or without, as in "127.0.0.1:8080"."""

    memory_mb: int = option(64, low=8, high=4096)
    cpu_ms_per_event: int = option(250, low=10, high=60_000)
    cpu_ms_start: int = option(1000, low=50, high=60_000)
    pool: int = option(4, low=1, high=64)
    max_calls: int = option(2500, low=1, high=100_000)
    connect_to: tuple[str, ...] = option((), parse=_connect_to)

    @property
    def limits(self) -> Limits:
        memory = self.memory_mb * MIB
        return Limits(
            memory=memory,
            address_space=memory + ADDRESS_SPACE_RESERVE,
            cpu_event_ms=self.cpu_ms_per_event,
            cpu_start_ms=self.cpu_ms_start,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSettings:
    """`file`: JSON lines, put away as FILE.1, FILE.2 ... at `file_mb`, `file_keep` of them."""

    console: bool = True
    file: Path | None = None
    file_mb: int = option(100, low=1, high=100_000)
    file_keep: int = option(5, low=0, high=1000)
    levels: Mapping[str, int] = option({}, low=0, high=9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """`cache`: folder of spoken sentences; `cache_mb` 0 = none on disk. `voices`: per language, where neither node nor
    tenant names one."""

    cache: Path = Path("var/speech")
    cache_mb: int = option(200, low=0, high=1_000_000)
    voices: Mapping[str, str] = option({})

    @property
    def cache_bytes(self) -> int:
        return self.cache_mb * MIB


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """`folder`: what scripts record, a folder for each tenant. `keep_days`: older ones are deleted; 0 = none is."""

    folder: Path = Path("var/recordings")
    keep_days: int = option(30, low=0, high=36_500)


def _endpoint(value: object) -> tuple[str, int] | None:
    message = 'an address of this machine with a port, as in "127.0.0.1:8080", or "" for none'
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*):(\d{1,5})", value) if isinstance(value, str) else None
    if value == "":
        return None
    if not match or int(match[2]) > 65535:
        raise ValueError(message)
    try:
        return str(ipaddress.ip_address(match[1].strip("[]"))), int(match[2])
    except ValueError:
        raise ValueError(message) from None


def _public_url(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(https?://[^\s?#]+)?", value):
        raise ValueError('the URL that others reach `listen` at, as in "https://ivr.example.com"')
    return value.rstrip("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Web:
    """`listen`: where web requests to calls come in (`call.http_url`), plain HTTP: put a proxy with TLS before it; ""
    = nowhere, port 0 = any free one. `public_url`: what the proxy answers to ("" = the address of `listen`)."""

    listen: tuple[str, int] | None = option(None, parse=_endpoint)
    public_url: str = option("", parse=_public_url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """`socket`: the door for `ivrnode log`, `ivrnode call` ...; only the user who runs `ivrnode serve` may use it."""

    socket: Path = Path("var/control.sock")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigFile:
    """`ivrnode.toml` as it stands. `settings` are for the scripts of all tenants, `secrets` too."""

    tenants: Path = Path("tenants")
    sip: Sip
    guard: Guard
    media: Media
    scripts: Scripts
    log: LogSettings
    speech: Speech
    recordings: Recordings
    web: Web
    mail: MailServer
    sms: SmsGateway
    control: Control
    settings: Mapping[str, Any] = option({})
    secrets: Mapping[str, SecretSource] = option({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What `ivrnode serve` needs to know. Paths are ready to use."""

    tenants: Path
    sip: Sip
    guard: Guard
    media: Media
    scripts: Scripts
    log: LogSettings
    speech: Speech
    recordings: Recordings
    web: Web
    mail: MailServer
    sms: SmsGateway
    control: Control
    settings: Mapping[str, Any]
    secrets: Mapping[str, Secret]

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
        """Read `path`; None: `ivrnode.toml` here, or the defaults if there is none. Raises ConfigError."""
        here = Path(CONFIG_FILE)
        if path is None and not here.exists():
            return cls.read(Document("", CONFIG_FILE), environ)
        return cls.read(Document.load(path or here), environ)

    @classmethod
    def read(cls, document: Document, environ: Mapping[str, str]) -> Config:
        """Raises ConfigError. Without a secret `openai`, OPENAI_API_KEY is taken for one."""
        file = document.read(ConfigFile)
        for category in file.log.levels:
            if category not in CATEGORIES:
                raise document.error(("log", "levels", category), unknown(category, "category", CATEGORIES))
        secrets = read_secrets(document, file.secrets, environ)
        key = environ.get("OPENAI_API_KEY", "").strip()
        if key and "openai" not in file.secrets:
            secrets["openai"] = Secret("openai", key, ("api.openai.com",))
        _check_socket(document, file.control.socket)
        _check_secret(document, "mail", file.mail.secret, file.mail.host, secrets, file.secrets)
        _check_secret(document, "sms", file.sms.secret, urlsplit(file.sms.url).hostname or "", secrets, file.secrets)
        return cls(
            tenants=file.tenants,
            sip=file.sip,
            guard=file.guard,
            media=file.media,
            scripts=file.scripts,
            log=file.log,
            speech=file.speech,
            web=file.web,
            mail=file.mail,
            sms=file.sms,
            recordings=file.recordings,
            control=file.control,
            settings=file.settings,
            secrets=secrets,
        )

    def set_up(self, log: Log) -> None:
        """Set the thresholds, and mask the values of all secrets for good."""
        for category, level in self.log.levels.items():
            log.set_level(category, level)
        for secret in self.secrets.values():
            log.mask(secret.value)


def _check_secret(
    document: Document,
    section: str,
    name: str,
    host: str,
    secrets: Mapping[str, Secret],
    sources: Mapping[str, SecretSource],
) -> None:
    """A secret that a section names must exist and be meant for its host. One whose variable is not set may come."""
    if name and name not in sources:
        close = difflib.get_close_matches(name, list(sources), n=1)
        way_out = f"did you mean {close[0]}?" if close else f'add it, with value, env or file, and hosts = ["{host}"]'
        raise document.error((section, "secret"), f"there is no [secrets.{name}]: {way_out}")
    if name in secrets and not secrets[name].is_for(host):
        raise document.error(
            (section, "secret"), f"[secrets.{name}] is not for {host or 'no host'}: add it to its hosts"
        )


def _check_socket(document: Document, socket: Path) -> None:
    if len(os.fsencode(socket.absolute())) > LONGEST_SOCKET_PATH:
        raise document.error(
            ("control", "socket"),
            f"{socket.absolute()} is longer than {LONGEST_SOCKET_PATH} bytes: name a shorter path",
        )
