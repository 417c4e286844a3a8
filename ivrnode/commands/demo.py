"""`ivrnode demo`: the main job on one screen, offline. Status 0 only if the caller heard what he was to hear."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ivrnode.commands._parameters import NewFile
from ivrnode.commands.init import STARTER
from ivrnode.demo.conversation import Conversation, Report
from ivrnode.demo.ear import Stretch
from ivrnode.demo.stage import Stage, StageError
from ivrnode.log import Log
from ivrnode.net.phone import PhoneError
from ivrnode.net.speech.service import Speech

QUESTION = "Hello. What are your opening hours, please?"
INTERRUPTION = "Thank you, that is enough. Please stop."
COLOURS = {"core": "cyan", "service": "magenta", "phone": "green", "caller": "yellow", "node": "blue"}
LOG_LINE = re.compile(r"^\S+ \S+ ([A-Z]+) (\d)(?: \S+)?(?: [0-9a-f]{16})?: ")

HOW_TO_GO_ON = """\
How to go on:
  talk to OpenAI        OPENAI_API_KEY=sk-... ivrnode serve      then call 700
  a phone from here     ivrnode phone dial sip:700@127.0.0.1 --record heard.wav
  your own softphone    register as 100 at this machine (password: tenants/localhost/tenant.toml), dial 700
  your own script       ivrnode template show > my.py; edit; ivrnode template set my.py --tenant localhost
"""


@click.command()
@click.option(
    "--tenants",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The tenants' folder; the demo calls 700@localhost. Without it ./tenants, or else what `ivrnode init` writes.",
)
@click.option(
    "--record",
    type=NewFile(),
    default=Path("conversation.wav"),
    show_default=True,
    help="Where the conversation goes: stereo, caller left, node right.",
)
def demo(tenants: Path | None, record: Path) -> None:
    """Call the demo node, talk to it, interrupt it, and show what was heard. Needs no key and no network."""
    if tenants is None:
        tenants = Path("tenants") if Path("tenants").is_dir() else STARTER / "tenants"
    tell = _screen()
    try:
        report = asyncio.run(_run(tenants.resolve(), record, tell))
    except (StageError, PhoneError, OSError) as error:
        raise click.ClickException(str(error)) from None
    _print_report(report, record)
    if not report.is_good:
        raise SystemExit(1)


async def _run(tenants: Path, record: Path, tell: Callable[[str], None]) -> Report:
    question, interruption = await _speak(QUESTION), await _speak(INTERRUPTION)
    with tempfile.TemporaryDirectory(prefix="ivrnode-demo-") as folder:
        async with Stage(tenants, Path(folder), tell) as stage:
            conversation = Conversation(question, interruption, Log(), tell)
            report = await conversation.hold(f"sip:700@{stage.host}")
            conversation.save(record)
    return report


async def _speak(text: str) -> tuple[bytes, int]:
    """The caller's line: another voice than the node's."""
    speech = Speech(None)
    await speech.start()
    try:
        parts = [part async for part in speech.synthesize(text, "en", "en-GB")]
    finally:
        await speech.close()
    return b"".join(pcm for pcm, _ in parts), parts[0][1]


def _screen() -> Callable[[str], None]:
    started = time.monotonic()

    def tell(line: str) -> None:
        who, _, text = line.partition(": ")
        text = LOG_LINE.sub(r"\1 \2  ", text)
        click.echo(f"{time.monotonic() - started:6.2f}  {click.style(f'{who:8}', COLOURS.get(who))}{text}")

    return tell


def _print_report(report: Report, record: Path) -> None:
    click.echo()
    for check in report.checks:
        mark = click.style("  ok  ", "green") if check.is_good else click.style(" FAIL ", "red")
        click.echo(f"{mark}{check.what}: {check.detail}")
    click.echo(f"\nheard by the caller: {_spans(report.heard)}\nheard by the node:   {_spans(report.said)}")
    click.echo(f"\nRecorded in {record.resolve()} (stereo: caller left, node right)\n")
    click.echo(HOW_TO_GO_ON)


def _spans(stretches: Sequence[Stretch]) -> str:
    spans = (f"{stretch.start_ms / 1000:.1f}-{stretch.end_ms / 1000:.1f} s" for stretch in stretches)
    return ", ".join(spans) or "nothing"
