"""What `ivrnode check` and `ivrnode serve` make of a system with walls, and of one without seccomp."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ivrnode.config import Config
from ivrnode.errors import ConfigError
from ivrnode.net.addresses import check_privacy
from ivrnode.net.scripts.walls import Walls, probe
from ivrnode.script.guest import probe as guest_probe
from net.hidden import NO_SECCOMP
from patience import PATIENCE

HIDE = f"""{NO_SECCOMP}
import sys
from ivrnode.cli import main
main(sys.argv[1:])
"""
SCRIPT = "import time\ncall.say('x')"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    node = tmp_path / "tenants" / "localhost" / "nodes" / "700"
    node.mkdir(parents=True)
    (node / "ivrnode.py").write_text(SCRIPT)
    (tmp_path / "tenants" / "localhost" / "tenant.toml").write_text('access = "public"\n[nodes.700]\n')
    write_config(tmp_path, "127.0.0.1")
    return tmp_path


def write_config(home: Path, host: str) -> None:
    (home / "ivrnode.toml").write_text(
        f'[sip]\nlisten = ["udp:{host}:0"]\n[media]\nports = [0, 0]\n[control]\nsocket = "{home}/c"\n'
    )


def ivrnode(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command on a system without seccomp."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HIDE, *arguments], cwd=home, stdout=pipe, stderr=pipe, text=True,
                            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out + err


def test_check_says_that_no_script_will_start(home: Path) -> None:
    status, said = finished(ivrnode(home, "check"))
    assert status == 1
    assert "WRONG  scripts will not be started: there are no walls to put around them\n" in said
    assert "no seccomp filter for scripts on this system" in said
    assert "a file of sound that breaks its decoder is held by limits and Landlock alone" in said


@pytest.mark.slow
def test_serve_refuses_to_start(home: Path) -> None:
    status, said = finished(ivrnode(home, "serve"))
    assert status == 1
    assert "GENERAL 1: walls around scripts: no seccomp, " in said
    assert "Error: scripts cannot be locked down here: no seccomp. --unsafe-scripts runs them all the same\n" in said
    assert "listens on" not in said


@pytest.mark.slow
def test_serve_with_unsafe_scripts_warns_and_listens_on_loopback(home: Path) -> None:
    process = ivrnode(home, "serve", "--unsafe-scripts")
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if "listens on" in line:
            process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 0
    (warning,) = [line for line in lines if "--unsafe-scripts" in line]
    assert "GENERAL 0: " in warning
    assert any("listens on udp:127.0.0.1:" in line for line in lines)


@pytest.mark.slow
def test_serve_with_unsafe_scripts_opens_nothing_to_strangers(home: Path) -> None:
    write_config(home, "0.0.0.0")
    status, said = finished(ivrnode(home, "serve", "--unsafe-scripts"))
    assert status == 1
    assert "listens on" not in said.replace("listens on loopback and private addresses only", "")
    assert "Error: sip.listen: udp:0.0.0.0:0 is open to strangers" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fd00::9", "169.254.1.1"])
def test_private_addresses(home: Path, host: str) -> None:
    write_config(home, f"[{host}]" if ":" in host else host)
    check_privacy(Config.load(home / "ivrnode.toml").sip.listen)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "8.8.8.8", "2a00:1450::1", "::ffff:8.8.8.8"])
def test_addresses_that_strangers_reach(home: Path, host: str) -> None:
    write_config(home, f"[{host}]" if ":" in host else host)
    with pytest.raises(ConfigError, match="open to strangers"):
        check_privacy(Config.load(home / "ivrnode.toml").sip.listen)


def test_here_are_all_walls_that_a_script_needs() -> None:
    walls = probe()
    assert walls.can_run
    assert str(walls).startswith("seccomp, ")
    assert (", a user for each script, " in str(walls)) == (os.getuid() == 0)


def test_a_system_with_nothing() -> None:
    assert str(Walls()) == (
        "no seccomp, no Landlock, one user for all scripts, no pidfd, no memory cgroup (unknown machine)"
    )
    assert len(Walls().warnings()) == 5
    assert not Walls(seccomp=True).can_run


@pytest.mark.parametrize(
    ("groups", "files", "found"),
    [
        ("0::/\n", {"cgroup.controllers": "cpu memory\n"}, "writable"),
        ("0::/a/b\n", {"a/b/cgroup.controllers": "memory\n"}, "writable"),
        ("0::/a/b\n", {"a/b/cgroup.controllers": "cpu\n"}, ""),
        ("4:memory:/x\n0::/\n", {"memory/x/memory.limit_in_bytes": ""}, "writable"),
        ("4:memory:/elsewhere\n", {"memory/memory.limit_in_bytes": ""}, "writable"),
        ("4:cpu,cpuacct:/\n0::/\n", {}, ""),
    ],
)
def test_memory_cgroups(
    groups: str, files: dict[str, str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    own = tmp_path / "own"
    own.write_text(groups)
    monkeypatch.setattr(guest_probe, "_CGROUPS", tmp_path)
    monkeypatch.setattr(guest_probe, "_OWN_GROUPS", own)
    assert guest_probe._cgroup() == found
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert guest_probe._cgroup() == ("read-only" if found else "")


def test_the_probe_s_answer_is_walls() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from ivrnode.script.guest.probe import main; main()"], capture_output=True, check=True
    )
    assert Walls(**json.loads(done.stdout)) == probe()
