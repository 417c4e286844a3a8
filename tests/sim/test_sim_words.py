"""What counts as heard: words, ears, and the TOML that the desk writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ConfigError
from ivrnode.realtime.voice import tone
from ivrnode.sim.ear import Ear, loudness
from ivrnode.sim.tenant import TenantFolder, _toml
from ivrnode.sim.words import Piece, Words, words_of


def words(loud: int = 1000) -> Words:
    """Two sentences of one item, a second each; `loud` milliseconds of sound come through to the caller."""
    words = Words(lambda start, end: loud)
    for text in ("One, two.", "Three four!"):
        words.add(7, Piece(1000, 800, 800, text))
    return words


def test_a_sentence_is_heard_when_its_voice_has_ended() -> None:
    found = words()
    found.played(7, 780, 0.78)
    assert not found.find("one two")
    found.played(7, 800, 0.8)
    assert found.find("ONE two")
    assert not found.find("three")
    found.played(7, 1800, 1.8)
    assert found.find("three four")
    assert not found.open_items


def test_what_was_found_is_passed() -> None:
    found = words()
    found.played(7, 2000, 2.0)
    assert found.find("two three")
    assert not found.find("one")
    assert found.unclaimed == "four"


def test_what_was_cut_is_not_heard() -> None:
    found = words()
    found.played(7, 1500, 1.5)
    assert found.done(7) == ["Three four!"]
    found.played(7, 2000, 2.0)
    assert not found.find("three four")


def test_words_that_end_in_silence_are_not_heard_before_it() -> None:
    found = Words(lambda start, end: 1000)
    found.add(7, Piece(250, 0, 0, "Never."))
    found.played(7, 0, 0.0)
    assert not found.find("never")


def test_what_is_silent_on_the_wire_is_not_heard() -> None:
    found = words(loud=100)
    found.played(7, 2000, 2.0)
    assert not found.find("one two")
    assert found.lost == ["One, two.", "Three four!"]


def test_the_wire_is_asked_for_the_time_of_the_sentence() -> None:
    asked: list[tuple[float, float]] = []

    def loud_ms(start: float, end: float) -> int:
        asked.append((start, end))
        return 1000

    found = Words(loud_ms)
    found.add(1, Piece(1000, 800, 800, "One."))
    found.add(1, Piece(500, 400, 400, "Two."))
    found.played(1, 1450, 5.45)
    assert asked == [pytest.approx((4.0, 4.8)), pytest.approx((5.0, 5.4))]


def test_words_have_neither_case_nor_punctuation() -> None:
    assert words_of("Don't — press „1“, GRÜSSE!") == ["don't", "press", "1", "grüsse"]


def test_an_ear_finds_stretches_and_bridges_pauses() -> None:
    ear = Ear()
    for ms, is_loud in ((100, False), (300, True), (400, False), (300, True), (600, False), (200, True), (1000, False)):
        sound = tone(ms, 8000) if is_loud else bytes(ms * 16)
        for at in range(0, len(sound), 320):
            ear.feed(sound[at : at + 320])
    assert [(round(each.start, 2), round(each.end, 2)) for each in ear.stretches] == [(0.1, 1.1), (1.7, 1.9)]
    assert ear.silent_for == pytest.approx(1.0)
    assert ear.loud_ms(0.0, 1.0) == 500
    assert ear.longest_since(1.0) == pytest.approx(0.2)


def test_loudness_of_a_sentence_with_a_pause_behind_it() -> None:
    assert loudness(tone(400, 16000) + bytes(300 * 32), 16000) == (400, 400)
    assert loudness(bytes(3200), 16000) == (0, 0)


JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(
        st.characters(exclude_categories=("Cs",))
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(
        st.characters(exclude_categories=("Cs",)), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=9), JSON, max_size=4))
def test_what_the_desk_writes_is_toml(document: dict[str, object]) -> None:
    assert tomllib.loads(_toml(document)) == document


def test_what_toml_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a setting cannot be None"):
        TenantFolder(tmp_path).configure({"settings": {"a": None}})
