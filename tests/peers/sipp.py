"""SIPp: one scenario, many calls; judged by the last row of its statistics."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.child import Child
from peers.lab import Lab

SCENARIOS = Path(__file__).parent / "scenarios"
DIGITS = Path("/usr/share/sip-tester")
"""Where Debian puts dtmf_2833_0.pcap to dtmf_2833_9.pcap, _star and _pound."""


def reason_to_skip() -> str:
    return "" if shutil.which("sipp") else "needs SIPp: apt-get install sip-tester"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` 0: every call went as the scenario wants; 1: one did not; 97, 99 and the rest: see sipp -h."""

    code: int
    successful: int
    failed: int
    retransmissions: int
    most_at_once: int
    text: str


class Sipp:
    """One SIPp. `scenario`: a file of `scenarios/` (its name) or a built-in one (`-sn` name).

    `remote` is host:port for a caller, "" for one that waits for calls. `calls` is when it ends by itself.
    """

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        scenario: str,
        remote: str = "",
        *,
        calls: int = 1,
        user: str = "service",
        arguments: Sequence[str | Path] = (),
        keys: dict[str, str | Path] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = lab.free_port()
        self.address = f"{lab.address}:{self.port}"
        self._statistics = folder / "stat.csv"
        self._errors = folder / "errors.log"
        own = SCENARIOS / f"{scenario}.xml"
        # SIPp gives each key to the scenario as [name].
        values = [word for name, value in (keys or {}).items() for word in ("-key", name, value)]
        self.child: Child = lab.start(
            [
                *("sipp", *(["-sf", own] if own.exists() else ["-sn", scenario]), *([remote] if remote else [])),
                *("-i", lab.address, "-p", str(self.port), "-mi", lab.address, "-mp", str(_media_port(lab))),
                *("-s", user, "-m", str(calls), "-nostdin", "-timeout", "300", "-timeout_error"),
                *("-cp", str(lab.free_port()), "-trace_stat", "-stf", self._statistics, "-fd", "1"),
                *("-trace_err", "-error_file", self._errors),
                *values,
                *arguments,
            ],
            folder,
        )
        if not remote:
            lab.wait_until_bound(self.port)

    def outcome(self, timeout: float = 300) -> Outcome:
        """Wait for the end; the last row of the statistics. AssertionError when it does not end in time."""
        code = self.child.wait(timeout)
        table = self._statistics.read_text() if self._statistics.exists() else ""
        rows = list(csv.DictReader(table.splitlines(), delimiter=";"))
        errors = self._errors.read_text(errors="replace") if self._errors.exists() else ""
        text = f"exit code {code}\n{errors}{self.child.text}"
        assert rows, f"SIPp left no statistics: {text}"
        return Outcome(
            code,
            successful=int(rows[-1]["SuccessfulCall(C)"]),
            failed=int(rows[-1]["FailedCall(C)"]),
            retransmissions=int(rows[-1]["Retransmissions(C)"]),
            most_at_once=max(int(row["CurrentCall"]) for row in rows),
            text=text,
        )


def _media_port(lab: Lab) -> int:
    """An even port. With -rtp_echo SIPp takes this one and the second after it."""
    return lab.free_port() & ~1
