"""The tenants of a folder: edits count at the next look, one tenant's fault is nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivrnode.log import Log
from ivrnode.tenancy.store import TenantStore

Write = Callable[[str, str], Path]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, lines: list[str]) -> TenantStore:
    log = Log()
    log.add_sink(lambda entry: lines.append(f"{entry.category} {entry.level} {entry.tenant} {entry.text}"))
    return TenantStore(tmp_path, log, {})


def domain(store: TenantStore, name: str) -> str | None:
    tenant = store.resolve(name)
    return tenant.domain if tenant else None


def test_no_folder_no_tenant(tmp_path: Path) -> None:
    store = TenantStore(tmp_path / "none", Log(), {})
    store.refresh()
    assert store.resolve("localhost") is None


def test_resolves_domains_in_any_case_and_aliases(store: TenantStore, write: Write) -> None:
    write("a.example/tenant.toml", 'aliases = ["PBX.a.example"]')
    write("b.example/tenant.toml", "")
    store.refresh()
    assert domain(store, "A.Example.") == "a.example"
    assert domain(store, "pbx.a.example") == "a.example"
    assert domain(store, "b.example") == "b.example"
    assert domain(store, "c.example") is None


def test_localhost_answers_to_what_no_one_owns(store: TenantStore, write: Write) -> None:
    write("localhost/tenant.toml", "")
    write("a.example/tenant.toml", "")
    store.refresh()
    assert domain(store, "192.0.2.1") == "localhost"
    assert domain(store, "a.example") == "a.example"


def test_what_is_no_tenant_is_left_alone(store: TenantStore, write: Write) -> None:
    write("ivrnode.py", "")
    write("notes/readme.txt", "")
    write(".git/tenant.toml", "")
    store.refresh()
    assert store.tenants == {}
    assert store.errors == {}


def test_an_edit_counts_at_the_next_refresh(store: TenantStore, write: Write) -> None:
    write("a.example/tenant.toml", "[nodes.1]")
    store.refresh()
    before = store.resolve("a.example")
    store.refresh()
    assert store.resolve("a.example") is before  # nothing was read again
    write("a.example/tenant.toml", "[nodes.2]")
    store.refresh()
    after = store.resolve("a.example")
    assert after is not None
    assert list(after.nodes) == ["2"]


def test_secrets_count_too_and_are_masked(store: TenantStore, write: Write, lines: list[str]) -> None:
    write("a.example/tenant.toml", "")
    store.refresh()
    write("a.example/secrets.toml", '[secrets.k]\nvalue = "topsecret"\nhosts = ["x"]')
    store.refresh()
    assert store.tenants["a.example"].secrets["k"].value == "topsecret"
    store._log.write("SCRIPT", 1, "it is topsecret")
    assert lines[-1] == "SCRIPT 1  it is ***"
    (store.folder / "a.example" / "secrets.toml").unlink()
    store.refresh()
    assert store.tenants["a.example"].secrets == {}


def test_a_removed_tenant_is_gone(store: TenantStore, write: Write) -> None:
    path = write("a.example/tenant.toml", "")
    store.refresh()
    path.unlink()
    store.refresh()
    assert store.resolve("a.example") is None


def test_a_broken_tenant_keeps_its_last_good_state(store: TenantStore, write: Write, lines: list[str]) -> None:
    write("a.example/tenant.toml", "[nodes.1]")
    write("b.example/tenant.toml", "max_calls = 'x'")
    store.refresh()
    assert domain(store, "a.example") == "a.example"
    assert domain(store, "b.example") is None
    path = write("a.example/tenant.toml", "[nodes.1]\nmod = 1")
    store.refresh()
    store.refresh()
    tenant = store.resolve("a.example")
    assert tenant is not None
    assert list(tenant.nodes) == ["1"]
    assert sorted(store.errors) == ["a.example", "b.example"]
    fault = f'CONFIG 1  {path}:2: nodes.1.mod: unknown key "mod": did you mean "mode"? (its last good state stays)'
    assert lines.count(fault) == 1
    write("a.example/tenant.toml", "[nodes.3]")
    store.refresh()
    assert list(store.errors) == ["b.example"]


def test_two_tenants_cannot_have_one_name(store: TenantStore, write: Write, lines: list[str]) -> None:
    write("a.example/tenant.toml", 'aliases = ["shared.example", "b.example"]')
    write("b.example/tenant.toml", 'aliases = ["shared.example"]')
    store.refresh()
    assert domain(store, "b.example") == "b.example"
    assert domain(store, "shared.example") == "a.example"
    text = str(store.errors["b.example"])
    assert text.endswith('aliases: "shared.example" belongs to the tenant a.example: remove it here or there')
    assert len(lines) == 4  # two loaded, two names refused
    write("b.example/tenant.toml", "")
    store.refresh()
    assert list(store.errors) == ["a.example"]
    assert len(lines) == 5  # the old fault is not told again


def test_the_demo_tenant_and_the_starter_are_good() -> None:
    root = Path(__file__).parents[2]
    for folder in (root / "tenants", root / "ivrnode" / "tenancy" / "starter" / "tenants"):
        store = TenantStore(folder, Log(), {})
        store.refresh()
        assert store.errors == {}
        assert store.tenants["localhost"].nodes["700"].access == "public"
        assert list(store.tenants["localhost"].accounts) == ["100"]


@pytest.mark.parametrize(
    ("nodes", "told"), [("", "0 nodes"), ("[nodes.1]", "1 node"), ("[nodes.1]\n[nodes.2]", "2 nodes")]
)
def test_what_was_loaded_is_told(nodes: str, told: str, store: TenantStore, write: Write, lines: list[str]) -> None:
    write("a.example/tenant.toml", nodes)
    assert store.names() == ["a.example"]
    assert lines == [f"CONFIG 4 a.example loaded with {told}"]
