"""What the caller hears when the script or its service cannot: an apology in his language, never silence."""

from __future__ import annotations

import math
import struct

APOLOGIES = {
    "de": "Es tut uns leid, dieser Dienst ist gerade gestört. Bitte versuchen Sie es später noch einmal.",
    "en": "We are sorry, this service is not working right now. Please try again later.",
    "es": "Lo sentimos, este servicio no está disponible en este momento. Por favor, inténtelo más tarde.",
    "fr": "Nous sommes désolés, ce service est momentanément indisponible. Veuillez réessayer plus tard.",
    "it": "Ci dispiace, il servizio non è disponibile al momento. Si prega di riprovare più tardi.",
}
TONE_RATE = 8000


def apology(lang: str) -> tuple[str, str]:
    """The words, and the language they are in: the caller's if we have it, else English."""
    lang = lang if lang in APOLOGIES else "en"
    return APOLOGIES[lang], lang


def information_tone() -> bytes:
    """The special information tone (ITU-T E.180: 950, 1400, 1800 Hz, 330 ms each), pcm16 at 8000 Hz: the last resort
    when even the speech process is silent."""
    samples = (
        int(8000 * math.sin(2 * math.pi * frequency * n / TONE_RATE))
        for frequency in (950, 1400, 1800)
        for n in range(TONE_RATE * 330 // 1000)
    )
    return b"".join(struct.pack("<h", sample) for sample in samples)
