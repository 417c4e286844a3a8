"""How WebSocket frames look in the log."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.pbx.call.frame_text import LONG, MOST, shorten


def test_audio_is_shown_by_its_length() -> None:
    text = shorten(orjson.dumps({"type": "input_audio_buffer.append", "audio": "A" * 640}).decode())
    assert orjson.loads(text) == {"type": "input_audio_buffer.append", "audio": "<640 characters>"}


def test_long_text_is_no_audio() -> None:
    frame = orjson.dumps({"type": "session.update", "session": {"instructions": "be kind " * 100}}).decode()
    assert shorten(frame) == frame


def test_binary_is_shown_by_its_length() -> None:
    assert shorten(b"\x00" * 160) == "<160 bytes>"


@given(st.text(min_size=LONG + 1))
def test_any_text_gives_a_bounded_line(text: str) -> None:
    assert len(shorten(text)) <= MOST


@pytest.mark.parametrize("depth", [250, 300, 600, 1000, 5000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":[', "]}")])
def test_no_nesting_is_too_deep_for_a_line(depth: int, left: str, right: str) -> None:
    assert shorten(left * depth + right * depth).startswith(left)
