"""What passes a leg by while its script is put aside, for a recording: the script itself gets none of it.

    the other leg's tick:  Crossing <─ Overheard <─ jitter buffer        the frame is kept
    the leg's own tick:    the kept frame, and what was said ─> recorder

There is one only while a bridged or ringing leg is recorded.
"""

from __future__ import annotations

from ivrnode.media.instead import Speaker
from ivrnode.media.wire import FRAME_MS, Wire


class Overheard:
    """Stands between a leg, `speaker`, and who takes its frames. `is_coded`: frames are as on the wire; they go through
    as they are, and are decoded here once more. `is_taken`: somebody else takes them."""

    __slots__ = ("_decode_heard", "_decode_said", "_frame", "_is_taken", "_pause", "_speaker")

    def __init__(self, speaker: Speaker, wire: Wire, *, is_coded: bool, is_taken: bool) -> None:
        self._speaker, self._is_taken = speaker, is_taken
        self._pause = self._frame = wire.format.silence(FRAME_MS) if is_coded else wire.silence
        self._decode_heard = Wire(wire.codec).decode if is_coded else None
        self._decode_said = Wire(wire.codec).decode if is_coded else None

    def next_heard(self) -> bytes:
        self._frame = self._speaker.next_heard()
        return self._frame

    def both(self, said: bytes) -> tuple[bytes, bytes]:
        """20 ms of each direction, in the format inside the leg: what was heard, what was said."""
        if not self._is_taken:
            self.next_heard()
        heard, self._frame = self._frame, self._pause
        if self._decode_heard is not None and self._decode_said is not None:
            heard, said = self._decode_heard(heard), self._decode_said(said)
        return heard, said
