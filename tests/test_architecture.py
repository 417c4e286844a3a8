"""The walls of the house, held by walking the imports: docs/architecture.md in the form of a test."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ivrnode"
LONGEST_FILE = 450

ROOMS: dict[str, set[str]] = {
    "sip": set(),
    "sdp": set(),
    "rtp": set(),
    "audio": set(),
    "media": {"rtp", "audio"},
    "script": {"walls"},
    "tenancy": {"log"},
    "pbx": {"sip", "sdp", "media", "script", "tenancy", "log"},
    "net": {"sip", "sdp", "rtp", "audio", "media", "script", "tenancy", "pbx", "walls", "log", "config"},
    "sim": {"sip", "sdp", "rtp", "audio", "media", "script", "tenancy", "pbx", "net", "realtime", "log"},
    "realtime": {"audio"},
    "testing": {"sim"},
    "demo": {"net", "audio", "realtime", "log"},
    "commands": {"net", "audio", "script", "tenancy", "realtime", "demo", "sim", "log", "config", "cli"},
    "walls": set(),
    "config": {"log", "script", "tenancy"},
    "cli": {"config"},
    "log": set(),
    "errors": set(),
    "record": set(),
    "__main__": {"cli"},
}
"""What each room may open a door to. Every room may use itself, `errors`, `record` and the version."""

PURE = ("sip", "sdp", "rtp", "audio", "media", "script", "tenancy", "pbx", "log", "errors", "record")
WORLD = {
    "asyncio", "concurrent", "http", "logging", "multiprocessing", "queue", "sched", "select", "selectors", "signal",
    "socket", "socketserver", "ssl", "subprocess", "tempfile", "threading", "time", "uvloop",
}  # fmt: skip
"""Sockets, threads, processes and clocks: for the shell (`net`) alone."""
IN_THE_CHILD = ("script/guest/*", "tenancy/default/*")
"""Runs in a script's own process: the shell of another house."""

THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "aiohttp": ("net/outbound/http_client.py", "net/web_hooks.py"),
    "aiortc": ("net/webrtc.py",),
    "aiosmtplib": ("net/outbound/mail.py",),
    "av": ("audio/codecs.py", "audio/resample.py", "audio/sound_file.py"),
    "click": ("cli.py", "commands/*.py", "realtime/command.py"),
    "orjson": ("script/frames.py", "pbx/call/frame_text.py", "net/media/frames.py", "net/speech/*.py"),
    "py_nanotts": ("net/speech/engine.py",),
    "pytest": ("testing.py",),
    "uvloop": ("commands/serve.py",),
    "yarl": ("net/outbound/http_client.py",),
    "websockets": ("net/outbound/websocket_*.py", "realtime/connection.py", "realtime/server.py"),
}
"""The files that a package from outside is known in."""
BACKPORTS = {"audioop"}  # in the standard library up to 3.12, a package of the same name after it

FLOORS = ("house", "party", "arrival", "call", "connect", "services")
"""Of the hall of calls, from the ground up: each may use what is below it."""

FILES = sorted(PACKAGE.rglob("*.py"))


def name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


@cache
def imports(file: Path) -> list[str]:
    """Full names of the modules that a file imports, anywhere in it; `from a import b` counts as a.b."""
    modules: list[str] = []
    for found in ast.walk(parsed(file)):
        if isinstance(found, ast.Import):
            modules += (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, f"{name(file)}:{found.lineno}: import by full name"
            modules += (f"{found.module}.{alias.name}" for alias in found.names)
    return modules


def matches(file: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name(file), pattern) for pattern in patterns)


def test_every_room_is_in_the_plan() -> None:
    assert {room(file) for file in FILES} - {"__init__"} <= ROOMS.keys(), "a new room: say in ROOMS where its doors are"


def test_doors_between_rooms() -> None:
    wrong = [
        f"{name(file)}: {module}"
        for file in FILES
        for module in imports(file)
        if module.startswith("ivrnode.")
        and module.split(".")[1] not in {room(file), "errors", "record", "__version__", *ROOMS.get(room(file), ())}
    ]
    assert not wrong, "no door there"


def test_floors_of_the_hall_of_calls() -> None:
    folders = {folder.name for folder in (PACKAGE / "pbx").iterdir() if folder.is_dir()} - {"__pycache__"}
    assert folders == set(FLOORS)
    wrong = [
        f"{name(file)}: {module}"
        for number, floor in enumerate(FLOORS)
        for file in (PACKAGE / "pbx" / floor).glob("*.py")
        for module in imports(file)
        if module.startswith("ivrnode.pbx.") and module.split(".")[2] not in FLOORS[: number + 1]
    ]
    assert not wrong, "what is above is not known below"


def test_pure_rooms_know_no_world() -> None:
    pure = [file for file in FILES if room(file) in PURE and not matches(file, IN_THE_CHILD)]
    wrong = [
        f"{name(file)}: {module}" for file in pure for module in imports(file) if module.partition(".")[0] in WORLD
    ]
    assert not wrong, "`now` comes in as a parameter, bytes go out as values"
    wrong = [
        f"{name(file)}:{found.lineno}: random.{found.attr}"
        for file in pure
        for found in ast.walk(parsed(file))
        if isinstance(found, ast.Attribute) and isinstance(found.value, ast.Name) and found.value.id == "random"
        if found.attr not in ("Random", "SystemRandom")
    ]
    assert not wrong, "chance comes from one injected generator"


def test_packages_from_outside_stay_in_their_files() -> None:
    wrong = [
        f"{name(file)}: {module}"
        for file in FILES
        for module in imports(file)
        if (top := module.partition(".")[0]) not in sys.stdlib_module_names | BACKPORTS | {"ivrnode"}
        and not matches(file, THIRD_PARTY.get(top, ()))
    ]
    assert not wrong, "say in THIRD_PARTY where a package is known"


def test_files_are_short_and_say_what_they_are() -> None:
    mute = [name(file) for file in FILES if parsed(file).body and not ast.get_docstring(parsed(file))]
    assert not mute, "begin with what lives here"
    long = [name(file) for file in FILES if len(file.read_text("utf-8").splitlines()) > LONGEST_FILE]
    assert not long, "two nouns in one file: make two files"


def test_the_guest_knows_nothing_of_the_core() -> None:
    """What runs in a script's process may use the messages and frames of its border, and nothing else of the house."""
    wrong = [
        f"{name(file)}: {module}"
        for file in FILES
        if matches(file, ["script/guest/*"])
        for module in imports(file)
        if module.startswith("ivrnode.")
        and not module.startswith(("ivrnode.script.", "ivrnode.walls", "ivrnode.errors."))
    ]
    assert not wrong, "the other side of the border"


def test_walls_are_put_on_in_child_processes() -> None:
    inside = ["script/guest/*", "net/*/worker.py", "walls/*"]
    wrong = [
        f"{name(file)}: {module}"
        for file in FILES
        if not matches(file, inside)
        for module in imports(file)
        if module.startswith("ivrnode.walls")
    ]
    assert not wrong, "a wall stands for good: the core itself must not put one on"
