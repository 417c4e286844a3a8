"""Run the escape corpus and print what came of each as JSON. Also runs by itself, as another user:

python run_corpus.py CANARY_FILE [--without-landlock]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import ivrnode.net.scripts.zygote
from ivrnode.script import messages as m
from script.escapes import CANARY, CORPUS, PRELUDE, Escape
from script.stage import Script, Stage, open_stage, patient

LIMITS = patient(cpu_start_ms=300, memory=48 << 20, address_space=64 << 20)
AT_ONCE = 6


async def outcome(stage: Stage, escape: Escape, canary_file: str) -> str:
    """What came of it: how it ended, else its exception, else `done`; an escape says so."""
    script = stage.run(PRELUDE.format(canary_file=canary_file) + escape.source)
    with suppress(AssertionError):  # it ended
        await script.until(lambda: script.all(m.Wait))
    stage.workers.kill(script.call, "seen")
    await script.ended()
    return _tell(script)


def _tell(script: Script) -> str:
    said = " ".join(script.lines)
    if "ESCAPED" in said or CANARY in said + " ".join(script.failures):
        return f"ESCAPED: {said}"
    assert script.end is not None
    if script.end.text != "seen":
        return f"{script.end.reason}: {script.end.text}"
    return "failed: " + script.failures[0].splitlines()[-1] if script.failures else "done"


async def run_all(canary_file: str) -> dict[str, str]:
    """All of the corpus beside one honest script, which must not feel anything of it."""
    async with open_stage(limits=LIMITS) as stage:
        honest = await stage.play("call.dtmf(lambda digit: print(digit))")
        places = asyncio.Semaphore(AT_ONCE)

        async def one(escape: Escape) -> tuple[str, str]:
            async with places:
                return escape.name, await outcome(stage, escape, canary_file)

        found = dict(await asyncio.gather(*(one(escape) for escape in CORPUS)))
        honest.send(m.DigitPressed("5"))
        await honest.idle()
        if honest.lines != ["5"] or (await honest.hang_up()).reason != "finished":
            found["honest"] = f"the script beside it: {honest.actions} {honest.end}"
        return found


if __name__ == "__main__":
    if "--without-landlock" in sys.argv:
        ivrnode.net.scripts.zygote._BOOTSTRAP = ivrnode.net.scripts.zygote._BOOTSTRAP.replace(
            "main()", "import ivrnode.walls.landlock as l; l.restrict = lambda: None; main()"
        )
    results = asyncio.run(run_all(sys.argv[1]))
    print(json.dumps({"uid": os.getuid(), "results": results}))
