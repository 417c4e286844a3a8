"""The WebSockets of one call's script: quota, secrets, log lines. The wire is the world's (`Effects`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from ivrnode.errors import ScriptError
from ivrnode.log import Log
from ivrnode.pbx.effects import Effects
from ivrnode.pbx.frame_text import shorten
from ivrnode.script import messages as script
from ivrnode.tenancy.secrets import Secrets

SECRET_LENGTH = 7
FAILURE, LIFE, TEXT_FRAME, AUDIO_FRAME = 3, 4, 7, 9

Tell = Callable[[script.Event], None]


class Sockets:
    """Every socket ends with exactly one SocketClosed to the script, also one that was never let out."""

    def __init__(self, call: str, tenant: str, effects: Effects, secrets: Secrets, log: Log, tell: Tell) -> None:
        self._call, self._tenant = call, tenant
        self._effects, self._secrets, self._log, self._tell = effects, secrets, log, tell
        self._names: dict[int, str] = {}
        self._masked: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not self._names

    def open(self, action: script.OpenSocket) -> None:
        host = urlsplit(action.url).hostname or ""
        try:
            url = self._secrets.fill(action.url, host)
            headers = tuple(self._fill(header, host) for header in action.headers)
        except ScriptError as error:
            self._write(FAILURE, f"{host}: {error}")
            self._log.write("SCRIPT", 2, str(error), tenant=self._tenant, call=self._call)
            self._refuse(action.socket, str(error))
            return
        self._mask(value for _, value, is_secret in headers if is_secret)
        self._names[action.socket] = host
        self._write(LIFE, f"connecting to {action.url}")
        self._effects.open_socket(
            self._call, script.OpenSocket(action.socket, url, headers, action.verify, action.timeout)
        )

    def send(self, action: script.SendSocket) -> None:
        if action.socket in self._names:
            self._write_frame(">", action.socket, action.data)
            self._effects.send_socket(self._call, action.socket, action.data)

    def close(self, action: script.CloseSocket) -> None:
        if action.socket in self._names:
            self._effects.close_socket(self._call, action.socket, action.code, action.reason)

    def close_all(self) -> None:
        """The call is over (RFC 6455 s7.4.1: 1001, going away)."""
        for socket in list(self._names):
            self._effects.close_socket(self._call, socket, 1001, "call ended")

    def forget(self) -> None:
        """The script is gone: nothing of this call is masked any longer."""
        self.close_all()
        for part in self._masked:
            self._log.unmask(part)
        self._masked.clear()

    def opened(self, socket: int, subprotocol: str) -> None:
        self._write(LIFE, f"connected to {self._name(socket)}" + (f" ({subprotocol})" if subprotocol else ""))
        self._tell(script.SocketOpened(socket, subprotocol))

    def received(self, socket: int, data: str | bytes) -> None:
        self._write_frame("<", socket, data)
        self._tell(script.SocketMessage(socket, data))

    def sent(self, socket: int, buffered: int) -> None:
        self._tell(script.SocketSent(socket, buffered))

    def headers_dropped(self, names: tuple[str, ...]) -> None:
        text = f"headers that the runtime sets itself were left out: {', '.join(names)}"
        self._log.write("SCRIPT", 4, text, tenant=self._tenant, call=self._call)

    def failed(self, socket: int, error: str) -> None:
        self._write(FAILURE, f"{self._name(socket)}: {error}")
        self._tell(script.SocketFailed(socket, error))

    def closed(self, socket: int, code: int, reason: str) -> None:
        self._write(LIFE, f"{self._name(socket)} closed: {code} {reason}".rstrip())
        self._names.pop(socket, None)
        self._tell(script.SocketClosed(socket, code, reason))

    def _refuse(self, socket: int, error: str) -> None:
        self._tell(script.SocketFailed(socket, error))
        self._tell(script.SocketClosed(socket, 1006, ""))

    def _fill(self, header: tuple[str, str, bool], host: str) -> tuple[str, str, bool]:
        """A header that a secret was put into is a secret one, whatever the script says: it follows no redirect."""
        name, value, is_secret = header
        filled = self._secrets.fill(value, host)
        return name, filled, is_secret or filled != value

    def _mask(self, values: Iterable[str]) -> None:
        """A literal key is masked word by word: `Bearer sk-1` must not show up as `sk-1` in another line."""
        for word in (word for value in values for word in value.split() if len(word) >= SECRET_LENGTH):
            self._log.mask(word)
            self._masked.append(word)

    def _name(self, socket: int) -> str:
        return self._names.get(socket, f"socket {socket}")

    def _write(self, level: int, text: str) -> None:
        self._log.write("WEBCLIENT", level, text, tenant=self._tenant, call=self._call)

    def _write_frame(self, direction: str, socket: int, data: str | bytes) -> None:
        if not self._log.is_on("WEBCLIENT", TEXT_FRAME, self._tenant):
            return
        text, has_audio = shorten(data)
        self._write(AUDIO_FRAME if has_audio else TEXT_FRAME, f"{direction} {self._name(socket)} {text}")
