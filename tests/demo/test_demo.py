"""`make demo` as a user runs it, and the proof that its checks can fail."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

import pytest

from calls.house import House
from ear import hears
from ivrnode.demo.conversation import Conversation
from ivrnode.demo.ear import Ear
from ivrnode.log import Log
from sound import tone

ROOT = Path(__file__).parents[2]
SOUND = (tone(600, 8000, 800), 8000)
LAST_ANSWER = "i stopped at once as you asked goodbye"
SILENT_BOT = "setTimeout(lambda: None, 60000)"
BOT_THAT_WILL_NOT_STOP = """
import math, array
second = array.array("h", (int(9000 * math.sin(n * math.pi / 4)) for n in range(8000))).tobytes()
answered = []

@call.on("speech")
def turn(is_speaking):
    if not is_speaking and not answered:
        answered.extend(call.play(codec="pcm16", rate=8000, audio=second) for _ in range(20))

call.play(codec="pcm16", rate=8000, audio=second)
setTimeout(lambda: None, 60000)
"""


@pytest.mark.slow
async def test_the_demo_ends_well_and_leaves_a_recording(tmp_path: Path) -> None:
    wav = tmp_path / "conversation.wav"
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ivrnode", "demo", "--record", str(wav), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(demo.communicate(), 300)
    assert demo.returncode == 0, output.decode()
    with wave.open(str(wav)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        frames = file.readframes(file.getnframes())
    node = b"".join(frames[index + 2 : index + 4] for index in range(0, len(frames), 4))
    ear = Ear()
    ear.feed(node)
    last = ear.stretches(gap_ms=800)[-1]
    said = hears(node[16 * last.start_ms : 16 * last.end_ms], [LAST_ANSWER], ["hello how can i help you"])
    assert said == LAST_ANSWER


async def check(folder: Path, script: str, patience: float) -> dict[str, bool]:
    async with House(folder, scripts={"700": script}) as house:
        conversation = Conversation(SOUND, SOUND, Log(), lambda line: None, patience)
        report = await conversation.hold(house.uri("700"))
    assert not report.is_good
    return {check.what: check.is_good for check in report.checks}


async def test_a_bot_that_says_nothing_fails(tmp_path: Path) -> None:
    assert await check(tmp_path, SILENT_BOT, 1.5) == {"conversation": False}


async def test_a_bot_that_will_not_stop_fails(tmp_path: Path) -> None:
    checks = await check(tmp_path, BOT_THAT_WILL_NOT_STOP, 6.0)
    assert checks["greeting heard"] and checks["answer heard"]
    assert not all(checks.values())
