"""A folder that we are started in may hold a tenant's ivrnode.py: no process of ours may run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrnode.net.child import bare_environment
from ivrnode.net.media.port import ProcessMedia
from ivrnode.net.speech.service import Speech


@pytest.fixture
def hostile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ivrnode.py").write_text("open('ran', 'w').close()\nraise SystemExit(1)\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m pytest` has it
    return tmp_path


async def test_speech(hostile_folder: Path) -> None:
    speech = Speech(None)
    await speech.start()
    try:
        assert speech.worker_pid
        assert [rate async for _, rate in speech.synthesize("Hello.", "en")] == [16000]
    finally:
        await speech.close()
    assert not (hostile_folder / "ran").exists()


async def test_media(hostile_folder: Path) -> None:
    media = ProcessMedia(lambda _: None)
    await media.start()
    await media.close()
    assert not (hostile_folder / "ran").exists()


def test_secrets_of_our_environment_stay_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert bare_environment().keys() == {"PYTHONPATH", "PATH"}
