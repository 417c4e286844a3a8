"""Text to the pieces that are spoken one by one: a short first sentence is heard while the next is still being made."""

from __future__ import annotations

import re

MAX_PIECE = 300
"""Characters of a piece. Longer sentences are cut at a comma or a blank: no job may hold the engine for long."""

_CONTROLS = dict.fromkeys([*range(32), 127], " ")
# The look-behind and the possessive `++` keep this linear: a run of stops is tried once, at its start.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'»“”’)\]]*+(?= )")  # noqa: RUF001
# After these a full stop ends no sentence. Not to cut is never wrong, only later.
_ABBREVIATIONS = {
    "bzw", "ca", "dr", "etc", "evtl", "ggf", "hr", "fr", "mr", "mrs", "ms", "nr", "prof", "sr", "sra", "st", "str",
    "tel", "usw", "vgl", "vs",
}  # fmt: skip


def sentences(text: str) -> list[str]:
    """Sentences of `text`, of at most `MAX_PIECE` characters each; blanks and control characters become one blank.

    What has neither letter nor digit in it is left out: nobody can say it.
    """
    found = []
    for line in text.encode(errors="replace").decode().splitlines():
        found += _sentences_of_line(" ".join(line.translate(_CONTROLS).split()))
    return [piece for sentence in found for piece in _pieces(sentence) if any(map(str.isalnum, piece))]


def _sentences_of_line(line: str) -> list[str]:
    found = []
    start = 0
    for end in _END.finditer(line):
        if end[0] == "." and _is_abbreviation(line, end.start()):
            continue
        found.append(line[start : end.end()].strip())
        start = end.end()
    return [*found, line[start:].strip()]


def _is_abbreviation(line: str, stop: int) -> bool:
    """Is the full stop at `stop` part of `Dr.`, of `z. B.`, or of an ordinal such as the German `3. Mai`?"""
    word = line[max(0, stop - 10) : stop].rpartition(" ")[2].lower()
    return len(word) == 1 or word in _ABBREVIATIONS or (len(word) <= 2 and word.isdigit())


def _pieces(sentence: str) -> list[str]:
    pieces = []
    start = 0
    while len(sentence) - start > MAX_PIECE:
        end = start + MAX_PIECE
        cut = max(sentence.rfind(mark, start, end) for mark in (", ", "; ", ": ")) + 1
        if cut <= start + MAX_PIECE // 2:
            cut = sentence.rfind(" ", start, end)
        if cut <= start:
            cut = end
        pieces.append(sentence[start:cut].strip())
        start = cut
    return [*pieces, sentence[start:].strip()]
