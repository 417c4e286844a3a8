"""Recordings, gathers, prompts, sound behind the queue and gated streams, in whole calls."""

from __future__ import annotations

import asyncio
import email
import io
import wave
from email.policy import default
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP, Envelope, Session

from patience import PATIENCE
from sound import decibels, tone, tone_level
from sound_files import sides, sound_file

if TYPE_CHECKING:
    from house import House

    from conftest import NewCaller, OpenHouse

RATE = 8000
WAITS = "setTimeout(lambda: None, 60000)\n"


def put_prompt(house: House, name: str, pcm: bytes, rate: int = RATE) -> None:
    path = house.folder / "tenants" / "localhost" / "prompts" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sound_file(path.suffix[1:], pcm, rate))


async def test_a_recording_has_the_caller_left_and_what_he_hears_right(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    script = """
import math, array
def tone(hertz, seconds):
    step = 2 * math.pi * hertz / 8000
    return array.array("h", (int(9000 * math.sin(n * step)) for n in range(int(8000 * seconds)))).tobytes()

recording = call.record(finish="#", callback=lambda r: console.log("recorded", r.id, r.seconds, r.reason))
call.play(codec="pcm16", rate=8000, audio=tone(1000, 10))
call.dtmf(lambda digit: console.log("muted", call.mute()))
"""
    house = await open_house(scripts={"700": script}, tenant="rec = true")
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    caller.phone.play(tone(500, RATE, 30_000, 9000), RATE)
    began = await caller.sound()
    await caller.reach(began + 1500)
    caller.phone.press("1")
    await house.wrote("muted ", category="SCRIPT")
    await caller.quiet(700)
    caller.phone.press("#")
    line = await house.wrote("recorded ", category="SCRIPT")
    _, id, seconds, reason = line.text.split()
    assert reason == "finish"
    path = await house.runtime.world.recordings.whole(id)
    assert path is not None and path.parent.name == "localhost"
    left, right = sides(path)
    assert abs(len(left) / 16_000 - float(seconds)) < 0.02
    middle = slice(16_000 // 2, 16_000 // 2 * 3)
    assert abs(decibels(tone_level(left[middle], 500, RATE) / 9000)) < 1.5
    assert abs(decibels(tone_level(right[middle], 1000, RATE) / 9000)) < 1.5
    assert tone_level(left[middle], 1000, RATE) < 200 and tone_level(right[middle], 500, RATE) < 200
    # What was muted was not heard, and so is not in it.
    assert tone_level(right[-16 * 500 :], 1000, RATE) < 50
    [facts] = house.runtime.world.recordings.store.list("localhost")
    assert (facts["id"], facts["reason"], facts["node"], facts["caller"]) == (id, "finish", "700", "phone")


async def test_a_recording_ends_with_the_call_and_by_silence(open_house: OpenHouse, new_caller: NewCaller) -> None:
    show = "lambda r: console.log('recorded', r.seconds, r.reason)"
    house = await open_house(
        scripts={
            "700": f"call.record(callback={show})\n{WAITS}",
            "701": f"call.record(silence=1, channels=1, callback={show})",
        },
        tenant="rec = true",
    )
    leaving, silent = await new_caller(), await new_caller()
    await leaving.dial(house.uri("700"))
    await house.wrote("recording ", category="APP")
    await leaving.reach(600)
    leaving.phone.hangup()
    line = await house.wrote("hangup", category="SCRIPT")
    assert float(line.text.split()[1]) > 0.2
    await silent.dial(house.uri("701"))
    silent.phone.play(tone(500, RATE, 1500, 9000), RATE)
    assert await silent.left() == "bye"  # nothing was left after the recording
    line = await house.wrote(" silence", category="SCRIPT")
    assert 2.0 < float(line.text.split()[1]) < 4.5


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.put_nowait(bytes(envelope.content or b""))
        return "250 taken"


async def test_a_message_on_the_machine_comes_by_mail_though_the_caller_has_hung_up(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    inbox = Inbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    script = f"""
recording = call.record(channels=1)
call.on("hangup", lambda: system.email(to="ann@b.example", subject="A message", attach=recording.id) and None)
{WAITS}
"""
    port = server.sockets[0].getsockname()[1]
    config = f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nsender = "ivr@acme.example"\n'
    house = await open_house(scripts={"700": script}, tenant="rec = true", config=config)
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    caller.phone.play(tone(500, RATE, 10_000, 9000), RATE)
    await house.wrote("recording ", category="APP")
    await caller.reach(1500)
    caller.phone.hangup()
    async with asyncio.timeout(PATIENCE):
        message = email.message_from_bytes(await inbox.mails.get(), policy=default)
    [attached] = message.iter_attachments()
    with wave.open(io.BytesIO(attached.get_content())) as wav:
        assert wav.getparams()[:3] == (1, 2, RATE)
        heard = wav.readframes(wav.getnframes())
    assert len(heard) > 16_000
    assert tone_level(heard[-16_000:-1600], 500, RATE) > 7000
    server.close()


async def test_recording_that_is_off_is_refused(open_house: OpenHouse, new_caller: NewCaller) -> None:
    house = await open_house(
        scripts={"700": "try:\n    call.record()\nexcept PermissionError as error:\n    console.log('no:', error)"}
    )
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("no: recording is off", category="SCRIPT")
    assert not (house.folder / "var" / "recordings" / "localhost").exists()


async def test_a_gather_ends_for_each_reason(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = """
def show(got):
    console.log("got", got.digits or "-", got.reason)

show(await call.gather(say="Please enter four digits, whatever they may be, and take your time.", max_digits=4))
show(await call.gather(finish="#"))
show(await call.gather(timeout=0.3))
first = call.gather()
second = call.gather(timeout=0.2)
show(await first)
show(await second)
"""
    house = await open_house(scripts={"700": script})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await caller.sound()
    pressed_at = caller.ear.now_ms
    caller.phone.press("1234")
    await house.wrote("got 1234 max", category="SCRIPT")
    caller.phone.press("98#")
    assert await caller.left() == "bye"
    got = [entry.text for entry in house.lines if entry.text.startswith("got ") and entry.category == "SCRIPT"]
    assert got == ["got 1234 max", "got 98 finish", "got - timeout", "got - stopped", "got - timeout"]
    assert caller.ear.stretches()[-1].end_ms < pressed_at + 1200  # the first key muted the prompt


async def test_a_prompt_is_heard_in_its_turn(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = """
call.say("First.")
p = call.play(url="prompt:bell")
missing = call.play(url="prompt:missing")
last = call.play(url="prompt:bell")
console.log("error", (await missing).error, "then", (await last).error)
"""
    house = await open_house(scripts={"700": script})
    put_prompt(house, "bell.mp3", tone(1000, 16_000, 1000, 9000), 16_000)
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    assert await caller.left() == "bye"
    line = await house.wrote("error ", category="SCRIPT")
    assert "there is no prompt missing" in line.text and line.text.endswith("then None")
    last = caller.ear.stretches(gap_ms=200)[-1]
    assert 1800 < last.end_ms - last.start_ms < 2600  # the bell, twice, without a gap
    heard = caller.between(last.start_ms + 300, last.end_ms - 300)
    assert tone_level(heard, 1000, RATE) > 7000


async def test_background_is_heard_only_where_nothing_else_is(open_house: OpenHouse, new_caller: NewCaller) -> None:
    script = """
call.play(url="prompt:music", background=True)
call.play(url="prompt:bell")
call.on("drained", lambda: console.log("drained"))
await call.gather(max_digits=1)
console.log("queued", call.queued_ms)
await call.play(url="prompt:bell")
"""
    house = await open_house(scripts={"700": script})
    put_prompt(house, "music.ogg", tone(500, RATE, 20_000, 9000))
    put_prompt(house, "bell.wav", tone(1000, RATE, 600, 9000))
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await house.wrote("drained", category="SCRIPT")
    await caller.reach(caller.ear.now_ms + 1500)
    caller.phone.press("1")
    assert await caller.left() == "bye"  # the music does not keep the call up
    await house.wrote("queued 0", category="SCRIPT")
    [whole] = caller.ear.stretches()

    def levels(start_ms: int, end_ms: int) -> tuple[bool, bool]:
        heard = caller.between(whole.start_ms + start_ms, whole.start_ms + end_ms)
        return tone_level(heard, 1000, RATE) > 4000, tone_level(heard, 500, RATE) > 3000

    assert levels(100, 500) == (True, False)
    assert levels(900, 1700) == (False, True)
    assert levels(whole.end_ms - whole.start_ms - 500, whole.end_ms - whole.start_ms - 100) == (True, False)


async def test_a_gated_stream_brings_speech_and_tells_what_it_saved(
    open_house: OpenHouse, new_caller: NewCaller
) -> None:
    script = """
got = []
call.stream(callback=got.append, vad=True)
call.on("speech", lambda speaking: console.log("speaking", speaking))
call.on("hangup", lambda: console.log("got", sum(map(len, got)) // 8, "withheld", call.withheld_ms))
"""
    house = await open_house(scripts={"700": script})
    caller = await new_caller()
    await caller.dial(house.uri("700"))
    await caller.reach(1000)
    caller.phone.play(tone(400, RATE, 1000, 9000), RATE)
    await house.wrote("speaking True", category="SCRIPT")
    await house.wrote("speaking False", category="SCRIPT")
    await caller.reach(caller.ear.now_ms + 1500)
    caller.phone.hangup()
    line = await house.wrote("withheld ", category="SCRIPT")
    _, got, _, withheld = line.text.split()
    assert 1900 < int(got) < 2700
    assert int(withheld) > 700
    await house.wrote("VAD gate", category="MEDIA")
