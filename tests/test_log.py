"""The log, and where it goes: thresholds, masks, lines that nobody can forge, files that turn over."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.log import Entry, Log
from ivrnode.net.log_sinks import ConsoleSink, FileSink, Follower, entry_fields, entry_line, log_operations

AT = 1_800_000_000.25


def collected(log: Log) -> list[Entry]:
    entries: list[Entry] = []
    log.add_sink(entries.append)
    return entries


def test_levels_per_category_and_tenant() -> None:
    log = Log()
    entries = collected(log)
    log.set_level("SIP", 2)
    log.set_level("SIP", 9, "a.example")
    log.write("SIP", 3, "no")
    log.write("SIP", 9, "yes", tenant="a.example", call="1")
    log.write("SIP", 3, "no", tenant="b.example")
    assert entries == [Entry("SIP", 9, "yes", "a.example", "1")]
    assert log.levels("a.example")["SIP"] == 9
    assert log.levels()["SIP"] == 2
    with pytest.raises(ValueError, match="unknown log category 'SIPS': one of GENERAL SIP"):
        log.set_level("SIPS", 1)
    with pytest.raises(ValueError, match="log level 10 is not from 0"):
        log.set_level("SIP", 10)


def test_what_passes_unless_it_is_told() -> None:
    levels = Log().levels()
    known = "GENERAL SIP MEDIA APP WEBCLIENT SCRIPT TLS TRUNK REGISTER EMAIL CONFIG DNS WEBSERVER"
    assert " ".join(levels) == known
    assert (levels.pop("SCRIPT"), set(levels.values())) == (5, {4})


def test_a_mask_of_one_tenant_hides_nothing_of_another() -> None:
    log = Log()
    entries = collected(log)
    log.mask("answered", "a.example")
    log.mask("sk-123")
    for tenant in ("a.example", "b.example", ""):
        log.write("SIP", 0, "answered with sk-123", tenant=tenant)
    log.unmask("answered", "b.example")
    log.write("SIP", 0, "answered", tenant="a.example")
    log.unmask("answered", "a.example")
    log.write("SIP", 0, "answered", tenant="a.example")
    assert [entry.text for entry in entries] == [
        "*** with ***", "answered with ***", "answered with ***", "***", "answered",
    ]  # fmt: skip


def test_masks_are_counted() -> None:
    log = Log()
    entries = collected(log)
    log.mask("sk-123")
    log.mask("sk-123")
    log.unmask("sk-123")
    log.write("SIP", 0, "key=sk-123")
    log.unmask("sk-123")
    log.write("SIP", 0, "key=sk-123")
    assert [entry.text for entry in entries] == ["key=***", "key=sk-123"]


def test_a_console_line() -> None:
    stream = io.StringIO()
    ConsoleSink(stream, lambda: AT)(Entry("SCRIPT", 5, "hello", "a.example", "3f9c"))
    ConsoleSink(stream, lambda: AT)(Entry("SIP", 1, "x"))
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"2027-01-1\d \d\d:\d\d:\d\d\.250 SCRIPT 5 a\.example 3f9c: hello", first)
    assert second.endswith(" SIP 1: x")


def test_further_lines_are_marked_and_control_characters_escaped() -> None:
    text = "Traceback\r\n  line 2\x1b[2J\u202e\u2028 \x00\n"
    line = entry_line(entry_fields(Entry("SCRIPT", 1, text), AT))
    assert line.split(": ", 1)[1] == "Traceback\\r\n    |   line 2\\x1b[2J\\u202e\\u2028 \\x00"


@given(st.text(), st.text(), st.text())
def test_no_text_can_forge_a_line(text: str, tenant: str, call: str) -> None:
    whole = entry_line(entry_fields(Entry("SCRIPT", 5, text, tenant, call), AT))
    first, *others = whole.split("\n")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.250 SCRIPT 5", first)
    assert all(line.startswith("    | ") for line in others)
    assert all(character.isprintable() or character == "\n" for character in whole)


def test_a_closed_console_harms_nobody() -> None:
    stream = io.StringIO()
    stream.close()
    ConsoleSink(stream, lambda: AT)(Entry("SIP", 1, "x"))


def test_a_file_holds_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "log" / "all.jsonl"
    sink = FileSink(path, 10_000, 2, lambda: AT)
    sink(Entry("SCRIPT", 5, "a\nä\u2028", "a.example", "3f9c"))
    sink.close()
    (line,) = path.read_text("ascii").splitlines()
    fields = json.loads(line)
    assert fields.pop("time").startswith("2027-01-1")
    assert fields == {"category": "SCRIPT", "level": 5, "tenant": "a.example", "call": "3f9c", "text": "a\nä\u2028"}


def test_not_everybody_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    sink = FileSink(path, 20, 1, lambda: AT)
    for _ in range(3):
        sink(Entry("SIP", 5, "a"))
    sink.close()
    assert {file.stat().st_mode & 0o137 for file in tmp_path.iterdir()} == {0}


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_a_full_file_is_put_away(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    sink = FileSink(path, 300, 2, lambda: AT)
    for number in range(8):
        sink(Entry("SIP", 5, f"{number}"))
    sink.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["all.jsonl", "all.jsonl.1", "all.jsonl.2"]
    assert texts(path) == ["6", "7"]
    assert texts(tmp_path / "all.jsonl.1") == ["4", "5"]
    assert texts(tmp_path / "all.jsonl.2") == ["2", "3"]


def test_a_file_without_a_past(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    sink = FileSink(path, 300, 0, lambda: AT)
    for number in range(3):
        sink(Entry("SIP", 5, f"{number}"))
    sink.close()
    assert texts(path) == ["2"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_restart_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    for number in range(2):
        sink = FileSink(path, 10_000, 2, lambda: AT)
        sink(Entry("SIP", 5, f"{number}"))
        sink.close()
    assert texts(path) == ["0", "1"]


def test_a_folder_that_vanished_is_told_once_and_harms_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log" / "all.jsonl"
    sink = FileSink(path, 1, 1, lambda: AT)
    sink(Entry("SIP", 5, "0"))
    path.unlink()
    path.parent.rmdir()
    sink(Entry("SIP", 5, "1"))
    sink(Entry("SIP", 5, "2"))
    assert capsys.readouterr().err.count(f"log file {path}: ") == 1
    path.parent.mkdir()
    sink(Entry("SIP", 5, "3"))
    sink.close()
    assert texts(path) == ["3"]


async def test_a_follower_gets_what_it_asked_for() -> None:
    log = Log()
    entries = Follower(log, "a.example", ["SCRIPT", "WEBCLIENT"], lambda: AT).entries()
    first = asyncio.ensure_future(anext(entries))
    await asyncio.sleep(0)  # let it begin to listen
    log.write("SIP", 1, "no", tenant="a.example")
    log.write("SCRIPT", 1, "no", tenant="b.example")
    log.write("SCRIPT", 1, "yes", tenant="a.example")
    assert (await first)["text"] == "yes"
    await entries.aclose()
    assert log._sinks == []


async def test_a_slow_follower_is_told_what_it_lost() -> None:
    log = Log()
    follower = Follower(log, clock=lambda: AT)
    for number in range(1003):
        follower(Entry("SIP", 1, f"{number}"))
    entries = follower.entries()
    assert (await anext(entries))["text"] == "3 entries were too fast to follow"
    assert (await anext(entries))["text"] == "3"
    await entries.aclose()


def test_operations_on_the_log() -> None:
    log = Log()
    operations = log_operations(log, lambda: ["a.example"])
    operations["log.level"](category="SIP", level=9, tenant="a.example")
    assert operations["log.levels"](tenant="a.example")["SIP"] == 9
    assert operations["log.levels"]()["SIP"] == 4
    with pytest.raises(ValueError, match="unknown log category"):
        operations["log.follow"](categories=["SCRIPT", "SIPS"])


@pytest.mark.parametrize("operation", ["log.follow", "log.levels", "log.level"])
def test_a_tenant_that_is_none_is_told(operation: str) -> None:
    """Else a typo would be followed in silence for ever."""
    operations = log_operations(Log(), lambda: ["a.example", "b.example"])
    more = {"category": "SIP", "level": 9} if operation == "log.level" else {}
    with pytest.raises(ValueError, match=r'unknown tenant "a.exmaple": did you mean "a.example"\?'):
        operations[operation](tenant="a.exmaple", **more)
