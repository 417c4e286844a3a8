"""The items of a conversation, in order: what was said by whom, which tools were called and what they answered."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from ivrnode.audio.format import AudioFormat
from ivrnode.realtime.error import Json, RequestError


@dataclass
class Item:
    """One item. `values` is its GA shape without the sound; `sound` is what was said in it, in `format`."""

    values: Json
    format: AudioFormat | None = None
    sound: bytearray = field(default_factory=bytearray)

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def sound_ms(self) -> int:
        return int(len(self.sound) / self.format.bytes_per_ms) if self.format else 0

    @property
    def text(self) -> str:
        """All words of a message."""
        content: list[Json] = self.values.get("content", [])
        return " ".join(part.get("text") or part.get("transcript") or "" for part in content).strip()

    def to_json(self, *, has_sound: bool = False) -> Json:
        """The item's shape on the wire. Only `retrieve` shows the sound."""
        values = dict(self.values)
        if has_sound and self.sound:
            values["content"] = [dict(part) for part in values["content"]]
            values["content"][0]["audio"] = base64.b64encode(self.sound).decode()
        return values

    def truncate(self, audio_end_ms: int) -> None:
        """Forget the sound after `audio_end_ms` and the words that go with it. Raises RequestError."""
        if self.values.get("role") != "assistant" or self.format is None or audio_end_ms == 0:
            message = "Only model output audio messages can be truncated"
            raise RequestError("unsupported_content_type", message, "item_id")
        if not 0 <= audio_end_ms <= self.sound_ms:
            message = f"Audio content of {self.sound_ms}ms is already shorter than {audio_end_ms}ms"
            raise RequestError("invalid_value", message, "audio_end_ms")
        part = self.values["content"][0]
        words = part["transcript"].split()
        part["transcript"] = " ".join(words[: len(words) * audio_end_ms // self.sound_ms])
        del self.sound[self.format.size(audio_end_ms) :]


class Conversation:
    """The items by id. Every method that takes an item's id raises RequestError when there is none of that name."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._items: dict[str, Item] = {}

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Add `item` at the end, or after the item `after`, or first (`root`). Gives the id of the one before it."""
        if item.id in self._items:
            raise RequestError("item_create_duplicate_item_id", f"The item '{item.id}' exists already.", "item.id")
        if after is None:
            before = self.last_id
            self._items[item.id] = item
            return before
        order = list(self._items.values())
        index = 0
        if after != "root":
            index = 1 + order.index(self.get(after, "create", "previous_item_id"))
        order.insert(index, item)
        self._items = {each.id: each for each in order}
        return None if index == 0 else after

    def get(self, item_id: str, verb: str, param: str = "item_id") -> Item:
        """`verb` is what the client wanted to do with it, for the error."""
        if item_id not in self._items:
            code, text = f"item_{verb}_invalid_item_id", verb.removesuffix("e") + "ing"
            raise RequestError(code, f"Error {text} item: the item with id '{item_id}' does not exist.", param)
        return self._items[item_id]

    def check_call(self, call_id: str) -> None:
        """Raises RequestError when no tool was called under this id."""
        calls = (item.values for item in self._items.values() if item.values.get("type") == "function_call")
        if not any(call["call_id"] == call_id for call in calls):
            message = f"Tool call ID '{call_id}' not found in conversation."
            raise RequestError("invalid_tool_call_id", message, "item.call_id")

    def delete(self, item_id: str) -> None:
        self.get(item_id, "delete")
        del self._items[item_id]

    @property
    def last_id(self) -> str | None:
        return next(reversed(self._items), None)

    @property
    def last(self) -> Item | None:
        return self._items[self.last_id] if self.last_id else None
