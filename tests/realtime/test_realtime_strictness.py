"""The stand-in is strict where the service is: the right error with the right param, and never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.realtime.brain import Silent
from ivrnode.realtime.schema import CLIENT_EVENTS
from realtime.desk import BETA_UPDATE, GA_UPDATE, Desk


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "event_id": "mine", "session": {"type": "realtime", **fields}}


def audio_in(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (session(temperature=0.8), "unknown_parameter", "session.temperature"),
        (audio_in(foo=1), "unknown_parameter", "session.audio.input.foo"),
        (audio_in(format="g711_ulaw"), "invalid_type", "session.audio.input.format"),
        (audio_in(format={"type": "audio/mp3"}), "invalid_value", "session.audio.input.format.type"),
        (audio_in(format={"type": "audio/pcmu", "rate": 8000}), "unknown_parameter", "session.audio.input.format.rate"),
        (audio_in(format={"type": "audio/pcm", "rate": 8000}), "invalid_value", "session.audio.input.format.rate"),
        (audio_in(turn_detection={}), "missing_required_parameter", "session.audio.input.turn_detection.type"),
        (
            audio_in(turn_detection={"type": "semantic_vad", "silence_duration_ms": 500}),
            "unknown_parameter",
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (session(output_modalities=["audio", "text"]), "invalid_value", "session.output_modalities"),
        (session(max_output_tokens=5000), "invalid_value", "session.max_output_tokens"),
        (session(max_output_tokens=True), "invalid_type", "session.max_output_tokens"),
        (session(tools=[{"type": "function"}]), "missing_required_parameter", "session.tools[0].name"),
        (session(id="sess_1"), "unknown_parameter", "session.id"),
        (BETA_UPDATE, "missing_required_parameter", "session.type"),
        ({"type": "input_audio_buffer.append", "audio": "*"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AA=="}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
        ({"type": "conversation.item.create", "item": {"type": "song"}}, "invalid_value", "item.type"),
        (
            {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "item_x"},
            "item_create_invalid_item_id",
            "previous_item_id",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "call_x", "output": "1"},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
        ({"type": "response.create", "response": {"temperature": 1}}, "unknown_parameter", "response.temperature"),
        ({"type": "response.audio.delta"}, "invalid_value", "type"),
        ({"kind": "x"}, "missing_required_parameter", "type"),
        (["session.update"], "invalid_type", None),
    ],
)
def test_wrong_events_get_the_right_error(event: Any, code: str, param: str | None) -> None:
    desk = Desk(Silent())
    answer = desk.send_raw(json.dumps(event))
    assert answer["type"] == "error"
    assert answer["error"]["type"] == "invalid_request_error"
    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
    assert answer["error"]["event_id"] == (event.get("event_id") if isinstance(event, dict) else None)


def test_frames_that_are_no_events() -> None:
    desk = Desk(Silent())
    assert desk.send_raw("{")["error"]["code"] == "invalid_json"
    assert desk.send_raw("[" * 100_000)["error"]["code"] == "invalid_json"
    assert desk.send_raw(b"\x00\x01")["error"]["code"] == "invalid_message"


def test_a_wrong_update_changes_nothing() -> None:
    desk = Desk(Silent())
    desk.update()
    before = desk.events[-1]["session"]
    desk.send_raw(json.dumps(session(instructions="New.", temperature=1)))
    desk.send(session())
    assert desk.events[-1]["session"] == before


def test_an_item_is_added_once() -> None:
    desk = Desk(Silent())
    event = {"type": "conversation.item.create", "item": {**MESSAGE, "id": "a"}}
    desk.send(event)
    assert desk.send(event)[0]["error"]["code"] == "item_create_duplicate_item_id"


def test_the_beta_shape_refuses_what_it_never_had() -> None:
    desk = Desk(Silent(), shape="beta")
    update = {"type": "session.update", "session": {"audio": {}}}
    assert desk.send_raw(json.dumps(update))["error"]["param"] == "session.audio"
    update = {"type": "session.update", "session": {"input_audio_format": "opus"}}
    assert desk.send_raw(json.dumps(update))["error"]["param"] == "session.input_audio_format"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in an event."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [path, *(found for key in keys for found in paths(value[key], (*path, key)))]


@given(st.data())
@pytest.mark.parametrize("shape", ["ga", "beta"])
def test_nothing_that_a_client_sends_raises(shape: str, data: st.DataObject) -> None:
    """Any JSON, any type of event, and a good update with one place of it broken."""
    desk = Desk(Silent(), shape=shape, strict=False)
    good = json.loads(json.dumps(GA_UPDATE if shape == "ga" else BETA_UPDATE))
    path = data.draw(st.sampled_from(paths(good)[1:]))
    place = good
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(json_values)
    kind = {"type": data.draw(st.sampled_from(list(CLIENT_EVENTS)))}
    fields = data.draw(
        st.dictionaries(st.sampled_from(["audio", "item", "item_id", "session", "response"]), json_values)
    )
    for event in (data.draw(json_values), kind | fields, good):
        desk.send_raw(json.dumps(event))
