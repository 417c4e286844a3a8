"""Keys of the caller: who gets them, and `call.gather`, which makes a number of them.

prompt ──done──> timeout ──key──> digit_timeout ──key──> ... ──> max, finish
                    └───────────────────┴──────────────────────> timeout          another gather: stopped
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest.arguments import check, check_range
from ivrnode.script.guest.playback import Playback
from ivrnode.script.guest.result import Result, await_first
from ivrnode.script.guest.runtime import Handler, Runtime, adapt

KEYS = "0123456789*#ABCD"
_EARLY = 64
_MOST_DIGITS = 64
_LONGEST = 3600


class Keys:
    """A gather gets them while it lasts, else the script's handler; what nobody wants yet waits here and in the core.

    `mute` drops all queued sound.
    """

    def __init__(self, runtime: Runtime, mute: Callable[[], int]) -> None:
        self.runtime, self.mute = runtime, mute
        self._handler: Handler | None = None
        self._gather: Gather | None = None
        self._early: deque[str] = deque(maxlen=_EARLY)
        self._is_listening = False

    def handle(self, handler: Handler | None) -> None:
        self._handler = None if handler is None else adapt(handler, 1)
        self._changed()

    def gather(self, gather: Gather | None) -> None:
        """None: the last one is over."""
        if gather is not None and self._gather is not None:
            self._gather.stop()
        self._gather = gather
        self._changed()

    def pressed(self, digit: str) -> None:
        self._early.append(digit)
        self._deliver()

    def close(self) -> None:
        """The call is over."""
        if self._gather is not None:
            self._gather.stop()

    def _changed(self) -> None:
        is_wanted = self._handler is not None or self._gather is not None
        if is_wanted != self._is_listening and not self.runtime.is_over:
            self.runtime.link.put(ops.LISTEN, 0, b"\1" if is_wanted else b"\0")
        self._is_listening = is_wanted
        if is_wanted and self._early:
            self.runtime.loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._early:
            if self._gather is not None:
                self._gather.pressed(self._early.popleft())
            elif self._handler is not None:
                self.runtime.run(self._handler, self._early.popleft())
            else:
                return


class Gather:
    """Awaited, it gives `digits` and `reason`: max, finish, timeout or stopped. Who gives up waiting stops it."""

    def __init__(
        self,
        keys: Keys,
        max_digits: int,
        finish: str,
        timeout: float,
        digit_timeout: float,
        callback: Handler | None,
    ) -> None:
        check("max_digits", max_digits, int)
        check_range("max_digits", max_digits, 1, _MOST_DIGITS)
        check_range("timeout", timeout, 0, _LONGEST)
        check_range("digit_timeout", digit_timeout, 0, _LONGEST)
        self._keys = keys
        self._max_digits, self._finish = max_digits, check_keys("finish", finish)
        self._timeout, self._digit_timeout = timeout, digit_timeout
        self._callback = None if callback is None else adapt(callback, 1)
        self._digits = ""
        self._timer: asyncio.TimerHandle | None = None
        self._result: asyncio.Future[Result] = keys.runtime.loop.create_future()

    def begin(self, prompt: Playback | None) -> None:
        """The first timeout runs from the end of the prompt."""
        if self._keys.runtime.is_over:
            self._end("stopped")
            return
        self._keys.gather(self)
        if prompt is None:
            self._prompted()
        else:
            prompt.on("done", self._prompted)

    def stop(self) -> None:
        """Harmless twice."""
        self._end("stopped")

    def pressed(self, digit: str) -> None:
        if not self._digits:
            self._keys.mute()
        if digit in self._finish:
            self._end("finish")
            return
        self._digits += digit
        if len(self._digits) == self._max_digits:
            self._end("max")
        else:
            self._wait(self._digit_timeout)

    def __await__(self) -> Generator[Any, None, Result]:
        try:
            return (yield from asyncio.shield(self._result))
        except asyncio.CancelledError:
            self.stop()
            raise

    def __getattr__(self, name: str) -> Any:
        raise await_first(self, name)

    def _prompted(self) -> None:
        if not self._digits and not self._result.done():
            self._wait(self._timeout)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._keys.runtime.loop.call_later(seconds, self._end, "timeout")

    def _end(self, reason: str) -> None:
        if self._result.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        result = Result(digits=self._digits, reason=reason)
        self._result.set_result(result)
        self._keys.gather(None)
        if self._callback is not None:
            self._keys.runtime.run(self._callback, result)


def check_keys(name: str, keys: object) -> str:
    check(name, keys, str)
    text = str(keys)
    if not set(text) <= set(KEYS):
        raise ValueError(f"{name} must be keys, of {KEYS}, not {text!r}")
    return text
