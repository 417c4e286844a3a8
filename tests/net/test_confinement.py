"""The decoder of sound and the speech process behind their walls: what takes one over gains nothing by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from ivrnode.net.scripts.walls import probe
from ivrnode.net.sound import files
from ivrnode.net.sound.files import RATE, SoundError, Sounds
from ivrnode.net.speech import process as speech_process
from ivrnode.net.speech.service import Speech, SpeechError
from ivrnode.net.speech.worker import ANSWER, REQUEST
from ivrnode.pbx.house.http_messages import HttpRequest, HttpResponse
from ivrnode.walls.confinement import SPEECH
from net.hidden import NO_SECCOMP
from sound import tone
from sound_files import sound_file

ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}
TRY_EACH = """
import ctypes, json, mmap, os, signal, socket, sys, _thread
from ivrnode.audio import sound_file
from ivrnode.errors import ProtocolError
from ivrnode.net.sound import worker as decoder
from ivrnode.net.speech import worker as speech

def take_over(attempt):
    def taken_over(*_):
        try:
            found = eval(attempt)
        except OSError as error:
            found = "OSError %d" % error.errno
        raise ProtocolError("found " + str(found))
    return taken_over

def become_decoder(attempt):
    sound_file.read_sound = take_over(attempt)
    decoder.main()

def become_engine(attempt):
    answers = iter([lambda *_: bytes(100), take_over(attempt)])  # it gets warm, then it hears a text
    speech.ENGINES["pico"].speak = lambda *_: next(answers)()
    sys.argv = ["worker", "pico"]
    speech.main()

def play(job, given, attempt):
    (theirs, to_it), (from_it, its) = os.pipe(), os.pipe()
    os.write(to_it, given)
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs, 0), os.dup2(its, 1)
        sys.stdin = open(0)
        for fd in (theirs, to_it, from_it, its):
            os.close(fd)
        try:
            job(attempt)
        finally:
            os._exit(1)
    for fd in (theirs, to_it, its):
        os.close(fd)
    answer = open(from_it, "rb").read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), answer.decode("latin-1")

job, given, *attempts = json.loads(sys.stdin.readline())
print(json.dumps([play(globals()[job], given.encode(), attempt) for attempt in attempts]))
"""
REQUEST_BODY = b'["pico", "en-US", "Hello."]'
JOBS = {
    "become_decoder": (b"RIFF", RATE.size),
    "become_engine": (REQUEST.pack(len(REQUEST_BODY)) + REQUEST_BODY, 2 * ANSWER.size + len("pico: ")),
}
"""Who is taken over: what he is given, and where the text of his answer begins."""
KILLED = "killed"
EPERM, EBADF = "found OSError 1", "found OSError 9"
EACCES = "found OSError 13"
SYSTEM_CALLS = "ctypes.CDLL(None, use_errno=True)"
REFUSED = {
    "open('/etc/passwd').read()": EPERM,
    "open(sys.argv[-1] + '.txt', 'w')": EPERM,
    "os.listdir('/')": EPERM,
    "os.unlink('/tmp/x')": KILLED,
    "os.write(1, b'x')": EBADF,
    "os.write(2, b'x')": EBADF,
    "os.write(0, b'x')": EBADF,
    "os.read(3, 1)": EBADF,
    "mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC | mmap.PROT_READ, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)": EPERM,
    "socket.socket()": KILLED,
    "socket.socketpair()": KILLED,
    "os.fork()": KILLED,
    "os.execv('/bin/true', ['true'])": KILLED,
    "_thread.start_new_thread(print, ())": KILLED,
    f"os.kill({os.getpid()}, 0)": KILLED,
    f"{SYSTEM_CALLS}.ptrace(16, {os.getpid()}, 0, 0)": KILLED,
    f"{SYSTEM_CALLS}.syscall(310, {os.getpid()}, 0, 0, 0, 0, 0)": KILLED,
    "os.setuid(0)": KILLED,
    "os.memfd_create('x')": KILLED,
    "os.pipe()": KILLED,
    "os.chmod('/tmp', 0o777)": KILLED,
    f"{SYSTEM_CALLS}.prctl(22, 0, 0)": KILLED,
}
"""What somebody tries who has taken over the process, and what comes of it."""
IN_THE_ENGINE = {"open('/etc/passwd').read()": EACCES}
"""It may open files to read: which ones, Landlock says."""


def try_each(job: str, attempts: Iterable[str], before: str = "") -> list[str]:
    """What came of each, in a process of its own. `before`: what its parent does."""
    given, text = JOBS[job]
    done = subprocess.run(
        [sys.executable, "-c", before + TRY_EACH], input=json.dumps([job, given.decode(), *attempts]).encode() + b"\n",
        capture_output=True, timeout=60, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    return [
        KILLED if status == -signal.SIGSYS else answer[text:] if answer else f"status {status}"
        for status, answer in json.loads(done.stdout)
    ]


@pytest.mark.parametrize(("job", "other"), [("become_decoder", {}), ("become_engine", IN_THE_ENGINE)])
def test_who_was_taken_over_gets_nowhere(job: str, other: dict[str, str]) -> None:
    assert dict(zip(REFUSED, try_each(job, REFUSED), strict=True)) == REFUSED | other


@pytest.mark.skipif(os.getuid() != 0, reason="nobody but root can become nobody")
@pytest.mark.parametrize(("job", "other"), [("become_decoder", {}), ("become_engine", IN_THE_ENGINE)])
def test_nor_does_he_where_nobody_is_root(job: str, other: dict[str, str]) -> None:
    imported = "from ivrnode.audio import sound_file\nfrom ivrnode.net.sound import worker\nimport py_nanotts\n"
    nobody = "from ivrnode.walls import confinement, steps\nsteps.become(65534)\n"
    found = try_each(job, REFUSED, imported + TRY_EACH.split("\n\n")[0] + "\n" + nobody)
    assert dict(zip(REFUSED, found, strict=True)) == REFUSED | other


def test_who_was_taken_over_may_compute() -> None:
    for job in JOBS:
        assert try_each(job, ["sum(range(10))"]) == ["found 45"]


@pytest.mark.skipif(not probe().landlock, reason="this kernel has no Landlock")
@pytest.mark.parametrize("job", JOBS)
def test_landlock_and_limits_hold_where_seccomp_is_missing(job: str, tmp_path: Path) -> None:
    bait = tmp_path / "bait"
    bait.write_text("bait")
    bait.chmod(0o666)
    attempts = {
        "os.getpid() and 'alive'": "found alive",
        f"open({str(bait)!r}).read()": EACCES,
        f"open({str(bait)!r}, 'w')": EACCES,
        "socket.socket().connect(('127.0.0.1', 9))": EACCES,
        "os.fork()": "found OSError 11",
    }
    assert dict(zip(attempts, try_each(job, attempts, NO_SECCOMP), strict=True)) == attempts


def test_memory_and_time_are_short() -> None:
    greedy, endless = try_each(
        "become_decoder",
        ["len(bytearray(1 << 29))", "sum(iter(int, 1))"],
        "from ivrnode.net.sound import worker; worker.CPU_SECONDS = 1\n",
    )
    assert greedy == "status 1"  # MemoryError
    assert endless in (f"status {-signal.SIGXCPU}", f"status {-signal.SIGKILL}")


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg", "opus", "flac"])
@pytest.mark.parametrize("rate", [8000, 48000])
async def test_an_honest_file_is_decoded_behind_the_walls(kind: str, rate: int, sounds: Sounds) -> None:
    pcm, found = await read(sounds, sound_file(kind, tone(1000, rate, 1000), rate))
    assert found == (min(rate, 16000) if kind != "opus" else 16000)
    assert len(pcm) / found / 2 == pytest.approx(1, abs=0.1)


def test_an_honest_file_is_decoded_without_seccomp_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{NO_SECCOMP}\nfrom ivrnode.net.sound import worker; worker.main()"],
        input=sound_file("flac", tone(1000, 8000, 300), 8000), capture_output=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert (RATE.unpack_from(done.stdout), len(done.stdout)) == ((8000,), RATE.size + 4800)


@pytest.fixture
async def sounds(tmp_path: Path) -> AsyncIterator[Sounds]:
    sounds = Sounds(tmp_path, fetch)
    yield sounds
    await sounds.close()


SERVED: dict[str, bytes] = {}


async def fetch(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, body=SERVED[request.url])


async def read(sounds: Sounds, data: bytes) -> tuple[bytes, int]:
    SERVED["https://h/a"] = data
    return await sounds.read(HttpRequest("GET", "https://h/a"))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("RATE.pack(8000) + bytes(LONGEST_ANSWER)", "gave no sound"),
        ("b'x' * (1 << 26)", "gave no sound"),
        ("RATE.pack(1) + bytes(100)", "gave no sound"),
        ("RATE.pack(96000) + bytes(100)", "gave no sound"),
        ("RATE.pack(8000) + bytes(101)", "gave no sound"),
        ("RATE.pack(0) + b'x' * (1 << 20)", "^x{200}$"),
        ("b'xxx'", "died over it"),
    ],
)
async def test_what_a_decoder_says_is_not_believed(
    said: str, error: str, sounds: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os, sys; from ivrnode.net.sound.files import LONGEST_ANSWER, RATE; sys.stdout.buffer.write({said})"
    monkeypatch.setattr(files, "command", lambda module: (sys.executable, "-P", "-c", code))
    with pytest.raises(SoundError, match=error):
        await read(sounds, b"RIFF")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("ANSWER.pack(16000, 1 << 31)", "died over this sentence"),
        ("ANSWER.pack(8000, 4) + b'abcd'", "this is no sound"),
        ("ANSWER.pack(16000, 3) + b'abc'", "this is no sound"),
        ("ANSWER.pack(16000, 0)", "this is no sound"),
        ("ANSWER.pack(0, 1000) + b'x' * 1000", "^x{200}$"),
    ],
)
async def test_what_an_engine_says_is_not_believed(said: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
import sys
from ivrnode.net.speech.worker import ANSWER
for answer in (ANSWER.pack(0, 0), {said}):
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.read(1)
"""
    monkeypatch.setattr(speech_process, "command", lambda module: (sys.executable, "-P", "-c", code))
    speech = Speech(None)
    await speech.start()
    with pytest.raises(SpeechError, match=error):
        await anext(speech.synthesize("Hello.", "en"))
    await speech.close()


async def test_what_the_speech_process_is_to_the_system() -> None:
    speech = Speech(None)
    await speech.start()
    folder = Path(f"/proc/{speech.worker_pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    assert [status[name].strip() for name in ("Seccomp", "NoNewPrivs", "Threads")] == ["2", "1", "1"]
    assert (folder / "oom_score_adj").read_text() == "1000\n"
    if os.getuid() == 0:
        assert set(status["Uid"].split() + status["Gid"].split()) == {str(SPEECH)}
        assert status["Groups"].strip() == ""
        assert status["CapEff"].strip() == "0" * 16
        assert sorted(path.name for path in (folder / "fd").iterdir()) == ["0", "3"]
        limits = (folder / "limits").read_text()
        for name in ("Max open files            16", "Max processes             0", "Max file size             0"):
            assert name in limits
    await speech.close()
