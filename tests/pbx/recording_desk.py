"""A world on a desk: records what the hall asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ivrnode.media.messages import Command
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.mail import Mail
from ivrnode.pbx.house.prompt import Prompt
from ivrnode.script.messages import Boot, Event, OpenSocket
from ivrnode.sip.flow import Flow


@dataclass
class Tape:
    """A recording's file; `facts` when it is closed."""

    id: str
    channels: int
    failed: Callable[[str], None]
    heard: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def write(self, heard: bytes, said: bytes) -> None:
        self.heard += heard
        self.said += said

    def close(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts


class Desk:
    """Implements `Effects`: every effect is kept in its list, in order."""

    def __init__(self) -> None:
        self.sip: list[tuple[bytes, Flow]] = []
        self.commands: list[Command] = []
        self.scripts: dict[str, Boot] = {}
        self.told: list[Event] = []
        self.killed: list[tuple[str, str]] = []
        self.spoken: list[tuple[str, int, str, str, str]] = []
        self.hushed: list[int] = []
        self.loaded: list[tuple[int, Prompt | HttpRequest]] = []
        self.recorded: list[Tape] = []
        self.opened: list[OpenSocket] = []
        self.sent: list[tuple[int, str | bytes]] = []
        self.closed: list[tuple[int, int, str]] = []
        self.fetched: list[tuple[HttpRequest, Callable[[HttpResponse, float], None]]] = []
        self.called_off: list[HttpRequest] = []
        self.mails: list[tuple[Mail, Callable[[str, float], None]]] = []

    def send_sip(self, data: bytes, flow: Flow) -> None:
        self.sip.append((data, flow))

    def media(self, command: Command) -> None:
        self.commands.append(command)

    def media_host(self, flow: Flow) -> str:
        return "192.0.2.1"

    def run_script(self, call: str, boot: Boot) -> None:
        self.scripts[call] = boot

    def tell_script(self, call: str, event: Event) -> None:
        self.told.append(event)

    def kill_script(self, call: str, reason: str) -> None:
        self.killed.append((call, reason))

    def open_socket(self, call: str, request: OpenSocket) -> None:
        self.opened.append(request)

    def send_socket(self, call: str, socket: int, data: str | bytes) -> None:
        self.sent.append((socket, data))

    def close_socket(self, call: str, socket: int, code: int, reason: str) -> None:
        self.closed.append((socket, code, reason))

    def speak(self, call: str, item: int, text: str, lang: str, voice: str, tenant: str) -> None:
        self.spoken.append((call, item, text, lang, voice))

    def hush(self, call: str, item: int) -> None:
        self.hushed.append(item)

    def fetch(self, request: HttpRequest, done: Callable[[HttpResponse, float], None]) -> Callable[[], object]:
        self.fetched.append((request, done))
        return lambda: self.called_off.append(request)

    def load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        self.loaded.append((item, source))

    def record(self, recording: str, tenant: str, channels: int, failed: Callable[[str], None]) -> Tape:
        self.recorded.append(Tape(recording, channels, failed))
        return self.recorded[-1]

    def send_mail(self, mail: Mail, done: Callable[[str, float], None]) -> None:
        self.mails.append((mail, done))

    def of_kind(self, kind: type[Any]) -> list[Any]:
        """The media commands of one kind."""
        return [command for command in self.commands if isinstance(command, kind)]
