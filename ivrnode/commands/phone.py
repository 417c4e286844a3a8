"""`ivrnode phone`: a phone for the shell, to test a node."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import click

from ivrnode.audio.wav import read_wav, write_wav
from ivrnode.commands._parameters import Keys, NewFile
from ivrnode.errors import IvrNodeError
from ivrnode.log import Log
from ivrnode.net.phone import Phone, PhoneError

RATE = 8000
PATIENCE = 60.0
_TARGET = re.compile(
    r"(?:sip:)?(?!sips:|tel:)(?:[^@:\s]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:;\S*)?"
)
_TRANSPORT = re.compile(r";transport=([^;]*)", re.IGNORECASE)


def _target(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """What cannot be called must not be tried: `700` would be a host, `sips:` a promise that this phone cannot keep."""
    found = _TARGET.fullmatch(value)
    if not found or found[1].isdigit():
        raise click.BadParameter(f"{value!r} is no address to call, such as sip:700@127.0.0.1:5060")
    transport = _TRANSPORT.search(value)
    if transport and transport[1].lower() not in ("udp", "tcp"):
        raise click.BadParameter(f"transport {transport[1]!r}: this phone has udp and tcp")
    return value if value.startswith("sip:") else f"sip:{value}"


@click.group()
def phone() -> None:
    """Call a node from the shell."""


def _account(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not all(value.partition(":")):
        raise click.BadParameter("is not USER:PASSWORD, as in 100:a-long-password", param=parameter)
    return value


@phone.command()
@click.argument("uri", callback=_target)
@click.option(
    "--play", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Say this WAV once it is answered."
)
@click.option("--record", type=NewFile(), help="Write what is heard to this WAV.")
@click.option("--digits", default="", type=Keys(), help="Keys to press once it is answered, such as 12#.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="Hang up after so many seconds.")
@click.option(
    "--register", "account", metavar="USER:PASSWORD", callback=_account, help="Register at the URI's host first."
)
@click.option("--codec", "codecs", multiple=True, type=click.Choice(["PCMU", "PCMA", "G722"]), help="Offer only these.")
def dial(
    uri: str,
    play: Path | None,
    record: Path | None,
    digits: str,
    seconds: float | None,
    account: str | None,
    codecs: tuple[str, ...],
) -> None:
    """Call URI, such as sip:700@127.0.0.1:5060 (;transport=tcp for TCP).

    Without --for the call lasts until the far end hangs up or you press Ctrl-C. Exit status: 0 answered, 1 not
    answered, 2 wrong arguments.
    """
    sound = _read(play) if play is not None else None
    caller = _Caller(uri, sound, digits, seconds, account, codecs or ("PCMU", "PCMA", "G722"))
    try:
        asyncio.run(caller.call())
    except KeyboardInterrupt:
        click.echo("hung up")
    except PhoneError as error:
        raise click.ClickException(f"not answered: {error}{_hint(error, account)}") from None
    except IvrNodeError as error:
        raise click.ClickException(str(error)) from None
    except ConnectionRefusedError:
        raise click.ClickException(f"no way to {uri}: nobody listens there") from None
    except OSError as error:
        raise click.ClickException(f"no way to {uri}: {error.strerror or error}") from None
    finally:
        if record is not None and caller.heard:
            write_wav(record, bytes(caller.heard), RATE)
            click.echo(f"recorded {len(caller.heard) / 2 / RATE:.1f} s in {record}")


class _Caller:
    def __init__(
        self,
        uri: str,
        sound: tuple[bytes, int] | None,
        digits: str,
        seconds: float | None,
        account: str | None,
        codecs: tuple[str, ...],
    ) -> None:
        self._uri = uri
        self._sound, self._digits, self._seconds, self._codecs = sound, digits, seconds, codecs
        self._user, _, self._password = (account or "phone").partition(":")
        self._registers = account is not None
        self.heard = bytearray()

    async def call(self) -> None:
        log = Log()
        log.add_sink(lambda entry: click.echo(f"{entry.category}: {entry.text}", err=True))
        async with Phone(log, lambda heard, _: self.heard.extend(heard), user=self._user, codecs=self._codecs) as phone:
            if self._registers:
                host = self._uri.partition("@")[2] or self._uri.partition(":")[2]
                expires = await phone.register(f"sip:{self._user}@{host}", self._user, self._password)
                click.echo(f"registered for {expires} s")
            click.echo(f"dialling {self._uri}")
            try:
                await asyncio.wait_for(phone.dial(self._uri), PATIENCE)
            except TimeoutError:
                raise PhoneError(408, f"nobody answered within {PATIENCE:.0f} s") from None
            click.echo("answered")
            await self._talk(phone)

    async def _talk(self, phone: Phone) -> None:
        if self._sound is not None:
            phone.play(*self._sound)
        if self._digits:
            phone.press(self._digits)
        try:
            reason = await asyncio.wait_for(asyncio.shield(phone.ended), self._seconds)
            click.echo(f"ended: {reason}")
        except TimeoutError:
            phone.hangup()
            click.echo("hung up")


def _hint(error: PhoneError, account: str | None) -> str:
    if error.status not in (401, 407):
        return ""
    return " (wrong user or password)" if account else " (this number needs an account: use --register USER:PASSWORD)"


def _read(path: Path) -> tuple[bytes, int]:
    try:
        return read_wav(path.read_bytes())
    except IvrNodeError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--play") from None
