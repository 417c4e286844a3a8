"""Frames of a test socket against the typed models of the `openai` package, with unknown fields refused.

The models let unknown fields pass, so `extras` walks what they could not place. A failure names the frame's place in
the stream, its type and the field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import openai.types.beta.realtime as beta
import openai.types.realtime as ga
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

_ADAPTERS: dict[tuple[str, str], TypeAdapter[Any]] = {
    ("ga", "client"): TypeAdapter(Annotated[ga.RealtimeClientEvent, Field(discriminator="type")]),
    ("ga", "server"): TypeAdapter(Annotated[ga.RealtimeServerEvent, Field(discriminator="type")]),
    ("beta", "client"): TypeAdapter(Annotated[beta.RealtimeClientEvent, Field(discriminator="type")]),
    ("beta", "server"): TypeAdapter(Annotated[beta.RealtimeServerEvent, Field(discriminator="type")]),
}
# The service sends these in its session object, its typed request model (which the event reuses) does not name them;
# the model of the object itself, RealtimeSessionCreateResponse, does.
_SESSION_EXTRAS = {"session.id", "session.object", "session.expires_at"}


def extras(model: Any, path: str = "") -> Iterator[str]:
    """The paths of all fields in `model` that its class does not know."""
    if isinstance(model, BaseModel):
        prefix = path + "." if path else ""
        yield from (prefix + name for name in model.model_extra or {})
        for name in type(model).model_fields:
            yield from extras(getattr(model, name), prefix + name)
    elif isinstance(model, list):
        for index, element in enumerate(model):
            yield from extras(element, f"{path}[{index}]")


class Judge:
    """`shape` is ga or beta. Collects what it has seen: `client` and `server`, parsed; all else only when strict."""

    def __init__(self, shape: str = "ga", is_strict: bool = True) -> None:
        self.shape, self._is_strict = shape, is_strict
        self.client: list[dict[str, Any]] = []
        self.server: list[dict[str, Any]] = []

    def check(self, side: str, frame: str | bytes) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(frame)
        seen = self.client if side == "client" else self.server
        seen.append(event)
        if not self._is_strict:
            return event
        where = f"{side} frame {len(seen) - 1} ({event.get('type')})"
        try:
            model = _ADAPTERS[self.shape, side].validate_python(event)
        except ValidationError as error:
            raise AssertionError(f"{where}: {error}") from None
        unknown = [path for path in extras(model) if path not in _SESSION_EXTRAS]
        assert not unknown, f"{where}: unknown fields {unknown}"
        return event
