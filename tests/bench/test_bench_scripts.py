"""The measurements of scripts do measure: each once, as short as can be."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bench import script_costs, scripts
from bench.child import Child
from bench.script_stage import open_stage


async def test_starts() -> None:
    figures = await script_costs.starts(2, 6)
    assert (len(figures["single"]), len(figures["together"])) == (6, 6)
    assert min(figures["single"] + figures["together"]) > 0


async def test_load_loses_no_message() -> None:
    figures = await script_costs.load(3, 1)
    assert (len(figures["round_trips"]), figures["lost"]) == (3 * 50, 0)
    assert 0 < figures["scripts"] < 200
    assert 0 < figures["core"] < 200


async def test_neighbours_lose_no_message() -> None:
    figures = await script_costs.neighbours(2, 1, 1)
    assert (len(figures["round_trips"]), figures["lost"]) == (2 * 50, 0)


async def test_round_trips_one_after_the_other() -> None:
    took = (await script_costs.border(2500))["round_trips"]  # more than a call may send at once
    assert len(took) == 2500
    assert min(took) > 0


async def test_a_script_that_hangs_dies_no_sooner_than_it_may_be_killed() -> None:
    (took,) = (await script_costs.death(1))["death"]
    assert took > 250


@pytest.mark.skipif(os.getuid() != 0, reason="only root may look at another user's process")
async def test_memory() -> None:
    figures = await script_costs.memory(2)
    assert (len(figures["small"]), len(figures["default"])) == (2, 2)
    assert min(figures["small"] + figures["default"]) > 1
    assert isinstance((await script_costs.growth(1000))["growth"], float)


async def test_a_script_that_fails_is_no_measurement() -> None:
    async with open_stage() as stage:
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            await stage.play("1 / 0")


async def test_a_simulated_call_takes_less_time_than_it_lasts() -> None:
    assert 0 < (await script_costs.simulation(60))["took"] < 60


def test_the_table_shows_every_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    canned = {"p99": 0.5, "single": [1.0], "together": [2.0], "round_trips": [0.04], "core": 9.0, "scripts": 8.0}
    canned |= {"lost": 0, "death": [300.0], "small": [2.1], "default": [2.4], "growth": None, "took": 1.4}

    class Canned(Child):
        def __init__(self, module: str, *arguments: object) -> None:
            asked.extend([module, *map(str, arguments[:1])])

        def __exit__(self, *_: object) -> None: ...

        def answer(self, timeout: float) -> dict[str, Any]:
            return canned

    monkeypatch.setattr(scripts, "Child", Canned)
    scripts.print_all(is_quick=True)
    shown = capsys.readouterr().out
    assert [label for one in scripts.MEASUREMENTS for label, _, _ in one.rows if label not in shown] == []
    measured = [name for name in asked if name in script_costs.MEASUREMENTS]
    assert measured == [one.name for one in scripts.MEASUREMENTS] == list(script_costs.MEASUREMENTS)
    assert "1.0 / 1.0" in shown
    assert "40   60; 0.5" in shown
