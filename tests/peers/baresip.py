"""baresip, a real phone, driven over its own control socket: netstrings of JSON (its module ctrl_tcp)."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
import wave
from pathlib import Path
from typing import Any, cast

from patience import PATIENCE
from peers.lab import Lab

CODECS = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "G722": "G722/16000/1"}
_CONFIG = """\
sip_listen {address}:{sip_port}
rtp_ports 20000-20100
net_interface {interface}
audio_source aufile,{source}
audio_alert nil
snd_path {recordings}
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
module_path {modules}
module g711.so
module g722.so
module aufile.so
module sndfile.so
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control_port}
"""

Event = dict[str, Any]


def reason_to_skip() -> str:
    return "" if shutil.which("baresip") and _modules() else "needs baresip: apt-get install baresip-core"


class Baresip:
    """One phone with one account, ready for commands when the constructor returns.

    `source` (pcm16 mono, longer than the call: its end would end the call) is what the phone says. What it hears and
    says is recorded. `account` holds further parameters of the account line, as in `;answermode=auto`.
    """

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        source: bytes,
        *,
        user: str = "alice",
        domain: str = "",
        codec: str = "PCMU",
        account: str = "",
    ) -> None:
        self.address = f"{lab.address}:{(sip_port := lab.free_port())}"
        self.uri = f"sip:{user}@{self.address}"
        self._recordings = folder / "recordings"
        self._recordings.mkdir(parents=True)
        self._rate = 16000 if codec == "G722" else 8000
        control = (lab.address, lab.free_port(socket.SOCK_STREAM))
        with wave.open(str(folder / "source.wav"), "wb") as wav:
            wav.setparams((1, 2, self._rate, 0, "NONE", ""))
            wav.writeframes(source)
        (folder / "config").write_text(
            _CONFIG.format(
                address=lab.address,
                interface=lab.interface,
                sip_port=sip_port,
                control_port=control[1],
                source=folder / "source.wav",
                recordings=self._recordings,
                rate=self._rate,
                modules=_modules(),
            )
        )
        (folder / "accounts").write_text(
            f"<sip:{user}@{domain or self.address}>;audio_codecs={CODECS[codec]}{account or ';regint=0'}\n"
        )
        self.child = lab.start(["baresip", "-4", "-f", folder, "-t", "300"])
        self.child.wait_for("baresip is ready")
        self._control = lab.open_socket()
        self._control.connect(control)
        self._received = b""
        self._events: list[Event] = []
        self._tokens = 0

    def dial(self, uri: str) -> None:
        self.command("dial", uri)

    def press(self, digit: str) -> None:
        """Send one key as telephone-event; it is down until the next command releases it."""
        self.command("sndcode", digit)

    def hang_up(self) -> None:
        self.command("hangup")

    def command(self, name: str, params: str = "", timeout: float = PATIENCE) -> str:
        """One command, its answer's text. AssertionError when the phone says no."""
        self._tokens += 1
        token = str(self._tokens)
        text = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._control.sendall(b"%d:%s," % (len(text), text))
        deadline = time.monotonic() + timeout
        while (heard := self._next(deadline, f"the answer to {name}")).get("token") != token:
            self._events.append(heard)
        assert heard["ok"], f"{name} {params}: {heard['data']}"
        return str(heard["data"])

    def wait_for(self, kind: str, timeout: float = PATIENCE) -> Event:
        """The next event of `kind`, e.g. CALL_ESTABLISHED, CALL_RTPESTAB, CALL_DTMF_START, CALL_CLOSED.

        Events before it are dropped, so the order of waiting is the order of events.
        """
        deadline = time.monotonic() + timeout
        while True:
            heard = self._events.pop(0) if self._events else self._next(deadline, kind)
            if heard.get("type") == kind:
                return heard

    def wait_until_registered(self) -> None:
        """Read from what the phone prints: it may have registered before it could tell us of events."""
        self.child.wait_for(r"200 OK .*binding")

    def hear(self, seconds: float, timeout: float = PATIENCE) -> None:
        """Stay in the call until the recording of what is heard holds that much."""
        wanted, deadline = int(seconds * self._rate) * 2, time.monotonic() + timeout
        pause = threading.Event()
        while max((path.stat().st_size for path in self._recordings.glob("*-dec.wav")), default=0) < wanted:
            assert time.monotonic() < deadline, f"baresip did not hear {seconds} s in {timeout} s:\n{self.child.text}"
            pause.wait(0.02)

    def heard(self) -> bytes:
        """What the phone heard in its last call, pcm16 at `rate`; complete after CALL_CLOSED."""
        return self._recording("dec")

    def said(self) -> bytes:
        return self._recording("enc")

    @property
    def rate(self) -> int:
        return self._rate

    def close(self) -> None:
        self._control.close()
        self.child.stop()

    def _recording(self, which: str) -> bytes:
        newest = max(self._recordings.glob(f"*-{which}.wav"), key=lambda path: path.stat().st_mtime_ns)
        with wave.open(str(newest)) as wav:
            assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, self._rate)
            return wav.readframes(wav.getnframes())

    def _next(self, deadline: float, what: str) -> Event:
        while not (whole := re.match(rb"(\d+):", self._received)) or len(self._received) <= whole.end() + int(whole[1]):
            left = deadline - time.monotonic()
            assert left > 0, f"baresip did not tell {what} in time:\n{self.child.text}"
            self._control.settimeout(left)
            try:
                data = self._control.recv(65536)
            except TimeoutError:
                continue
            assert data, f"baresip ended before {what}:\n{self.child.text}"
            self._received += data
        end = whole.end() + int(whole[1])
        text, self._received = self._received[whole.end() : end], self._received[end + 1 :]
        return cast(Event, json.loads(text))


def _modules() -> str:
    """The folder of the phone's modules; it depends on the architecture."""
    places = [Path("/usr/lib/baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules")]
    return next((str(place) for place in places if place.is_dir()), "")
