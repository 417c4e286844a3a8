"""Address books: what is read, what is told, what is found."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.log import Entry as Line
from ivrnode.log import Log
from ivrnode.tenancy.address_book import MOST_BYTES, MOST_ENTRIES, AddressBook, AddressBooks, Entry, read_book

CSV = """name,number,email
Ann Lee,+49 30 1234567,ann@example.com
"Zoë, ""Z"" Bär",030/765 43 21,

Front desk,100,desk@example.com
"""
CARDS = """BEGIN:VCARD\r
VERSION:4.0\r
FN:Ann\\, the very lon\r
 g Lee\r
item1.TEL;VALUE=uri;TYPE="voice,home":tel:+49-30-1234567;ext=5\r
TEL;TYPE=CELL:+49 171 000000\r
EMAIL;TYPE=work:ann@example.com\r
EMAIL:other@example.com\r
END:VCARD\r
BEGIN:VCARD\r
FN:Nobody\r
END:VCARD\r
"""


def rows(entries: list[Entry]) -> list[tuple[str, str, str]]:
    return [(entry.name, entry.number, entry.email) for entry in entries]


def test_csv() -> None:
    entries, problems = read_book(CSV, is_vcard=False)
    assert rows(entries) == [
        ("Ann Lee", "+49 30 1234567", "ann@example.com"), ('Zoë, "Z" Bär', "030/765 43 21", ""),
        ("Front desk", "100", "desk@example.com"),
    ]  # fmt: skip
    assert not problems


def test_csv_with_semicolons_and_other_columns_in_another_order() -> None:
    entries, problems = read_book("E-Mail;Number;Fax;NAME\nx;1;2;Ann\n;3\n", is_vcard=False)
    assert rows(entries) == [("Ann", "1", ""), ("", "3", "")]
    assert not problems


def test_vcards() -> None:
    entries, problems = read_book(CARDS, is_vcard=True)
    assert rows(entries) == [
        ("Ann, the very long Lee", "+49-30-1234567", "ann@example.com"),
        ("Ann, the very long Lee", "+49 171 000000", "ann@example.com"), ("Nobody", "", ""),
    ]  # fmt: skip
    assert not problems


@pytest.mark.parametrize(
    ("text", "is_vcard", "problem"),
    [
        ("Ann,123\nBob,4\n", False, (1, "the first line must name the columns: name,number,email")),
        ("name,number\nAnn,1\nBob,none\n", False, (3, "'none' is no number")),
        ("name,number,email\n,,a@b.c\n", False, (2, "neither a name nor a number")),
        ('name,number\n"Ann\nLee",1\n', False, (2, "a field is longer than 200 characters or not printable")),
        (f"name,number\n{'x' * 201},1\n", False, (2, "a field is longer than 200 characters or not printable")),
        ("name,number\nAnn,1" + "\x1b" + "\n", False, (2, "a field is longer than 200 characters or not printable")),
        ("BEGIN:VCARD\nFN:Ann\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n", True, (1, "a card without END:VCARD")),
        ("BEGIN:VCARD\nFN:Ann\n", True, (1, "a card without END:VCARD")),
        ("BEGIN:VCARD\nwhat is this\nFN:Ann\nEND:VCARD\n", True, (2, "no line of a vCard")),
        ("BEGIN:VCARD\nEND:VCARD\n", True, (1, "neither a name nor a number")),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, is_vcard: bool, problem: tuple[int, str]) -> None:
    assert read_book(text, is_vcard=is_vcard)[1] == [problem]


def test_a_book_is_bounded() -> None:
    text = "name,number\n" + "".join(f"N{number},{number}\n" for number in range(MOST_ENTRIES + 5))
    entries, problems = read_book(text, is_vcard=False)
    assert len(entries) == MOST_ENTRIES
    assert [line for line, _ in problems] == [MOST_ENTRIES + 2]


@given(st.text(max_size=400), st.booleans())
def test_no_file_raises(text: str, is_vcard: bool) -> None:
    entries, _ = read_book("name,number\n" * (not is_vcard) + text, is_vcard=is_vcard)
    AddressBook(entries).search(text, text)


@given(st.lists(st.sampled_from(["BEGIN:VCARD", "END:VCARD", "FN:x", "TEL:1", " y", "a;b", "", 'TEL;x="q:1'])))
def test_no_order_of_lines_raises(lines: list[str]) -> None:
    read_book("\n".join(lines), is_vcard=True)


# Searching.


@pytest.fixture
def book() -> AddressBook:
    return AddressBook(read_book(CSV, is_vcard=False)[0])


@pytest.mark.parametrize(
    ("text", "number", "names"),
    [
        ("ann", "", ["Ann Lee"]),
        ("LEE ann", "", ["Ann Lee"]),
        ("ann desk", "", []),
        ("example.com", "", ["Ann Lee", "Front desk"]),
        ("BÄR", "", ['Zoë, "Z" Bär']),
        ("", "+49301234567", ["Ann Lee"]),
        ("", "0049 (30) 1234567", ["Ann Lee"]),
        ("", "030 1234567", ["Ann Lee"]),
        ("", "1234567", ["Ann Lee"]),
        ("", "+49307654321", ['Zoë, "Z" Bär']),
        ("", "34567", []),
        ("", "100", ["Front desk"]),
        ("", "49100", []),
        ("", "00", []),
        ("", "none", []),
        ("", "+4930123456799", []),
        ("bär", "+49301234567", []),
        ("", "", ["Ann Lee", "Front desk", 'Zoë, "Z" Bär']),
    ],
)
def test_searching(book: AddressBook, text: str, number: str, names: list[str]) -> None:
    assert [entry.name for entry in book.search(text, number)] == names


def test_the_closest_number_comes_first_and_there_is_a_limit() -> None:
    book = AddressBook(Entry.of(name, number, "") for name, number in [("A", "1234567"), ("B", "+49301234567")])
    assert [entry.name for entry in book.search(number="+49301234567")] == ["B", "A"]
    assert [entry.name for entry in book.search(number="+49301234567", limit=1)] == ["B"]


# Files.


@pytest.fixture
def lines() -> list[Line]:
    return []


@pytest.fixture
def books(lines: list[Line]) -> AddressBooks:
    log = Log()
    log.add_sink(lines.append)
    return AddressBooks(log)


def test_a_file_is_read_once_and_again_when_it_has_changed(
    books: AddressBooks, lines: list[Line], tmp_path: Path
) -> None:
    tenant: Any = SimpleNamespace(folder=tmp_path, domain="acme.example")
    assert len(books.of(tenant)) == 0
    file = tmp_path / "addressbook.csv"
    file.write_text("name,number\nAnn,1\nBob,x\n", "utf-8")
    assert [len(books.of(tenant)) for _ in range(2)] == [1, 1]
    assert [line.text for line in lines] == [f"{file}:3: 'x' is no number: left out", f"{file}: 1 entries"]
    assert {line.tenant for line in lines} == {"acme.example"}
    file.write_text("name,number\nAnn,1\nBob,2\n", "utf-8")
    os.utime(file, ns=(1, 1))
    assert len(books.of(tenant)) == 2
    file.unlink()
    (tmp_path / "addressbook.vcf").write_text(CARDS, "utf-8", newline="")
    assert len(books.of(tenant)) == 3


def test_a_file_that_is_too_long_or_none(books: AddressBooks, lines: list[Line], tmp_path: Path) -> None:
    tenant: Any = SimpleNamespace(folder=tmp_path, domain="acme.example")
    file = tmp_path / "addressbook.csv"
    file.write_bytes(b"x" * (MOST_BYTES + 1))
    assert len(books.of(tenant)) == 0
    file.unlink()
    file.mkdir()
    assert len(books.of(tenant)) == 0
    assert [line.text.partition(": ")[2] for line in lines] == [
        "is longer than 2097152 bytes and is not read", "cannot be read: Is a directory",
    ]  # fmt: skip


def test_many_wrong_lines_are_told_in_one(books: AddressBooks, lines: list[Line], tmp_path: Path) -> None:
    (tmp_path / "addressbook.csv").write_text("name,number\n" + "x,y\n" * 100, "utf-8")
    books.of(SimpleNamespace(folder=tmp_path, domain="a"))  # type: ignore[arg-type]
    assert len(lines) == 12
    assert lines[10].text.endswith("90 more lines are wrong")
