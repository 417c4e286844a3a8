"""Secrets: a script holds a placeholder, the host puts the value in, and only on the way to a host that may have it.

    settings.secret("openai")  ->  "~secret.openai.3f9c~"       in the script: may be joined, logged, said
    Authorization: Bearer ~secret.openai.3f9c~  ->  Bearer sk-... only towards api.openai.com

The placeholder holds no character that URL quoting touches, so it survives `urllib.parse.quote` in a script. Its token
is new in each call: text from elsewhere cannot name it by guessing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ivrnode.errors import ScriptError
from ivrnode.tenancy.document import Document, named, option

NAME_PATTERN = r"[A-Za-z0-9_-]{1,40}"
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")


def _hosts(value: object) -> tuple[str, ...]:
    message = 'the hosts that may receive it, as in ["api.example.com", "*.example.org"], without scheme and port'
    if not isinstance(value, list) or not value:
        raise ValueError(message)
    hosts = tuple(host.lower().rstrip(".") if isinstance(host, str) else "" for host in value)
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError(message)
    return hosts


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretSource:
    """`[secrets.NAME]` in a file: where the value comes from. Exactly one of value, env and file."""

    name: str = named(NAME_PATTERN, "use up to 40 letters, digits, - and _")
    hosts: tuple[str, ...] = option(parse=_hosts)
    value: str = option("", is_secret=True)
    env: str = ""
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A value with its hosts (`*.example.org` = every name below example.org). It does not show itself."""

    name: str
    value: str
    hosts: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Secret({self.name!r}, '***', {self.hosts!r})"

    def is_for(self, host: str) -> bool:
        name = host.lower().strip("[]").rstrip(".")
        return any(name.endswith(known[1:]) if known.startswith("*.") else name == known for known in self.hosts)


class Secrets:
    """The secrets of one call."""

    def __init__(self, secrets: Mapping[str, Secret], token: str) -> None:
        """`token`: letters and digits, new for each call."""
        self._by_placeholder = {f"~secret.{name}.{token}~": secret for name, secret in secrets.items()}
        self.placeholders = {secret.name: placeholder for placeholder, secret in self._by_placeholder.items()}

    def placeholder_for(self, name: str) -> str:
        """Raises KeyError for a secret that this call does not have."""
        return self.placeholders[name]

    def fill(self, text: str, host: str) -> str:
        """`text` with the values in, for a message to `host`. Raises ScriptError if a secret may not go there."""
        for placeholder, secret in self._by_placeholder.items():
            if placeholder in text:
                if not secret.is_for(host):
                    where = f"{host}, which is not among its hosts" if host else "a URL without host"
                    raise ScriptError(f'secret "{secret.name}" may not be sent to {where}')
                text = text.replace(placeholder, secret.value)
        return text

    def fill_url(self, url: str) -> str:
        """`url` with the values in, for a request to its host. Raises ScriptError, also when a value in it would lead
        to another host: a key with a `/` in it ends the name of one."""
        host = host_of(url)
        filled = self.fill(url, host)
        if filled != url and host_of(filled) != host:
            raise ScriptError("a secret may not be a part of the host in a URL")
        return filled


def host_of(url: str) -> str:
    """ "" for what is no URL, or has no host."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def read_secrets(
    document: Document, sources: Mapping[str, SecretSource], environ: Mapping[str, str]
) -> dict[str, Secret]:
    """The values behind the `[secrets.NAME]` tables of `document`. Raises ConfigError.

    A variable that is not set leaves its secret out: a system must start without a key that not every call needs.
    """
    secrets = {}
    for source in sources.values():
        path = ("secrets", source.name)
        if [bool(source.value), bool(source.env), source.file is not None].count(True) != 1:
            raise document.error(path, "needs exactly one of value, env and file")
        value, key = source.value, "value"
        if source.env:
            value, key = environ.get(source.env, "").strip(), "env"
            if not value:
                continue
        elif source.file is not None:
            value, key = _read_file(document, (*path, "file"), source.file), "file"
        if not value.isascii() or not value.isprintable():
            raise document.error((*path, key), "the secret holds a character that no header may carry (RFC 9110 s5.5)")
        secrets[source.name] = Secret(source.name, value, source.hosts)
    return secrets


def _read_file(document: Document, path: tuple[str, ...], file: Path) -> str:
    try:
        value = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise document.error(path, f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not value:
        raise document.error(path, f"{file} is empty")
    return value


def secrets_of(
    system: Mapping[str, Secret], tenant: Mapping[str, Secret], names: Collection[str] | None
) -> dict[str, Secret]:
    """What a node's script may use: nearest wins; `names` None = all, else those of them that exist."""
    merged = {**system, **tenant}
    return merged if names is None else {name: merged[name] for name in names if name in merged}
