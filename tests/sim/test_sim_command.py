"""`ivrnode script run`, as a process: what a developer sees of his script."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a process for each test

Write = Callable[[str], Path]
SAMPLES = Path(__file__).parents[2] / "sample_scripts"
DEFAULT = Path(__file__).parents[2] / "ivrnode" / "tenancy" / "default" / "ivrnode.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "ivrnode", "script", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_menu_from_the_shell(tmp_path: Path) -> None:
    done = run(
        SAMPLES / "menu.py", "--wait", 2, "--digits", "1", "--wait", 1.5, "--digits", "0",
        "--settings", "hours=We never close.", "--record", tmp_path / "call.wav",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line[:1] == " "]
    told = [(float(at), who, what) for at, who, what in lines]
    assert told[0] == (0.0, "call", "answered")
    assert (2.0, "caller", "presses 1") in told
    assert ("script", 'says "We never close."') in [moment[1:] for moment in told]
    assert told[-1][1:] == ("call", "hung up: script")
    assert "s of call in" in done.stdout
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert file.getnchannels() == 2


def test_options_act_in_their_order(write: Write) -> None:
    path = write("call.dtmf(lambda digit: console.log('key', digit))")
    done = run(path, "--digits", 1, "--say", "Hello.", "--digits", 2, "--wait", 1, "--digits", 3, "--for", 5, "--json")
    report = json.loads(done.stdout)
    acts = [moment["what"] for moment in report["timeline"] if moment["who"] == "caller"]
    assert acts == ["presses 1", 'says "Hello."', "presses 2", "presses 3", "hangs up"]
    assert [moment["what"] for moment in report["timeline"] if moment["who"] == "log"] == ["key 1", "key 2", "key 3"]
    assert (report["hung_up"], report["seconds"], report["errors"]) == ("caller", 5.0, [])


def test_a_script_may_record(write: Write) -> None:
    path = write("message = await call.record(max_seconds=2)\nconsole.log(message.reason)")
    done = run(path, "--json")
    assert done.returncode == 0, done.stderr
    assert [moment["what"] for moment in json.loads(done.stdout)["timeline"] if moment["who"] == "log"] == ["max"]


def test_a_setting_that_is_declared_as_text_stays_text(write: Write) -> None:
    path = write('SETTINGS = {"office": "100", "tries": 3}\nconsole.log(repr(settings["office"]), settings["tries"])')
    done = run(path, "--settings", "office=101", "--settings", "tries=5", "--settings", "offce=2", "--json")
    logged = [moment["what"] for moment in json.loads(done.stdout)["timeline"] if moment["who"] == "log"]
    assert logged == ["'101' 5"]
    assert done.stderr == 'Warning: settings.offce is not declared by the script: did you mean "office"?\n'


def test_against_the_stand_in(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"rule": [{"turn": 1, "say": "Certainly."}]}', "utf-8")
    done = run(DEFAULT, "--against", "realtime", "--rules", rules, "--say", "Will it rain?", "--for", 20)
    assert done.returncode == 0, done.stderr
    assert 'service  says "Certainly."' in done.stdout


def test_a_fault_of_the_stand_in() -> None:
    done = run(DEFAULT, "--against", "realtime", "--fault", "bad-key")
    assert "closed: 3000 invalid_request_error.invalid_api_key" in done.stdout
    assert done.returncode == 0, "the script has dealt with it"


def test_an_error_of_the_script_is_status_1(write: Write) -> None:
    path = write("call.say('Hello.')\nsetTimeout(lambda: nobody_knows_this, 100)")
    done = run(path, "--for", 3)
    assert done.returncode == 1
    assert f'File "{path}", line 2' in done.stdout
    assert "NameError" in done.stdout


def test_a_script_that_cannot_run_is_refused_with_its_line(write: Write) -> None:
    path = write("call.say('Hello.')\nimport socket\n")
    done = run(path)
    assert done.returncode == 1
    assert f"{path}:2:1" in done.stderr
    assert "import socket" in done.stderr


def test_what_does_not_fit_together_is_told(write: Write) -> None:
    path = write("call.say('Hello.')")
    assert "--rules and --fault are for --against realtime" in run(path, "--fault", "drop").stderr
    assert "is neither realtime nor a ws://" in run(path, "--against", "http://x").stderr
    assert "is not NAME=VALUE" in run(path, "--settings", "hours").stderr
