"""G.711 (ITU-T G.711; RTP names PCMU and PCMA, RFC 3551 s4.5.14): 8000 samples a second, one byte each.

pcm16 means signed 16 bit little endian, mono. Between the two laws there is one table of 256 bytes each way: a call
from a PCMA trunk to a u-law script costs one `bytes.translate`.
"""

from __future__ import annotations

from ivrnode.audio._audioop import audioop

ULAW_SILENCE = b"\xff"
ALAW_SILENCE = b"\xd5"


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    return audioop.ulaw2lin(ulaw, 2)


def pcm_to_ulaw(pcm: bytes) -> bytes:
    return audioop.lin2ulaw(pcm, 2)


def alaw_to_pcm(alaw: bytes) -> bytes:
    return audioop.alaw2lin(alaw, 2)


def pcm_to_alaw(pcm: bytes) -> bytes:
    return audioop.lin2alaw(pcm, 2)


_EVERY_BYTE = bytes(range(256))
_ULAW_TO_ALAW = pcm_to_alaw(ulaw_to_pcm(_EVERY_BYTE))
_ALAW_TO_ULAW = pcm_to_ulaw(alaw_to_pcm(_EVERY_BYTE))


def ulaw_to_alaw(ulaw: bytes) -> bytes:
    return ulaw.translate(_ULAW_TO_ALAW)


def alaw_to_ulaw(alaw: bytes) -> bytes:
    return alaw.translate(_ALAW_TO_ULAW)
