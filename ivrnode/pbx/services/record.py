"""`call.record`: what is to be recorded, and whether it may be."""

from __future__ import annotations

from functools import partial

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.call import Call, Service
from ivrnode.pbx.call.recording import Recording, Wish
from ivrnode.pbx.house.house import House
from ivrnode.pbx.party.sip_party import KEYS
from ivrnode.pbx.services.arguments import Arguments
from ivrnode.script.messages import Request, Told

MOST_OF_A_CALL = 100
LONGEST = 3600


class RecordingService:
    """The services `record` and `record.stop`. The script numbers its recordings: so it knows their ids at once."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def services(self) -> dict[str, Service]:
        return {"record": self._record, "record.stop": self._stop}

    def _record(self, call: Call, request: Request, now: float) -> None:
        try:
            if not call.node.rec:
                raise ScriptError("call.record: recording is off for this node (setting rec)")
            number, wish = _read(request)
            recording = Recording(
                f"{call.id}-{number}", call, call.facts, wish, self._house, now, partial(_tell, call, request.request)
            )
        except ScriptError as error:
            call.reply(request.request, error=str(error))
            return
        call.write("APP", 5, f"recording {recording.id} begins")
        call.reply(request.request, recording.id)
        call.hearing.record(recording)

    def _stop(self, call: Call, request: Request, now: float) -> None:
        for recording in call.hearing.recordings:
            if recording.id == request.arguments.get("id"):
                recording.stop("stopped")


def _tell(call: Call, request: int, seconds: float, reason: str) -> None:
    call.tell(Told(request, "recorded", {"seconds": seconds, "reason": reason}))


def _read(request: Request) -> tuple[int, Wish]:
    given = Arguments(request.arguments)
    number = int(given.number("number", 0, 1, MOST_OF_A_CALL))
    finish = given.line("finish", "", most=len(KEYS))
    if not set(finish) <= set(KEYS):
        raise ScriptError(f"call.record: finish must be keys, of {KEYS}")
    silence = given.number("silence", 0, 0, LONGEST)
    wish = Wish(
        channels=int(given.number("channels", 2, 1, 2)),
        max_seconds=given.number("max_seconds", LONGEST, 0.1, LONGEST),
        silence=silence,
        finish=finish,
    )
    return number, wish
