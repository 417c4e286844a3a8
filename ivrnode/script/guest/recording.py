"""`call.record`: a recording of the call. The core makes it; here is what a script sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from ivrnode.script.guest.arguments import check_range
from ivrnode.script.guest.gather import check_keys
from ivrnode.script.guest.runtime import Handler, Runtime, adapt
from ivrnode.script.guest.services import Answer, Services

_LONGEST = 3600


class Recording:
    """`seconds` and `reason` (max, silence, finish, stopped, hangup, error) are known when it is over. `await` gives it
    back then; it never raises."""

    def __init__(self, recordings: Recordings, id: str, callback: Handler | None) -> None:
        self.id, self.seconds, self.reason = id, 0.0, ""
        self._recordings = recordings
        self._callback = callback
        self._done: asyncio.Future[None] = recordings.runtime.loop.create_future()

    @property
    def done(self) -> bool:
        return self._done.done()

    def stop(self) -> None:
        """Harmless twice."""
        if not self.done:
            self._recordings.services.post("record.stop", id=self.id)

    def __getitem__(self, key: str) -> Any:
        if key not in ("id", "seconds", "reason"):
            raise KeyError(key)
        return getattr(self, key)

    def __await__(self) -> Generator[Any, None, Recording]:
        yield from asyncio.shield(self._done)
        return self

    def _end(self, seconds: float, reason: str) -> None:
        if self.done:
            return
        self.seconds, self.reason = seconds, reason
        self._done.set_result(None)
        if self._callback is not None:
            runtime = self._recordings.runtime
            task = runtime.run(self._callback, self)
            if reason == "hangup":
                runtime.parting.add(task)


class Recordings:
    """All of one call. `id`s are made here, so that a script knows them at once."""

    def __init__(self, runtime: Runtime, services: Services) -> None:
        self.runtime, self.services = runtime, services
        self.callid, self.is_allowed = "", False
        self._last = 0
        self._open: dict[int, Recording] = {}

    def begin(
        self,
        channels: int,
        max_seconds: float,
        silence: float,
        finish: str,
        callback: Handler | None,
    ) -> Recording:
        check_range("channels", channels, 1, 2)
        check_range("max_seconds", max_seconds, 0.1, _LONGEST)
        check_range("silence", silence, 0, _LONGEST)
        check_keys("finish", finish)
        told = None if callback is None else adapt(callback, 1)
        if not (self.is_allowed or self.runtime.is_over):
            raise PermissionError("recording is off for this node: the operator switches it on with `rec = true`")
        self._last += 1
        recording = Recording(self, f"{self.callid}-{self._last}", told)
        if self.runtime.is_over:
            recording._end(0.0, "hangup")
            return recording
        number, answer = self.services.begin(
            "record",
            lambda what, arguments, body: self._ended(number, arguments["seconds"], arguments["reason"]),
            number=self._last,
            channels=int(channels),
            max_seconds=max_seconds,
            silence=silence,
            finish=finish,
        )
        self._open[number] = recording

        def begun(answer: asyncio.Future[Answer]) -> None:
            if answer.exception():
                self._ended(number, 0.0, "error")

        answer.add_done_callback(begun)
        return recording

    def close(self) -> None:
        """The call is over."""
        for number in list(self._open):
            self._ended(number, 0.0, "hangup")

    def _ended(self, number: int, seconds: float, reason: str) -> None:
        recording = self._open.pop(number, None)
        if recording is not None:
            self.services.forget(number)
            recording._end(seconds, reason)
