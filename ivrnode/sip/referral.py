"""REFER: the far end is asked to call somebody else, and tells how that goes (RFC 3515, RFC 3420, RFC 3892, RFC 4488).

```
  REFER ─┬─ 2xx: Referred ──▶ NOTIFY (message/sipfrag): Notified 100 … Notified 200, is_final
         │                └─ Refer-Sub: false: nothing more is told
         └─ 3xx-6xx, 408: Referred
```
A NOTIFY may overtake the 2xx (RFC 3515 s2.4.4).
"""

from __future__ import annotations

from ivrnode.errors import ProtocolError
from ivrnode.sip.grammar import parse_number
from ivrnode.sip.message import Request, Response
from ivrnode.sip.parameters import find_parameter, parse_parameters
from ivrnode.sip.refusal import RefusalError
from ivrnode.sip.uri import Uri

SIPFRAG = "message/sipfrag"
_MAX_CSEQ = 2**31 - 1


class Referral:
    """One REFER of ours and the subscription that it makes. `request` goes out in the dialog."""

    __slots__ = ("_is_over", "_sequence", "_status", "request")

    def __init__(self, request: Request, target: Uri, referred_by: str) -> None:
        """Raises ValueError for CR, LF or NUL in what is given."""
        self.request = request
        self._sequence = request.cseq.number
        self._status = 100
        self._is_over = False
        request.headers.add("Refer-To", f"<{target}>")
        if referred_by:
            request.headers.add("Referred-By", f"<{referred_by}>")

    def notify_received(self, notify: Request) -> tuple[int, bool] | None:
        """Status of the call that the far end makes, and whether it is final; None: nothing new.

        Raises ProtocolError with the status to answer.
        """
        if _value(notify, "Event") != "refer":
            raise RefusalError(489)
        if self._is_over or self._is_earlier(notify):
            return None
        if notify.body:
            if notify.content_type != SIPFRAG:
                raise RefusalError(415, ("Accept", SIPFRAG))
            self._status = _status_of(notify.body)
        self._is_over = self._status >= 200 or _value(notify, "Subscription-State") == "terminated"
        return self._status, self._is_over

    def _is_earlier(self, notify: Request) -> bool:
        """It is about a REFER before this one: `id` is the CSeq number (RFC 3515 s2.4.6)."""
        _, semicolon, rest = (notify.headers.get("Event") or "").partition(";")
        number = find_parameter(parse_parameters(rest), "id") if semicolon else None
        return number is not None and parse_number(number, _MAX_CSEQ, "Event id") < self._sequence


def is_followed(response: Response) -> bool:
    """Whether NOTIFYs will follow this answer to a REFER (RFC 4488 s4)."""
    return response.status < 300 and _value(response, "Refer-Sub") != "false"


def _value(message: Request | Response, name: str) -> str:
    """A header's value without its parameters, "" when it is absent."""
    return (message.headers.get(name) or "").partition(";")[0].strip().lower()


def _status_of(fragment: bytes) -> int:
    """The status line that a sipfrag of NOTIFY begins with (RFC 3515 s2.4.5)."""
    version, _, rest = fragment.partition(b"\n")[0].partition(b" ")
    status = rest[:3]
    if version.upper() != b"SIP/2.0" or len(status) < 3 or not status.isdigit() or not 100 <= int(status) <= 699:
        raise ProtocolError("Bad sipfrag", 400)
    return int(status)
