"""The caller's audio back at once, without ears, turns or items: what a benchmark of calls wants of the other side."""

from __future__ import annotations

import json

from ivrnode.realtime.session_config import SessionConfig

_APPEND = '"input_audio_buffer.append"'
_AUDIO = '"audio":'
_DELTA = (
    '{"type":"response.output_audio.delta","event_id":"event_echo","response_id":"resp_echo","item_id":"item_echo",'
    '"output_index":0,"content_index":0,"delta":'
)


class Echo:
    """One socket's side. It trusts its client: nothing is checked."""

    def __init__(self, model: str, expires_at: int) -> None:
        self._config = SessionConfig("sess_echo", model, expires_at)

    def hello(self) -> str:
        return self._session_event("session.created")

    def reply(self, frame: str) -> str | None:
        """The frame that answers `frame`; None when nothing does."""
        if _APPEND in frame:
            # Cut out, not parsed: base64 holds no quotes, so the value ends at the next one.
            start = frame.index('"', frame.index(_AUDIO) + len(_AUDIO))
            return _DELTA + frame[start : frame.index('"', start + 1) + 1] + "}"
        event = json.loads(frame)
        if event.get("type") != "session.update":
            return None
        self._config.update(event["session"])
        return self._session_event("session.updated")

    def _session_event(self, type: str) -> str:
        return json.dumps({"type": type, "event_id": "event_echo", "session": self._config.values})
