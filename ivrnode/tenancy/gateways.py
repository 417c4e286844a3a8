"""Who carries mail and text messages for the scripts: `[mail]` and `[sms]` of `ivrnode.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ivrnode.tenancy.document import option

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
ADDRESS = rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9]([A-Za-z0-9.-]{{0,252}}[A-Za-z0-9])?"  # RFC 5322 s3.2.3, s3.4.1
NUMBER = r"\+[1-9][0-9]{6,14}"  # E.164


def mail_address(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(f"{ADDRESS}|", value):
        raise ValueError('an e-mail address, as in "ivr@example.com"')
    return value


def numbers(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) and re.fullmatch(NUMBER, part) for part in value):
        raise ValueError('a list of numbers (E.164), as in ["+49301234567"]')
    return tuple(value)


def _url(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(https?://[^\s/?#@]+\S*)?", value):
        raise ValueError('a URL, as in "https://sms.example.com/send"')
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """`host` "": no mail is sent. `security`: "starttls", "tls" (from the first byte) or "none". `port` 0: the usual
    for it. `secret`: the name of the password in `[secrets]`. `sender`: who writes when a tenant has no `mail_from`."""

    host: str = ""
    port: int = option(0, low=0, high=65535)
    security: str = option("starttls", choices=("starttls", "tls", "none"))
    verify: bool = True
    user: str = ""
    secret: str = ""
    sender: str = option("", parse=mail_address)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmsGateway:
    """The request that sends a text message; `url` "": none is sent. In `url`, `headers` and `body` these are filled
    in: {to} {from} {text} {name} {secret}, escaped for where they stand (`content_type` says what the body is).
    `secret`: the name of one in `[secrets]`."""

    url: str = option("", parse=_url)
    method: str = option("POST", choices=("POST", "PUT", "GET"))
    headers: Mapping[str, str] = option({})
    body: str = '{"to": "{to}", "from": "{from}", "text": "{text}"}'
    content_type: str = "application/json"
    secret: str = ""
