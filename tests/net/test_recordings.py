"""Recordings on disk: whole, side by side, private, and forgotten in time."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrnode.errors import ConfigError
from ivrnode.net.sound import recordings as module
from ivrnode.net.sound.recordings import Recordings, copy_recording
from patience import PATIENCE
from sound import tone, tone_level

ID = "3f9c0a1b2c3d4e5f-1"
LEFT, RIGHT = tone(500, 8000, 100), tone(1000, 8000, 100)


@pytest.fixture
async def recordings(tmp_path: Path) -> AsyncIterator[Recordings]:
    recordings = Recordings(tmp_path / "var", 30)
    recordings.start()
    yield recordings
    await recordings.close()


async def never(recordings: Recordings, id: str = ID, channels: int = 2) -> module._File:
    def failed(error: str) -> None:
        raise AssertionError(error)

    return recordings.open(id, "acme.example", channels, failed)


async def test_both_sides_stand_side_by_side(recordings: Recordings) -> None:
    file = await never(recordings)
    for _ in range(3):
        file.write(LEFT, RIGHT)
    file.close({"id": ID, "tenant": "acme.example", "seconds": 0.3, "reason": "stopped"})
    path = await recordings.whole(ID)
    assert path is not None
    with wave.open(str(path)) as wav:
        assert wav.getparams()[:4] == (2, 2, 8000, 2400)
        frames = wav.readframes(2400)
    left = b"".join(frames[at : at + 2] for at in range(0, len(frames), 4))
    right = b"".join(frames[at : at + 2] for at in range(2, len(frames), 4))
    assert (left, right) == (LEFT * 3, RIGHT * 3)
    assert tone_level(left, 1000, 8000) < 100
    [facts] = recordings.store.list("acme.example")
    assert (facts["id"], facts["seconds"], facts["reason"]) == (ID, 0.3, "stopped")
    assert facts["began"].endswith("+00:00")
    assert recordings.store.list("other.example") == []


async def test_one_channel_is_the_caller(recordings: Recordings) -> None:
    file = await never(recordings, channels=1)
    file.write(LEFT, RIGHT)
    file.close({})
    path = await recordings.whole(ID)
    assert path is not None
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.readframes(800)) == (1, LEFT)


async def test_nobody_else_may_read_them(recordings: Recordings) -> None:
    file = await never(recordings)
    file.close({})
    path = await recordings.whole(ID)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_suffix(".json").stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]] == [0o700, 0o700]


async def test_one_that_still_runs_can_be_read_and_has_no_reason_yet(recordings: Recordings, tmp_path: Path) -> None:
    file = await never(recordings)
    for _ in range(100):
        file.write(LEFT, RIGHT)
    await recordings.close()
    [facts] = recordings.store.list()
    assert (facts["id"], facts["reason"]) == (ID, "")
    copy_recording(recordings.store, ID, tmp_path / "copy.wav")
    assert (tmp_path / "copy.wav").read_bytes()[:4] == b"RIFF"


async def test_a_disk_that_is_too_slow_leaves_silence_and_the_clock_stays_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUFFER_BYTES", 2 * len(LEFT) * 2)
    recordings = Recordings(tmp_path, 0)
    file = recordings.open(ID, "acme.example", 1, lambda error: None)
    for _ in range(5):  # the thread does not run yet: three of them find no room
        file.write(LEFT, RIGHT)
    recordings.start()
    barrier = threading.Event()
    recordings._jobs.put(barrier.set)
    await asyncio.to_thread(barrier.wait, 10)
    file.write(LEFT, RIGHT)
    file.close({})
    path = await recordings.whole(ID)
    await recordings.close()
    assert path is not None
    with wave.open(str(path)) as wav:
        assert wav.readframes(9999) == LEFT * 2 + bytes(3 * len(LEFT)) + LEFT


async def test_a_disk_that_fails_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    recordings = Recordings(tmp_path / "file", 0)
    recordings.start()
    told: asyncio.Queue[str] = asyncio.Queue()
    file = recordings.open(ID, "acme.example", 2, told.put_nowait)
    file.write(LEFT, RIGHT)
    file.close({})
    assert "cannot be written" in await asyncio.wait_for(told.get(), PATIENCE)
    await recordings.close()
    assert told.empty()


async def test_a_name_is_used_once(recordings: Recordings) -> None:
    (await never(recordings)).close({})
    await recordings.whole(ID)
    told: asyncio.Queue[str] = asyncio.Queue()
    recordings.open(ID, "acme.example", 2, told.put_nowait)
    assert "exists" in await asyncio.wait_for(told.get(), PATIENCE)


async def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "acme.example"
    folder.mkdir()
    for name in ("1-1.wav", "1-1.json", "1-2.wav", "1-2.json"):
        (folder / name).write_text(json.dumps({}))
    for name in ("1-1.wav", "1-1.json"):
        os.utime(folder / name, (1000, 1000))
    recordings = Recordings(tmp_path, 30)
    recordings.start()
    await recordings.close()
    assert sorted(path.name for path in folder.iterdir()) == ["1-2.json", "1-2.wav"]


@pytest.mark.parametrize("id", ["../../etc/passwd", "*", "1-1/x", "", "gone-1"])
def test_what_is_no_recording_is_not_found(id: str, tmp_path: Path) -> None:
    (tmp_path / "acme.example").mkdir()
    (tmp_path / "acme.example" / "1-1.wav").write_bytes(b"RIFF")
    store = Recordings(tmp_path, 0).store
    assert store.find(id) is None
    with pytest.raises(ConfigError, match="there is no recording"):
        copy_recording(store, id, tmp_path / "copy.wav")
