"""Whole calls on the desk, with the words that a tenant's tests use."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import pytest

import sound
from ivrnode.audio.wav import write_wav
from ivrnode.errors import ConfigError
from ivrnode.realtime.voice import tone
from ivrnode.sim.caller import CallError
from ivrnode.sim.sockets import NO_SERVICE
from ivrnode.testing import Ivr

Write = Callable[[str], Path]
SAMPLES = Path(__file__).parents[2] / "sample_scripts"


def at(caller: object, what: str) -> float:
    """When it happened, the first time."""
    return next(moment.at for moment in caller.moments if what in moment.what)  # type: ignore[attr-defined]


def test_a_menu(ivr: Ivr) -> None:
    caller = ivr.call(SAMPLES / "menu.py", settings={"hours": "We never close."})
    assert caller.hears("press 1 for our opening hours")
    caller.presses("1")
    assert caller.hears("We never close.")
    caller.presses("0")
    assert caller.hears("goodbye")
    caller.waits(5)
    assert caller.hung_up == "script"
    assert caller.log == ["key 1", "key 0"]


def test_what_a_key_cuts_off_is_not_heard(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('First of all. This is never heard.')\ncall.dtmf(lambda _: call.mute())"))
    assert caller.hears("first of all")
    caller.presses("1")
    finding = caller.hears("never heard", within=3)
    assert not finding
    assert 'not heard within 3 s: "never heard"' in repr(finding)
    assert "is cut off before the end of" in caller.timeline
    assert caller.hears_silence(2)


def test_the_same_words_must_be_heard_again(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('Hello.')\ncall.dtmf(lambda _: call.say('Hello.'))"))
    assert caller.hears("hello")
    assert not caller.hears("hello", within=1)
    caller.presses("5")
    assert caller.hears("hello")


def test_time_is_simulated_for_the_script_too(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
import time
began = time.monotonic()
setTimeout(lambda: console.log("timer"), 600_000)
await asyncio.sleep(1000)
console.log(f"slept {time.monotonic() - began:.2f}")
""")
    )
    caller.waits(1200)
    assert caller.log == ["timer", "slept 1000.00"]
    assert at(caller, "timer") == pytest.approx(600, abs=0.03)
    assert at(caller, "slept") == pytest.approx(1000, abs=0.03)
    assert caller.hung_up == "finished"


def test_what_the_caller_says_is_streamed(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
loud = 0
def heard(audio):
    global loud
    loud += len(audio.translate(None, b"\\xff\\x7f")) > 200
call.stream(codec="g711_ulaw", interval=0.06, callback=heard)
call.on("hangup", lambda reason: console.log(reason, loud))
""")
    )
    caller.says("One two three four five six.")
    caller.waits(1)
    caller.hangs_up()
    (line,) = caller.log
    reason, loud = line.split()
    assert reason == "caller" == caller.hung_up
    assert 15 < int(loud) < 60  # chunks of 60 ms


def test_a_recording_is_played(ivr: Ivr, write: Write, tmp_path: Path) -> None:
    caller = ivr.call(
        write("call.stream(interval=0.02, callback=lambda audio: call.play(codec='g711_ulaw', audio=audio))")
    )
    with wave.open(str(tmp_path / "beep.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(tone(1000, 8000))
    caller.plays(tmp_path / "beep.wav")
    assert caller.hears_sound(0.9)  # its echo
    caller.save(tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert file.getnframes() / 8000 == pytest.approx(caller.seconds, abs=0.04)


def test_a_script_that_fails(ivr: Ivr, write: Write) -> None:
    path = write("call.dtmf(lambda _: 1 / 0)")
    caller = ivr.call(path)
    caller.presses("1")
    assert len(caller.unseen_errors) == 1
    (error,) = caller.errors
    assert f'File "{path}", line 1' in error
    assert "ZeroDivisionError" in error
    assert not caller.unseen_errors


def test_a_script_that_spins_is_killed_and_the_apology_heard(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("while True: pass"))
    assert caller.hears("We are sorry", within=20)
    caller.waits(10)
    assert caller.hung_up == "error"
    assert "CPU limit" in caller.errors[0]


def test_a_script_that_does_not_compile(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('never closed"), lang="de")
    assert caller.hears("Es tut uns leid")
    assert "syntax error" in caller.errors[0]


def test_two_callers_at_once(ivr: Ivr, write: Write) -> None:
    path = write("call.say(call.caller + ' is waiting.')\ncall.dtmf(console.log)")
    ann, bob = ivr.call(path, number="40"), ivr.call(path, number="41")
    assert bob.hears("41 is waiting")
    assert ann.hears("40 is waiting")
    ann.presses("4")
    bob.presses("5")
    ann.waits(0.5)
    assert (ann.log, bob.log) == (["4"], ["5"])
    assert ann.seconds > bob.seconds - 0.1


def test_a_call_that_is_refused(ivr: Ivr, write: Write) -> None:
    ivr.tenant(max_calls=0)
    with pytest.raises(CallError, match="480 All lines"):
        ivr.call(write("call.say('Hello.')"))


def test_a_script_that_is_not_there(ivr: Ivr) -> None:
    with pytest.raises(ConfigError, match=r"there is no nowhere\.py in"):
        ivr.call("nowhere.py")


def test_a_phone_registers(ivr: Ivr) -> None:
    assert ivr.phone("100").is_registered


def test_web_answers_are_laid_ready(ivr: Ivr, write: Write) -> None:
    ivr.http("https://shop.example/hours", {"text": "open"})
    caller = ivr.call(
        write("""
good = await system.http(url="https://shop.example/hours?day=1")
console.log(good.code, good.json()["text"])
bad = await system.http(url="https://shop.example/other")
console.log(bad.code, bad.data)
""")
    )
    caller.waits(5)
    assert caller.log == [
        "200 open",
        "0 no answer is laid ready for GET https://shop.example/other: ivr.http()",
    ]
    assert [request.url for request in ivr.requests] == [
        "https://shop.example/hours?day=1",
        "https://shop.example/other",
    ]


def test_mail_is_kept(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("result = await system.email(to='ann@acme.example', subject='A call', body='Hi')\nconsole.log(result.ok)")
    )
    caller.waits(2)
    assert caller.log == ["True"]
    (mail,) = ivr.mails
    assert (mail.subject, mail.recipients[0].address) == ("A call", "ann@acme.example")


def test_without_a_service_a_socket_fails_and_says_why(ivr: Ivr, write: Write) -> None:
    caller = ivr.call(
        write("""
ws = Websocket("wss://api.example.com/x")
ws.on("error", console.log)
ws.on("close", console.log)
ws.connect()
""")
    )
    caller.waits(1)
    assert caller.log == [NO_SERVICE, "1006 "]
    assert caller.hung_up == "finished"


TRANSFER = """
result = await call.transfer("100")
console.log(result.ok, result.code)
"""


def test_a_transfer_to_a_phone(ivr: Ivr, write: Write) -> None:
    phone = ivr.phone("100")
    caller = ivr.call(write(TRANSFER))
    caller.waits(1)
    assert phone.is_up
    assert caller.is_transferred
    assert caller.hung_up is None
    caller.says("Hello, is that the office?")
    assert phone.handset.ear.longest_since(0.0) > 1  # the one hears the other
    caller.hangs_up()
    assert not phone.is_up


def test_a_transfer_to_a_phone_that_is_busy(ivr: Ivr, write: Write) -> None:
    ivr.phone("100", answers=486)
    caller = ivr.call(write(TRANSFER))
    caller.waits(2)
    assert caller.log[-1:] == ["False 486"]


def test_a_transfer_to_another_node(ivr: Ivr, write: Write) -> None:
    ivr.node(write("call.say('You have reached the other node.')"), "750")
    caller = ivr.call(write("call.transfer('750')"))
    assert caller.hears("you have reached the other node")


def test_a_wrong_key_is_told_with_the_line_of_the_test(ivr: Ivr, write: Write) -> None:
    path = write("call.say('Hello.')")
    here = Path(__file__).name
    line = test_a_wrong_key_is_told_with_the_line_of_the_test.__code__.co_firstlineno
    with pytest.raises(ConfigError, match=rf'{here}:{line + 5}: languages: unknown key .*: did you mean "language"'):
        ivr.call(path, languages="de")
    with pytest.raises(ConfigError, match=rf"{here}:{line + 7}: max_call: unknown key"):
        ivr.tenant(max_call=3)
    with pytest.raises(ConfigError, match=rf"{here}:{line + 9}: a setting cannot be"):
        ivr.node(path, settings={"hours": {9, 17}})
    with pytest.raises(ConfigError, match=rf'{here}:{line + 11}: accounts\."no name": .*cannot be a name'):
        ivr.phone("no name")
    assert ivr.call(path).hears("Hello"), "a wrong key is not kept"


def test_a_fault_of_syntax_names_the_file_that_was_given(ivr: Ivr, write: Write) -> None:
    path = write("call.say('Hello.')\ncall.say(")
    caller = ivr.call(path)
    assert caller.errors[0].startswith(f"the template cannot be used: {path}:2:9: syntax error")


@pytest.mark.parametrize("text", ["", " ", "...", "?!"])
def test_to_hear_no_words_is_a_fault_of_the_test(text: str, ivr: Ivr, write: Write) -> None:
    caller = ivr.call(write("call.say('Hello.')"))
    with pytest.raises(ValueError, match="asks for no words"):
        caller.hears(text)


def test_prompts_lie_beside_the_script(ivr: Ivr, tmp_path: Path) -> None:
    """As under `ivrnode serve`: the node's own first, then the tenant's."""
    node = tmp_path / "example.com" / "nodes" / "700"
    for folder, hertz in ((node, 1000), (tmp_path / "example.com", 500)):
        (folder / "prompts").mkdir(parents=True)
        for name in ("both", "tenant" if hertz == 500 else "node"):
            write_wav(folder / "prompts" / f"{name}.wav", sound.tone(hertz, 8000, 500), 8000)
    (node / "ivrnode.py").write_text("for name in settings['play']:\n    call.play(url='prompt:' + name)\n")
    for name, hertz in (("both", 1000), ("node", 1000), ("tenant", 500)):
        caller = ivr.call(node / "ivrnode.py", settings={"play": [name]})
        assert caller.hears_sound(0.4)
        caller.waits(1)
        heard = bytes(caller._phone.handset.heard)
        assert sound.tone_level(heard[1600:6400], hertz, 8000) > 5000
        assert not caller.log
    caller = ivr.call(node / "ivrnode.py", settings={"play": ["none"]})
    assert not caller.hears_sound(0.1, within=2)
    assert "there is no prompt none" in caller.log[0]
