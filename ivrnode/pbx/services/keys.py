"""Keys that a script presses towards the far end, as telephone-event (RFC 4733): for a machine that answers there."""

from __future__ import annotations

from ivrnode.errors import ScriptError
from ivrnode.media import messages as media
from ivrnode.pbx.call.call import Call
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.sip_party import KEYS
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script import messages as script

MOST = 64


class KeyService:
    def __init__(self, house: House) -> None:
        self._effects = house.effects

    def __call__(self, call: Call, request: script.Request, now: float) -> None:
        try:
            keys = Arguments(request.arguments).line("keys", most=MOST).upper()
            if set(keys) - set(KEYS):
                raise ScriptError(f"keys must be of {KEYS}")
        except ScriptError as error:
            call.reply(request.request, error=f"press: {error.message}")
            return
        if call.party.plan is None or call.party.plan.digit_payload_type is None:
            call.reply(request.request, error="press: the far end takes no keys")
            return
        self._effects.media(media.SendDigits(call.party.leg, keys))
        call.reply(request.request)
