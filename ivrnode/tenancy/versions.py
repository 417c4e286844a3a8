"""What a template was before: each save keeps a version, and any version can be restored.

    nodes/100/
    ├── ivrnode.py
    └── .versions/
        ├── 0001.py      # version 1, 2026-11-23T09:00:00+00:00, file
        └── 0002.py      # version 2, 2026-11-23T09:12:30+00:00, ann: shorter greeting

A version is one plain file: a line about it, then the text to the byte. So backups hold it, and grep and diff read it.
An edit by hand, which no save has seen, is taken up as a version by `file` before anything else is written. Saves of
several processes wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ivrnode.tenancy.lint import LARGEST_SCRIPT

VERSIONS_FOLDER = ".versions"
MOST_VERSIONS = 100
BY_HAND = "file"
_HEAD = re.compile(r"# version \d+, (?P<time>[^,]+), (?P<author>[^:]*)(?:: (?P<comment>.*))?")
_LONGEST_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Note:
    """Who saves, when (aware), and why."""

    author: str
    time: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """`size` in bytes; 0 = the tier was emptied."""

    number: int
    note: Note
    size: int


class Versions:
    """The versions of one template file."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = path, path.parent / VERSIONS_FOLDER

    def save(self, data: bytes, note: Note) -> Version:
        """Put `data` into the template's file, at once and whole, and keep it as a version. Empty: no file."""
        with self._locked():
            self._take_up()
            # The file first: should we end in between, the next save takes it up and nothing is lost but the author.
            if data:
                _write(self._path, data)
            else:
                self._path.unlink(missing_ok=True)
            return self._keep(data, note)

    def keep(self, note: Note) -> Version:
        """Keep what is in the file as a version of its own, whoever put it there."""
        with self._locked():
            return self._keep(self._current() or b"", note)

    def take_up(self) -> None:
        """Keep what is in the file, if no save has seen it. Where nothing can be written, nothing happens."""
        with suppress(OSError):
            if self._is_by_hand():
                with self._locked():
                    self._take_up()

    def all(self) -> list[Version]:
        """Oldest first."""
        return [version for number in self._numbers() if (version := self._head(number))]

    def data(self, number: int) -> bytes | None:
        """The text of a version; None if there is none of that number."""
        try:
            whole = self._file(number).read_bytes()
        except FileNotFoundError:
            return None
        return whole.partition(b"\n")[2]

    def number_of(self, data: bytes) -> int:
        """The newest version's number if it is `data`, else 0: the file was edited by hand."""
        numbers = self._numbers()
        return numbers[-1] if numbers and self.data(numbers[-1]) == data else 0

    def _take_up(self) -> None:
        if self._is_by_hand():
            changed = self._path if self._path.exists() else self._path.parent
            time = datetime.fromtimestamp(changed.stat().st_mtime, UTC)
            self._keep(self._current() or b"", Note(BY_HAND, time))

    def _is_by_hand(self) -> bool:
        current, numbers = self._current(), self._numbers()
        if current is None:
            return False
        return current != (self.data(numbers[-1]) if numbers else b"")

    def _current(self) -> bytes | None:
        """What is in the file, b"" without one; None when it is nothing that a version could hold."""
        try:
            if self._path.stat().st_size > LARGEST_SCRIPT:
                return None
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError:
            return None

    def _keep(self, data: bytes, note: Note) -> Version:
        numbers = self._numbers()
        number = numbers[-1] + 1 if numbers else 1
        clean = Note(_clean(note.author, 80, ":,") or "unknown", note.time, _clean(note.comment, 500))
        head = f"# version {number}, {clean.time.isoformat(timespec='seconds')}, {clean.author}"
        head += f": {clean.comment}" if clean.comment else ""
        _write(self._file(number), head.encode() + b"\n" + data)
        for old in numbers[: -(MOST_VERSIONS - 1)]:
            self._file(old).unlink(missing_ok=True)
        return Version(number, clean, len(data))

    def _head(self, number: int) -> Version | None:
        path = self._file(number)
        try:
            with path.open("rb") as file:
                head = file.readline(_LONGEST_HEAD)
                size = path.stat().st_size - len(head)
        except FileNotFoundError:
            return None
        found = _HEAD.fullmatch(head.decode(errors="replace").rstrip("\n"))
        try:
            time = datetime.fromisoformat(found["time"] if found else "")
        except ValueError:
            time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        note = Note(found["author"], time, found["comment"] or "") if found else Note(BY_HAND, time)
        return Version(number, note, size)

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.py") if re.fullmatch(r"\d{4,9}", path.stem))

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:04}.py"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(data)
    new.replace(path)


def _clean(text: str, longest: int, without: str = "") -> str:
    """One line of printable characters."""
    shown = "".join(c if c.isprintable() and c not in without else " " for c in text)
    return " ".join(shown.split())[:longest]
