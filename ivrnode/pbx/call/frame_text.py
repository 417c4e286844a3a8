"""How a WebSocket frame looks in the log: JSON as it is, but long strings (audio in base64) by their length."""

from __future__ import annotations

from typing import Any

import orjson

LONG = 400
MOST = 4000
AUDIO_KEYS = {"audio", "delta", "chunk", "data", "audio_base_64", "user_audio_chunk"}


def shorten(data: str | bytes) -> str:
    """The text to log."""
    if isinstance(data, bytes):
        return f"<{len(data)} bytes>"
    if len(data) <= LONG:
        return data
    try:
        return orjson.dumps(_shorten(orjson.loads(data), "")).decode()[:MOST]
    except (
        orjson.JSONDecodeError,
        orjson.JSONEncodeError,
        RecursionError,
    ):  # no JSON, or JSON nested beyond all reason
        return data[:MOST]


def _shorten(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _shorten(child, name) for name, child in value.items()}
    if isinstance(value, list):
        return [_shorten(child, key) for child in value]
    if isinstance(value, str) and len(value) > LONG and key in AUDIO_KEYS:
        return f"<{len(value)} characters>"
    return value
