"""Each codec to and from pcm16: stages with `convert` and `flush`, that a `Converter` chains.

G.722 (ITU-T G.722, 64 kbit/s, 16000 samples a second) comes from FFmpeg by PyAV. Its state runs through the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Literal, Protocol

from av import AudioCodecContext, CodecContext, Packet

from ivrnode.audio import g711
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.resample import pcm_frame

_G722_RATE = 16000


class Stage(Protocol):
    """One step of a conversion. It may hold bytes back; after `flush` it starts a new stream."""

    def convert(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class Table:
    """A stage without memory: what goes in comes out at once."""

    def __init__(self, function: Callable[[bytes], bytes]) -> None:
        self.convert = function

    def flush(self) -> bytes:
        return b""


class WholeSamples:
    """pcm16 as it came from a socket, cut anywhere, to whole samples: an odd byte waits for its other half."""

    def __init__(self) -> None:
        self._half = b""

    def convert(self, pcm: bytes) -> bytes:
        if self._half:
            pcm = self._half + pcm
        if len(pcm) % 2:
            self._half = pcm[-1:]
            return pcm[:-1]
        self._half = b""
        return pcm

    def flush(self) -> bytes:
        self._half = b""
        return b""


class G722Encoder:
    """pcm16 at 16000 Hz to G.722. Gives whole 20 ms of 160 bytes; `flush` gives what is left over."""

    def __init__(self) -> None:
        self._context: AudioCodecContext | None = None

    def convert(self, pcm: bytes) -> bytes:
        if not pcm:
            return b""
        if self._context is None:
            self._context = _g722("w")
            self._context.format = "s16"
            self._context.time_base = Fraction(1, _G722_RATE)
        return b"".join(bytes(packet) for packet in self._context.encode(pcm_frame(pcm, _G722_RATE)))

    def flush(self) -> bytes:
        context, self._context = self._context, None
        return b"".join(bytes(packet) for packet in context.encode(None)) if context else b""


class G722Decoder:
    """G.722 to pcm16 at 16000 Hz: two samples a byte, nothing held back."""

    def __init__(self) -> None:
        self._context: AudioCodecContext | None = None

    def convert(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._context is None:
            self._context = _g722("r")
        frames = self._context.decode(Packet(data))
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)

    def flush(self) -> bytes:
        self._context = None
        return b""


def _g722(mode: Literal["r", "w"]) -> AudioCodecContext:
    context = CodecContext.create("g722", mode)
    context.sample_rate = _G722_RATE
    context.layout = "mono"
    return context


def decoder(source: AudioFormat) -> Stage:
    """A new stage from `source` to pcm16 at the same rate."""
    match source.codec:
        case "g711_ulaw":
            return Table(g711.ulaw_to_pcm)
        case "g711_alaw":
            return Table(g711.alaw_to_pcm)
        case "g722":
            return G722Decoder()
        case _:
            return WholeSamples()


def encoder(target: AudioFormat) -> Stage | None:
    """A new stage from pcm16 at `target`'s rate to `target`; None when that is pcm16 already."""
    match target.codec:
        case "g711_ulaw":
            return Table(g711.pcm_to_ulaw)
        case "g711_alaw":
            return Table(g711.pcm_to_alaw)
        case "g722":
            return G722Encoder()
        case _:
            return None
