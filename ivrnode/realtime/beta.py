"""The beta shape of the protocol (header `OpenAI-Beta: realtime=v1`, switched off in May 2026), by a table of renames.

The session inside speaks GA; here its events are put into the old words, and the client's into the new ones.
"""

from __future__ import annotations

from ivrnode.realtime.error import Json, RequestError

EVENT_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_UNKNOWN_EVENTS = ("conversation.item.done", "input_audio_buffer.timeout_triggered")
_CONTENT_TYPES = {"output_audio": "audio", "output_text": "text"}
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_FORMAT_NAMES = {new: old for old, new in _FORMATS.items()}
_SESSION_FIELDS = ("instructions", "tools", "tool_choice", "model", "tracing")
_INPUT_FIELDS = {
    "turn_detection": "turn_detection",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
}
# What GA knows no more: taken and shown again, without effect.
DEFAULT_TEMPERATURE = 0.8


def to_beta(event: Json) -> Json | None:
    """A server event in the beta's words; None when the beta has no word for it."""
    if event["type"] in _UNKNOWN_EVENTS:
        return None
    event = event | {"type": EVENT_NAMES.get(event["type"], event["type"])}
    if event["type"] == "response.function_call_arguments.done":
        del event["name"]
    if "session" in event:
        event["session"] = _session_to_beta(event["session"])
    if "item" in event:
        event["item"] = _item_to_beta(event["item"])
    if "response" in event:
        event["response"] = _response_to_beta(event["response"])
    return event


def from_beta(event: Json) -> Json:
    """A client event in GA words. Raises RequestError for a session field that the beta never had."""
    if event.get("type") == "session.update" and isinstance(event.get("session"), dict):
        return event | {"session": _session_from_beta(event["session"])}
    if event.get("type") == "response.create" and isinstance(event.get("response"), dict):
        response = dict(event["response"])
        if "modalities" in response:
            response["output_modalities"] = _modalities(response.pop("modalities"))
        if "max_response_output_tokens" in response:
            response["max_output_tokens"] = response.pop("max_response_output_tokens")
        response.pop("temperature", None)
        return event | {"response": response}
    return event


def _modalities(modalities: object) -> object:
    """The beta's text and audio together is GA's audio: a transcript always comes with it."""
    if not isinstance(modalities, list):
        return modalities  # wrong in both shapes; the schema says so
    return ["audio"] if "audio" in modalities else ["text"]


def _session_from_beta(session: Json) -> Json:
    result: Json = {"type": "realtime"}
    audio: Json = {"input": {}, "output": {}}
    for name, value in session.items():
        if name in _SESSION_FIELDS:
            result[name] = value
        elif name in _INPUT_FIELDS:
            audio["input"][_INPUT_FIELDS[name]] = value
        elif name in ("input_audio_format", "output_audio_format"):
            if not isinstance(value, str) or value not in _FORMATS:
                known = ", ".join(repr(format) for format in _FORMATS)
                raise RequestError(
                    "invalid_value", f"Invalid value: '{value}'. Supported values are: {known}.", f"session.{name}"
                )
            audio[name.split("_")[0]]["format"] = {"type": _FORMATS[value]}
        elif name in ("voice", "speed"):
            audio["output"][name] = value
        elif name == "modalities":
            result["output_modalities"] = _modalities(value)
        elif name == "max_response_output_tokens":
            result["max_output_tokens"] = value
        elif name != "temperature":
            raise RequestError("unknown_parameter", f"Unknown parameter: 'session.{name}'.", f"session.{name}")
    return result | {"audio": audio}


def _session_to_beta(session: Json) -> Json:
    source, target = dict(session["audio"]["input"]), session["audio"]["output"]
    if source["turn_detection"]:
        detection = source["turn_detection"]
        source["turn_detection"] = {name: detection[name] for name in detection if name != "idle_timeout_ms"}
    return {
        **{name: session.get(name) for name in (*_SESSION_FIELDS, "id", "object", "expires_at")},
        **{old: source[new] for old, new in _INPUT_FIELDS.items()},
        "modalities": ["text", "audio"] if session["output_modalities"] == ["audio"] else ["text"],
        "max_response_output_tokens": session["max_output_tokens"],
        "input_audio_format": _FORMAT_NAMES[source["format"]["type"]],
        "output_audio_format": _FORMAT_NAMES[target["format"]["type"]],
        "voice": target["voice"],
        "speed": target["speed"],
        "temperature": DEFAULT_TEMPERATURE,
    }


def _item_to_beta(item: Json) -> Json:
    if "content" not in item:
        return item
    content = [part | {"type": _CONTENT_TYPES.get(part["type"], part["type"])} for part in item["content"]]
    return item | {"content": content}


def _response_to_beta(response: Json) -> Json:
    response = dict(response)
    output = response.pop("audio")["output"]
    return response | {
        "output": [_item_to_beta(item) for item in response["output"]],
        "modalities": ["text", "audio"] if response.pop("output_modalities") == ["audio"] else ["text"],
        "output_audio_format": _FORMAT_NAMES[output["format"]["type"]],
        "voice": output["voice"],
        "temperature": DEFAULT_TEMPERATURE,
    }
