"""Versions of a template: plain files, each save one, edits by hand too, the oldest go."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.tenancy.lint import LARGEST_SCRIPT
from ivrnode.tenancy.versions import MOST_VERSIONS, Note, Versions

Write = Callable[[str, str], Path]
NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ANN = Note("ann", NINE, "shorter greeting")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nodes" / "100" / "ivrnode.py"


def test_a_version_is_a_plain_file(path: Path) -> None:
    Versions(path).save(b"x = 1\n", ANN)
    file = path.parent / ".versions" / "0001.py"
    assert file.read_text() == "# version 1, 2026-11-23T09:00:00+00:00, ann: shorter greeting\nx = 1\n"
    assert path.read_bytes() == b"x = 1\n"
    assert [item.name for item in file.parent.iterdir()] == ["0001.py"]


@given(st.binary(max_size=200), st.text(max_size=100), st.text(max_size=100))
def test_any_text_and_any_note_come_back(tmp_path_factory: pytest.TempPathFactory, data: bytes, a: str, c: str) -> None:
    path = tmp_path_factory.mktemp("versions") / "ivrnode.py"
    saved = Versions(path).save(data, Note(a, NINE, c))
    [version] = Versions(path).all()
    assert version == saved
    assert version.note.time == NINE
    assert Versions(path).data(1) == data
    assert Versions(path).number_of(data) == 1
    assert path.exists() == bool(data)


def test_an_edit_by_hand_is_taken_up_before_the_next_save(path: Path) -> None:
    versions = Versions(path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"by hand")
    os.utime(path, (NINE.timestamp(), NINE.timestamp()))
    versions.save(b"saved", ANN)
    path.write_bytes(b"again by hand\xff")
    assert versions.number_of(b"again by hand\xff") == 0
    versions.save(b"saved again", ANN)
    assert [version.note.author for version in versions.all()] == ["file", "ann", "file", "ann"]
    assert versions.all()[0].note.time == NINE
    assert [versions.data(number) for number in (1, 3)] == [b"by hand", b"again by hand\xff"]


def test_take_up_without_a_save(path: Path) -> None:
    versions = Versions(path)
    versions.take_up()
    assert not path.parent.exists()  # looking leaves no trace
    path.parent.mkdir(parents=True)
    path.write_bytes(b"by hand")
    versions.take_up()
    versions.take_up()
    assert [(version.number, version.size) for version in versions.all()] == [(1, 7)]
    path.unlink()
    versions.take_up()
    assert [(version.note.author, version.size) for version in versions.all()] == [("file", 7), ("file", 0)]


def test_what_no_version_could_hold_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"#" * (LARGEST_SCRIPT + 1))
    Versions(path).take_up()
    path.unlink()
    path.mkdir()
    Versions(path).take_up()
    assert Versions(path).all() == []


def test_the_last_hundred_are_kept(path: Path) -> None:
    versions = Versions(path)
    for number in range(MOST_VERSIONS + 3):
        versions.save(b"x = %d" % number, Note("ann", NINE + timedelta(minutes=number)))
    numbers = [version.number for version in versions.all()]
    assert numbers == list(range(4, MOST_VERSIONS + 4))
    assert versions.data(3) is None
    assert versions.data(numbers[-1]) == b"x = %d" % (MOST_VERSIONS + 2)


def test_saves_at_once_each_get_a_number(path: Path) -> None:
    def save(name: str) -> None:
        for _ in range(10):
            Versions(path).save(name.encode(), Note(name, NINE))

    threads = [threading.Thread(target=save, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = Versions(path).all()
    assert [version.number for version in versions] == list(range(1, 41))
    assert Versions(path).data(40) == path.read_bytes()


def test_a_head_that_somebody_changed(path: Path) -> None:
    versions = Versions(path)
    versions.save(b"x = 1\n", ANN)
    file = path.parent / ".versions" / "0001.py"
    file.write_bytes(b"# something else\nx = 1\n")
    [version] = versions.all()
    assert (version.note.author, version.size) == ("file", 6)
