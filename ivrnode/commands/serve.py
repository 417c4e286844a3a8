"""`ivrnode serve`: take calls until Ctrl-C or SIGTERM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ivrnode.cli import with_config
from ivrnode.errors import ConfigError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ivrnode.config import Config
    from ivrnode.log import Log


@click.command()
@with_config
@click.option(
    "--unsafe-scripts",
    "is_unsafe",
    is_flag=True,
    help="Run scripts without the kernel's walls, where the system has none. For development only.",
)
def serve(config: Config, is_unsafe: bool) -> None:
    """Take calls until Ctrl-C or SIGTERM; then running calls are ended in order."""
    import asyncio

    from ivrnode.net import runtime

    with _log(config) as log, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        _tell_walls(log, is_unsafe)
        runner.run(runtime.serve(config, log, is_unsafe=is_unsafe))


def _tell_walls(log: Log, is_unsafe: bool) -> None:
    from ivrnode.net.scripts.walls import probe

    if is_unsafe:
        log.write("GENERAL", 0, "--unsafe-scripts: no walls around scripts, whoever writes one owns this machine")
        return
    walls = probe()
    log.write("GENERAL", 1, f"walls around scripts: {walls}")
    for warning in walls.warnings():
        log.write("GENERAL", 3, warning)


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # a system without uvloop: the stock loop does the same, slower
        return None
    return uvloop.new_event_loop


@contextmanager
def _log(config: Config) -> Iterator[Log]:
    from ivrnode.log import Log
    from ivrnode.net.log_sinks import ConsoleSink, FileSink

    log = Log()
    config.set_up(log)
    if config.log.console:
        log.add_sink(ConsoleSink())
    if config.log.file is None:
        yield log
        return
    try:
        file = FileSink(config.log.file, config.log.file_mb << 20, config.log.file_keep)
    except OSError as error:
        raise ConfigError(f"{config.log.file} cannot be written: {error.strerror}", key="log.file") from None
    log.add_sink(file)
    try:
        yield log
    finally:
        file.close()
