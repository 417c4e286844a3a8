"""A tenant's address book: `addressbook.csv` or `addressbook.vcf` in its folder, read again when it was edited.

    name,number,email              BEGIN:VCARD             one entry for each number; a line that is wrong is told once
    Ann Lee,+49 30 1234567,a@b.c   FN:Ann Lee              and left out
                                   TEL:+49-30-1234567
                                   END:VCARD

CSV: RFC 4180, comma or semicolon, with a first line that names the columns. vCard 3 and 4: RFC 2426, RFC 6350.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ivrnode.log import Log
from ivrnode.tenancy.tenant import Tenant

FILES = ("addressbook.csv", "addressbook.vcf")
MOST_BYTES = 2 * 1024 * 1024
MOST_ENTRIES = 10_000
LONGEST_FIELD = 200
LEAST_DIGITS = 6
"""Shorter numbers are extensions: they match as a whole only."""
_TOLD = 10

Problem = tuple[int, str]
"""Line (1-based) and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    number: str
    email: str
    digits: str = field(default="", repr=False)
    words: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, number: str, email: str) -> Entry:
        return cls(name, number, email, _significant(number), f"{name}\n{email}".casefold())


class AddressBook:
    """The entries of one file."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = sorted(entries, key=lambda entry: entry.words)
        self._by_tail: dict[str, list[Entry]] = {}
        for entry in self._entries:
            if entry.digits:
                self._by_tail.setdefault(entry.digits[-LEAST_DIGITS:], []).append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, text: str = "", number: str = "", limit: int = 10) -> list[Entry]:
        """Those that hold every word of `text` in name or e-mail and have `number`, by name.

        Numbers are the same when one ends with the other, country and area codes apart: `030 1234567` is
        `+49301234567`. A closer match comes first.
        """
        found: Iterable[Entry] = self._entries
        if digits := _significant(number):
            near = [entry for entry in self._by_tail.get(digits[-LEAST_DIGITS:], ()) if _is_same(entry.digits, digits)]
            found = sorted(near, key=lambda entry: abs(len(entry.digits) - len(digits)))
        elif number:
            return []
        words = text.casefold().split()
        matching = (entry for entry in found if all(word in entry.words for word in words))
        return [entry for entry, _ in zip(matching, range(limit), strict=False)]


class AddressBooks:
    """The books of all tenants. What is wrong in one is logged when it is read, and it is read when it has changed."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._books: dict[Path, tuple[tuple[object, ...], AddressBook]] = {}

    def of(self, tenant: Tenant) -> AddressBook:
        """The tenant's book; an empty one if it has none."""
        for name in FILES:
            path = tenant.folder / name
            stamp = _stamp(path)
            if stamp is None:
                self._books.pop(path, None)
                continue
            known = self._books.get(path)
            if known is None or known[0] != stamp:
                known = self._books[path] = stamp, self._read(path, tenant.domain)
            return known[1]
        return AddressBook()

    def _read(self, path: Path, tenant: str) -> AddressBook:
        def tell(line: int, text: str) -> None:
            self._log.write("CONFIG", 3, f"{path}:{line}: {text}" if line else f"{path}: {text}", tenant=tenant)

        try:
            data = path.read_bytes()
        except OSError as error:
            tell(0, f"cannot be read: {error.strerror}")
            return AddressBook()
        if len(data) > MOST_BYTES:
            tell(0, f"is longer than {MOST_BYTES} bytes and is not read")
            return AddressBook()
        entries, problems = read_book(data.decode("utf-8-sig", "replace"), is_vcard=path.suffix == ".vcf")
        for line, text in problems[:_TOLD]:
            tell(line, f"{text}: left out")
        if len(problems) > _TOLD:
            tell(0, f"{len(problems) - _TOLD} more lines are wrong")
        self._log.write("CONFIG", 4, f"{path}: {len(entries)} entries", tenant=tenant)
        return AddressBook(entries)


def read_book(text: str, *, is_vcard: bool) -> tuple[list[Entry], list[Problem]]:
    """The entries of a file, and what is wrong in it. Never raises."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for line, name, number, email, fault in _vcards(text) if is_vcard else _rows(text):
        fault = fault or _fault(name, number, email)
        if not fault and len(entries) >= MOST_ENTRIES:
            problems.append((line, f"more than {MOST_ENTRIES} entries: it and all that follow are"))
            break
        if fault:
            problems.append((line, fault))
        else:
            entries.append(Entry.of(name, number, email))
    return entries, problems


_Found = tuple[int, str, str, str, str]
"""Line, name, number, email, what is wrong."""


def _fault(name: str, number: str, email: str) -> str:
    if not name and not number:
        return "neither a name nor a number"
    if number and not re.search(r"\d", number):
        return f"{number[:40]!r} is no number"
    if any(len(part) > LONGEST_FIELD or not part.isprintable() for part in (name, number, email)):
        return f"a field is longer than {LONGEST_FIELD} characters or not printable"
    return ""


def _rows(text: str) -> Iterator[_Found]:
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(keepends=True), delimiter=";" if first.count(";") > first.count(",") else ",")
    columns: dict[str, int] = {}
    while True:
        before = rows.line_num
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield before + 1, "", "", "", f"no CSV ({error})"
            continue
        line = before + 1
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not columns:
            columns = {name.casefold(): place for place, name in enumerate(cells)}
            if not columns.keys() & {"name", "number"}:
                yield line, "", "", "", "the first line must name the columns: name,number,email"
                return
            continue
        name, number, email = (
            cells[columns[column]] if columns.get(column, len(cells)) < len(cells) else ""
            for column in ("name", "number", "email")
        )
        yield line, name, number, email, ""


def _vcards(text: str) -> Iterator[_Found]:
    begin, name, email, numbers = 0, "", "", list[str]()
    for line, key, value in _properties(text):
        match key:
            case "BEGIN":
                if begin:
                    yield begin, "", "", "", "a card without END:VCARD"
                begin, name, email, numbers = line, "", "", []
            case "END" if begin:
                for number in numbers or [""]:
                    yield begin, name, number, email, ""
                begin = 0
            case "FN":
                name = name or value
            case "TEL":
                numbers.append(re.sub(r"(?i)^tel:", "", value).partition(";")[0])
            case "EMAIL":
                email = email or value
            case "":
                yield line, "", "", "", "no line of a vCard"
    if begin:
        yield begin, "", "", "", "a card without END:VCARD"


def _properties(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, name in capitals without group and parameters, value); continued lines are joined (RFC 6350 s3.2)."""
    logical: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in (" ", "\t") and logical:
            logical[-1][1].append(line[1:])
        elif line.strip():
            logical.append((number, [line]))
    for number, parts in logical:
        found = re.match(r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)(?:;(?:\"[^\"]*\"|[^\":])*)?:", whole := "".join(parts))
        if found is None:
            yield number, "", ""
        else:
            yield number, found[1].upper(), _unescaped(whole[found.end() :]).strip()


def _unescaped(value: str) -> str:
    """RFC 6350 s3.4; a line break becomes a blank."""
    return re.sub(r"\\(.)", lambda escaped: " " if escaped[1] in "nN" else escaped[1], value)


def _significant(number: str) -> str:
    """The digits, without the zeros of trunk and international prefixes."""
    return re.sub(r"\D", "", number).lstrip("0")


def _is_same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= LEAST_DIGITS and long.endswith(short))


def _stamp(path: Path) -> tuple[object, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
