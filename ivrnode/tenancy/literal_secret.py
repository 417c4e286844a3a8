"""Keys that somebody wrote into a script: whoever may read it, its versions or a backup, has them."""

from __future__ import annotations

import math
import re
from collections import Counter

_KNOWN = {
    "an OpenAI key (sk-...)": r"\bsk-[A-Za-z0-9_-]{16,}",
    "a token (Bearer ...)": r"\bBearer\s+(?!~)[^\s{}]{12,}",
    "credentials (Basic ...)": r"\bBasic\s+[A-Za-z0-9+/]{12,}={0,2}",
    "an AWS key (AKIA...)": r"\bAKIA[0-9A-Z]{16}\b",
    "a Google key (AIza...)": r"\bAIza[0-9A-Za-z_-]{30,}",
    "a GitHub token (gh?_...)": r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    "a Slack token (xox...)": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a signed token (eyJ...)": r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _KNOWN.items()}
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{24,128}(?![A-Za-z0-9])")
_LEAST_ENTROPY = 3.4
"""Bits a character: 32 random hex digits have mostly 3.4 to 3.8."""


def literal_secret(text: str) -> str | None:
    """What kind of key `text` holds, None if it holds none."""
    for kind, pattern in _PATTERNS.items():
        if pattern.search(text):
            return kind
    if any(_is_random(word) for word in _WORD.findall(text)):
        return "a key: a long text without any pattern"
    return None


def _is_random(word: str) -> bool:
    """Letters and digits mixed, and no character much more often than the others."""
    digits = sum(c.isdigit() for c in word)
    return 3 <= digits < len(word) and entropy(word) >= _LEAST_ENTROPY


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
