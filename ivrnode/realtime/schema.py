"""What a client may send, as one table of shapes; strict where the real service is strict.

A shape is called with a value and its path (`session.audio.input.format`), and raises RequestError with that path as
`param`. Source: the client events of the Realtime API reference, GA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ivrnode.realtime.error import Json, RequestError

Shape = Callable[[Any, str], None]


def check_event(event: Any) -> None:
    """Refuse anything but a client event of the GA protocol. Raises RequestError."""
    if not isinstance(event, dict):
        raise RequestError("invalid_type", "Invalid type for the event: expected an object.")
    kind = event.get("type")
    if kind is None:
        raise RequestError("missing_required_parameter", "Missing required parameter: 'type'.", "type")
    if not isinstance(kind, str) or kind not in CLIENT_EVENTS:
        raise RequestError("invalid_value", _not_one_of(kind, CLIENT_EVENTS), "type")
    CLIENT_EVENTS[kind](event, "")


def _not_one_of(value: object, values: Any) -> str:
    return f"Invalid value: '{value}'. Supported values are: {', '.join(repr(known) for known in values)}."


def _kind(name: str, *types: type) -> Shape:
    def check(value: Any, path: str) -> None:
        # bool is an int in Python, but not in JSON.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            message = f"Invalid type for '{path}': expected {name}, but got {type(value).__name__} instead."
            raise RequestError("invalid_type", message, path)

    return check


_text = _kind("a string", str)
_integer = _kind("an integer", int)
_number = _kind("a number", int, float)
_boolean = _kind("a boolean", bool)
_any_object = _kind("an object", dict)
_array = _kind("an array", list)


def _between(shape: Shape, low: float, high: float) -> Shape:
    def check(value: Any, path: str) -> None:
        shape(value, path)
        if not low <= value <= high:
            message = f"Invalid '{path}': expected a value from {low} to {high}, but got {value} instead."
            raise RequestError("invalid_value", message, path)

    return check


def _one_of(*values: str) -> Shape:
    def check(value: Any, path: str) -> None:
        if value not in values:
            raise RequestError("invalid_value", _not_one_of(value, values), path)

    return check


def _nullable(shape: Shape) -> Shape:
    def check(value: Any, path: str) -> None:
        if value is not None:
            shape(value, path)

    return check


def _either(plain: Shape, other: Shape, is_plain: type = str) -> Shape:
    """`plain` for values of type `is_plain`, else `other`."""

    def check(value: Any, path: str) -> None:
        (plain if isinstance(value, is_plain) else other)(value, path)

    return check


def _list(shape: Shape) -> Shape:
    def check(value: Any, path: str) -> None:
        _array(value, path)
        for index, element in enumerate(value):
            shape(element, f"{path}[{index}]")

    return check


def _object(required: dict[str, Shape], optional: dict[str, Shape] | None = None) -> Shape:
    """Just these fields, no other."""
    known = required | (optional or {})

    def check(value: Any, path: str) -> None:
        _any_object(value, path)
        prefix = path + "." if path else ""
        for name in required:
            if name not in value:
                message = f"Missing required parameter: '{prefix}{name}'."
                raise RequestError("missing_required_parameter", message, prefix + name)
        for name, element in value.items():
            if name not in known:
                raise RequestError("unknown_parameter", f"Unknown parameter: '{prefix}{name}'.", prefix + name)
            known[name](element, prefix + name)

    return check


def _tagged(tag: str, shapes: dict[str, Shape]) -> Shape:
    """One of `shapes`, chosen by the field `tag`."""

    def check(value: Any, path: str) -> None:
        _any_object(value, path)
        if tag not in value:
            raise RequestError(
                "missing_required_parameter", f"Missing required parameter: '{path}.{tag}'.", f"{path}.{tag}"
            )
        _one_of(*shapes)(value[tag], f"{path}.{tag}")
        shapes[value[tag]](value, path)

    return check


def _modalities(value: Any, path: str) -> None:
    _list(_one_of("audio", "text"))(value, path)
    if len(value) != 1:
        message = f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio']."
        raise RequestError("invalid_value", message, path)


_FORMAT = _tagged(
    "type",
    {
        "audio/pcm": _object({"type": _text}, {"rate": _nullable(_between(_integer, 24000, 24000))}),
        "audio/pcmu": _object({"type": _text}),
        "audio/pcma": _object({"type": _text}),
    },
)
_TURN_DETECTION = _tagged(
    "type",
    {
        "server_vad": _object(
            {"type": _text},
            {
                "threshold": _between(_number, 0, 1),
                "prefix_padding_ms": _between(_integer, 0, 5000),
                "silence_duration_ms": _between(_integer, 0, 10000),
                "idle_timeout_ms": _nullable(_between(_integer, 5000, 30000)),
                "create_response": _boolean,
                "interrupt_response": _boolean,
            },
        ),
        "semantic_vad": _object(
            {"type": _text},
            {
                "eagerness": _one_of("low", "medium", "high", "auto"),
                "create_response": _boolean,
                "interrupt_response": _boolean,
            },
        ),
    },
)
_TRANSCRIPTION = _object(
    {},
    {
        "model": _text,
        "language": _nullable(_text),
        "languages": _nullable(_list(_text)),
        "prompt": _nullable(_text),
        "keywords": _nullable(_list(_text)),
        "delay": _nullable(_one_of("minimal", "low", "medium", "high", "xhigh")),
    },
)
_NOISE_REDUCTION = _object({}, {"type": _one_of("near_field", "far_field"), "strength": _number})
_VOICE = _either(_text, _object({"id": _text}))
_TOOL = _tagged(
    "type",
    {
        "function": _object(
            {"type": _text, "name": _text}, {"description": _text, "parameters": _nullable(_any_object)}
        ),
        "mcp": _any_object,
    },
)
_TOOL_CHOICE = _either(
    _one_of("none", "auto", "required"), _object({"type": _text}, {"name": _text, "server_label": _text})
)
_MAX_TOKENS = _either(_one_of("inf"), _between(_integer, 1, 4096))

# `id`, `object` and `expires_at` are in the server's session object and may not come back in an update.
_SESSION = _object(
    {"type": _one_of("realtime")},
    {
        "model": _text,
        "instructions": _text,
        "output_modalities": _modalities,
        "max_output_tokens": _MAX_TOKENS,
        "tools": _list(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": _boolean,
        "reasoning": _nullable(_object({}, {"effort": _one_of("minimal", "low", "medium", "high", "xhigh")})),
        "prompt": _nullable(_any_object),
        "tracing": _nullable(_either(_one_of("auto"), _any_object)),
        "truncation": _either(_one_of("auto", "disabled"), _any_object),
        "include": _nullable(_list(_one_of("item.input_audio_transcription.logprobs"))),
        "audio": _object(
            {},
            {
                "input": _object(
                    {},
                    {
                        "format": _FORMAT,
                        "transcription": _nullable(_TRANSCRIPTION),
                        "noise_reduction": _nullable(_NOISE_REDUCTION),
                        "turn_detection": _nullable(_TURN_DETECTION),
                    },
                ),
                "output": _object({}, {"format": _FORMAT, "voice": _VOICE, "speed": _between(_number, 0.25, 1.5)}),
            },
        ),
    },
)

_ITEM_FIELDS: dict[str, Shape] = {
    "id": _text,
    "object": _one_of("realtime.item"),
    "status": _one_of("completed", "incomplete", "in_progress"),
}
_CONTENT = {
    "input_text": _object({"type": _text, "text": _text}),
    "input_audio": _object({"type": _text}, {"audio": _text, "transcript": _nullable(_text)}),
    "input_image": _object({"type": _text, "image_url": _text}, {"detail": _text}),
    "output_text": _object({"type": _text, "text": _text}),
    "output_audio": _object({"type": _text}, {"transcript": _nullable(_text)}),
}


def _message(*kinds: str) -> Shape:
    content = _list(_tagged("type", {kind: _CONTENT[kind] for kind in kinds}))
    return _object({"type": _text, "role": _text, "content": content}, _ITEM_FIELDS)


_ITEM = _tagged(
    "type",
    {
        "message": _tagged(
            "role",
            {
                "user": _message("input_text", "input_audio", "input_image"),
                "system": _message("input_text"),
                "assistant": _message("output_text", "output_audio"),
            },
        ),
        "function_call": _object({"type": _text, "name": _text, "arguments": _text}, _ITEM_FIELDS | {"call_id": _text}),
        "function_call_output": _object({"type": _text, "call_id": _text, "output": _text}, _ITEM_FIELDS),
    },
)
_RESPONSE = _object(
    {},
    {
        "instructions": _text,
        "output_modalities": _modalities,
        "max_output_tokens": _MAX_TOKENS,
        "tools": _list(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": _boolean,
        "reasoning": _any_object,
        "prompt": _nullable(_any_object),
        "conversation": _one_of("auto"),
        "metadata": _nullable(_any_object),
        "audio": _object({}, {"output": _object({}, {"format": _FORMAT, "voice": _VOICE})}),
    },
)


def _event(required: dict[str, Shape] | None = None, optional: dict[str, Shape] | None = None) -> Shape:
    return _object({"type": _text} | (required or {}), {"event_id": _nullable(_text)} | (optional or {}))


CLIENT_EVENTS: dict[str, Shape] = {
    "session.update": _event({"session": _SESSION}),
    "input_audio_buffer.append": _event({"audio": _text}),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event({"item": _ITEM}, {"previous_item_id": _nullable(_text)}),
    "conversation.item.delete": _event({"item_id": _text}),
    "conversation.item.retrieve": _event({"item_id": _text}),
    "conversation.item.truncate": _event({"item_id": _text, "content_index": _integer, "audio_end_ms": _integer}),
    "response.create": _event(optional={"response": _nullable(_RESPONSE)}),
    "response.cancel": _event(optional={"response_id": _text}),
    "output_audio_buffer.clear": _event(),
}


def merged(old: Json, new: Json) -> Json:
    """`old` with the fields of `new`, object by object; what has a `type` of its own is replaced as a whole."""
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        is_nested = isinstance(value, dict) and isinstance(before, dict) and "type" not in value
        result[name] = merged(before or {}, value) if is_nested else value
    return result
