"""What the hall may ask of the world. `net/runtime.py` does it for real, `sim/` on a desk.

Nothing here blocks and nothing answers: what comes of an effect comes back through one of `Core`'s doors, or to the
function that was handed over with it, later and never from within.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ivrnode.media.messages import Command
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.mail import Mail
from ivrnode.pbx.house.prompt import Prompt
from ivrnode.script.messages import Boot, Event, OpenSocket
from ivrnode.sip.flow import Flow


class RecordingFile(Protocol):
    """Where a recording goes. Neither blocks nor raises."""

    def write(self, heard: bytes, said: bytes) -> None:
        """pcm16 at 8000 Hz, as much of one as of the other."""

    def close(self, facts: Mapping[str, Any]) -> None:
        """No more will come; `facts` are JSON."""


class Effects(Protocol):
    def send_sip(self, data: bytes, flow: Flow) -> None:
        """Send one SIP message on the flow; a flow that is gone swallows it."""

    def media(self, command: Command) -> None:
        """Ask the hall of packets; its events come to `Core.media_told`."""

    def media_host(self, flow: Flow) -> str:
        """The address that a peer behind `flow` reaches our RTP ports at: goes into SDP."""

    def run_script(self, call: str, boot: Boot) -> None:
        """Start a worker; what it does comes to `Core.script_acted` and, once and last, `Core.script_ended`."""

    def tell_script(self, call: str, event: Event) -> None: ...

    def kill_script(self, call: str, reason: str) -> None: ...

    def open_socket(self, call: str, request: OpenSocket) -> None:
        """Connect a WebSocket (secrets filled in); what comes of it comes to `Core.socket_*`."""

    def send_socket(self, call: str, socket: int, data: str | bytes) -> None: ...

    def close_socket(self, call: str, socket: int, code: int, reason: str) -> None: ...

    def speak(self, call: str, item: int, text: str, lang: str, voice: str, tenant: str) -> None:
        """Turn text into sound; it comes to `Core.spoken`, sentence by sentence, or `Core.speech_failed`."""

    def hush(self, call: str, item: int) -> None:
        """The sound of `speak` or `load` is no longer wanted."""

    def load(self, call: str, item: int, source: Prompt | HttpRequest) -> None:
        """Read a file of sound; it comes to `Core.spoken`, piece by piece, or `Core.speech_failed`."""

    def record(self, recording: str, tenant: str, channels: int, failed: Callable[[str], None]) -> RecordingFile:
        """A new file for a recording. `failed(error)`, once: nothing of what comes can be kept."""

    def fetch(self, request: HttpRequest, done: Callable[[HttpResponse, float], None]) -> Callable[[], object]:
        """Ask a web server: `done(answer, now)`, once. What is given back calls it off; harmless after that."""

    def send_mail(self, mail: Mail, done: Callable[[str, float], None]) -> None:
        """Hand it to the mail server: `done(error, now)`, once; "" when it was taken."""
