"""Recordings, speech, gated streams, files of sound and sound behind the queue: what a script sees of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrnode.script import messages as m
from script.stage import FACTS, Script, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAY_RECORD = replace(FACTS, may_record=True)


def request(script: Script, what: str) -> m.Request:
    return next(request for request in script.all(m.Request) if request.what == what)


async def test_a_recording(stage: Stage) -> None:
    script = await stage.play(
        """
done = lambda recording: print("done", recording["id"])
recording = call.record({"channels": 1, "max_seconds": 60, "silence": 3, "finish": "#", "callback": done})
print(recording.id, recording.seconds, recording.reason, recording.done)
got = await recording
print(got is recording, got.seconds, got["seconds"], got.reason, got.done)
recording.stop()
""",
        facts=MAY_RECORD,
    )
    asked = request(script, "record")
    assert asked.arguments == {"number": 1, "channels": 1, "max_seconds": 60, "silence": 3, "finish": "#"}
    script.send(m.Reply(asked.request, "c1f-1"))
    await script.idle()
    assert script.lines == ["c1f-1 0.0  False"]
    script.send(m.Told(asked.request, "recorded", {"seconds": 4.25, "reason": "finish"}))
    await script.idle()
    assert script.lines[1:] == ["done c1f-1", "True 4.25 4.25 finish True"]
    assert [request.what for request in script.all(m.Request)] == ["record"]


async def test_stop_is_passed_on(stage: Stage) -> None:
    script = await stage.play("a = call.record(); a.stop(); b = call.record(); print(b.id)", facts=MAY_RECORD)
    assert [(asked.what, asked.arguments.get("id")) for asked in script.all(m.Request)] == [
        ("record", None),
        ("record.stop", "c1f-1"),
        ("record", None),
    ]
    assert script.lines == ["c1f-2"]


async def test_where_recording_is_off_it_is_refused_at_once(stage: Stage) -> None:
    script = await stage.play("try:\n    call.record()\nexcept PermissionError as error:\n    print(error)")
    assert "rec = true" in script.lines[0]
    assert not script.all(m.Request)


async def test_a_refusal_of_the_core_ends_it(stage: Stage) -> None:
    script = await stage.play("print((await call.record()).reason)", facts=MAY_RECORD)
    script.send(m.Reply(request(script, "record").request, error="no"))
    await script.idle()
    assert script.lines == ["error"]


async def test_after_the_end_a_recording_is_over(stage: Stage) -> None:
    script = await stage.play(
        """
a = call.record()
@call.on("hangup")
def over():
    b = call.record()
    b.stop()
    print(a.reason, b.reason)
""",
        facts=MAY_RECORD,
    )
    await script.hang_up()
    assert script.lines == ["hangup hangup"]
    assert len(script.all(m.Request)) == 1


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "not told"])
async def test_async_callbacks_of_the_end_run_in_the_grace(stage: Stage, is_told: bool) -> None:
    """The last of a recording comes before the end of the call; if not, the end itself ends it."""
    script = await stage.play(
        """
ws = Websocket("ws://h"); ws.connect()
async def recorded(recording):
    print("recorded", recording.reason)
    print("mailed", (await system.email(to="a@b.example", attach=recording.id)).ok, ws.state)
async def gathered(result):
    await asyncio.sleep(0)
    print("gathered", result.reason)
call.record(callback=recorded)
call.gather(callback=gathered)
""",
        facts=MAY_RECORD,
    )
    if is_told:
        told = m.Told(request(script, "record").request, "recorded", {"seconds": 2.5, "reason": "hangup"})
        script.send(m.SocketOpened(1, ""), told)
    else:
        script.send(m.SocketOpened(1, ""))
    script.send(m.HungUp("caller", 5.0))
    await script.until(lambda: [asked for asked in script.all(m.Request) if asked.what == "email"])
    script.send(m.Reply(request(script, "email").request, {"error": ""}))
    await script.until(lambda: script.all(m.CloseSocket))
    script.send(m.SocketClosed(1, 1001, "call ended"))
    assert (await script.ended()).reason == "finished"
    assert script.lines == ["recorded hangup", "gathered stopped", "mailed True open"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("channels=3", "ValueError: channels"),
        ("channels='1'", "TypeError: channels"),
        ("max_seconds=0", "ValueError: max_seconds"),
        ("silence=-1", "ValueError: silence"),
        ("finish='q'", "ValueError: finish"),
        ("callback=1", "TypeError: the handler"),
    ],
)
async def test_wrong_arguments(stage: Stage, wrong: str, error: str) -> None:
    script = await stage.play(
        f"try:\n    call.record({wrong})\nexcept Exception as e:\n    print(f'{{type(e).__name__}}: {{e}}')",
        facts=MAY_RECORD,
    )
    assert script.lines[0].startswith(error)
    assert not script.all(m.Request)


async def test_speech_is_asked_for_once_and_by_its_first_handler(stage: Stage) -> None:
    script = await stage.play("print('no handler')")
    assert not script.all(m.Request)
    script = await stage.play("""
call.on("speech", lambda speaking: print("one", speaking))
@call.on("speech")
async def two(speaking):
    print("two", speaking)
""")
    asked = request(script, "speech")
    assert len(script.all(m.Request)) == 1
    script.send(m.Reply(asked.request), m.Told(asked.request, "speech", {"speaking": True}))
    await script.idle()
    script.send(m.Told(asked.request, "speech", {"speaking": False}))
    await script.idle()
    assert script.lines == ["one True", "two True", "one False", "two False"]


async def test_a_gate_is_never_shorter_than_a_service_needs(stage: Stage) -> None:
    script = await stage.play("""
call.stream(callback=print, vad=True)
call.stream({"callback": print, "vad": {"pre_roll": 0.1, "hang_over": 0.2, "shout": 1}})
call.stream(callback=print, vad={"pre_roll": 0.5, "hang_over": 1.6})
call.stream(callback=print, vad=False)
""")
    assert [(stream.pre_roll_ms, stream.hang_over_ms) for stream in script.all(m.Stream)] == [
        (300, 800),
        (300, 800),
        (500, 1600),
        (0, 0),
    ]
    assert script.lines == ["Call.stream: unknown key 'shout' of vad ignored"]


async def test_what_a_gate_withheld_is_known_when_the_call_ends(stage: Stage) -> None:
    script = await stage.play("print(call.withheld_ms); call.on('hangup', lambda: print(call.withheld_ms))")
    script.send(m.Told(0, "withheld", {"ms": 4200}))
    await script.hang_up()
    assert script.lines == ["0", "4200"]


@pytest.mark.parametrize("wrong", ["vad=1", "vad='yes'", "vad={'hang_over': 11}", "vad={'pre_roll': 'x'}"])
async def test_a_wrong_gate(stage: Stage, wrong: str) -> None:
    script = await stage.play(
        f"try:\n    call.stream(callback=print, {wrong})\nexcept (TypeError, ValueError) as error:\n    print(error)"
    )
    assert "vad" in script.lines[0]
    assert not script.all(m.Stream)


async def test_a_file_of_sound_is_a_playback_like_any_other(stage: Stage) -> None:
    script = await stage.play("""
p = call.play({"url": "prompt:hello", "tag": "t"})
call.play(url="https://h.example/a.mp3", background=True)
got = await p
print(got is p, got.error, got.played_ms)
""")
    assert [asked.arguments for asked in script.all(m.Request)] == [
        {"item": 1, "url": "prompt:hello", "tag": "t", "background": False},
        {"item": 2, "url": "https://h.example/a.mp3", "tag": "", "background": True},
    ]
    script.send(m.PlaybackDone(1, 0, False, "there is no prompt hello"))
    await script.idle()
    assert script.lines == ["True there is no prompt hello 0"]


@pytest.mark.parametrize(
    "wrong",
    [
        "url='http://h/a.wav'",
        "url='/etc/passwd'",
        "url='https://' + 'x' * 2050",
        "url='prompt:a', audio=b'x', codec='g711_ulaw'",
        "codec='g711_ulaw'",
    ],
)
async def test_a_wrong_url(stage: Stage, wrong: str) -> None:
    script = await stage.play(f"try:\n    call.play({wrong})\nexcept ValueError as error:\n    print('no:', error)")
    assert script.lines[0].startswith("no:")
    assert not script.all(m.Request)


async def test_sound_behind_the_queue(stage: Stage) -> None:
    script = await stage.play("""
call.say("music", background=True)
call.play(codec="g711_ulaw", audio=b"x", background=True, tag="bed")
call.play(codec="g711_ulaw", audio=b"x")
""")
    assert script.all(m.Say) == [m.Say(1, "music", "en", is_background=True)]
    assert script.all(m.Play) == [
        m.Play(2, "g711_ulaw", 8000, b"x", "bed", is_background=True),
        m.Play(3, "g711_ulaw", 8000, b"x"),
    ]
