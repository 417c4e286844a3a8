"""The calling conventions of the script API: dict or keywords, and errors that name the argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Protocol, TypeVar

from ivrnode.script import ops
from ivrnode.script.guest.runtime import Runtime

Buffer = bytes | bytearray | memoryview
_LONGEST_URL = 2048
_GATE = {"pre_roll": 0.3, "hang_over": 0.8}
"""The least of each, in seconds: below, no far side could find the turns in what it gets."""


class _HasRuntime(Protocol):
    _runtime: Runtime


Self = TypeVar("Self", bound=_HasRuntime)


def takes_object(method: Callable[Concatenate[Self, ...], Any]) -> Callable[Concatenate[Self, ...], Any]:
    """`x.m({"key": v})` means `x.m(key=v)`. Unknown keys of a dict are ignored with a line in the log; unknown keywords
    are Python's own TypeError. The key `from` is the parameter `from_`."""
    names = {name.rstrip("_"): name for name in list(inspect.signature(method).parameters)[1:]}

    @functools.wraps(method)
    def with_object(self: Self, *given: Any, **keywords: Any) -> Any:
        if len(given) == 1 and isinstance(given[0], dict):
            for key, value in given[0].items():
                if key in names:
                    keywords.setdefault(names[key], value)
                else:
                    self._runtime.log(4, f"{method.__qualname__}: unknown key {key!r} ignored")
            given = ()
        return method(self, *given, **keywords)

    return with_object


def check(name: str, value: object, *types: type) -> None:
    """Raise TypeError when `value` is none of `types`. A bool is no number."""
    if type(value) in types:
        return
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    check(name, value, int, float)
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value}")


def check_audio(value: object) -> bytes:
    if isinstance(value, str):
        raise TypeError("audio must be bytes, not str: decode it with fromBase64String(text)")
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"audio must be bytes, not {type(value).__name__}")
    if (len(value) if type(value) is bytes else memoryview(value).nbytes) > ops.MAX_MESSAGE:
        raise ValueError(f"audio must not be longer than {ops.MAX_MESSAGE} bytes")
    return bytes(value)


def check_codec(codec: object, rate: object) -> int:
    """The rate for a codec: pcm16 has three and 24000 without being told, G.711 always has 8000."""
    check("codec", codec, str)
    if codec not in ops.CODECS:
        raise ValueError(f"codec must be one of {' '.join(ops.CODECS)}, not {codec!r}")
    if rate is None:
        return 24000 if codec == "pcm16" else 8000
    check("rate", rate, int)
    if rate not in (ops.RATES if codec == "pcm16" else (8000,)):
        raise ValueError(f"rate {rate} is not possible with {codec}")
    return int(rate)  # type: ignore[call-overload, no-any-return]


def check_tag(tag: object) -> bytes:
    check("tag", tag, str)
    data = str(tag).encode()
    if len(data) > ops.MAX_TAG:
        raise ValueError(f"tag must not be longer than {ops.MAX_TAG} bytes")
    return data


def check_sound_url(url: object) -> str:
    """`prompt:NAME` or `https://...`; whether there is such a sound is for the core to find out."""
    check("url", url, str)
    text = str(url)
    if len(text) > _LONGEST_URL or not text.startswith(("https://", "prompt:")):
        raise ValueError(f"url must be https://... or prompt:NAME, up to {_LONGEST_URL} characters, not {text[:60]!r}")
    return text


def check_gate(runtime: Runtime, vad: object) -> tuple[int, int]:
    """Pre-roll and hang-over in ms; 0 and 0 without a gate. Values that are too small for any service are raised."""
    check("vad", vad, bool, dict)
    if vad is False:
        return 0, 0
    wish = vad if isinstance(vad, dict) else {}
    for key in wish.keys() - _GATE.keys():
        runtime.log(4, f"Call.stream: unknown key {key!r} of vad ignored")
    found = []
    for name, least in _GATE.items():
        value = wish.get(name, least)
        check_range(f"{name} of vad", value, 0, ops.MAX_GATE_MS / 1000)
        found.append(round(1000 * max(value, least)))
    return found[0], found[1]


def check_lang(lang: object) -> str:
    check("lang", lang, str)
    text = str(lang)
    if len(text) != 2 or not (text.isascii() and text.isalpha() and text.islower()):
        raise ValueError(f"lang must be two lower-case letters, not {text!r}")
    return text


def check_headers(runtime: Runtime, what: str, rows: object) -> list[tuple[str, str, bool]]:
    """(name, value, is_secret) of each `{name, value, secret}`; None is an empty list."""
    headers = []
    check("header", [] if rows is None else rows, list, tuple)
    for entry in rows or ():  # type: ignore[attr-defined]
        check("header", entry, dict)
        name, value, secret = entry.get("name"), entry.get("value"), entry.get("secret", False)
        for text, part in ((name, "name"), (value, "value")):
            check(f"{part} of a header", text, str)
            if any(sign in text for sign in "\r\n\0"):
                raise ValueError(f"{part} of header {name!r} must not have line breaks")
        check("secret of a header", secret, bool)
        for key in entry.keys() - {"name", "value", "secret"}:
            runtime.log(4, f"{what}: unknown key {key!r} ignored")
        headers.append((name, value, secret))
    if len(headers) > ops.MAX_HEADERS:
        raise ValueError(f"{ops.MAX_HEADERS} headers at most")
    return headers
