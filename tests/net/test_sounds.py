"""Prompts and sounds of web servers: found, decoded in a process apart, kept; and nothing read that is none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrnode.errors import ScriptError
from ivrnode.net.sound import files
from ivrnode.net.sound.files import FETCHED_AT_ONCE, SoundError, Sounds
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.pbx.house.prompt import Prompt
from sound import decibels, tone, tone_level
from sound_files import sound_file


class Web:
    """A web server in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, HttpResponse] = {}
        self.asked: list[str] = []

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request.url)
        return self.answers[request.url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
async def sounds(tmp_path: Path, web: Web) -> AsyncIterator[Sounds]:
    sounds = Sounds(tmp_path, web.fetch)
    yield sounds
    await sounds.close()


def put(folder: Path, name: str, pcm: bytes, rate: int = 8000) -> Path:
    path = folder / "acme.example" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound_file(path.suffix[1:], pcm, rate))
    return path


def prompt(name: str) -> Prompt:
    return Prompt("acme.example", "700", name)


async def test_a_prompt_is_found_by_its_name_and_the_nodes_own_comes_first(tmp_path: Path, sounds: Sounds) -> None:
    put(tmp_path, "prompts/hello.mp3", tone(1000, 16000, 500), 16000)
    pcm, rate = await sounds.read(prompt("hello"))
    assert rate == 16000
    assert abs(decibels(tone_level(pcm[8000:12000], 1000, rate) / 10000)) < 1
    assert await sounds.read(prompt("hello.mp3")) == (pcm, rate)
    put(tmp_path, "nodes/700/prompts/hello.wav", tone(500, 8000, 300))
    pcm, rate = await sounds.read(prompt("hello"))
    assert (len(pcm), rate) == (16 * 300, 8000)
    assert sounds.files_read == 2


async def test_a_prompt_is_decoded_once_until_it_changes(tmp_path: Path, sounds: Sounds) -> None:
    path = put(tmp_path, "prompts/hello.wav", tone(1000, 8000, 100))
    first, again = await asyncio.gather(sounds.read(prompt("hello")), sounds.read(prompt("hello")))
    assert first == again == await sounds.read(prompt("hello"))
    assert sounds.files_read == 1
    os.utime(path, (1, 1))
    await sounds.read(prompt("hello"))
    assert sounds.files_read == 2


async def test_what_was_used_last_is_kept(tmp_path: Path, web: Web) -> None:
    sounds = Sounds(tmp_path, web.fetch, cache_bytes=16 * 250)
    for name in "abc":
        put(tmp_path, f"prompts/{name}.wav", tone(1000, 8000, 100))
    for name in ("a", "b", "a", "c", "a", "b"):
        await sounds.read(prompt(name))
    assert sounds.files_read == 4


async def test_what_is_not_there_is_told(tmp_path: Path, sounds: Sounds) -> None:
    put(tmp_path, "prompts/hello.wav", b"\0\0")
    with pytest.raises(SoundError, match="there is no prompt gone"):
        await sounds.read(prompt("gone"))


@pytest.mark.parametrize("name", ["", "..", "../secrets", "/etc/passwd", "a/b", "a\0b", ".hidden", "a b", "x" * 65])
def test_a_prompts_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ScriptError, match="cannot be the name of a prompt"):
        prompt(name)


async def test_a_link_leads_nowhere(tmp_path: Path, sounds: Sounds) -> None:
    path = put(tmp_path, "prompts/hello.wav", b"\0\0")
    path.with_name("other.wav").symlink_to(path)
    with pytest.raises(SoundError, match="there is no prompt other"):
        await sounds.read(prompt("other"))


async def test_neither_pipes_nor_folders_nor_giants_are_read(tmp_path: Path, sounds: Sounds) -> None:
    folder = put(tmp_path, "prompts/hello.wav", b"\0\0").parent
    os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()
    with (folder / "giant.wav").open("wb") as giant:
        giant.truncate(10 * 1024 * 1024 + 1)
    for name in ("pipe", "folder", "giant"):
        with pytest.raises(SoundError, match="no file of up to 10 MiB"):
            await sounds.read(prompt(name))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<html>", "neither WAV, MP3, Ogg nor FLAC"),
        (b"RIFF0000WAVE", "no data chunk"),
        (bytes(10 * 1024 * 1024 + 1), "larger than 10 MiB"),
    ],
)
async def test_what_cannot_be_decoded_says_why(data: bytes, error: str, web: Web, sounds: Sounds) -> None:
    web.answers["https://h/a"] = HttpResponse(200, body=data)
    with pytest.raises(SoundError, match=error):
        await sounds.read(HttpRequest("GET", "https://h/a"))


async def test_a_web_server_is_asked_once_a_minute(web: Web, sounds: Sounds, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ivrnode.net.sound.files.time.monotonic", lambda: now)
    web.answers["https://h/a"] = HttpResponse(200, body=sound_file("flac", tone(1000, 8000, 200), 8000))
    for _ in range(2):
        pcm, rate = await sounds.read(HttpRequest("GET", "https://h/a"))
        assert (len(pcm), rate) == (16 * 200, 8000)
    assert len(web.asked) == 1
    now += 61
    await sounds.read(HttpRequest("GET", "https://h/a"))
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [(HttpResponse(404), "answered 404"), (HttpResponse(0, error="blocked by outbound policy"), "blocked by outbound")],
)
async def test_what_a_server_refuses_is_no_sound(answer: HttpResponse, error: str, web: Web, sounds: Sounds) -> None:
    web.answers["https://h/a"] = answer
    for _ in range(2):  # a failure is not kept
        with pytest.raises(SoundError, match=error):
            await sounds.read(HttpRequest("GET", "https://h/a"))
    assert len(web.asked) == 2


async def test_who_gives_up_waiting_takes_it_from_nobody(tmp_path: Path, sounds: Sounds) -> None:
    put(tmp_path, "prompts/hello.wav", tone(1000, 8000, 100))
    impatient = asyncio.create_task(sounds.read(prompt("hello")))
    patient = asyncio.create_task(sounds.read(prompt("hello")))
    await asyncio.sleep(0)
    impatient.cancel()
    assert len((await patient)[0]) == 1600


async def test_files_of_one_tenant_wait_and_those_of_another_do_not(tmp_path: Path) -> None:
    """His servers are slow, and each file may be large."""
    slow, fetched = asyncio.Event(), list[str]()

    async def fetch(request: HttpRequest) -> HttpResponse:
        fetched.append(request.url)
        if "slow" in request.url:
            await slow.wait()
        return HttpResponse(200, body=sound_file("wav", tone(1000, 8000, 100), 8000))

    sounds = Sounds(tmp_path, fetch)
    waiting = [
        asyncio.create_task(sounds.read(HttpRequest("GET", f"https://slow/{number}"), "greedy")) for number in range(9)
    ]
    assert len((await sounds.read(HttpRequest("GET", "https://h/a"), "modest"))[0]) == 1600
    assert len(fetched) == FETCHED_AT_ONCE + 1
    slow.set()
    await asyncio.gather(*waiting)
    assert len(fetched) == 10
    await sounds.close()


async def test_a_prompt_waits_for_no_file_of_a_stranger(
    tmp_path: Path, web: Web, sounds: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Web servers have files that take their decoders long; a prompt is the tenant's own."""
    put(tmp_path, "prompts/hello.wav", tone(1000, 8000, 100))
    for number in range(3):
        web.answers[f"https://h/{number}"] = HttpResponse(200, body=b"long")
    real, held = files._worker, asyncio.Event()
    monkeypatch.setattr(files, "_worker", lambda source: stuck() if source == asyncio.subprocess.PIPE else real(source))

    async def stuck() -> asyncio.subprocess.Process:
        held.set()
        return await asyncio.Future()

    waiting = [asyncio.create_task(sounds.read(HttpRequest("GET", f"https://h/{number}"))) for number in range(3)]
    await held.wait()
    assert len((await sounds.read(prompt("hello")))[0]) == 1600
    for task in waiting:
        task.cancel()
