"""The global `call`: sound to and from the caller, digits, and the end of it."""

from __future__ import annotations

from typing import Any

from ivrnode.script import ops
from ivrnode.script.guest import arguments
from ivrnode.script.guest.arguments import check, takes_object
from ivrnode.script.guest.connecting import Connecting
from ivrnode.script.guest.gather import Gather, Keys
from ivrnode.script.guest.outreach import Outreach
from ivrnode.script.guest.playback import Playback
from ivrnode.script.guest.recording import Recording, Recordings
from ivrnode.script.guest.runtime import Handler, Runtime, adapt
from ivrnode.script.guest.services import Services


class Call(Connecting, Outreach):
    """The names are Vodia's, in Python. What happened comes in through the methods with an underscore."""

    _events = {"hangup": 1, "drained": 0, "speech": 1, "transfer": 1}

    callid: str
    caller: str
    called: str
    caller_name: str
    tenant: str
    node: str

    def __init__(self, runtime: Runtime, services: Services) -> None:
        super().__init__(runtime)
        self._services = services
        self._lang = "en"
        self._items = 0
        self._playbacks: dict[int, Playback] = {}
        self._on_audio: Handler | None = None
        self._stream = 0  # the number of the last one
        self._keys = Keys(runtime, self.mute)
        self._recordings = Recordings(runtime, services)
        self._withheld_ms = 0
        self._is_watching = False
        self._hangup_sent: bool | None = None  # and whether it was a drained one

    def _begin(self, facts: dict[str, Any]) -> None:
        self.callid, self.caller, self.called = facts["callid"], facts["caller"], facts["called"]
        self.caller_name, self.tenant, self.node = facts["caller_name"], facts["tenant"], facts["node"]
        self._lang = facts["lang"]
        self.http_url = facts["http_url"]
        self._begin_connecting(facts)
        self._recordings.callid, self._recordings.is_allowed = facts["callid"], facts["may_record"]
        self._services.listen(0, self._told)

    @property
    def lang(self) -> str:
        return self._lang

    @lang.setter
    def lang(self, lang: str) -> None:
        self._lang = arguments.check_lang(lang)
        if not self._runtime.is_over:
            self._runtime.link.put(ops.LANG, 0, lang.encode())

    @property
    def queued_ms(self) -> int:
        return 0 if self._runtime.is_over else self._runtime.link.ask("queued")

    # Sound to the caller.

    @takes_object
    def say(
        self, text: str, background: bool = False, lang: str | None = None, voice: str = "", tag: str = ""
    ) -> Playback:
        check("text", text, str)
        check("voice", voice, str)
        if len(text) > ops.MAX_TEXT:
            raise ValueError(f"text must not be longer than {ops.MAX_TEXT} characters")
        check("background", background, bool)
        lang = self._lang if lang is None else arguments.check_lang(lang)
        arguments.check_tag(tag)
        playback = self._playback(is_empty=not text.strip())
        if not playback.done:
            clean = text.encode("utf-8", "replace").decode()
            self._runtime.link.put_json(
                ops.SAY, playback._item, text=clean, lang=lang, voice=voice, tag=tag, background=background
            )
        return playback

    @takes_object
    def play(
        self,
        direction: str = "out",
        codec: str | None = None,
        audio: bytes | None = None,
        rate: int | None = None,
        tag: str = "",
        background: bool = False,
        url: str | None = None,
    ) -> Playback:
        if direction != "out":
            raise ValueError(f'direction must be "out", not {direction!r}; a file is play(url="prompt:NAME")')
        if (audio is None) == (url is None):
            raise ValueError("play needs either audio or url")
        check("background", background, bool)
        name = arguments.check_tag(tag)
        if url is not None:
            return self._play_url(arguments.check_sound_url(url), tag, background)
        rate = arguments.check_codec(codec, rate)
        sound = arguments.check_audio(audio)
        if codec == "pcm16" and len(sound) % 2:
            raise ValueError("pcm16 audio must have an even length")
        playback = self._playback(is_empty=not sound)
        if not playback.done:
            head = ops.PLAY_HEAD.pack(ops.CODECS.index(str(codec)), rate, background, len(name))
            self._runtime.link.put(ops.PLAY, playback._item, head + name + sound)
        return playback

    def _play_url(self, url: str, tag: str, background: bool) -> Playback:
        playback = self._playback(is_empty=False)
        if not playback.done:
            self._services.post("play", item=playback._item, url=url, tag=tag, background=background)
        return playback

    def mute(self) -> int:
        """Drop all queued sound; returns the milliseconds dropped."""
        return 0 if self._runtime.is_over else self._runtime.link.ask("mute")

    def played_ms(self, tag: str) -> int:
        arguments.check_tag(tag)
        return 0 if self._runtime.is_over else self._runtime.link.ask("tag", tag)

    def _playback(self, is_empty: bool) -> Playback:
        self._items += 1
        playback = Playback(self._runtime, self._items)
        if is_empty or self._runtime.is_over:
            playback._end(0, self._runtime.is_over, "")
        else:
            self._playbacks[self._items] = playback
        return playback

    # Sound and digits from the caller.

    @takes_object
    def stream(
        self,
        codec: str | None = None,
        interval: float = 0.06,
        callback: Handler | None = None,
        rate: int | None = None,
        vad: object = False,
    ) -> None:
        """Without arguments: stop. The last callback stays for the chunk that is still to come. What is on its way of a
        stream that another one has replaced is dropped: it is of another codec, or another size."""
        if codec is None and callback is None:
            self._put_stream("", 8000, 60, 0, 0)
            return
        codec = "g711_ulaw" if codec is None else codec
        rate = arguments.check_codec(codec, rate)
        arguments.check_range("interval", interval, 0.02, 1.0)
        interval_ms = round(interval * 1000)
        if interval_ms % 20 or abs(interval * 1000 - interval_ms) > 0.01:
            raise ValueError(f"interval must be in steps of 0.02 seconds, not {interval}")
        pre_roll_ms, hang_over_ms = arguments.check_gate(self._runtime, vad)
        if callback is None:
            raise TypeError("callback is missing: stream needs a function that takes the audio")
        self._on_audio = adapt(callback, 1)
        self._stream += 1
        self._put_stream(codec, rate, interval_ms, pre_roll_ms, hang_over_ms)

    def _put_stream(self, codec: str, rate: int, interval_ms: int, pre_roll_ms: int, hang_over_ms: int) -> None:
        if not self._runtime.is_over:
            self._runtime.link.put_json(
                ops.STREAM,
                self._stream,
                codec=codec,
                rate=rate,
                interval_ms=interval_ms,
                pre_roll_ms=pre_roll_ms,
                hang_over_ms=hang_over_ms,
            )

    @property
    def withheld_ms(self) -> int:
        """What streams with `vad` that have ended did not hand over."""
        return self._withheld_ms

    def dtmf(self, callback: Handler | None) -> None:
        self._keys.handle(callback)

    @takes_object
    def gather(
        self,
        max_digits: int = 32,
        finish: str = "#",
        timeout: float = 5,
        digit_timeout: float = 3,
        say: str | dict[str, Any] | None = None,
        url: str | None = None,
        callback: Handler | None = None,
    ) -> Gather:
        """Ask for digits. Another gather stops it. `say`: what `call.say` takes, a text or a dict."""
        if say is not None and url is not None:
            raise ValueError("gather takes either say or url")
        gather = Gather(self._keys, max_digits, finish, timeout, digit_timeout, callback)
        prompt = self.say(say) if say is not None else self.play(url=url) if url is not None else None
        gather.begin(prompt)
        return gather

    @takes_object
    def record(
        self,
        channels: int = 2,
        max_seconds: float = 3600,
        silence: float = 0,
        finish: str = "",
        callback: Handler | None = None,
    ) -> Recording:
        """Record the call. Another recording stops it."""
        return self._recordings.begin(channels, max_seconds, silence, finish, callback)

    def press(self, keys: str) -> None:
        """Press keys towards the far end; they replace the sound while they last, 0.2 s each."""
        check("keys", keys, str)
        if not keys or len(keys) > 64 or set(keys.upper()) - set("0123456789*#ABCD"):
            raise ValueError(f"keys must be 1 to 64 of 0-9 * # A-D, not {keys!r}")
        if not self._runtime.is_over:
            self._services.post("press", keys=keys)

    # Control.

    @takes_object
    def hangup(self, drain: bool = False) -> None:
        check("drain", drain, bool)
        if self._runtime.is_over or self._hangup_sent is False or self._hangup_sent is drain:
            return
        self._hangup_sent = drain
        self._runtime.link.put(ops.HANGUP, 0, b"\1" if drain else b"\0")

    def log(self, msg: object, level: int = 5) -> None:
        check("level", level, int)
        arguments.check_range("level", level, 0, 9)
        self._runtime.log(level, str(msg))

    # What happened.

    def _audio_heard(self, stream: int, audio: bytes) -> None:
        if stream == self._stream and self._on_audio is not None:
            self._runtime.run(self._on_audio, audio)

    def _digit_pressed(self, digit: str) -> None:
        self._keys.pressed(digit)

    def _handler_added(self, name: str) -> None:
        if name == "speech" and not self._is_watching and not self._runtime.is_over:
            self._is_watching = True
            self._services.begin("speech", lambda what, told, body: self._emit("speech", told["speaking"]))
        elif name == "drained" and len(self._handlers[name]) == 1 and not self._runtime.is_over:
            self._runtime.link.put(ops.AWAIT, 0)

    def _told(self, what: str, told: dict[str, Any], body: bytes) -> None:
        if what == "withheld":
            self._withheld_ms = told["ms"]

    def _playback_done(self, item: int, played_ms: int, is_stopped: bool, error: str) -> None:
        playback = self._playbacks.pop(item, None)
        if playback is not None:
            playback._end(played_ms, is_stopped, error)

    def _stop_playbacks(self) -> None:
        """The call is over: whatever the core has not told to be done is done now."""
        for item in list(self._playbacks):
            self._playback_done(item, 0, True, "")
        self._keys.close()
        self._recordings.close()
        self._end_connecting()
