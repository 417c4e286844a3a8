"""From any format to any other, in a stream, by the cheapest way.

same format            nothing is touched
u-law <-> A-law        one table
all else               decoder -> pcm16 -> (Resampler) -> encoder
"""

from __future__ import annotations

from ivrnode.audio import g711
from ivrnode.audio.codecs import Stage, Table, decoder, encoder
from ivrnode.audio.format import AudioFormat
from ivrnode.audio.resample import Resampler

_LAW_TO_LAW = {
    ("g711_ulaw", "g711_alaw"): g711.ulaw_to_alaw,
    ("g711_alaw", "g711_ulaw"): g711.alaw_to_ulaw,
}


class Converter:
    """`source` to `target`, stateful: for one stream in one direction. How the input is cut up changes nothing.

    The resampler holds back 2 ms, the G.722 encoder up to 20 ms; `flush` brings them out and ends the stream.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source, self.target = source, target
        self._stages = _stages(source, target)

    def convert(self, data: bytes) -> bytes:
        for stage in self._stages:
            data = stage.convert(data)
        return data

    def flush(self) -> bytes:
        """The stream's tail. The next `convert` starts a new stream."""
        tail = b""
        for stage in self._stages:
            tail = stage.convert(tail) + stage.flush()
        return tail


def _stages(source: AudioFormat, target: AudioFormat) -> list[Stage]:
    if source == target:
        return []
    law_to_law = _LAW_TO_LAW.get((source.codec, target.codec))
    if law_to_law:
        return [Table(law_to_law)]
    stages = [decoder(source)]
    if source.rate != target.rate:
        stages.append(Resampler(source.rate, target.rate))
    last = encoder(target)
    if last:
        stages.append(last)
    return stages
