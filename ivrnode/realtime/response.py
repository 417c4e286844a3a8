"""One response: what the service sends while it answers, in the protocol's order and at the service's pace.

    steps of the brain ──► plan (a queue) ──► events
                            ▲
    sentences to the voice ─┘ pcm comes back, is cut into deltas of 250 ms

    response.created
      response.output_item.added, conversation.item.added, response.content_part.added
      response.output_audio_transcript.delta, response.output_audio.delta ...        (mixed)
      response.output_audio.done, response.output_audio_transcript.done, response.content_part.done
      conversation.item.done, response.output_item.done
    response.done

Deltas leave `pace` times as fast as they will be heard, the first one at once; everything else leaves in its turn.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ivrnode.audio.converter import Converter
from ivrnode.audio.format import AudioFormat
from ivrnode.realtime.brain import CallTool, Say, Step
from ivrnode.realtime.conversation import Item
from ivrnode.realtime.error import Json
from ivrnode.realtime.faults import Faults
from ivrnode.realtime.voice import sentences

DELTA_MS = 250
_TOKEN_MS = 50  # one token of audio
_BIG_DELTA_BYTES = 750_000  # 1 MB in base64
_LATE_DELTAS = 3


class Stage(Protocol):
    """What a response needs of its session."""

    def emit(self, type: str, **fields: object) -> None: ...

    def new_id(self, kind: str) -> str: ...

    def add_item(self, item: Item) -> str | None:
        """Add to the conversation; gives the id of the item before."""

    @property
    def conversation_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ResponseConfig:
    """What the session, or the client in its `response.create`, wants of this response."""

    modality: str  # "audio" or "text"
    format: AudioFormat
    audio: Json  # {"output": {"format": ..., "voice": ...}}
    max_output_tokens: object
    metadata: Json | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """To be spoken. `number` is unique within its session."""

    number: str
    text: str


class Response:
    """`status` is in_progress until it is completed, cancelled or failed; then nothing is emitted any more."""

    def __init__(
        self, stage: Stage, config: ResponseConfig, steps: Sequence[Step], faults: Faults, pace: float
    ) -> None:
        self.id = stage.new_id("resp")
        self.status = "in_progress"
        self.wanted: Sentence | None = None  # what the voice has to speak now
        self.ended_at = 0.0  # when the client has heard it all, were it played from the first delta on
        self._stage, self._config, self._pace = stage, config, pace
        self._is_big, self._is_late = faults.take("big"), faults.take("late")
        self._is_shuffled, self._is_overlapping = faults.take("shuffle"), faults.take("two-items")
        self._is_failing = faults.take("failed")
        self._plan: deque[tuple[int, Callable[[], None]]] = deque()  # (ms of sound, what to send)
        self._next_at = 0.0
        self._now = 0.0
        self._items: list[Item] = []  # what was sent of this response
        self._open_items: list[Item] = []  # of these, what has not ended
        self._before: dict[str, str | None] = {}  # item to the one before it
        self._unended: list[Item] = []  # planned, but not its end
        self._late_transcripts: list[Callable[[], None]] = []  # what the fault `shuffle` holds back
        self._converter: Converter | None = None
        self._rest = b""
        self._performance = self._perform(_doubled(steps) if self._is_overlapping else steps)

    # doors

    def start(self, now: float) -> None:
        self._next_at = self.ended_at = now
        self._stage.emit("response.created", response=self._to_json())
        if self._is_failing:
            self.fail("server_error", "The stand-in was told to fail.")
        else:
            self._go_on()
            self.tick(now)

    def fail(self, code: str, message: str) -> None:
        """End now, by no wish of the client."""
        for item in list(self._open_items):
            self._end_message(item, "incomplete")
        self._finish("failed", {"error": {"type": "server_error", "code": code, "message": message}})

    def cancel(self, reason: str) -> None:
        """End now. What was not sent will never be; `reason` is turn_detected or client_cancelled."""
        late = [send for ms, send in self._plan if ms][:_LATE_DELTAS] if self._is_late else []
        self._plan.clear()
        for item in list(self._open_items):
            self._end_message(item, "incomplete")
        self._finish("cancelled", {"reason": reason})
        for send in late:
            send()

    def voice_received(self, pcm: bytes, rate: int, now: float) -> None:
        """A piece of the wanted sentence."""
        source = AudioFormat("pcm16", rate)
        if self._converter is None or self._converter.source != source:
            self._converter = Converter(source, self._config.format)
        self._plan_sound(self._converter.convert(pcm))
        self.tick(now)

    def voice_ended(self, now: float) -> None:
        """The wanted sentence was spoken."""
        self.wanted = None
        self._go_on()
        self.tick(now)

    def tick(self, now: float) -> None:
        """Send what is due."""
        self._now = now
        while self._plan and self.status == "in_progress":
            ms, send = self._plan[0]
            if ms and now < self._next_at:
                return
            self._plan.popleft()
            self._next_at = max(self._next_at, now) + ms / 1000 / self._pace if ms else self._next_at
            self.ended_at = max(self.ended_at, now) + ms / 1000
            send()

    def next_deadline(self) -> float | None:
        return self._next_at if self._plan and self.status == "in_progress" else None

    # the play

    def _perform(self, steps: Sequence[Step]) -> Iterator[None]:
        """Plan all steps; stops wherever a sentence must be spoken first."""
        for step in steps:
            if isinstance(step, Say):
                yield from self._perform_message(step.text)
            elif isinstance(step, CallTool):
                self._do(partial(self._call_tool, step))
        self._plan_ends()
        self._do(partial(self._finish, "completed", None))

    def _perform_message(self, text: str) -> Iterator[None]:
        is_audio = self._config.modality == "audio"
        part = {"type": "output_audio", "transcript": ""} if is_audio else {"type": "output_text", "text": ""}
        values = self._new_item("message") | {"role": "assistant", "content": [part]}
        self._speaker = Item(values, self._config.format if is_audio else None)
        self._unended.append(self._speaker)
        self._do(partial(self._begin_message, self._speaker))
        for index, sentence in enumerate(sentences(text)):
            words = " " + sentence if index else sentence
            self._do(partial(self._send_words, self._speaker, words))
            if is_audio:
                self.wanted = Sentence(self._stage.new_id("voice"), sentence)
                yield
        if self._converter:
            self._plan_sound(self._converter.flush())
        if self._rest:
            self._plan_delta(self._rest)
        self._converter, self._rest = None, b""
        if not self._is_overlapping:
            self._plan_ends()

    def _go_on(self) -> None:
        next(self._performance, None)

    def _do(self, send: Callable[[], None]) -> None:
        self._plan.append((0, send))

    def _plan_sound(self, sound: bytes) -> None:
        if self._is_big:
            self._is_big = False
            silence = self._config.format.silence(1)
            sound += silence * ((_BIG_DELTA_BYTES - len(sound)) // len(silence))
            self._plan_delta(sound)
            return
        size = self._config.format.size(DELTA_MS)
        sound = self._rest + sound
        end = len(sound) - len(sound) % size
        for start in range(0, end, size):
            self._plan_delta(sound[start : start + size])
        self._rest = sound[end:]

    def _plan_delta(self, sound: bytes) -> None:
        ms = int(len(sound) / self._config.format.bytes_per_ms)
        self._plan.append((ms, partial(self._send_sound, self._speaker, sound)))
        self._plan_ends(but=self._speaker)

    def _plan_ends(self, but: Item | None = None) -> None:
        """The fault `two-items` ends an item only after the next one has begun to sound; else this is simple."""
        for item in self._unended:
            if item is not but:
                self._do(partial(self._end_message, item, "completed"))
        self._unended = [item for item in self._unended if item is but]

    # events

    def _begin_message(self, item: Item) -> None:
        self._add(item)
        part = {"type": "audio", "transcript": ""} if item.format else {"type": "text", "text": ""}
        self._emit_part("response.content_part.added", item, part=part)

    def _send_words(self, item: Item, words: str) -> None:
        part = item.values["content"][0]
        part["transcript" if item.format else "text"] += words
        kind = "output_audio_transcript" if item.format else "output_text"
        send = partial(self._emit_part, f"response.{kind}.delta", item, delta=words)
        if self._is_shuffled:
            self._late_transcripts.append(send)
        else:
            send()

    def _send_sound(self, item: Item, sound: bytes) -> None:
        item.sound += sound
        self._emit_part("response.output_audio.delta", item, delta=base64.b64encode(sound).decode())

    def _end_message(self, item: Item, status: str) -> None:
        item.values["status"] = status
        text = item.text
        if item.format:
            self._emit_part("response.output_audio.done", item)
            self._emit_part("response.output_audio_transcript.done", item, transcript=text)
            part = {"type": "audio", "transcript": text}
        else:
            self._emit_part("response.output_text.done", item, text=text)
            part = {"type": "text", "text": text}
        for send in self._late_transcripts:
            send()
        self._late_transcripts.clear()
        self._emit_part("response.content_part.done", item, part=part)
        self._end(item)

    def _call_tool(self, step: CallTool) -> None:
        call_id = self._stage.new_id("call")
        item = Item(self._new_item("function_call") | {"name": step.name, "call_id": call_id, "arguments": ""})
        self._add(item)
        kind = "response.function_call_arguments"
        self._emit_of(f"{kind}.delta", item, call_id=call_id, delta=step.arguments)
        self._emit_of(f"{kind}.done", item, call_id=call_id, name=step.name, arguments=step.arguments)
        item.values |= {"arguments": step.arguments, "status": "completed"}
        self._end(item)

    def _finish(self, status: str, details: Json | None) -> None:
        self.status = status
        self.wanted = None
        self._plan.clear()
        self._stage.emit("response.done", response=self._to_json({"type": status} | details if details else None))

    def _new_item(self, type: str) -> Json:
        return {"id": self._stage.new_id("item"), "object": "realtime.item", "type": type, "status": "in_progress"}

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self._open_items.append(item)
        shown = item.to_json()
        if "content" in shown:
            shown = shown | {"content": []}
        self._emit_output("response.output_item.added", item, shown)
        self._before[item.id] = self._stage.add_item(item)
        self._stage.emit("conversation.item.added", previous_item_id=self._before[item.id], item=shown)

    def _end(self, item: Item) -> None:
        self._open_items.remove(item)
        self._stage.emit("conversation.item.done", previous_item_id=self._before[item.id], item=item.to_json())
        self._emit_output("response.output_item.done", item, item.to_json())

    def _emit_part(self, type: str, item: Item, **fields: object) -> None:
        self._emit_of(type, item, content_index=0, **fields)

    def _emit_of(self, type: str, item: Item, **fields: object) -> None:
        index = self._items.index(item)
        self._stage.emit(type, response_id=self.id, item_id=item.id, output_index=index, **fields)

    def _emit_output(self, type: str, item: Item, shown: Json) -> None:
        self._stage.emit(type, response_id=self.id, output_index=self._items.index(item), item=shown)

    def _to_json(self, details: Json | None = None) -> Json:
        audio_tokens = sum(item.sound_ms for item in self._items) // _TOKEN_MS
        text_tokens = sum(len(item.text.split()) for item in self._items)
        usage = {
            "total_tokens": audio_tokens + text_tokens,
            "input_tokens": 0,
            "output_tokens": audio_tokens + text_tokens,
            "output_token_details": {"audio_tokens": audio_tokens, "text_tokens": text_tokens},
        }
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": details,
            "output": [item.to_json() for item in self._items],
            "conversation_id": self._stage.conversation_id,
            "output_modalities": [self._config.modality],
            "max_output_tokens": self._config.max_output_tokens,
            "audio": self._config.audio,
            "usage": None if self.status == "in_progress" else usage,
            "metadata": self._config.metadata,
        }


def _doubled(steps: Sequence[Step]) -> list[Step]:
    """Every message as two: its sentences dealt out, or said twice when there is only one."""
    result: list[Step] = []
    for step in steps:
        if isinstance(step, Say):
            parts = sentences(step.text)
            middle = (len(parts) + 1) // 2
            result += [Say(" ".join(parts[:middle])), Say(" ".join(parts[middle:] or parts))]
        else:
            result.append(step)
    return result
