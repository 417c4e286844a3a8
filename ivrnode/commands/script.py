"""`ivrnode script`: run a script without a phone."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ivrnode.commands._parameters import Keys, NewFile

if TYPE_CHECKING:
    from ivrnode.sim.caller import Caller
    from ivrnode.sim.desk import Desk
    from ivrnode.tenancy.declared import Setting

STEPS = ("say", "interrupt", "play", "digits", "wait")
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


class StepsCommand(click.Command):
    """Keeps the order in which the options of STEPS were given, across their kinds."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta["order"] = [parameter.name for parameter in order if parameter.name in STEPS]
        return super().parse_args(ctx, args)


@click.group()
def script() -> None:
    """Run a script without a phone."""


@script.command("run", cls=StepsCommand)
@click.argument("file", type=EXISTING)
@click.option("--say", multiple=True, metavar="TEXT", help="The caller says it when the node has fallen silent.")
@click.option("--interrupt", multiple=True, metavar="TEXT", help="The caller says it at once.")
@click.option("--play", multiple=True, type=EXISTING, metavar="WAV", help="As --say, with a recording.")
@click.option("--digits", multiple=True, type=Keys(), metavar="KEYS", help="The caller presses keys, as in 12#.")
@click.option("--wait", multiple=True, type=click.FloatRange(0), metavar="SECONDS", help="The caller listens.")
@click.option("--against", metavar="realtime|URL", help="Where WebSockets lead: the stand-in, or a ws:// server.")
@click.option("--rules", type=EXISTING, help="How the stand-in answers: a TOML or JSON file.")
@click.option("--fault", "faults", multiple=True, metavar="NAME[=VALUE]", help="What goes wrong with the stand-in.")
@click.option("--settings", multiple=True, metavar="NAME=VALUE", help="A setting; JSON where it reads as such.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME=VALUE", help="A secret of the script.")
@click.option("--lang", default="en", show_default=True, help="The language of the node and of the caller.")
@click.option("--record", type=NewFile(), help="A stereo WAV: caller left, node right.")
@click.option(
    "--for", "seconds", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds, then he hangs up."
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    file: Path,
    against: str | None,
    rules: Path | None,
    faults: tuple[str, ...],
    settings: tuple[str, ...],
    secrets: tuple[str, ...],
    lang: str,
    record: Path | None,
    seconds: float,
    is_json: bool,
    **steps: tuple[Any, ...],
) -> None:
    """Run FILE for one call, in its sandbox, on a simulated clock, and print what happened.

    The caller's options act in the order in which they stand; then he listens on. Status 1: the script failed.
    """
    from ivrnode.sim.caller import Caller
    from ivrnode.sim.desk import Desk
    from ivrnode.sim.live_web import LiveWeb
    from ivrnode.sim.studio import Studio

    values = _settings(settings, _check(file))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ivrnode-script-") as folder, Studio() as studio:
        desk = Desk(studio, Path(folder), LiveWeb())
        extension = desk.tenant.add_node(file, language=lang, rec=True, settings=values)
        for name, value in {**_default_secrets(against), **_pairs(secrets, "--secret")}.items():
            desk.add_secret(name, value)
        _connect(desk, against, rules, faults)
        caller = Caller(desk, extension, lang=lang)
        _act(caller, _in_order(ctx.meta["order"], steps))
        caller.waits(max(0.0, seconds - caller.seconds))
        if caller.hung_up is None:
            caller.hangs_up()
        desk.close()
    if record is not None:
        caller.save(record)
    _print(caller, is_json, time.monotonic() - started)
    if caller.errors:
        raise SystemExit(1)


def _check(file: Path) -> dict[str, Setting]:
    """What the script declares. Raises ScriptError for one that `template set` would refuse, in the words that it would
    use."""
    from ivrnode.script.guest.imports import ALLOWED
    from ivrnode.tenancy.declared import declared_settings
    from ivrnode.tenancy.lint import check, decode

    text = decode(file.read_bytes(), str(file))
    if error := check(text, str(file), ALLOWED):
        raise error
    return declared_settings(text)


def _connect(desk: Desk, against: str | None, rules: Path | None, faults: Sequence[str]) -> None:
    from ivrnode.realtime.faults import Faults
    from ivrnode.realtime.parrot import Parrot
    from ivrnode.realtime.rules import Script

    if (rules or faults) and against != "realtime":
        raise click.UsageError("--rules and --fault are for --against realtime.")
    if against == "realtime":
        if rules is not None:
            Script.load(rules)  # what is wrong in it is told now, not at the first socket
        desk.use_stand_in(Parrot if rules is None else lambda: Script.load(rules), Faults.parse(faults))
    elif against is not None and against.startswith(("ws://", "wss://")):
        desk.use_server(against)
    elif against is not None:
        raise click.BadParameter(f"{against!r} is neither realtime nor a ws:// or wss:// URL", param_hint="--against")


def _in_order(order: Sequence[str], steps: dict[str, tuple[Any, ...]]) -> list[tuple[str, Any]]:
    values = {name: iter(given) for name, given in steps.items()}
    return [(name, next(values[name])) for name in order]


def _act(caller: Caller, steps: Sequence[tuple[str, Any]]) -> None:
    for name, value in steps:
        if caller.hung_up is not None:
            return
        match name:
            case "say":
                caller.says(value)
            case "interrupt":
                caller.says(value, interrupts=True)
            case "play":
                caller.plays(value)
            case "digits":
                caller.presses(value)
            case "wait":
                caller.waits(value)


def _settings(pairs: Sequence[str], declared: Mapping[str, Setting]) -> dict[str, Any]:
    """What reads as JSON is that, unless the script wants it as text; all else is text."""
    from ivrnode.tenancy.declared import misspelled

    found: dict[str, Any] = {}
    for name, text in _pairs(pairs, "--settings").items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
        if name in declared and declared[name].is_for(text) and not declared[name].is_for(found[name]):
            found[name] = text
    for problem in misspelled(declared, found):
        click.echo(f"Warning: {problem}", err=True)
    return found


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _default_secrets(against: str | None) -> dict[str, str]:
    """The stand-in takes any key: a script that asks for one shall not fail for want of it."""
    return {"openai": "key-of-the-stand-in"} if against == "realtime" else {}


def _print(caller: Caller, is_json: bool, seconds: float) -> None:
    if is_json:
        click.echo(json.dumps(caller.to_json(), ensure_ascii=False, indent=2))
    else:
        click.echo(caller.timeline)
        click.echo(f"\n{caller.seconds:.1f} s of call in {seconds:.1f} s")
