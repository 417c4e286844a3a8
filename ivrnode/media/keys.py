"""Keys that a far end sends as tones, heard whatever the codec."""

from __future__ import annotations

from ivrnode.audio.converter import Converter
from ivrnode.audio.dtmf import KeyEar
from ivrnode.audio.format import AudioFormat


class Keys:
    """`source`: the format of what is fed."""

    __slots__ = ("_ear", "_to_pcm")

    def __init__(self, source: AudioFormat) -> None:
        self.change_source(source)

    def feed(self, heard: bytes) -> str:
        """20 ms; as `KeyEar.feed`."""
        return self._ear.feed(heard if self._to_pcm is None else self._to_pcm.convert(heard))

    def change_source(self, source: AudioFormat) -> None:
        """Another codec on the wire."""
        pcm = AudioFormat("pcm16", source.rate)
        self._ear, self._to_pcm = KeyEar(source.rate), None if source == pcm else Converter(source, pcm)
