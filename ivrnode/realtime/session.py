"""One session of the Realtime protocol, without IO and without a clock.

    receive(text, now)          a frame of the client
    voice_received, voice_ended  a sentence gets its sound
    heard(item_id, text, now)   the ear has understood a turn
    tick(now)                   something is due
      ──► to_send(), to_speak(), to_hear(), ending     drain them after every door

The order of events is that of the real service: `connect -> session.created -> session.update -> session.updated`, then
turns: `speech_started -> speech_stopped -> committed -> item.added, item.done -> response` (see response.py).
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ivrnode.audio.format import AudioFormat
from ivrnode.realtime.beta import from_beta, to_beta
from ivrnode.realtime.brain import Brain, Break, CallTool, HangUp, SendError, Step, Turn
from ivrnode.realtime.conversation import Conversation, Item
from ivrnode.realtime.ending import ENDINGS, Ending
from ivrnode.realtime.error import Json, RequestError
from ivrnode.realtime.faults import ANSWER_FAULTS, Faults
from ivrnode.realtime.input_buffer import InputAudioBuffer, SpeechStarted, Utterance
from ivrnode.realtime.response import Response, ResponseConfig, Sentence
from ivrnode.realtime.schema import check_event
from ivrnode.realtime.session_config import FORMATS, SessionConfig

MIN_COMMIT_MS = 100


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What a session gets from its server. `expires_at` in seconds of the epoch; `pace` as in Response."""

    model: str
    expires_at: int
    pace: float = 3.5
    is_beta: bool = False
    has_ear: bool = False


class Session:
    """See the head of this file. `faults` and `brain` are this session's own. Never raises on what a client sends."""

    def __init__(self, setup: SessionSetup, brain: Brain, faults: Faults, ids: random.Random, now: float) -> None:
        self.ending: Ending | None = None
        self._setup, self._brain, self._faults, self._ids = setup, brain, faults, ids
        self._outbox: list[Json] = []
        self._ear_jobs: list[tuple[str, Utterance]] = []
        self._unspoken: Sentence | None = None  # wanted of the voice and not yet handed out
        self._conversation = Conversation(self.new_id("conv"))
        self._config = SessionConfig(self.new_id("sess"), setup.model, setup.expires_at)
        self._buffer = self._new_buffer(0)
        self._turn = Turn(0, 0.0, "", "en")
        self._turn_item_id = ""
        self._response: Response | None = None
        self._hang_up: HangUp | None = None
        self._idle_at: float | None = None
        self._wants_response = False
        self._asked: Sentence | None = None
        self._endings: list[tuple[float, Ending]] = []
        for fault in ("expire", "stall", "drop"):
            if faults.is_on(fault):
                self._plan_ending(fault, now)
        self._handlers: dict[str, Callable[[Json, float], None]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit_by_client,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "output_audio_buffer.clear": self._clear_output,
        }
        self.emit("session.created", session=self._config.values)

    # doors

    def receive(self, data: str | bytes, now: float) -> None:
        """One frame of the client. What is wrong with it is answered by an `error` event."""
        event: Any = None
        try:
            event = self._parse(data)
            check_event(event)
            self._handlers[event["type"]](event, now)
        except RequestError as error:
            event_id = event.get("event_id") if isinstance(event, dict) else None
            self._emit_error(error, event_id if isinstance(event_id, str) else None)
        self._settle(now)

    def voice_received(self, sentence: Sentence, pcm: bytes, rate: int, now: float) -> None:
        if self.is_wanted(sentence) and self._response:
            self._config.fix_voice()
            self._response.voice_received(pcm, rate, now)
        self._settle(now)

    def voice_ended(self, sentence: Sentence, now: float, error: str = "") -> None:
        """`sentence` was spoken, or could not be: then `error` says why and the response ends as failed."""
        if self.is_wanted(sentence) and self._response:
            if error:
                self._response.fail("voice_failed", error)
            else:
                self._response.voice_ended(now)
        self._settle(now)

    def heard(self, item_id: str, text: str, now: float) -> None:
        """The ear's text of a turn; "" when it understood nothing."""
        if text:
            self._turn = replace(self._turn, text=text, is_understood=True)
        try:
            self._answer_turn(item_id, now)
        except RequestError as error:
            self._emit_error(error)
        self._settle(now)

    def tick(self, now: float) -> None:
        if self._response:
            self._response.tick(now)
        self._end_if_due(now)
        if self._idle_at is not None and now >= self._idle_at and not self._buffer.is_speech:
            self._idle_at = None
            self._time_out(now)
        self._settle(now)

    def next_deadline(self) -> float | None:
        deadlines = [at for at, _ in self._endings]
        if self._idle_at is not None:
            deadlines.append(self._idle_at)
        at = self._response.next_deadline() if self._response else None
        return min([*deadlines, at] if at is not None else deadlines, default=None)

    def to_send(self) -> list[str]:
        """The frames for the client, oldest first."""
        events, self._outbox = self._outbox, []
        if self._setup.is_beta:
            events = [old for event in events if (old := to_beta(event))]
        if self._faults.is_on("noise"):
            events = list(_with_noise(events))
        return [json.dumps(event, ensure_ascii=False) for event in events]

    def to_speak(self) -> Sentence | None:
        """What the voice should speak next, once. `is_wanted` tells when it may stop."""
        sentence, self._unspoken = self._unspoken, None
        return sentence

    def is_wanted(self, sentence: Sentence) -> bool:
        return self._response is not None and self._response.wanted == sentence

    def to_hear(self) -> list[tuple[str, Utterance]]:
        """Turns for the ear, each with its item's id."""
        jobs, self._ear_jobs = self._ear_jobs, []
        return jobs

    @property
    def lang(self) -> str:
        """Of the voice and of the ear."""
        return self._config.lang

    # the stage of a response

    def emit(self, type: str, **fields: object) -> None:
        # Copied now: items and the session change after they were shown.
        self._outbox.append(copy.deepcopy({"type": type, "event_id": self.new_id("event"), **fields}))

    def new_id(self, kind: str) -> str:
        return f"{kind}_{self._ids.getrandbits(80):020x}"

    def add_item(self, item: Item) -> str | None:
        return self._conversation.add(item)

    @property
    def conversation_id(self) -> str:
        return self._conversation.id

    # the client's events

    def _parse(self, data: str | bytes) -> Any:
        if isinstance(data, bytes):
            raise RequestError("invalid_message", "Binary frames are not supported: send JSON as text.")
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise RequestError("invalid_json", "The frame is not valid JSON.") from None
        if self._setup.is_beta and isinstance(event, dict):
            event = from_beta(event)
        return event

    def _update_session(self, event: Json, now: float) -> None:
        if self._faults.is_on("no-update"):
            return
        before = self._config.values["audio"]["input"]
        self._config.update(event["session"])
        if self._config.values["audio"]["input"] != before:
            self._buffer = self._new_buffer(self._buffer.end_ms)
        self.emit("session.updated", session=self._config.values)

    def _append(self, event: Json, now: float) -> None:
        try:
            audio = base64.b64decode(event["audio"], validate=True)
        except binascii.Error:
            raise RequestError("invalid_value", "Invalid 'audio': expected base64.", "audio") from None
        if self._config.input_format.codec == "pcm16" and len(audio) % 2:
            raise RequestError("invalid_value", "Invalid 'audio': 16 bit samples of an odd length.", "audio")
        detection = self._config.turn_detection or {}
        for edge in self._buffer.append(audio):
            if isinstance(edge, SpeechStarted):
                self._idle_at = None
                self._turn_item_id = self.new_id("item")
                self.emit("input_audio_buffer.speech_started", audio_start_ms=edge.at_ms, item_id=self._turn_item_id)
                if detection["interrupt_response"] and self._response:
                    self._response.cancel("turn_detected")
                self._settle(now)
            else:
                self.emit("input_audio_buffer.speech_stopped", audio_end_ms=edge.at_ms, item_id=self._turn_item_id)
                self._commit(edge.utterance, now, wants_response=detection["create_response"])

    def _commit_by_client(self, event: Json, now: float) -> None:
        if self._buffer.duration_ms < MIN_COMMIT_MS:
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {self._buffer.duration_ms}ms of audio."
            )
            raise RequestError("input_audio_buffer_commit_empty", message)
        self._turn_item_id = self.new_id("item")
        self._commit(self._buffer.commit(), now, wants_response=False)

    def _clear(self, event: Json, now: float) -> None:
        self._buffer.clear()
        self.emit("input_audio_buffer.cleared")

    def _create_item(self, event: Json, now: float) -> None:
        values = {"id": self.new_id("item"), "object": "realtime.item", "status": "completed", **event["item"]}
        item = Item(values)
        if values["type"] == "function_call_output":
            self._conversation.check_call(values["call_id"])
        before = self._conversation.add(item, event.get("previous_item_id"))
        if values["type"] == "function_call_output":
            outputs = [self._turn.output, values["output"]]
            self._turn = replace(self._turn, output="\n".join(output for output in outputs if output is not None))
        elif values.get("role") == "user":
            self._turn = Turn(self._turn.number + 1, 0.0, item.text, self.lang, is_understood=True)
        self.emit("conversation.item.added", previous_item_id=before, item=item.to_json())
        self.emit("conversation.item.done", previous_item_id=before, item=item.to_json())

    def _delete_item(self, event: Json, now: float) -> None:
        self._conversation.delete(event["item_id"])
        self.emit("conversation.item.deleted", item_id=event["item_id"])

    def _retrieve_item(self, event: Json, now: float) -> None:
        item = self._conversation.get(event["item_id"], "retrieve")
        self.emit("conversation.item.retrieved", item=item.to_json(has_sound=True))

    def _truncate_item(self, event: Json, now: float) -> None:
        self._conversation.get(event["item_id"], "truncate").truncate(event["audio_end_ms"])
        fields = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self.emit("conversation.item.truncated", **fields)

    def _create_response(self, event: Json, now: float) -> None:
        self._start_response(now, event.get("response") or {})

    def _cancel_response(self, event: Json, now: float) -> None:
        if self._response is None or event.get("response_id") not in (None, self._response.id):
            raise RequestError("response_cancel_not_active", "Cancellation failed: no active response found")
        self._response.cancel("client_cancelled")

    def _clear_output(self, event: Json, now: float) -> None:
        raise RequestError("invalid_value", "output_audio_buffer.clear is for WebRTC and SIP only.", "type")

    # turns

    def _new_buffer(self, start_ms: int) -> InputAudioBuffer:
        config = self._config
        return InputAudioBuffer(
            config.input_format,
            detects_turns=config.turn_detection is not None,
            silence_ms=config.silence_ms,
            prefix_ms=config.prefix_ms,
            start_ms=start_ms,
        )

    def _commit(self, utterance: Utterance, now: float, *, wants_response: bool) -> None:
        """A turn is complete: it becomes an item of the conversation, and is to be answered."""
        number, seconds = self._turn.number + 1, utterance.seconds
        self._turn = Turn(number, seconds, f"turn {number}, {seconds:.1f} s of speech", self.lang)
        self._wants_response = wants_response
        values = {
            "id": self._turn_item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = Item(values, AudioFormat("pcm16", utterance.rate), bytearray(utterance.pcm))
        before = self._conversation.add(item)
        self.emit("input_audio_buffer.committed", previous_item_id=before, item_id=item.id)
        self.emit("conversation.item.added", previous_item_id=before, item=item.to_json())
        self.emit("conversation.item.done", previous_item_id=before, item=item.to_json())
        if self._setup.has_ear:
            self._ear_jobs.append((item.id, utterance))
        else:
            self._answer_turn(item.id, now)

    def _answer_turn(self, item_id: str, now: float) -> None:
        is_shuffled = self._faults.is_on("shuffle")
        if not is_shuffled:
            self._transcribe(item_id, ("delta", "completed"))
        try:
            if self._wants_response:
                self._start_response(now, {})
        finally:
            if is_shuffled:
                self._transcribe(item_id, ("completed", "delta"))

    def _transcribe(self, item_id: str, order: tuple[str, str]) -> None:
        if self._config.transcription is None:
            return
        text = self._turn.text
        item = self._conversation.get(item_id, "retrieve")
        item.values["content"][0]["transcript"] = text
        usage = {"type": "duration", "seconds": round(self._turn.seconds, 3)}
        fields: dict[str, Json] = {"delta": {"delta": text}, "completed": {"transcript": text, "usage": usage}}
        for name in order:
            type = f"conversation.item.input_audio_transcription.{name}"
            self.emit(type, item_id=item_id, content_index=0, **fields[name])

    def _time_out(self, now: float) -> None:
        """The caller has been silent for `idle_timeout_ms`: the service speaks by itself."""
        self._turn_item_id = self.new_id("item")
        utterance = self._buffer.commit()
        end_ms = self._buffer.end_ms
        start_ms = end_ms - int(utterance.seconds * 1000)
        self.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=start_ms,
            audio_end_ms=end_ms,
            item_id=self._turn_item_id,
        )
        self._commit(utterance, now, wants_response=True)

    # answers

    def _start_response(self, now: float, wishes: Json) -> None:
        if self._response:
            message = (
                f"Conversation already has an active response in progress: {self._response.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise RequestError("conversation_already_has_active_response", message)
        turn = self._turn
        self._turn = replace(turn, output=None)
        self._idle_at = None
        steps = self._brain.answer(turn)
        if steps is None:
            return
        self._obey(steps, now)
        if self.ending or self._faults.take("no-answer"):
            return
        if self._faults.take("bad-tool"):
            steps = [CallTool("no_such_tool", "{not JSON")]
        self._response = Response(self, self._response_config(wishes), steps, self._faults, self._setup.pace)
        self._response.start(now)

    def _obey(self, steps: Sequence[Step], now: float) -> None:
        """Do at once what is not part of the response itself."""
        for step in steps:
            if isinstance(step, SendError):
                self._emit_error(RequestError(step.code, step.message))
            elif isinstance(step, HangUp):
                self._hang_up = step
            elif isinstance(step, Break):
                self._faults.switch_on(step.fault, step.value or ("1" if step.fault in ANSWER_FAULTS else ""))
                if step.fault in ENDINGS:
                    self._plan_ending(step.fault, now)
                    self._end_if_due(now)

    def _response_config(self, wishes: Json) -> ResponseConfig:
        values = self._config.values
        output = {name: values["audio"]["output"][name] for name in ("format", "voice")}
        output |= wishes.get("audio", {}).get("output", {})
        return ResponseConfig(
            modality=(wishes.get("output_modalities") or values["output_modalities"])[0],
            format=FORMATS[output["format"]["type"]],
            audio={"output": output},
            max_output_tokens=wishes.get("max_output_tokens", values["max_output_tokens"]),
            metadata=wishes.get("metadata"),
        )

    def _settle(self, now: float) -> None:
        """After a door: take note of what the response has done meanwhile."""
        response = self._response
        if response is None:
            return
        if response.wanted != self._asked:
            self._asked = self._unspoken = response.wanted
        if response.status == "in_progress":
            return
        self._response = None
        limit = {"name": "tokens", "limit": 40000, "remaining": 39000, "reset_seconds": 1.5}
        self.emit("rate_limits.updated", rate_limits=[limit])
        if self._config.idle_timeout is not None:
            self._idle_at = response.ended_at + self._config.idle_timeout
        if self._hang_up:
            self.ending = Ending("close", self._hang_up.code, self._hang_up.reason)

    def _plan_ending(self, fault: str, now: float) -> None:
        """Let a fault that ends the session do so when its time has come."""
        self._endings.append((now + (self._faults.seconds(fault) or 0), ENDINGS[fault]))

    def _end_if_due(self, now: float) -> None:
        due = [ending for at, ending in self._endings if now >= at]
        if due and self.ending is None:
            self.ending = due[0]
            if self.ending.error:
                self._emit_error(self.ending.error)

    def _emit_error(self, error: RequestError, event_id: str | None = None) -> None:
        self.emit("error", error=error.to_json(event_id))


def _with_noise(events: list[Json]) -> Iterator[Json]:
    """What no client may stumble over: events and fields that it does not know."""
    for event in events:
        yield {"type": "ping", "event_id": "event_noise", "timestamp": 0}
        yield {"type": "moon.phase.updated", "phase": "waxing"}
        yield event | {"x_unknown": {"nested": [1, 2, 3]}}
