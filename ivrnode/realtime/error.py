"""The error that a client gets for a wrong event: shape of the `error` object of the Realtime protocol."""

from __future__ import annotations

from typing import Any

from ivrnode.errors import ProtocolError

Json = dict[str, Any]


class RequestError(ProtocolError):
    """A client's event cannot be obeyed. `code` and `param` are those of the protocol's `error` event."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param

    def to_json(self, event_id: str | None) -> Json:
        """The `error` object. `event_id` is the one that the client gave to its event."""
        return {
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        }
