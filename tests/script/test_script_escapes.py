"""The escape corpus: as we are (root, where the tests run as root), as nobody, and with Landlock off."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from script.escapes import CANARY, CORPUS, Escape

RUNNER = Path(__file__).with_name("run_corpus.py")
SOURCES = Path(__file__).parents[2]
NOBODY = 65534
WAYS = ["as we are", *(pytest.param(way, marks=pytest.mark.slow) for way in ("nobody", "without Landlock"))]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the corpus names x86-64 system calls")


@pytest.fixture(scope="module", params=WAYS)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each. A file that anybody may change and a variable of the core are the bait."""
    bait = tmp_path_factory.mktemp("bait") / "bait"
    bait.write_text(CANARY)
    bait.chmod(0o666)
    for folder in list(bait.parents)[:3]:
        folder.chmod(folder.stat().st_mode | 0o055)
    user = NOBODY if request.param == "nobody" and os.getuid() == 0 else os.getuid()
    options = ["--without-landlock"] if request.param == "without Landlock" else []
    done = subprocess.run(
        [_interpreter(user), "-B", str(RUNNER), str(bait), *options],
        env={"PYTHONPATH": os.pathsep.join(_packages()), "IVRNODE_CANARY": CANARY},
        user=user,
        capture_output=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["uid"] == user
    assert list(bait.parent.iterdir()) == [bait]
    assert bait.read_text() == CANARY
    return found["results"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("escape", CORPUS, ids=[escape.name for escape in CORPUS])
def test_escape(results: dict[str, str], escape: Escape) -> None:
    assert escape.is_met_by(results[escape.name])


def test_nothing_was_felt_beside_it(results: dict[str, str]) -> None:
    assert "honest" not in results


def _interpreter(uid: int) -> str:
    """This Python, or another of its version that `uid` may run: this one may lie in somebody's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin:/bin")):
        try:
            if python and not subprocess.run([python, "-c", ""], user=uid, cwd="/", check=False).returncode:
                return python
        except OSError:
            continue
    pytest.skip(f"user {uid} may run no {version} here")


def _packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")] + [str(SOURCES)]
