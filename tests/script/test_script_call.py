"""`call`: each row of the API as it is built, under the real filter."""

from __future__ import annotations

import pytest

from ivrnode.script import messages as m
from script.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_facts(stage: Stage) -> None:
    script = await stage.play("""
print(call.callid, call.lang, call.caller, call.called, call.caller_name, call.tenant, call.node, call.params)
print(tables["cobjs"].get(call.callid, "from"), tables["cobjs"].get(call.callid, "other") == "")
print(tables["cobjs"].get("another", "to") == "")
""")
    assert script.lines == [
        "c1f en +4930123 700 Ada acme.example 700 {}",
        '"Ada" <sip:+4930123@acme.example> True',
        "True",
    ]


async def test_say_in_all_its_forms(stage: Stage) -> None:
    script = await stage.play("""
call.say("one")
call.say({"text": "two", "lang": "de", "tag": "t", "shout": True})
call.say(text="three", voice="anna")
call.lang = "fr"
call.say("four")
""")
    assert script.all(m.Say) == [
        m.Say(1, "one", "en"),
        m.Say(2, "two", "de", tag="t"),
        m.Say(3, "three", "en", "anna"),
        m.Say(4, "four", "fr"),
    ]
    assert script.all(m.SetLang) == [m.SetLang("fr")]
    assert script.all(m.Log) == [m.Log(4, "Call.say: unknown key 'shout' ignored")]


async def test_empty_text_is_done_at_once(stage: Stage) -> None:
    script = await stage.play('p = call.say(""); print(p.done, p.stopped, p.error, (await p) is p)')
    assert script.lines == ["True False None True"]
    assert not script.all(m.Say)


async def test_play(stage: Stage) -> None:
    script = await stage.play("""
call.play({"direction": "out", "codec": "g711_ulaw", "audio": b"abc", "tag": "item_1"})
call.play(codec="pcm16", audio=bytearray(b"abcd"))
call.play(codec="pcm16", audio=memoryview(b"abcd"), rate=16000)
call.play(codec="g711_alaw", audio=b"")
""")
    assert script.all(m.Play) == [
        m.Play(1, "g711_ulaw", 8000, b"abc", "item_1"),
        m.Play(2, "pcm16", 24000, b"abcd"),
        m.Play(3, "pcm16", 16000, b"abcd"),
    ]


async def test_the_greatest_play(stage: Stage) -> None:
    script = await stage.play('call.play(codec="g711_ulaw", audio=b"x" * (2 << 20), tag="t" * 255)')
    assert [len(play.audio) for play in script.all(m.Play)] == [2 << 20]


async def test_playback_asks_the_host_until_it_is_done(stage: Stage) -> None:
    script = stage.run("""
p = call.say("hello")
print(p.done, p.played_ms, p.queued_ms, p.stop())
p.on("done", lambda playback: print("done", playback is p))
@p.on("done")
async def done():
    print("async done")
got = await p
print(got is p, p.done, p.stopped, p.error, p.played_ms, p.queued_ms, p.stop())
p.on("done", lambda: print("late"))
""")
    script.answers = {"item": 120, "item_queued": 880, "stop": 800}
    await script.until(lambda: script.all(m.Wait))
    assert script.lines == ["False 120 880 800"]
    script.send(m.PlaybackDone(1, 200, True, "queue full"))
    await script.idle()
    assert script.lines[1:] == ["done True", "async done", "True True True queue full 200 0 0", "late"]
    assert [(ask.what, ask.key) for ask in script.all(m.Ask)] == [("item", "1"), ("item_queued", "1"), ("stop", "1")]


async def test_a_playback_that_is_done_is_let_go(stage: Stage) -> None:
    script = await stage.play("call.say('one'); call.say('two'); call.dtmf(lambda: print(len(call._playbacks)))")
    script.send(m.PlaybackDone(1, 200, False, ""), m.DigitPressed("1"))
    await script.idle()
    assert script.lines == ["1"]


async def test_questions_keep_the_events_in_order(stage: Stage) -> None:
    script = await stage.play("call.dtmf(lambda digit: print(digit, call.mute()))")
    script.answers = {"mute": 40}
    script.send(*(m.DigitPressed(digit) for digit in "1234"))
    await script.idle()
    assert script.lines == ["1 40", "2 40", "3 40", "4 40"]


async def test_mute_queued_and_tags(stage: Stage) -> None:
    script = stage.run('print(call.mute(), call.queued_ms, call.played_ms("tag"))')
    script.answers = {"mute": 1, "queued": 2, "tag": 3}
    await script.until(lambda: script.all(m.Wait))
    assert script.lines == ["1 2 3"]
    assert [(ask.what, ask.key) for ask in script.all(m.Ask)] == [("mute", ""), ("queued", ""), ("tag", "tag")]


async def test_stream(stage: Stage) -> None:
    script = await stage.play("""
def heard(audio):
    print(type(audio).__name__, len(audio))
call.stream({"codec": "g711_ulaw", "interval": 0.5, "callback": heard})
call.stream(callback=heard)
call.stream(codec="pcm16", interval=0.02, callback=heard, rate=8000)
""")
    script.send(m.AudioHeard(b"\xff" * 320, 3))
    await script.idle()
    assert script.all(m.Stream) == [
        m.Stream("g711_ulaw", 8000, 500, stream=1),
        m.Stream("g711_ulaw", 8000, 60, stream=2),
        m.Stream("pcm16", 8000, 20, stream=3),
    ]
    assert script.lines == ["bytes 320"]


async def test_a_chunk_of_a_stream_that_was_replaced_is_not_handed_to_the_next_one(stage: Stage) -> None:
    script = await stage.play("""
call.stream(interval=0.5, callback=lambda audio: print("old", len(audio)))
call.dtmf(lambda key: call.stream(codec="pcm16", rate=8000, callback=lambda audio: print("new", len(audio))))
""")
    script.send(m.AudioHeard(b"o" * 4000, 1), m.DigitPressed("1"))  # more of the old one is on its way
    script.send(m.AudioHeard(b"o" * 4000, 1), m.AudioHeard(b"o" * 77, 1), m.AudioHeard(b"n" * 960, 2))
    await script.idle()
    assert script.lines == ["old 4000", "new 960"]


async def test_the_last_chunk_comes_after_the_stop(stage: Stage) -> None:
    script = await stage.play("call.stream(callback=lambda audio: print(len(audio))); call.stream(); call.stream()")
    script.send(m.AudioHeard(b"x" * 77, 1))
    await script.idle()
    assert [stream.codec for stream in script.all(m.Stream)] == ["g711_ulaw", "", ""]
    assert script.lines == ["77"]


async def test_dtmf(stage: Stage) -> None:
    script = await stage.play("call.dtmf(print)")
    script.send(m.DigitPressed("#"))
    await script.idle()
    script.send(m.DigitPressed("A"))
    await script.idle()
    assert script.lines == ["#", "A"]
    assert script.all(m.ListenDigits) == [m.ListenDigits(True)]


async def test_dtmf_stops(stage: Stage) -> None:
    script = await stage.play("call.dtmf(print); call.dtmf(None)")
    script.send(m.DigitPressed("1"))
    await script.idle()
    assert script.lines == []
    assert script.all(m.ListenDigits) == [m.ListenDigits(True), m.ListenDigits(False)]


async def test_hangup_is_idempotent_and_may_become_sooner(stage: Stage) -> None:
    script = await stage.play("call.hangup({'drain': True}); call.hangup(drain=True); call.hangup(); call.hangup()")
    assert script.all(m.Hangup) == [m.Hangup(True), m.Hangup(False)]
    script = await stage.play("call.hangup(); call.hangup(drain=True)")
    assert script.all(m.Hangup) == [m.Hangup(False)]


async def test_system_exit_hangs_up(stage: Stage) -> None:
    for source in (
        "raise SystemExit",
        "await asyncio.sleep(0); raise SystemExit(3)",
        "def f():\n    raise SystemExit\nsetTimeout(f, 0)",
        "async def f():\n    raise SystemExit\nsetTimeout(f, 0)",
    ):
        script = stage.run(source)
        await script.until(lambda script=script: script.all(m.Hangup))
        await script.idle()
        assert script.all(m.Hangup) == [m.Hangup(False)]
        assert script.failures == []


async def test_log(stage: Stage) -> None:
    script = await stage.play("""
call.log("five"); call.log("nine", 9); call.log(msg={"a": 1}, level=0)
console.log("a", 1, None); console.warn("w"); console.error("e"); print("p", "q", sep="-")
print("two\\nlines"); print("no end", end=""); print(); console.log()
""")
    assert [(line.level, line.text) for line in script.all(m.Log)] == [
        (5, "five"), (9, "nine"), (0, "{'a': 1}"), (5, "a 1 None"), (3, "w"), (2, "e"), (5, "p-q"),
        (5, "two"), (5, "lines"), (5, "no end"), (5, ""),
    ]  # fmt: skip


async def test_log_text_is_escaped_and_cut(stage: Stage) -> None:
    script = await stage.play('call.log("a\\x1b[31m\\r\\x00b\\u202e\\ud800"); print("ü" * 9000)')
    assert script.lines[0] == "a\\x1b[31m"  # \r ends a line, as it does in str.splitlines
    assert script.lines[1] == "\\x00b\\u202e\\ud800"
    assert len(script.lines[2].encode()) <= 8192 + 3


async def test_on_hangup_and_drained(stage: Stage) -> None:
    script = await stage.play("""
def fewer(): print("fewer")
call.on("hangup", fewer)
@call.on("hangup")
async def gone(reason): print("gone", reason)
@call.on("drained")
def drained(): print("drained")
print(drained is call.on("drained", drained))
""")
    script.send(m.QueueDrained())
    end = await script.hang_up("max_duration")
    assert script.lines == ["True", "drained", "drained", "fewer", "gone max_duration"]
    assert end.reason == "finished"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("call.say(5)", "TypeError: text must be str, not int"),
        ("call.say()", "TypeError: Call.say() missing 1 required positional argument: 'text'"),
        ("call.say(text='x', shout=1)", "TypeError: Call.say() got an unexpected keyword argument 'shout'"),
        ("call.say('x' * 5001)", "ValueError: text must not be longer than 5000 characters"),
        ("call.say('x', lang='eng')", "ValueError: lang must be two lower-case letters, not 'eng'"),
        ("call.lang = 'DE'", "ValueError: lang must be two lower-case letters, not 'DE'"),
        ("call.play(codec='opus', audio=b'')", "ValueError: codec must be one of g711_ulaw g711_alaw pcm16"),
        ("call.play(audio=b'')", "TypeError: codec must be str, not NoneType"),
        ("call.play(codec='pcm16')", "ValueError: play needs either audio or url"),
        ("call.play(codec='pcm16', audio=b'', url='https://h')", "ValueError: play needs either audio or url"),
        ("call.play(codec='pcm16', audio='QUJD')", "fromBase64String"),
        ("call.play(codec='pcm16', audio=[1])", "TypeError: audio must be bytes, not list"),
        ("call.play(codec='pcm16', audio=b'abc')", "ValueError: pcm16 audio must have an even length"),
        ("call.play(codec='pcm16', audio=b'', rate=44100)", "ValueError: rate 44100 is not possible with pcm16"),
        ("call.play(codec='g711_ulaw', audio=b'', rate=16000)", "ValueError: rate 16000"),
        ("call.play(codec='g711_ulaw', audio=b'x' * ((2 << 20) + 1))", "ValueError: audio must not be longer"),
        ("call.play(codec='g711_ulaw', audio=b'', tag=7)", "TypeError: tag must be str"),
        ("call.play(direction='in', codec='g711_ulaw', audio=b'')", 'ValueError: direction must be "out"'),
        ("call.stream(codec='pcm16')", "TypeError: callback is missing"),
        ("call.stream(callback=3)", "TypeError: the handler must be a function, not int"),
        ("call.stream(callback=print, interval=0.05)", "ValueError: interval must be in steps of 0.02"),
        ("call.stream(callback=print, interval=2)", "ValueError: interval must be from 0.02 to 1.0"),
        ("call.stream(callback=print, interval='1')", "TypeError: interval must be int or float, not str"),
        ("call.dtmf('1')", "TypeError: the handler must be a function, not str"),
        ("call.dtmf(lambda digit, more: None)", "TypeError: the handler wants 2 arguments, it gets 1"),
        ("setTimeout(lambda number: None, 5)", "TypeError: the handler wants 1 argument, it gets 0"),
        ("call.hangup(drain=1)", "TypeError: drain must be bool, not int"),
        ("call.log('x', 10)", "ValueError: level must be from 0 to 9"),
        ("call.log('x', True)", "TypeError: level must be int, not bool"),
        ("call.played_ms(3)", "TypeError: tag must be str"),
        ("call.on('hungup', print)", "ValueError: unknown event 'hungup': one of hangup drained"),
        ("call.on('hangup', 3)", "TypeError: the handler must be a function"),
        ("call.say('x').on('finished', print)", "ValueError: unknown event 'finished': one of done"),
        ("call.nosuch", "AttributeError: 'Call' object has no attribute 'nosuch'"),
        ("call.play('welcome.wav')", """not 'welcome.wav'; a file is play(url="prompt:NAME")"""),
        ("call.gather().digits", "AttributeError: no 'digits' here: the result has it, so write `await` before"),
        ("system.http(url='https://h').code", "AttributeError: no 'code' here: the result has it"),
        ("call.dial('100').ok", "AttributeError: no 'ok' here: the result has it"),
        ("tables['users']", "KeyError: 'users'"),
    ],
)  # fmt: skip
async def test_wrong_use(stage: Stage, source: str, error: str) -> None:
    script = await stage.play(source)
    assert error in script.failures[0]
    assert script.all(m.Failed)[0].is_fatal


async def test_press(stage: Stage) -> None:
    script = await stage.play("""
call.press("12#a")
for bad in ("", "1x", "1" * 65, 12):
    try:
        call.press(bad)
    except (ValueError, TypeError) as error:
        print(type(error).__name__)
""")
    assert script.all(m.Request) == [m.Request(0, "press", {"keys": "12#a"})]
    assert script.lines == ["ValueError", "ValueError", "ValueError", "TypeError"]
