"""A call that never was: it is gone through in the zygote, and in each worker that waits for a call.

In the zygote the interpreter learns the way by it, once for all: it adapts its code as it runs, and every worker would
have to do so else. In a worker it touches the pages of memory that a call will touch: they are copied before a call
waits for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from ivrnode.script import ops
from ivrnode.script.guest.link import Frame, Link
from ivrnode.script.guest.worker import Worker

_SCRIPT = """
def heard(audio): ws.send({"type": "audio", "audio": toBase64String(audio)})
def message(data): call.play(codec="g711_ulaw", audio=fromBase64String(json.loads(data)["audio"]), tag="a")
def opened():
    call.stream(codec="g711_ulaw", callback=heard)
    clearTimeout(setTimeout(opened, 1000))
ws = Websocket("ws://host.invalid")
ws.on("open", opened)
ws.on("message", message)
ws.connect()
call.say("One.")
"""
_NAME = "rehearsal"
_SOUND = b"\xff" * 160
_MESSAGE = b'{"type": "audio", "audio": "////////"}'


class Prompter(Link):
    """A link to nobody. It hands out the events of the rehearsal, then calls `over`."""

    over: Callable[[], object]

    def prompt(self, frames: list[Frame]) -> None:
        self._frames.extend(frames)

    def flush(self) -> None:
        self._out.clear()
        self._out_size = 0

    def _read(self) -> None:
        self.over()
        self._frames.append((ops.WAKE, 0, b""))


class Understudy(Worker):
    """A worker that has nobody to play for."""

    def __init__(self) -> None:
        self._prompter = Prompter()
        super().__init__(self._prompter)
        self._prompter.over = lambda: self._loop.call_soon(self._loop.stop)
        self._times = 0

    def rehearse(self) -> None:
        """From the first line of a script to the end of its socket."""
        self._times += 1
        self._runtime.begin(_NAME, _SCRIPT)
        self._environment.begin(defaultdict(str), {}, {})
        self._loop.call_soon(self._run_top_level, _SCRIPT, _NAME)
        self._prompter.prompt(
            [
                (ops.SOCKET_OPENED, self._times, b""),
                (ops.AUDIO, self._times, _SOUND),
                (ops.SOCKET_TEXT, self._times, _MESSAGE),
                (ops.SOCKET_SENT, self._times, ops.SENT.pack(0)),
                (ops.AUDIO, self._times, _SOUND),
                (ops.SOCKET_CLOSED, self._times, ops.CLOSE_HEAD.pack(1000)),
            ]
        )
        self._loop.run_forever()
