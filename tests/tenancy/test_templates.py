"""Four tiers: the nearest that is not empty runs, an edit counts from the next call on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrnode.errors import ScriptError
from ivrnode.tenancy import templates as room
from ivrnode.tenancy.templates import Templates
from ivrnode.tenancy.versions import Note

Write = Callable[[str, str], Path]
ANN = Note("ann", datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "why")


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> Templates:
    monkeypatch.setattr(room, "DEFAULT_TEMPLATE", write("package/ivrnode.py", "print('default')\n"))
    return Templates(tmp_path, ("json",))


def found(templates: Templates) -> tuple[str, str]:
    template = templates.find("a.example", "1")
    assert template.error is None
    return template.tier, template.text


def test_the_nearest_tier_that_is_not_empty_wins(templates: Templates, write: Write) -> None:
    assert found(templates) == ("default", "print('default')\n")
    write("ivrnode.py", "x = 'system'")
    assert found(templates) == ("system", "x = 'system'")
    write("a.example/ivrnode.py", "x = 'tenant'")
    assert found(templates) == ("tenant", "x = 'tenant'")
    write("a.example/nodes/1/ivrnode.py", " \n\n")
    assert found(templates)[0] == "tenant"
    write("a.example/nodes/1/ivrnode.py", "x = 'node'")
    assert found(templates) == ("node", "x = 'node'")
    assert templates.find("b.example", "1").tier == "system"
    assert templates.find("a.example", "2").tier == "tenant"


def test_an_edit_counts_from_the_next_call_on(templates: Templates, write: Write) -> None:
    write("ivrnode.py", "x = 1")
    running = templates.find("a.example", "1")
    assert templates.find("a.example", "1") is running  # not read again
    write("ivrnode.py", "x = 2")
    assert found(templates) == ("system", "x = 2")
    assert running.text == "x = 1"


def test_a_broken_text_wins_its_tier_with_an_error(templates: Templates, write: Write) -> None:
    write("ivrnode.py", "x = 1")
    path = write("a.example/ivrnode.py", "x = (\n")
    template = templates.find("a.example", "1")
    assert template.tier == "tenant"
    assert str(template.error) == f"{path}:1:5: syntax error: '(' was never closed"
    write("a.example/ivrnode.py", "import os")
    assert str(templates.find("a.example", "1").error) == f"{path}:1:1: import os: not allowed in a script"
    write("a.example/ivrnode.py", "x = 2")
    assert found(templates) == ("tenant", "x = 2")


def test_text_that_is_not_utf_8(templates: Templates, tmp_path: Path) -> None:
    path = tmp_path / "ivrnode.py"
    path.write_bytes("x = 1\ny = 'ä".encode() + b"\xff'")
    assert str(templates.find("a.example", "1").error) == f"{path}:2:7: is not UTF-8: save it as UTF-8"
    path.write_bytes(b"\xff")
    assert str(templates.find("a.example", "1").error) == f"{path}:1:1: is not UTF-8: save it as UTF-8"


def test_a_byte_order_mark_is_no_part_of_the_text(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "ivrnode.py").write_bytes(b"\xef\xbb\xbfx = 1")
    assert found(templates) == ("system", "x = 1")


def test_a_file_that_is_too_large_or_no_file(templates: Templates, write: Write, tmp_path: Path) -> None:
    path = write("ivrnode.py", "#" * (256 * 1024 + 1))
    assert str(templates.find().error) == f"{path}: is larger than 256 KB"
    path.unlink()
    path.mkdir()
    assert str(templates.find().error) == f"{path}: cannot be read: Is a directory"


def test_a_package_without_its_default(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "package" / "ivrnode.py").unlink()
    error = templates.find().error
    assert error is not None
    assert error.message == "the package is not complete: install it again"


def test_save_and_reset(templates: Templates, tmp_path: Path) -> None:
    version = templates.save("x = 1\n", ANN, "a.example", "1")
    assert (version.number, version.note, version.size) == (1, ANN, 6)
    path = tmp_path / "a.example" / "nodes" / "1" / "ivrnode.py"
    assert found(templates) == ("node", "x = 1\n")
    assert sorted(item.name for item in path.parent.iterdir()) == [".versions", "ivrnode.py"]
    assert templates.find("a.example", "1").version == 1
    assert templates.reset(ANN, "a.example", "1")
    assert not templates.reset(ANN, "a.example", "1")
    assert found(templates)[0] == "default"
    assert [version.size for version in templates.history("a.example", "1")] == [6, 0]


def test_a_faulty_text_is_not_saved(templates: Templates, tmp_path: Path) -> None:
    templates.save("x = 1\n", ANN)
    with pytest.raises(ScriptError) as caught:
        templates.save("x = 1\nx = = 2\n", ANN)
    assert (caught.value.line, caught.value.column) == (2, 5)
    assert (tmp_path / "ivrnode.py").read_text() == "x = 1\n"
    assert len(templates.history()) == 1


def test_any_version_can_be_restored(templates: Templates, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        templates.save(f"x = {number}\r\n", ANN)
    running = templates.find()
    assert templates.rollback(1, ANN).number == 4
    assert (tmp_path / "ivrnode.py").read_bytes() == b"x = 1\r\n"
    assert running.text == "x = 3\r\n"  # a running call keeps its text
    assert [templates.version(number) for number in (1, 2, 3, 4)] == [f"x = {n}\r\n" for n in (1, 2, 3, 1)]
    templates.reset(ANN)
    assert templates.rollback(5, ANN).size == 0  # back to empty
    assert templates.find().tier == "default"
    with pytest.raises(ScriptError, match=r"ivrnode\.py: there is no version 9"):
        templates.rollback(9, ANN)


def test_a_broken_version_is_not_restored(templates: Templates, write: Write) -> None:
    write("ivrnode.py", "x = (\n")
    templates.save("x = 1\n", ANN)
    with pytest.raises(ScriptError, match=r"version 1:1:5: syntax error"):
        templates.rollback(1, ANN)
    assert templates.find().text == "x = 1\n"


def test_the_settings_that_a_script_declares_come_with_it(templates: Templates, write: Write) -> None:
    write("ivrnode.py", 'await asyncio.sleep(0)\nSETTINGS = {"tries": 3}\n')
    assert {name: setting.default for name, setting in templates.find().settings.items()} == {"tries": 3}
    write("ivrnode.py", 'SETTINGS = {"tries": {"type": "many"}}\n')
    error = templates.find().error
    assert error is not None
    assert (error.line, error.column) == (1, 13)
