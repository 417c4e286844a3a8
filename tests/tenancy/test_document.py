"""The strict TOML reader: the line of every key, and what is said about a wrong one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ConfigError
from ivrnode.tenancy.document import Document, dotted, line_of, named, option, unknown

bare = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
quoted = st.text(st.characters(codec="ascii", exclude_characters='"\\', exclude_categories=["Cc"]), max_size=6)
keys = bare | quoted.map(lambda text: f'"{text}"')
values = st.sampled_from(
    [
        "1",
        "true",
        '"a # b"',
        "'[x]'",
        "[1,\n  2, # c\n\n]",
        '"""\n[no.table]\nkey = 1\n"""',
        "'''\nx = 2'''",
        "{ a = 1, b.c = [2] }",
        '"""\\\n   folded"""',
        "[\n]",
    ]
)
fillers = st.sampled_from(["", "\n", "# key = 1\n", "  \n# [table]\n"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[tuple[str, ...], int]]]:
    """A TOML text and where each of its keys and tables stands."""
    text, places = draw(fillers), []
    seen: set[str] = set()

    def add(statement: str, path: tuple[str, ...]) -> None:
        nonlocal text
        places.append((path, text.count("\n") + 1))
        text += statement + "\n" + draw(fillers)

    def fresh() -> str:
        return draw(keys.filter(lambda key: key.strip('"') not in seen))

    for _ in range(draw(st.integers(0, 3))):
        key = fresh()
        seen.add(key.strip('"'))
        add(f"{key} = {draw(values)}", (key.strip('"'),))
    for _ in range(draw(st.integers(0, 3))):
        table = fresh()
        seen.add(table.strip('"'))
        add(f"[{table}]", (table.strip('"'),))
        inner = draw(st.lists(keys, max_size=3, unique_by=lambda key: key.strip('"')))
        for key in inner:
            add(f"  {key} = {draw(values)}", (table.strip('"'), key.strip('"')))
    return text, places


@given(documents(), st.booleans())
def test_finds_the_line_of_every_key(document: tuple[str, list[tuple[tuple[str, ...], int]]], has_cr: bool) -> None:
    text, places = document
    if has_cr:
        text = text.replace("\n", "\r\n")
    tomllib.loads(text)
    for path, line in places:
        assert line_of(text, path) == line


@given(st.text(max_size=60), st.lists(st.text(max_size=4), max_size=3))
def test_any_text_gives_a_document_or_a_config_error(text: str, path: list[str]) -> None:
    try:
        document = Document(text, "f.toml")
    except ConfigError as error:
        assert error.line >= 1
        assert error.file == "f.toml"
    else:
        assert 0 <= document.line(path) <= text.count("\n") + 1
        assert bool(document.line(path)) == (bool(path) and document.has(*path))


def test_an_absent_key_has_no_line() -> None:
    assert line_of("a = 1\n[b]\nc = 2\n", ["b", "d"]) == 0
    assert line_of("a = 1\n", []) == 0


def test_a_key_inside_an_inline_table_has_the_line_of_its_statement() -> None:
    assert line_of("x = 1\ny = { a = 1, b = 2 }\n", ["y", "b"]) == 2


def test_a_long_file_is_searched_fast_enough_to_complain_about_its_end() -> None:
    text = "".join(f"key{number} = [\n  {number},\n]\n" for number in range(700))
    assert line_of(text, ["key699"]) == 699 * 3 + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb =\n", "f.toml:2: not TOML: invalid value"),
        ("a = 1\na = 2\n", "f.toml:2: not TOML: cannot overwrite a value"),
        ('a = "x', "f.toml:1: not TOML: unterminated string"),
        ("a = 1\n[b\n", "f.toml:2: not TOML: expected ']' at the end of a table declaration"),
    ],
)
def test_not_toml(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Document(text, "f.toml")
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"f\.toml: cannot be read: No such file or directory"):
        Document.load(tmp_path / "f.toml")
    (tmp_path / "f.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"f\.toml:2: is not UTF-8: save it as UTF-8"):
        Document.load(tmp_path / "f.toml")


@dataclass(frozen=True, kw_only=True)
class Room:
    number: str = named(r"\d+", "use digits")
    beds: int = option(2, low=1, high=4)
    code: str = option(is_secret=True)


@dataclass(frozen=True, kw_only=True)
class Bar:
    music: str = option("none", choices=("none", "loud"))
    volume: float = option(0.5, low=0, high=1)
    is_open: bool = True
    card: Path = Path("card.txt")


@dataclass(frozen=True, kw_only=True)
class Hotel:
    name: str = ""
    stars: tuple[str, ...] | None = None
    bar: Bar
    rooms: Mapping[str, Room] = option({})
    prices: Mapping[str, int] = option({}, low=0, high=9)
    notes: Mapping[str, Any] = option({})


def read(text: str) -> Hotel:
    return Document(text, "f.toml", Path("/inn")).read(Hotel)


def test_left_out_sections_get_their_defaults() -> None:
    assert read("") == Hotel(bar=Bar(card=Path("/inn/card.txt")))


def test_reads_every_kind_of_value() -> None:
    hotel = read(
        'name = "Sea"\nstars = ["a"]\nprices = {x = 9}\n[bar]\nvolume = 1\nis_open = false\ncard = "/etc/c"\n'
        '[rooms.7]\ncode = "c"\n[notes]\na = [1, {b = 1.5}]\n'
    )
    assert hotel == Hotel(
        name="Sea",
        stars=("a",),
        bar=Bar(volume=1.0, is_open=False, card=Path("/etc/c")),
        rooms={"7": Room(number="7", code="c")},
        prices={"x": 9},
        notes={"a": [1, {"b": 1.5}]},
    )
    assert isinstance(hotel.bar.volume, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nnme = 1", 'f.toml:2: nme: unknown key "nme": did you mean "name"?'),
        ("zz = 1", 'f.toml:1: zz: unknown key "zz": known here: name, stars, bar, rooms, prices, notes'),
        ("name = 1", "f.toml:1: name: is 1, must be text"),
        ("stars = 'a'", 'f.toml:1: stars: is "a", must be a list of texts, as in ["a", "b"]'),
        ("stars = [1]", 'f.toml:1: stars: is [1], must be a list of texts, as in ["a", "b"]'),
        ("bar = 1", "f.toml:1: bar: is 1, must be a table: write [bar]"),
        ("rooms = 1", "f.toml:1: rooms: is 1, must be a table: write [rooms]"),
        ("[bar]\nmusic = 'soft'", 'f.toml:2: bar.music: is "soft", must be "none" or "loud"'),
        ("[bar]\nvolume = 2", "f.toml:2: bar.volume: is 2, must be from 0 to 1"),
        ("[bar]\nvolume = nan", "f.toml:2: bar.volume: is nan, must be from 0 to 1"),
        ("[bar]\nvolume = true", "f.toml:2: bar.volume: is true, must be a number"),
        ("[bar]\nis_open = 1", "f.toml:2: bar.is_open: is 1, must be true or false"),
        ("[bar]\ncard = ''", 'f.toml:2: bar.card: is "", must be the path of a file or folder'),
        ("[bar]\ncard = 1", "f.toml:2: bar.card: is 1, must be text (a path)"),
        ("[rooms.x]\ncode='c'", "f.toml:1: rooms.x: 'x' cannot be a name here: use digits"),
        ("[rooms.7]\nbeds = 1", 'f.toml:1: rooms.7: code is missing: add code = "..."'),
        ("[rooms.7]\nnumber = '8'", 'f.toml:2: rooms.7.number: unknown key "number": known here: beds, code'),
        ("[rooms.7]\ncode = 4711", "f.toml:2: rooms.7.code: must be text"),
        ("[rooms.7]\ncode = 'c'\nbeds = 5", "f.toml:3: rooms.7.beds: is 5, must be from 1 to 4"),
        ("[rooms.7]\ncode = 'c'\nbeds = 1.5", "f.toml:3: rooms.7.beds: is 1.5, must be a whole number"),
        ("[prices]\nx = 10", "f.toml:2: prices.x: is 10, must be from 0 to 9"),
        (
            "[notes]\nd = 2026-01-01",
            "f.toml:2: notes.d: is 2026-01-01, must be text, a number, true, false, a list or a table: "
            "write others as text",
        ),
        (
            "[notes]\n\n'a b' = [inf]",
            'f.toml:3: notes."a b": is inf, must be text, a number, true, false, a list or a table: '
            "write others as text",
        ),
    ],
)
def test_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == message


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        read("[rooms.7]\ncode = 4711")
    assert "4711" not in str(caught.value)
    assert "c0de" not in repr(Room(number="7", code="c0de"))


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"bar = '{'x' * 500}'")
    assert len(str(caught.value)) < 140


def test_unknown_with_nothing_known() -> None:
    assert unknown("a", "tenant", []) == 'unknown tenant "a": none is known here'


def test_dotted_quotes_what_toml_quotes() -> None:
    assert dotted(["nodes", "100", "a.b"]) == 'nodes.100."a.b"'
