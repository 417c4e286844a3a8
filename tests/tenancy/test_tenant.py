"""`tenant.toml` and `secrets.toml`: what nodes inherit, who is called, and the words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.errors import ConfigError
from ivrnode.tenancy.routing import route
from ivrnode.tenancy.secrets import Secret
from ivrnode.tenancy.tenant import Account, Tenant, load_tenant, node_settings

Write = Callable[[str, str], Path]


@pytest.fixture
def load(write: Write) -> Callable[..., Tenant]:
    def load(text: str, secrets: str | None = None, **environ: str) -> Tenant:
        folder = write("example.com/tenant.toml", text).parent
        if secrets is not None:
            write("example.com/secrets.toml", secrets)
        return load_tenant(folder, environ)

    return load


Load = Callable[..., Tenant]


def test_an_empty_file_is_a_tenant(load: Load) -> None:
    tenant = load("")
    assert (tenant.domain, tenant.display, tenant.max_calls) == ("example.com", "example.com", 50)
    assert (tenant.nodes, tenant.accounts, tenant.secrets, tenant.aliases) == ({}, {}, {}, ())


def test_a_node_has_cautious_defaults(load: Load) -> None:
    node = load("[nodes.100]").nodes["100"]
    assert (node.extension, node.access, node.language, node.secrets) == ("100", "accounts", "en", None)
    assert (node.max_duration, node.rec, node.mode, node.transfer_to) == (7200, False, "script", ())


def test_a_node_says_what_differs_from_its_tenant(load: Load) -> None:
    tenant = load("""
        language = "de"
        access = "public"
        fallback = "200"
        max_duration = 60
        secrets = ["crm"]
        rec = true
        transfer_to = ["2?"]
        [voices]
        de = "de-DE"
        [settings]
        model = "m"
        greeting = "Hallo"
        [nodes.100]
        [nodes.101]
        language = "en"
        access = "accounts"
        fallback = ""
        secrets = []
        rec = false
        [nodes.101.voices]
        en = "en-GB"
        [nodes.101.settings]
        greeting = "Hello"
        """)
    first, second = tenant.nodes["100"], tenant.nodes["101"]
    assert (first.language, first.access, first.fallback, first.secrets) == ("de", "public", "200", ("crm",))
    assert (first.max_duration, first.rec, first.transfer_to) == (60, True, ("2?",))
    assert (second.language, second.access, second.fallback, second.secrets) == ("en", "accounts", "", ())
    assert (second.max_duration, second.rec) == (60, False)
    assert second.voices == {"de": "de-DE", "en": "en-GB"}
    assert node_settings({"model": "system", "url": "u"}, second) == {"model": "m", "url": "u", "greeting": "Hello"}


def test_routes_by_the_user_part(load: Load) -> None:
    tenant = load('[accounts.alice]\npassword = "s3cret"\ndisplay = "Alice"\n[nodes.100]\n[nodes."*9"]\n')
    assert route(tenant, "100") is tenant.nodes["100"]
    assert route(tenant, "*9") is tenant.nodes["*9"]
    assert route(tenant, "alice") == Account(name="alice", password="s3cret", display="Alice")
    assert route(tenant, "Alice") is None
    assert route(tenant, "") is None


def test_secrets_have_a_file_of_their_own(load: Load) -> None:
    secrets = '[secrets.a]\nenv = "KEY"\nhosts = ["A.Example."]\n[secrets.b]\nvalue = "v"\nhosts = ["*.b.example"]\n'
    tenant = load("", secrets, KEY=" k \n")
    assert tenant.secrets == {"a": Secret("a", "k", ("a.example",)), "b": Secret("b", "v", ("*.b.example",))}


def test_no_repr_shows_a_password(load: Load) -> None:
    assert "s3cret" not in repr(load('[accounts.alice]\npassword = "s3cret"\n'))


NAME = "use up to 64 letters, digits and * # + . _ ~ - (quoted, if not letters, digits, _ and - only)"
LANGUAGE = 'two lower-case letters (ISO 639), as in "en" or "de"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("langage = 'en'", '1: langage: unknown key "langage": did you mean "language"?'),
        ("language = 'EN'", f'1: language: is "EN", must be {LANGUAGE}'),
        ("language = 7", f"1: language: is 7, must be {LANGUAGE}"),
        ("display = 1", "1: display: is 1, must be text"),
        ("access = 'all'", '1: access: is "all", must be "accounts" or "public"'),
        ("aliases = 'x'", '1: aliases: is "x", must be a list of domains, as in ["pbx.example.com"]'),
        ("aliases = ['a b']", '1: aliases: is ["a b"], must be a list of domains, as in ["pbx.example.com"]'),
        ("max_calls = -1", "1: max_calls: is -1, must be from 0 to 100000"),
        ("max_duration = 0", "1: max_duration: is 0, must be from 1 to 14400"),
        ("rec = 'on'", '1: rec: is "on", must be true or false'),
        ("fallback = 100", "1: fallback: is 100, must be text"),
        ("fallback_text = ['x']", '1: fallback_text: is ["x"], must be text'),
        ("transfer_to = '2?'", '1: transfer_to: is "2?", must be a list of texts, as in ["a", "b"]'),
        ("secrets = 'crm'", '1: secrets: is "crm", must be a list of texts, as in ["a", "b"]'),
        ("[voices]\nen = 1", "2: voices.en: is 1, must be text"),
        ("[accounts.a]", '1: accounts.a: password is missing: add password = "..."'),
        ("[accounts.a]\npasword = 'x'", '2: accounts.a.pasword: unknown key "pasword": did you mean "password"?'),
        ("[accounts.a]\npassword = 4711", "2: accounts.a.password: must be text"),
        (
            "[accounts.a]\npassword = 'a'",
            "2: accounts.a.password: must not be empty or the account's name: strangers try these first",
        ),
        (
            "[accounts.a]\npassword = ''",
            "2: accounts.a.password: must not be empty or the account's name: strangers try these first",
        ),
        ("[accounts.'a/b']\npassword = 'x'", f"1: accounts.\"a/b\": 'a/b' cannot be a name here: {NAME}"),
        ("[nodes.'../x']", f"1: nodes.\"../x\": '../x' cannot be a name here: {NAME}"),
        ("[nodes.'..']", f"1: nodes.\"..\": '..' cannot be a name here: {NAME}"),
        ("[nodes.1]\nmode = 'hook'", '2: nodes.1.mode: is "hook", must be "script"'),
        ("[nodes.1]\nlanguage = ''", f'2: nodes.1.language: is "", must be {LANGUAGE}'),
        (
            "[nodes.1]\naliases = []",
            '2: nodes.1.aliases: unknown key "aliases": known here: language, access, voices, settings, secrets, '
            "fallback, fallback_text, transfer_to, transfer_method, max_duration, rec, inband_dtmf, display, mode",
        ),
        ("[nodes.1]\nfallback = '1'", "2: nodes.1.fallback: must be another extension than the node's own"),
        (
            "[accounts.1]\npassword = 'x'\n[nodes.1]",
            '3: nodes.1: "1" is an account, too: one of them needs another name',
        ),
    ],
)
def test_what_is_wrong_and_where(load: Load, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    file = tmp_path / "example.com" / "tenant.toml"
    assert str(caught.value) == f"{file}:{message}"


def test_a_fault_in_the_secrets_names_their_file(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load("", '[secrets.a]\nvalu = "x"\n')
    file = tmp_path / "example.com" / "secrets.toml"
    assert str(caught.value) == f'{file}:2: secrets.a.valu: unknown key "valu": did you mean "value"?'


def test_a_folder_that_is_no_domain(write: Write) -> None:
    folder = write("Example.com/tenant.toml", "").parent
    with pytest.raises(ConfigError, match=r"must be named like the domain: lower-case letters, digits, - and \."):
        load_tenant(folder, {})
