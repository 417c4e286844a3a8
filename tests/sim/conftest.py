"""The fixture that tenants get. By name, so that it is there also where the package's entry point is not installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.testing import ivr, ivrnode_studio

__all__ = ["ivr", "ivrnode_studio"]

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put a script's text into a file."""

    def write(text: str) -> Path:
        path = tmp_path / f"script{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text, "utf-8")
        return path

    return write
