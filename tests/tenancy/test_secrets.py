"""Placeholders: what a script holds, and where the value may go."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ScriptError
from ivrnode.tenancy.secrets import Secret, Secrets, secrets_of

OPENAI = Secret("openai", "sk-1", ("api.openai.com",))
CRM = Secret("crm", "c-2", ("*.crm.example", "crm.example", "::1"))


@pytest.fixture
def secrets() -> Secrets:
    return Secrets({"openai": OPENAI, "crm": CRM}, "3f9c")


def test_a_placeholder_is_filled_for_its_host(secrets: Secrets) -> None:
    text = "Bearer " + secrets.placeholder_for("openai")
    assert text == "Bearer ~secret.openai.3f9c~"
    assert secrets.fill(text, "api.openai.com") == "Bearer sk-1"
    assert secrets.fill(text, "API.OpenAI.com.") == "Bearer sk-1"
    assert secrets.fill("plain", "evil.example") == "plain"


@pytest.mark.parametrize("host", ["evil.example", "api.openai.com.evil.example", "xapi.openai.com", "openai.com", ""])
def test_no_other_host_gets_it(secrets: Secrets, host: str) -> None:
    with pytest.raises(ScriptError, match='secret "openai" may not be sent to') as caught:
        secrets.fill("x" + secrets.placeholder_for("openai"), host)
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "is_for"),
    [
        ("crm.example", True),
        ("a.crm.example", True),
        ("a.b.crm.example", True),
        ("xcrm.example", False),
        ("[::1]", True),
    ],
)
def test_a_star_stands_for_every_name_below(host: str, is_for: bool) -> None:
    assert CRM.is_for(host) is is_for


def test_two_secrets_in_one_text_must_both_be_allowed(secrets: Secrets) -> None:
    both = secrets.placeholder_for("crm") + secrets.placeholder_for("openai")
    with pytest.raises(ScriptError, match="openai"):
        secrets.fill(both, "crm.example")


@pytest.mark.parametrize("value", ["/x", "?x", "#x", ":80/x", "a@evil.example", "a/b", ".evil.example/"])
@pytest.mark.parametrize("before", ["https://evil.example", "https://a:", "wss://"])
def test_no_value_leads_a_url_to_another_host(value: str, before: str) -> None:
    """A script knows where its key stands: `https://evil.example~secret...~@api.openai.com/` must stay there."""
    secrets = Secrets({"key": Secret("key", value, ("api.openai.com", "*.openai.com"))}, "3f9c")
    key = secrets.placeholder_for("key")
    for url in (f"{before}{key}@api.openai.com/", f"{before}{key}.openai.com/"):
        try:
            filled = secrets.fill_url(url)
        except ScriptError as error:
            assert value not in str(error)
        else:
            assert (urlsplit(filled).hostname or "").endswith(".openai.com") or "@api.openai.com" in filled
            assert urlsplit(filled).hostname == urlsplit(url).hostname


def test_a_value_in_a_path_or_a_query(secrets: Secrets) -> None:
    key = secrets.placeholder_for("openai")
    assert secrets.fill_url(f"https://api.openai.com/{key}?k={key}#{key}") == "https://api.openai.com/sk-1?k=sk-1#sk-1"
    with pytest.raises(ScriptError, match="may not be sent to a URL without host"):
        secrets.fill_url(f"https://[{key}")


def test_a_placeholder_survives_the_quoting_of_a_url(secrets: Secrets) -> None:
    assert quote(secrets.placeholder_for("openai"), safe="") == secrets.placeholder_for("openai")


def test_another_call_has_other_placeholders(secrets: Secrets) -> None:
    other = Secrets({"openai": OPENAI}, "77aa")
    assert other.fill(secrets.placeholder_for("openai"), "api.openai.com") == secrets.placeholder_for("openai")


def test_an_unknown_secret(secrets: Secrets) -> None:
    with pytest.raises(KeyError):
        secrets.placeholder_for("none")


def test_nearest_wins_and_names_limit() -> None:
    mine = Secret("openai", "mine", ("x",))
    assert secrets_of({"openai": OPENAI, "crm": CRM}, {"openai": mine}, None) == {"openai": mine, "crm": CRM}
    assert secrets_of({"openai": OPENAI, "crm": CRM}, {}, ("crm", "gone")) == {"crm": CRM}
    assert secrets_of({"openai": OPENAI}, {}, ()) == {}


@given(st.text(), st.text(alphabet="abcdef0123456789", min_size=1), st.sampled_from(["api.openai.com", "x.example"]))
def test_the_value_comes_out_only_for_its_host(text: str, token: str, host: str) -> None:
    secrets = Secrets({"openai": Secret("openai", "\0value\0", ("api.openai.com",))}, token)
    whole = text + secrets.placeholder_for("openai") + text
    if host == "api.openai.com":
        assert "\0value\0" in secrets.fill(whole, host)
    else:
        with pytest.raises(ScriptError):
            secrets.fill(whole, host)
