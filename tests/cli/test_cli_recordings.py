"""`ivrnode recording`: what is on disk, without a running ivrnode."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import run


def put(home: Path, tenant: str, id: str, **facts: object) -> Path:
    folder = home / "var" / "recordings" / tenant
    folder.mkdir(parents=True, exist_ok=True)
    wav = folder / f"{id}.wav"
    wav.write_bytes(b"RIFF" + id.encode())
    if facts:
        wav.with_suffix(".json").write_text(json.dumps({"id": id, "tenant": tenant, **facts}))
    return wav


def test_recordings_are_listed_by_age_and_tenant(home: Path) -> None:
    put(home, "a.example", "bb-1", began="2026-02-01T00:00:00+00:00", seconds=4.5, reason="finish", caller="\x1b[2J")
    put(home, "b.example", "aa-1", began="2026-01-01T00:00:00+00:00", seconds=1, reason="hangup")
    put(home, "a.example", "cc-1")  # still running, or cut off
    lines = run("recording", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["id=aa-1", "id=bb-1", "id=cc-1"]
    assert "seconds=4.5  reason=finish" in lines[1] and "\x1b" not in lines[1]
    assert "reason" not in lines[2]
    assert [line.split()[0] for line in run("recording", "list", "--tenant", "b.example").stdout.splitlines()] == [
        "id=aa-1"
    ]


def test_nothing_recorded_is_nothing_listed(home: Path) -> None:
    assert run("recording", "list").stdout == ""


def test_one_is_copied(home: Path) -> None:
    wav = put(home, "a.example", "bb-1")
    assert run("recording", "get", "bb-1").stdout == "bb-1.wav\n"
    run("recording", "get", "bb-1", "-o", "copy.wav")
    assert (home / "bb-1.wav").read_bytes() == (home / "copy.wav").read_bytes() == wav.read_bytes()


def test_what_is_not_there_is_told(home: Path) -> None:
    put(home, "a.example", "bb-1")
    assert "there is no recording ../bb-1" in run("recording", "get", "../bb-1", status=1).output
    assert "cannot be written" in run("recording", "get", "bb-1", "-o", "gone/copy.wav", status=1).output
