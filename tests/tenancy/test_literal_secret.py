"""What looks like a key, and what does not."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.tenancy.literal_secret import literal_secret

ALNUM = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sk-proj-abcdefgh12345678", "OpenAI"),
        ("Bearer abcdef123456", "Bearer"),
        ("Basic YWRhOnB3MTIzNDU2", "Basic"),
        ("AKIAIOSFODNN7EXAMPLE", "AWS"),
        ("https://x.example/?key=AIzaSyA1234567890abcdefghijklmnopqrstuv", "Google"),
        ("ghp_" + "a1B2" * 9, "GitHub"),
        ("xoxb-123456789012-abc", "Slack"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "signed"),
        ("-----BEGIN RSA PRIVATE KEY-----\n", "private key"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "long text"),
        ("token=9Q8w7E6r5T4y3U2i1O0pAsDf", "long text"),
    ],
)
def test_keys(text: str, kind: str) -> None:
    assert kind in (literal_secret(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer ",
        "Bearer ~secret.openai.3f9c0a1b2c3d4e5f~",
        "Bearer {token}",
        "sk-test",
        "gpt-4o-realtime-preview-2024-10-01",
        "conversation.item.input_audio_transcription.completed",
        "Donaudampfschifffahrtsgesellschaft",
        "00000000000000000000000000000000",
        "12345678901234567890123456789012",
        "123e4567-e89b-12d3-a456-426614174000",
        "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1",
        "Please enter your four digit number.",
    ],
)
def test_no_keys(text: str) -> None:
    assert literal_secret(text) is None


@given(st.integers(0, 10_000))
def test_random_keys_of_forty_characters(seed: int) -> None:
    chance = random.Random(seed)
    key = "".join(chance.choice(ALNUM) for _ in range(36)) + "a1b2c3"
    assert literal_secret(f"key {key}")


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    literal_secret(text)
