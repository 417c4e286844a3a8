"""The names of the script API, as they are taken from what a script gets."""

from __future__ import annotations

import pytest

from ivrnode.commands._vocabulary import vocabulary
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.tenancy.advice import advise
from ivrnode.tenancy.lint import check


def test_it_knows_every_part() -> None:
    names = vocabulary().names
    assert {"call", "system", "tables", "Websocket", "settings", "secret", "console", "setTimeout"} <= names.keys()
    call = names["call"]
    assert call.members is not None
    assert {"say", "play", "lang", "callid", "caller_name", "params", "on", "queued_ms"} <= call.members.keys()
    assert {"hangup", "drained"} <= set(call.events)
    say = call.members["say"]
    assert say is not None and say.arguments is not None and say.takes_object
    assert {"text", "lang", "voice", "tag"} <= say.arguments
    made = names["Websocket"].call
    assert made is not None and made.makes is not None and made.makes.members is not None
    assert {"send", "state", "subprotocol", "buffered"} <= made.makes.members.keys()
    assert set(made.makes.events) == {"open", "message", "error", "close"}
    assert set(names["tables"].items) == {"cobjs", "adrbook"}
    assert "print" in vocabulary().builtins


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("call.syay('x')", "call.say"),
        ("call.say(txt='x')", "text"),
        ("call.play({'codeck': 'pcm16'})", "codec"),
        ("call.on('hangpu', print)", "hangup"),
        ("Websocket('wss://x').conect()", "connect"),
        ("ws = Websocket('wss://x')\nws.on('mesage', print)", "message"),
        ("system.htp(url='x')", "system.http"),
        ("console.lgo(1)", "console.log"),
        ("tables['adrbok']", "adrbook"),
        ("settings.secrets('x')", "settings.secret"),
        ("clearTimout(1)", "clearTimeout"),
        ("asyncio.slep(1)", "asyncio.sleep"),
    ],
)
def test_a_slip_in_each_of_them_is_told(line: str, meant: str) -> None:
    assert check(line, "f", ALLOWED) is None
    [told] = advise(line, "f", vocabulary())
    assert "did you mean" in told.message and meant in told.message
