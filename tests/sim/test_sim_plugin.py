"""The pytest plug-in in a developer's own folder, in a pytest of his own, warnings as errors."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a pytest for each test

ROOT = Path(__file__).parents[2]
SCRIPT = """
call.say("Press 1 for the office.")
call.dtmf(lambda digit: call.say("One moment.") if digit == "1" else 1 / 0)
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In `folder`, with this plug-in alone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "pytest_ivrnode", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ivrnode.py").write_text(SCRIPT, "utf-8")  # in the package's way
    return tmp_path


def test_a_test_that_passes(folder: Path) -> None:
    (folder / "test_menu.py").write_text(
        """
def test_menu(ivr):
    caller = ivr.call("ivrnode.py")
    assert caller.hears("press 1 for the office")
    caller.presses("1")
    assert caller.hears("one moment")
""",
        "utf-8",
    )
    done = run_pytest(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_failure_shows_the_timeline(folder: Path) -> None:
    (folder / "test_menu.py").write_text(
        """
def test_menu(ivr):
    caller = ivr.call("ivrnode.py")
    caller.presses("1")
    assert caller.hears("good morning", within=5)
""",
        "utf-8",
    )
    done = run_pytest(folder)
    assert done.returncode == 1
    assert (
        'assert <not heard within 5 s: "good morning"; since the last that was: "press 1 for the office one'
        in done.stdout
    )
    assert "timeline of call 1" in done.stdout
    assert '0.00  script   says "Press 1 for the office."' in done.stdout
    assert "caller   presses 1" in done.stdout


def test_an_error_of_the_script_fails_a_test_that_does_not_look_at_it(folder: Path) -> None:
    (folder / "test_menu.py").write_text(
        """
def test_unseen(ivr):
    ivr.call("ivrnode.py").presses("2")

def test_seen(ivr):
    caller = ivr.call("ivrnode.py")
    caller.presses("2")
    assert "ZeroDivisionError" in caller.errors[0]
""",
        "utf-8",
    )
    done = run_pytest(folder)
    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "the script failed:" in done.stdout
    assert "ZeroDivisionError" in done.stdout


def test_runs_without_it_pay_nothing(folder: Path) -> None:
    (folder / "test_other.py").write_text(
        """
import sys

def test_other():
    loaded = {name for name in sys.modules if name.startswith("ivrnode")}
    assert loaded == {"ivrnode", "ivrnode.testing"}
""",
        "utf-8",
    )
    done = run_pytest(folder)
    assert done.returncode == 0, done.stdout


def test_the_sample_test_passes() -> None:
    done = run_pytest(ROOT / "sample_scripts" / "tests", "-c", os.devnull, "--rootdir", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_finds_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"ivrnode": "pytest_ivrnode"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "pytest_ivrnode.py": "pytest_ivrnode.py"
    }
