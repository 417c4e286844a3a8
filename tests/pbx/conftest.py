"""The hall's tests: the world is a desk."""

from __future__ import annotations

import pytest
from recording_desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
