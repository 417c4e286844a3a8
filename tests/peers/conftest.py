"""Fixtures for tests with real peers. A test that takes one is skipped, with the reason, where the peer is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ivrnode.audio.g711 import pcm_to_ulaw
from peers import baresip, lab, node, sipp
from peers.baresip import Baresip
from peers.lab import Lab
from peers.node import Node
from peers.sipp import Sipp
from sound import tone

TONE = 440
"""Hz of what the callers say."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.peer)


@pytest.fixture(scope="session")
def lab_is_possible() -> None:
    if reason := lab.reason_to_skip():
        pytest.skip(reason)


@pytest.fixture(name="lab")
def _lab(lab_is_possible: None) -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


@pytest.fixture(name="baresip")
def _baresip(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Baresip]]:
    """Make a phone that says a tone: `baresip(user="alice", codec="PCMU", account=";answermode=auto")`."""
    if reason := baresip.reason_to_skip():
        pytest.skip(reason)
    phones: list[Baresip] = []

    def make(**options: str) -> Baresip:
        rate = 16000 if options.get("codec") == "G722" else 8000
        # A whole number of periods, many times over: longer than any call of a test.
        source = tone(TONE, rate, 1000) * 60
        phones.append(Baresip(lab, tmp_path / f"baresip-{len(phones)}", source, **options))
        return phones[-1]

    yield make
    for phone in phones:
        phone.close()


@pytest.fixture(name="sipp")
def _sipp(lab: Lab, tmp_path: Path) -> Callable[..., Sipp]:
    """Start SIPp: `sipp("uac_media", "10.77.0.1:5060", user="700", arguments=["-d", "2000"])`. It says a tone."""
    if reason := sipp.reason_to_skip():
        pytest.skip(reason)
    numbers = itertools.count()

    def start(scenario: str, remote: str = "", **options: object) -> Sipp:
        folder = tmp_path / f"sipp-{next(numbers)}"
        folder.mkdir()
        (folder / "speech.ul").write_bytes(pcm_to_ulaw(tone(TONE, 8000, 1000)))
        return Sipp(lab, folder, scenario, remote, **options)  # type: ignore[arg-type]

    return start


@pytest.fixture(name="node")
def _node(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Start `ivrnode serve`: `node({"700": ECHO}, keys={"700": "rec = true"})`. At the end it must go in order and
    without a traceback."""
    if reason := node.reason_to_skip():
        pytest.skip(reason)
    started: list[Node] = []

    def start(scripts: dict[str, str], **more: dict[str, str]) -> Node:
        started.append(Node(lab, tmp_path / f"node-{len(started)}", scripts, **more))
        return started[-1]

    yield start
    for each in started:
        each.close()
