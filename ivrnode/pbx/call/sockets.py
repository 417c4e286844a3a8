"""The WebSockets of one call's script: quota, secrets, log lines. The wire is the world's (`Effects`)."""

from __future__ import annotations

from collections.abc import Callable

from ivrnode.errors import ScriptError
from ivrnode.pbx.call.frame_text import shorten
from ivrnode.pbx.call.masks import Masks
from ivrnode.pbx.house.house import House
from ivrnode.script import messages as script
from ivrnode.tenancy.secrets import Secrets, host_of

FAILURE, LIFE, FRAME = 3, 5, 9
POLICY_VIOLATION = 1008  # RFC 6455 s7.4.1

Tell = Callable[[script.Event], None]


class Sockets:
    """Every socket ends with exactly one SocketClosed to the script, also one that was never let out."""

    def __init__(self, call: str, tenant: str, house: House, secrets: Secrets, masks: Masks, tell: Tell) -> None:
        self._call, self._tenant = call, tenant
        self._effects, self._log, self._quotas = house.effects, house.log, house.quotas
        self._secrets, self._masks, self._tell = secrets, masks, tell
        self._names: dict[int, str] = {}
        self._full: set[int] = set()

    @property
    def is_empty(self) -> bool:
        return not self._names

    def open(self, action: script.OpenSocket, now: float) -> None:
        host = host_of(action.url)
        if refusal := self._quotas.take(self._tenant, "connections", 1, now):
            self._refuse(action.socket, host, refusal)
            return
        try:
            url = self._secrets.fill_url(action.url)
            headers = tuple(self._fill(header, host) for header in action.headers)
            self._masks.add(value for _, value, is_secret in headers if is_secret)
        except ScriptError as error:
            self._refuse(action.socket, host, str(error))
            return
        self._names[action.socket] = host
        self._write(LIFE, f"connecting to {action.url}")
        self._effects.open_socket(
            self._call, script.OpenSocket(action.socket, url, headers, action.verify, action.timeout)
        )

    def send(self, action: script.SendSocket, now: float) -> None:
        if action.socket in self._names and action.socket not in self._full:
            if refusal := self._quotas.take(self._tenant, "bytes_out", len(action.data), now):
                self._full.add(action.socket)
                self._log.write("SCRIPT", 2, refusal, tenant=self._tenant, call=self._call)
                self.failed(action.socket, refusal)
                self._effects.close_socket(self._call, action.socket, POLICY_VIOLATION, refusal)
                return
            self._write_frame(">", action.socket, action.data)
            self._effects.send_socket(self._call, action.socket, action.data)

    def close(self, action: script.CloseSocket) -> None:
        if action.socket in self._names:
            self._effects.close_socket(self._call, action.socket, action.code, action.reason)

    def close_all(self) -> None:
        """The call is over (RFC 6455 s7.4.1: 1001, going away)."""
        for socket in list(self._names):
            self._effects.close_socket(self._call, socket, 1001, "call ended")

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
        self._full.discard(socket)
        self._tell(script.SocketClosed(socket, code, reason))

    def _refuse(self, socket: int, host: str, error: str) -> None:
        self._write(FAILURE, f"{host}: {error}")
        self._log.write("SCRIPT", 2, error, tenant=self._tenant, call=self._call)
        self._tell(script.SocketFailed(socket, error))
        self._tell(script.SocketClosed(socket, 1006, ""))

    def _fill(self, header: tuple[str, str, bool], host: str) -> tuple[str, str, bool]:
        """A header that a secret was put into is a secret one, whatever the script says: it follows no redirect."""
        name, value, is_secret = header
        filled = self._secrets.fill(value, host)
        return name, filled, is_secret or filled != value

    def _name(self, socket: int) -> str:
        return self._names.get(socket, f"socket {socket}")

    def _write(self, level: int, text: str) -> None:
        self._log.write("WEBCLIENT", level, text, tenant=self._tenant, call=self._call)

    def _write_frame(self, direction: str, socket: int, data: str | bytes) -> None:
        if self._log.is_on("WEBCLIENT", FRAME, self._tenant):
            self._write(FRAME, f"{direction} {self._name(socket)} {shorten(data)}")
