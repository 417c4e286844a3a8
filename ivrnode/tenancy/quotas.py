"""What a tenant may use of the world in a minute or an hour: `[quotas]` in `tenant.toml`, and the defaults.

The defaults leave a busy tenant alone and stop a broken or stolen script: what costs money (transfers, dials, text
messages) is counted by the hour and by the call, what costs the machine by the minute.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.tenancy.document import option

_MOST = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaLimits:
    """A field is a rule and is named by the refusal; 0 forbids. `*_per_call` counts in one call, the others in all
    calls of the tenant together. `connections`: WebSockets and web requests that a script begins, `requests`: the web
    requests among them, `megabytes_out`: what is sent on both, `hooks`: requests that come in to `call.http_url`."""

    connections_per_minute: int = option(1200, low=0, high=_MOST)
    requests_per_minute: int = option(600, low=0, high=_MOST)
    megabytes_out_per_minute: int = option(500, low=0, high=_MOST)
    hooks_per_minute: int = option(600, low=0, high=_MOST)
    log_lines_per_second: int = option(1000, low=0, high=_MOST)
    transfers_per_call: int = option(5, low=0, high=_MOST)
    transfers_per_hour: int = option(300, low=0, high=_MOST)
    dials_per_call: int = option(5, low=0, high=_MOST)
    dials_per_hour: int = option(300, low=0, high=_MOST)
    sms_per_call: int = option(5, low=0, high=_MOST)
    sms_per_hour: int = option(100, low=0, high=_MOST)
    emails_per_call: int = option(5, low=0, high=_MOST)
    emails_per_hour: int = option(200, low=0, high=_MOST)
