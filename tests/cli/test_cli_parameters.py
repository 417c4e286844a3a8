"""What is wrong with an argument is told before anything is done."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from ivrnode.cli import main


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    return " ".join(result.output.split())


def test_a_key_that_is_on_no_phone(tmp_path: Path) -> None:
    script = tmp_path / "ivrnode.py"
    script.write_text("", "utf-8")
    assert "no phone has the key 'X'" in refused("phone", "dial", "sip:700@127.0.0.1", "--digits", "1x")
    assert "no phone has the key 'X'" in refused("script", "run", str(script), "--digits", "x")


def test_a_recording_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "heard.wav"
    assert "there is no folder" in refused("phone", "dial", "sip:700@127.0.0.1", "--record", str(missing))
    assert "there is no folder" in refused("demo", "--record", str(missing))
