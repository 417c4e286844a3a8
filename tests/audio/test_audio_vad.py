"""Voice activity: edges, their times, noise that is learnt."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.audio.vad import Edge, EnergyVad, level_db
from sound import noise, tone

QUIET = bytes(2 * 8)  # one millisecond at 8000 Hz


def test_levels() -> None:
    assert level_db(b"\xff\x7f" * 160) == pytest.approx(0, abs=0.1)
    assert level_db(tone(1000, 8000, 20, 3277)) == pytest.approx(-23, abs=0.1)
    assert level_db(bytes(320)) == pytest.approx(-100, abs=0.1)


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_speech_has_a_start_and_a_stop(rate: int) -> None:
    quiet = bytes(2 * rate // 1000)
    sound = 200 * quiet + tone(300, rate, 400) + 600 * quiet
    assert EnergyVad(rate, silence_ms=500).feed(sound) == [Edge(True, 200), Edge(False, 600)]


def test_the_start_is_told_after_three_loud_frames_and_the_stop_after_the_silence() -> None:
    vad = EnergyVad(8000, silence_ms=300)
    loud, quiet = tone(300, 8000, 20), 20 * QUIET
    assert [vad.feed(loud) for _ in range(3)] == [[], [], [Edge(True, 0)]]
    assert vad.is_speech
    assert [vad.feed(quiet) for _ in range(14)] == [[]] * 14
    assert vad.feed(quiet) == [Edge(False, 60)]
    assert not vad.is_speech


def test_a_click_is_no_speech_and_a_breath_does_not_end_it() -> None:
    click = 100 * QUIET + tone(300, 8000, 40) + 100 * QUIET
    assert EnergyVad(8000).feed(click) == []
    breath = tone(300, 8000, 200) + 480 * QUIET + tone(300, 8000, 200)
    assert EnergyVad(8000).feed(breath) == [Edge(True, 0)]


def test_steady_noise_is_learnt_and_speech_over_it_still_heard() -> None:
    vad = EnergyVad(8000)
    edges = vad.feed(noise(8000, 6000, 500))
    assert [edge.is_speech for edge in edges] == [True, False]
    assert vad.feed(noise(8000, 4000, 500, seed=2)) == []
    assert [edge.is_speech for edge in vad.feed(tone(300, 8000, 300, 6000))] == [True]
    assert vad.floor_db == pytest.approx(-41, abs=3)


def test_a_loud_sound_is_never_learnt() -> None:
    vad = EnergyVad(8000)
    assert vad.feed(tone(300, 8000, 20_000)) == [Edge(True, 0)]
    assert vad.is_speech


SOUND = 100 * QUIET + tone(300, 8000, 200) + 300 * QUIET + noise(8000, 100) + 300 * QUIET


@given(st.lists(st.integers(0, len(SOUND)), max_size=10))
def test_how_the_input_is_cut_up_changes_nothing(cuts: list[int]) -> None:
    vad = EnergyVad(8000, silence_ms=200)
    edges = itertools.pairwise([0, *sorted(cuts), len(SOUND)])
    heard = [edge for start, end in edges for edge in vad.feed(SOUND[start:end])]
    assert heard == EnergyVad(8000, silence_ms=200).feed(SOUND)
    assert len(heard) == 4
