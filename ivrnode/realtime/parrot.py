"""The brain of the demo: says back what it heard, and plainly that nobody is there to think."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivrnode.realtime.brain import Say, Step, Turn


@dataclass(frozen=True, slots=True)
class _Phrases:
    """`decimal` stands between the seconds and their tenths: a voice reads it out."""

    honest: str
    heard: str
    repeated: str
    tool: str
    decimal: str = ","


_PHRASES = {
    "en": _Phrases(
        "Hello. I am not an AI, only the offline stand-in for one.",
        "I heard you speak for {seconds} seconds. This is turn {number}.",
        "You said: {text}",
        "The tool answered: {output}",
        decimal=".",
    ),
    "de": _Phrases(
        "Guten Tag. Ich bin keine KI, nur ihr Ersatz ohne Netz.",
        "Ich habe Sie {seconds} Sekunden lang sprechen gehört. Das ist Runde {number}.",
        "Sie sagten: {text}",
        "Das Werkzeug antwortet: {output}",
    ),
    "fr": _Phrases(
        "Bonjour. Je ne suis pas une IA, seulement sa doublure hors ligne.",
        "Je vous ai entendu parler pendant {seconds} secondes. C'est le tour {number}.",
        "Vous avez dit : {text}",
        "L'outil a répondu : {output}",
    ),
    "es": _Phrases(
        "Hola. No soy una IA, solo su sustituto sin conexión.",
        "Le he oído hablar durante {seconds} segundos. Este es el turno {number}.",
        "Usted ha dicho: {text}",
        "La herramienta ha respondido: {output}",
    ),
    "it": _Phrases(
        "Buongiorno. Non sono un'IA, solo la sua controfigura offline.",
        "L'ho sentita parlare per {seconds} secondi. Questo è il turno {number}.",
        "Lei ha detto: {text}",
        "Lo strumento ha risposto: {output}",
    ),
}


class Parrot:
    """Speaks the language of the session, else English."""

    def __init__(self) -> None:
        self._has_answered = False

    def answer(self, turn: Turn) -> Sequence[Step]:
        phrases = _PHRASES.get(turn.lang, _PHRASES["en"])
        sentences = [] if self._has_answered else [phrases.honest]
        if turn.output is not None:
            sentences.append(phrases.tool.format(output=turn.output))
        elif turn.is_understood:
            sentences.append(phrases.repeated.format(text=turn.text))
        elif turn.number:
            seconds = f"{turn.seconds:.1f}".replace(".", phrases.decimal)
            sentences.append(phrases.heard.format(seconds=seconds, number=turn.number))
        self._has_answered = True
        return [Say(" ".join(sentences))]
