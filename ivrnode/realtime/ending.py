"""How a session ends when it is not the client who ends it."""

from __future__ import annotations

from dataclasses import dataclass

from ivrnode.realtime.error import RequestError


@dataclass(frozen=True, slots=True)
class Ending:
    """`how`: `close` with code and reason, `drop` (TCP is gone without a close frame), `stall` (open, but dead).
    `error` is sent before."""

    how: str
    code: int = 1000
    reason: str = ""
    error: RequestError | None = None


EXPIRED = Ending("close", 1001, "Your session hit the maximum duration of 60 minutes")
BAD_KEY = Ending("close", 3000, "invalid_request_error.invalid_api_key")
SUNSET = Ending(
    "close",
    4000,
    "invalid_request_error.beta_api_shape_disabled",
    RequestError("beta_api_shape_disabled", "The Realtime beta API shape is no longer supported. Use the GA API."),
)
NO_MODEL = Ending(
    "close",
    4000,
    "invalid_request_error.missing_model",
    RequestError("missing_model", "You must provide a model parameter.", "model"),
)
# Those that a brain can bring about too, by the name of the fault.
ENDINGS = {
    "expire": EXPIRED,
    "bad-key": BAD_KEY,
    "sunset": SUNSET,
    "stall": Ending("stall"),
    "drop": Ending("drop"),
}
