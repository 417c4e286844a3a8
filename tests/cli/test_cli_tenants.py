"""Tenants as an operator moves them."""

from __future__ import annotations

import stat
from pathlib import Path

from command_line import run


def test_list(home: Path) -> None:
    (home / "tenants/a.example/tenant.toml").write_text(
        'aliases = ["a.test"]\n[nodes.100]\n[accounts.4]\npassword="x"\n'
    )
    (home / "tenants/b.example").mkdir()
    (home / "tenants/b.example/tenant.toml").write_text("x = 1\n")
    result = run("tenant", "list")
    assert result.stdout.split() == ["a.example", "1", "nodes", "1", "accounts", "a.test"]
    assert result.stderr.startswith("Error: tenants/b.example/tenant.toml:1: x: unknown key")


def test_list_of_nothing(home: Path) -> None:
    (home / "tenants/a.example/tenant.toml").unlink()
    assert run("tenant", "list").output == "no tenant in tenants\n"


def test_export_and_import(home: Path) -> None:
    (home / "tenants/a.example/secrets.toml").write_text('[secrets.k]\nvalue = "v-1"\nhosts = ["k.example"]\n')
    (home / "tenants/a.example/link").symlink_to("tenant.toml")
    result = run("tenant", "export", "a.example", "a.tar.gz")
    assert result.stdout == "wrote a.tar.gz: a.example, 1 files, without secrets\n"
    assert result.stderr == "Warning: tenants/a.example/link is a link and was left out\n"
    assert stat.S_IMODE((home / "a.tar.gz").stat().st_mode) == 0o600
    assert "is there already: use --replace" in run("tenant", "import", "a.tar.gz", status=1).output
    assert run("tenant", "import", "a.tar.gz", "--as", "c.example").output == (
        "imported c.example: 1 files; `ivrnode check` looks at its templates\n"
    )
    assert not (home / "tenants/c.example/secrets.toml").exists()
    run("tenant", "import", "a.tar.gz", "--replace")
    assert (home / "tenants/a.example/secrets.toml").exists()
    run("tenant", "export", "a.example", "a.tar.gz", "--with-secrets")
    run("tenant", "import", "a.tar.gz", "--as", "d.example")
    assert "v-1" in (home / "tenants/d.example/secrets.toml").read_text()
    assert len(run("tenant", "list").output.splitlines()) == 3


def test_an_imported_template_has_a_version(home: Path) -> None:
    (home / "tenants/a.example/ivrnode.py").write_text("x = 1\n")
    run("tenant", "export", "a.example", "a.tar.gz")
    run("tenant", "import", "a.tar.gz", "--as", "c.example", "--author", "ann")
    [line] = run("template", "history", "--tenant", "c.example").output.splitlines()
    assert line.split()[3] == "ann" and line.endswith("imported from a.tar.gz")


def test_an_alias_of_another_is_told(home: Path) -> None:
    (home / "tenants/a.example/tenant.toml").write_text('aliases = ["a.test"]\n')
    run("tenant", "export", "a.example", "a.tar.gz")
    result = run("tenant", "import", "a.tar.gz", "--as", "c.example")
    assert '"a.test" belongs to the tenant a.example' in result.stderr


def test_what_does_not_exist(home: Path) -> None:
    assert (
        'unknown tenant "a.exampel": did you mean "a.example"?'
        in run("tenant", "export", "a.exampel", "a.tar.gz", status=1).output
    )
    assert (
        "none/a.tar.gz cannot be written: No such file"
        in run("tenant", "export", "a.example", "none/a.tar.gz", status=1).output
    )
    (home / "a.tar.gz").write_bytes(b"nothing")
    assert "a.tar.gz: is no archive of a tenant" in run("tenant", "import", "a.tar.gz", status=1).output
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []
