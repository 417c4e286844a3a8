"""A codec of the wire as a leg uses it: in which format sound waits and is handed over inside the leg.

    G.711    inside = wire: the bytes go through as they are
    G.722    inside = pcm16 at 16000 Hz, coded 20 ms at a time, at the wire

A G.722 frame means nothing without those before it (ITU-T G.722: the predictors adapt). Were sound encoded ahead, the
silence that is sent between two sounds would tear the states of the two ends apart, and the far end would hear a crack.
"""

from __future__ import annotations

from ivrnode.audio.codecs import G722Decoder, G722Encoder
from ivrnode.audio.format import WIRE_FORMATS, AudioFormat

FRAME_MS = 20
_G722_INSIDE = AudioFormat("pcm16", 16000)


class Wire:
    """`inside`: the format inside the leg; `silence`: 20 ms of it. `encode` and `decode` are None where nothing is to
    do; they keep the stream's state, so each takes every frame, in order, once."""

    __slots__ = ("codec", "decode", "encode", "format", "inside", "silence")

    def __init__(self, codec: str) -> None:
        self.codec, self.format = codec, WIRE_FORMATS[codec]
        is_coded = codec == "G722"
        self.inside = _G722_INSIDE if is_coded else self.format
        self.encode = G722Encoder().convert if is_coded else None
        self.decode = G722Decoder().convert if is_coded else None
        self.silence = self.inside.silence(FRAME_MS)

    def restart_decoder(self) -> None:
        """The far end begins a new stream."""
        if self.decode is not None:
            self.decode = G722Decoder().convert
