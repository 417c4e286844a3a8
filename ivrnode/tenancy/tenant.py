"""A tenant: one folder `tenants/<domain>/` with `tenant.toml`, and `secrets.toml` beside it.

What the tenant says about its nodes (language, fallback ...) counts for each node that does not say otherwise. That is
settled here, once: who holds an `IvrNode` need not look further.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ivrnode.errors import ConfigError
from ivrnode.tenancy.document import Document, named, option
from ivrnode.tenancy.gateways import mail_address, numbers
from ivrnode.tenancy.quotas import QuotaLimits
from ivrnode.tenancy.secrets import Secret, SecretSource, read_secrets

TENANT_FILE, SECRETS_FILE = "tenant.toml", "secrets.toml"
LONGEST_CALL = 4 * 3600
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_USER_PATTERN = r"[A-Za-z0-9*#+][A-Za-z0-9*#+._~-]{0,63}"
_USER_HINT = "use up to 64 letters, digits and * # + . _ ~ - (quoted, if not letters, digits, _ and - only)"


def _language(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z]{2}", value):
        raise ValueError('two lower-case letters (ISO 639), as in "en" or "de"')
    return value


def _aliases(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and is_domain(name.lower()) for name in value):
        raise ValueError('a list of domains, as in ["pbx.example.com"]')
    return tuple(dict.fromkeys(name.lower() for name in value))


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A phone: `[accounts.NAME]`. It registers with NAME and `password`."""

    name: str = named(_USER_PATTERN, _USER_HINT)
    password: str = option(is_secret=True)
    display: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRules:
    """What a tenant may say for all of its nodes, and each node for itself.

    `access`: "accounts" = callers who prove to be an account of the tenant, "public" = everyone who can reach the port.
    `fallback_text`: said when the script fails ("" = the built-in apology). `secrets`: names that the script may use;
    None = all of the tenant's and the system's. `fallback`: extension that gets the caller when the script fails.
    `transfer_to`: whom the script may connect a caller with, patterns such as "2?" or "+49*"; empty = the tenant's own
    extensions. `transfer_method`: "refer" = a caller's phone that can do it is sent to the new destination (RFC 3515),
    "bridge" = the call stays with us. `rec`: scripts may record the call (`call.record`).
    `inband_dtmf`: keys are also heard as tones, from lines that send them in no other way.
    """

    language: str = option("en", parse=_language)
    access: str = option("accounts", choices=("accounts", "public"))
    voices: Mapping[str, str] = option({})
    settings: Mapping[str, Any] = option({})
    secrets: tuple[str, ...] | None = option(None)
    fallback: str = ""
    fallback_text: str = ""
    transfer_to: tuple[str, ...] = ()
    transfer_method: str = option("bridge", choices=("bridge", "refer"))
    max_duration: int = option(7200, low=1, high=LONGEST_CALL)
    rec: bool = False
    inband_dtmf: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class IvrNode(NodeRules):
    """An extension that is answered by a script: `[nodes.EXT]`."""

    extension: str = named(_USER_PATTERN, _USER_HINT)
    display: str = ""
    mode: str = option("script", choices=("script",))


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantFile(NodeRules):
    """`tenant.toml` as it stands. `mail_from`: who writes the mails of its scripts; `sms_from`: the numbers that their
    text messages may come from, the first one by default."""

    display: str = ""
    aliases: tuple[str, ...] = option((), parse=_aliases)
    max_calls: int = option(50, low=0, high=100_000)
    quotas: QuotaLimits
    mail_from: str = option("", parse=mail_address)
    sms_from: tuple[str, ...] = option((), parse=numbers)
    accounts: Mapping[str, Account] = option({})
    nodes: Mapping[str, IvrNode] = option({})


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretsFile:
    """`secrets.toml` as it stands."""

    secrets: Mapping[str, SecretSource] = option({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """`domain` is the folder's name and the realm of its accounts; `aliases` are further names for it. `settings` are
    the tenant's own, which its nodes have inherited. `max_duration`: seconds that two of its phones may talk."""

    domain: str
    folder: Path
    display: str
    aliases: tuple[str, ...]
    max_calls: int
    max_duration: int
    settings: Mapping[str, Any]
    quotas: QuotaLimits
    mail_from: str
    sms_from: tuple[str, ...]
    accounts: Mapping[str, Account]
    nodes: Mapping[str, IvrNode]
    secrets: Mapping[str, Secret]


def load_tenant(folder: Path, environ: Mapping[str, str]) -> Tenant:
    """Read one tenant's folder. Raises ConfigError."""
    domain = folder.name
    if not is_domain(domain):
        raise ConfigError("must be named like the domain: lower-case letters, digits, - and .", file=str(folder))
    document = Document.load(folder / TENANT_FILE)
    file = document.read(TenantFile)
    nodes = {name: _inherit(node, file, document) for name, node in file.nodes.items()}
    _check(file, nodes, document)
    secrets: dict[str, Secret] = {}
    if (folder / SECRETS_FILE).exists():
        hidden = Document.load(folder / SECRETS_FILE)
        secrets = read_secrets(hidden, hidden.read(SecretsFile).secrets, environ)
    return Tenant(
        domain=domain,
        folder=folder,
        display=file.display or domain,
        aliases=file.aliases,
        max_calls=file.max_calls,
        max_duration=file.max_duration,
        settings=file.settings,
        quotas=file.quotas,
        mail_from=file.mail_from,
        sms_from=file.sms_from,
        accounts=file.accounts,
        nodes=nodes,
        secrets=secrets,
    )


def node_settings(system: Mapping[str, Any], node: IvrNode | Tenant) -> dict[str, Any]:
    """The settings of a call's script: node over tenant (already merged) over system."""
    return {**system, **node.settings}


def is_domain(name: str) -> bool:
    return _DOMAIN.fullmatch(name) is not None


def _inherit(node: IvrNode, file: TenantFile, document: Document) -> IvrNode:
    path = ("nodes", node.extension)
    rules: dict[str, Any] = {
        rule.name: getattr(file, rule.name) for rule in fields(NodeRules) if not document.has(*path, rule.name)
    }
    rules["voices"] = {**file.voices, **node.voices}
    rules["settings"] = {**file.settings, **node.settings}
    return replace(node, **rules)


def _check(file: TenantFile, nodes: Mapping[str, IvrNode], document: Document) -> None:
    """The rules that concern more than one key."""
    for name, account in file.accounts.items():
        if name in nodes:
            raise document.error(("nodes", name), f'"{name}" is an account, too: one of them needs another name')
        if account.password in ("", name):
            raise document.error(
                ("accounts", name, "password"), "must not be empty or the account's name: strangers try these first"
            )
    for name, node in nodes.items():
        if node.fallback == name and document.has("nodes", name, "fallback"):
            raise document.error(("nodes", name, "fallback"), "must be another extension than the node's own")
