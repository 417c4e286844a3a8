"""The stand-in as a command. It does not know where a voice comes from: who builds the command gives it one."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click

from ivrnode.realtime.brain import Brain, Silent
from ivrnode.realtime.faults import FAULTS, Faults
from ivrnode.realtime.parrot import Parrot
from ivrnode.realtime.rules import Script
from ivrnode.realtime.server import RealtimeServer
from ivrnode.realtime.voice import Voice

VoiceFactory = Callable[[], AbstractAsyncContextManager[Voice]]

_FAULT_HELP = "\b\n" + "\n".join(f"  {name:<10} {text}" for name, text in FAULTS.items())


def realtime_command(new_voice: VoiceFactory) -> click.Command:
    """The command `realtime`, which speaks with the voice that `new_voice` opens for as long as it runs."""

    @click.command(epilog=f"{_FAULT_HELP}\n\nFaults of answers (the last seven) take =N: only the first N answers.")
    @click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
    @click.option("--port", default=8765, show_default=True, help="Port to listen on; 0 = any free one.")
    @click.option("--brain", type=click.Choice(["parrot", "silent", "echo"]), default="parrot", show_default=True)
    @click.option("--rules", type=click.Path(path_type=Path), help="Answer by a TOML or JSON file instead.")
    @click.option("--beta", type=click.Choice(["sunset", "serve"]), default="sunset", show_default=True)
    @click.option("--fault", "faults", multiple=True, metavar="NAME[=VALUE]", help="What goes wrong; see below.")
    @click.option("--record", type=click.Path(path_type=Path), help="A folder for all frames and the heard audio.")
    @click.option("--pace", default=3.5, show_default=True, help="Audio is sent this many times faster than heard.")
    @click.option("--burst", "is_burst", is_flag=True, help="Send all audio at once.")
    def realtime(
        host: str,
        port: int,
        brain: str,
        rules: Path | None,
        beta: str,
        faults: tuple[str, ...],
        record: Path | None,
        pace: float,
        is_burst: bool,
    ) -> None:
        """Play the speech service, offline: OpenAI's Realtime protocol on a local WebSocket. It is no AI.

        Any key is good but `bad`. Scripts reach it by the setting `url` and the system's `connect_to`.
        """
        if not pace > 0:
            raise click.BadParameter("must be above 0", param_hint="--pace")
        brains: dict[str, Callable[[], Brain] | None] = {"parrot": Parrot, "silent": Silent, "echo": None}
        new_brain = brains[brain]
        if rules:
            Script.load(rules)  # what is wrong in it is told now, not at the first call

            def new_brain() -> Brain:
                return Script.load(rules)

        asyncio.run(
            _run(
                new_voice,
                lambda voice: RealtimeServer(
                    voice,
                    brain=new_brain,
                    faults=Faults.parse(faults),
                    pace=math.inf if is_burst else pace,
                    serves_beta=beta == "serve",
                    record=record,
                ),
                host,
                port,
            )
        )

    return realtime


async def _run(new_voice: VoiceFactory, new_server: Callable[[Voice], RealtimeServer], host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with new_voice() as voice:
        server = new_server(voice)
        try:
            await server.start(host, port)
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {host} port {port}: {error.strerror}; --port takes another"
            ) from None
        async with server:
            click.echo(f"listening on {server.url}")
            await stopped.wait()
