"""What the caller of one call is to hear, and the script's questions about it.

    script: say, play, mute, ask        media: Play, Mute, Ask ...        media: ItemDone, Answer
    -----------------------------> Sound -----------------------> engine -----------------------> Sound -> script

`say` takes its place in the queue at once and is filled when the speech process has spoken: the order is the script's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ivrnode.media import messages as media
from ivrnode.pbx.house.effects import Effects
from ivrnode.script import messages as script

SPEECH_TIMEOUT = 10.0
QUESTIONS = {"item", "item_queued", "queued", "tag"}

Tell = Callable[[script.Event], None]


class Sound:
    """The playout of one call as its script sees it. Items are the script's ints; the fallback's start at 1 << 30.
    Nobody waits for what plays behind the queue."""

    def __init__(self, call: str, leg: int, tenant: str, effects: Effects, tell: Tell) -> None:
        self._call, self._leg, self._tenant = call, leg, tenant
        self._effects, self._tell = effects, tell
        self._waiting: set[int] = set()
        self._behind: set[int] = set()
        self._speaking: dict[int, bool] = {}
        self._questions: set[int] = set()
        self.is_closed = False
        self.is_away = False

    @property
    def is_empty(self) -> bool:
        """True when nothing is left to be heard and no question is open."""
        return not self._waiting and not self._questions

    @property
    def has_items(self) -> bool:
        return bool(self._waiting)

    def is_silent(self, item: int) -> bool:
        """True while a `say` waits for its first sound."""
        return self._speaking.get(item) is False

    def say(self, action: script.Say, voice: str) -> None:
        if self._refuse_in_vain(action.item):
            return
        if not action.text.strip():
            self._add(action.item, action.is_background)
            self._play(action.item, b"", 8000, is_last=True, tag=action.tag)
        elif self.expect(action.item, action.tag, action.is_background):
            self._effects.speak(self._call, action.item, action.text, action.lang, action.voice or voice, self._tenant)

    def expect(self, item: int, tag: str, is_background: bool) -> bool:
        """The item takes its place; its sound is still to come. False: the call is over."""
        if self._refuse_in_vain(item):
            return False
        self._add(item, is_background)
        self._speaking[item] = False
        self._play(item, b"", 8000, is_last=False, tag=tag)
        return True

    def play(self, action: script.Play) -> None:
        if self._refuse_in_vain(action.item):
            return
        self._add(action.item, action.is_background)
        command = media.Play(self._leg, action.item, action.codec, action.rate, action.audio, tag=action.tag)
        self._effects.media(replace(command, is_background=True) if action.is_background else command)

    def ask(self, action: script.Ask) -> None:
        """`mute` and `stop` also end the speech that is still to come, before the engine hears of it."""
        if self.is_closed:
            self._tell(script.Result(action.request, 0))
            return
        command: media.Command
        if action.what == "mute":
            for item in list(self._speaking):
                self._hush(item)
            command = media.Mute(self._leg, action.request)
        elif action.what == "stop":
            self._hush(int(action.key))
            command = media.StopItem(self._leg, int(action.key), action.request)
        elif action.what in QUESTIONS:
            command = media.Ask(self._leg, action.what, action.key, action.request)
        else:
            self._tell(script.Result(action.request, error=f"unknown question {action.what!r}"))
            return
        self._questions.add(action.request)
        self._effects.media(command)

    def answered(self, request: int, value: int) -> None:
        if request in self._questions:
            self._questions.discard(request)
            self._tell(script.Result(request, value))

    def item_done(self, event: media.ItemDone) -> None:
        self._waiting.discard(event.item)
        self._behind.discard(event.item)
        self._hush(event.item)
        self._tell(script.PlaybackDone(event.item, event.played_ms, event.is_stopped, event.error))

    def spoken(self, item: int, pcm: bytes, rate: int, *, is_last: bool) -> None:
        if item not in self._speaking:
            return
        self._speaking[item] = True
        if is_last:
            del self._speaking[item]
        self._play(item, pcm, rate, is_last=is_last)

    def speech_failed(self, item: int, error: str) -> None:
        if item in self._speaking:
            self._hush(item)
            self._effects.media(media.Fail(self._leg, item, error))

    def put_aside(self) -> None:
        """The caller hears something else for a while: what is queued is dropped, what comes is done at once."""
        self.is_away = True
        for item in list(self._speaking):
            self._hush(item)
        self._effects.media(media.Mute(self._leg, 0))

    def bring_back(self) -> None:
        self.is_away = False

    def close(self) -> None:
        """No sound from here on: open questions get 0, playbacks are done, later ones at once."""
        self.is_closed = True
        for item in list(self._speaking):
            self._hush(item)
        for request in sorted(self._questions):
            self._tell(script.Result(request, 0))
        self._questions.clear()
        for item in sorted(self._waiting | self._behind):
            self._tell(script.PlaybackDone(item, 0, True, ""))
        self._waiting.clear()
        self._behind.clear()

    def _refuse_in_vain(self, item: int) -> bool:
        is_in_vain = self.is_closed or self.is_away
        if is_in_vain:
            self._tell(script.PlaybackDone(item, 0, True, ""))
        return is_in_vain

    def _add(self, item: int, is_background: bool) -> None:
        (self._behind if is_background else self._waiting).add(item)

    def _hush(self, item: int) -> None:
        if self._speaking.pop(item, None) is not None:
            self._effects.hush(self._call, item)

    def _play(self, item: int, pcm: bytes, rate: int, *, is_last: bool, tag: str = "") -> None:
        is_behind = item in self._behind
        self._effects.media(media.Play(self._leg, item, "pcm16", rate, pcm, is_last, tag, is_behind))
