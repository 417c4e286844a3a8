"""Four tiers: the nearest that is not empty runs, an edit counts from the next call on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.errors import ScriptError
from ivrnode.tenancy import templates as room
from ivrnode.tenancy.templates import Templates

Write = Callable[[str, str], Path]


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
    path = templates.save("x = 1\n", "a.example", "1")
    assert path == tmp_path / "a.example" / "nodes" / "1" / "ivrnode.py"
    assert found(templates) == ("node", "x = 1\n")
    assert list(path.parent.iterdir()) == [path]
    assert templates.reset("a.example", "1")
    assert not templates.reset("a.example", "1")
    assert found(templates)[0] == "default"


def test_a_faulty_text_is_not_saved(templates: Templates, tmp_path: Path) -> None:
    templates.save("x = 1\n")
    with pytest.raises(ScriptError) as caught:
        templates.save("x = 1\nx = = 2\n")
    assert (caught.value.line, caught.value.column) == (2, 5)
    assert (tmp_path / "ivrnode.py").read_text() == "x = 1\n"
