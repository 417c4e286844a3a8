"""`call.on("speech")`: the script is told when its caller begins and ends to speak."""

from __future__ import annotations

from ivrnode.pbx.call.call import Call
from ivrnode.script.messages import Request


def watch_speech(call: Call, request: Request, now: float) -> None:
    """The service `speech`: news whenever the caller starts or stops to speak."""
    call.reply(request.request)
    call.hearing.watch(request.request)
