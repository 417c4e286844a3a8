"""`ivrnode serve` as a real child process in the lab, with one tenant whose scripts the test writes."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from patience import PATIENCE
from peers.child import Child
from peers.lab import Lab

ROOT = Path(__file__).parents[2]
PASSWORD = "not-a-secret-in-a-lab"

ECHO = """\
def heard(audio):
    call.play(codec="g711_ulaw", audio=audio)

call.stream(codec="g711_ulaw", interval=0.06, callback=heard)
"""
KEYS = """\
call.dtmf(lambda digit: console.log("key " + digit))
"""
TRANSFER = """\
await call.transfer("701")
"""
GOODBYE = """\
call.hangup()
"""

_CONFIG = """\
tenants = "tenants"

[sip]
listen = ["udp:{address}:{port}", "tcp:{address}:{port}"]

[guard]
trusted = ["{address}/32"]  # whole storms of calls come from there

[media]
ports = [0, 0]

[log]
levels = {{ SIP = 5, SCRIPT = 5, MEDIA = 5 }}

[control]
socket = "control.sock"
"""
_TENANT = """\
access = "public"
max_calls = 5000

[accounts.alice]
password = "{password}"
"""


def reason_to_skip() -> str:
    return "" if importlib.util.find_spec("ivrnode.net.runtime") else "the runtime is not there yet"


class Node:
    """Listens when the constructor returns. `scripts`: extension -> the text of its ivrnode.py. `keys`: extension ->
    lines of its section in tenant.toml."""

    def __init__(
        self, lab: Lab, folder: Path, scripts: Mapping[str, str], keys: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.port = lab.free_port()
        self.host = lab.address
        self.address = f"{self.host}:{self.port}"
        tenant = folder / "tenants" / "localhost"
        tenant.mkdir(parents=True)
        (folder / "ivrnode.toml").write_text(_CONFIG.format(address=self.host, port=self.port))
        nodes = "".join(f"\n[nodes.{extension}]\n{keys.get(extension, '')}\n" for extension in scripts)
        (tenant / "tenant.toml").write_text(_TENANT.format(password=PASSWORD) + nodes)
        for extension, source in scripts.items():
            place = tenant / "nodes" / extension
            place.mkdir(parents=True)
            (place / "ivrnode.py").write_text(source)
        # Scripts run as nobody where the runtime may change the user: the path to the package must be open to it.
        self.child: Child = lab.start(
            [sys.executable, "-m", "ivrnode", "serve", "--config", folder / "ivrnode.toml"],
            folder,
            {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))},
        )
        self.child.wait_for(rf"listens on .*udp:{self.host}:{self.port}")

    def uri(self, extension: str, parameters: str = "") -> str:
        return f"sip:{extension}@{self.address}{parameters}"

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> None:
        """A line of the log, from the start."""
        self.child.wait_for(pattern, timeout)

    def close(self) -> None:
        code = self.child.stop(patience=PATIENCE)
        assert code == 0, f"ivrnode serve ended with {code}:\n{self.child.text}"
        assert "Traceback" not in self.child.text, self.child.text
