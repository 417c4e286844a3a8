"""For all tests: a slow machine is no reason for a property to be false, and nobody's rubbish delays anyone."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="module", autouse=True)
def real_time() -> Iterator[None]:
    """Nobody takes the clock with him."""
    clock = time.monotonic
    yield
    assert time.monotonic is clock


@pytest.fixture(scope="module", autouse=True)
def young_heap() -> None:
    """What the modules before left behind is looked at no more.

    A whole run holds some 800,000 objects; a walk through them all is half a second in which no packet leaves.
    """
    gc.freeze()
