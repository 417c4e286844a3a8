"""What is counted of one sender: RFC 3550 appendices A.1 (sequence numbers), A.3 (loss) and A.8 (jitter)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ivrnode.rtp.rtcp import ReportBlock

CLOCK_RATE = 8000  # of PCMU, PCMA, G722 and telephone-event alike (RFC 3551 s4.5.2)
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100


@dataclass(slots=True)
class Source:
    """A sender that has passed its probation. `jitter` is in timestamp units."""

    ssrc: int
    highest: int  # extended: cycles * 65536 + sequence number
    base: int
    received: int = 0
    jitter: float = 0.0
    _transit: float = math.inf
    _after_jump: int = -1
    _expected_before: int = 0
    _received_before: int = 0

    @classmethod
    def starting_at(cls, ssrc: int, sequence_number: int) -> Source:
        """A source whose next packet is `sequence_number`."""
        return cls(ssrc, highest=sequence_number - 1, base=sequence_number)

    def packet_received(self, sequence_number: int, timestamp: int | None, now: float) -> bool:
        """Count one packet; with a `timestamp` (of audio), its jitter too (A.8). `now` in seconds.

        False: so far from the others that it is a stray; two in a row are a restart (A.1).
        """
        ahead = (sequence_number - self.highest) & 0xFFFF
        if ahead < _MAX_DROPOUT:  # in order, perhaps with a gap; 0 is a double
            self.highest += ahead
        elif ahead <= 0x10000 - _MAX_MISORDER:
            if sequence_number != self._after_jump:
                self._after_jump = (sequence_number + 1) & 0xFFFF
                return False
            self._restart(sequence_number)
        self.received += 1
        if timestamp is not None:
            transit = now * CLOCK_RATE - timestamp
            change = transit - self._transit
            self._transit = transit
            if -CLOCK_RATE < change < CLOCK_RATE:  # else it is the first, or the timestamp jumped
                self.jitter += ((change if change > 0 else -change) - self.jitter) / 16
        return True

    def _restart(self, sequence_number: int) -> None:
        """The sender began anew under its old name: what was lost before stays lost, the jump itself is no loss."""
        lost = self.lost
        self.highest = sequence_number
        self.base = sequence_number - self.received - lost
        self._after_jump = -1
        self._transit = math.inf

    @property
    def expected(self) -> int:
        return self.highest - self.base + 1

    @property
    def lost(self) -> int:
        """Negative when more came double than was lost (A.3)."""
        return self.expected - self.received

    def report(self, last_sender_report: int, delay: int) -> ReportBlock:
        """A reception report block; the fraction lost is that since the last call (A.3)."""
        expected, received = self.expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = self.expected, self.received
        lost = expected - received
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0,
            packets_lost=self.lost,
            highest_sequence=self.highest & 0xFFFFFFFF,
            jitter=int(self.jitter),
            last_sender_report=last_sender_report,
            delay=delay,
        )
