"""A tenant in one file: all of it comes back; a hostile archive changes nothing."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivrnode.errors import ConfigError
from ivrnode.tenancy import archive
from ivrnode.tenancy.archive import Contents, export_tenant, import_tenant
from ivrnode.tenancy.templates import Templates
from ivrnode.tenancy.versions import Note

Write = Callable[[str, str], Path]
NOTE = Note("ann", datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "imported from a.tar.gz")


@pytest.fixture
def tenant(write: Write, tmp_path: Path) -> Path:
    write("a.example/tenant.toml", '[accounts.40]\npassword = "correct horse"\n[nodes.1]\n')
    write("a.example/secrets.toml", '[secrets.crm]\nfile = "keys/crm.key"\nhosts = ["crm.example"]\n')
    write("a.example/keys/crm.key", "sk-1").chmod(0o600)
    Templates(tmp_path, ()).save("x = 1\n", NOTE, "a.example", "1")
    Templates(tmp_path, ()).save("x = 2\n", NOTE, "a.example", "1")
    write("a.example/ivrnode.py", "x = 'by hand'\n")
    write("a.example/prompts/hello.wav", "RIFF")
    write("a.example/nodes/1/prompts/ä.wav", "RIFF")
    write("a.example/addressbook.csv", "name,number\nAnn,40\n")
    write("a.example/.cache", "hidden")
    (tmp_path / "a.example" / "link.csv").symlink_to("/etc/hostname")
    return tmp_path / "a.example"


def exported(folder: Path, with_secrets: bool = False) -> bytes:
    file = io.BytesIO()
    export_tenant(folder, file, with_secrets=with_secrets)
    return file.getvalue()


def imported(data: bytes, tenants: Path, **options: Any) -> Contents:
    return import_tenant(io.BytesIO(data), "a.tar.gz", tenants, NOTE, {}, **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_goes_in(tenant: Path) -> None:
    file = io.BytesIO()
    contents = export_tenant(tenant, file, with_secrets=False)
    assert contents.links == [str(tenant / "link.csv")]
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        "a.example/addressbook.csv",
        "a.example/ivrnode.py",
        "a.example/nodes/1/.versions/0001.py",
        "a.example/nodes/1/.versions/0002.py",
        "a.example/nodes/1/ivrnode.py",
        "a.example/nodes/1/prompts/ä.wav",
        "a.example/prompts/hello.wav",
        "a.example/tenant.toml",
    ]
    assert contents.files == len(members)
    assert all((member.uid, member.uname) == (0, "") for member in members)
    assert exported(tenant) == file.getvalue()  # the same tenant, the same bytes


def test_there_and_back(tenant: Path, tmp_path: Path) -> None:
    data = exported(tenant, with_secrets=True)
    other = tmp_path / "other"
    other.mkdir()
    contents = imported(data, other)
    assert (contents.domain, contents.files) == ("a.example", 10)
    before, after = tree(tenant), tree(other / "a.example")
    for name in (".cache", "link.csv"):
        del before[name]
    assert {name: text for name, text in after.items() if name in before} == before
    assert after.keys() - before.keys() == {".versions/0001.py", "nodes/1/.versions/0003.py"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (other / "a.example").rglob("*.*")}
    assert modes["tenant.toml"] == modes["secrets.toml"] == modes["crm.key"] == 0o600
    assert modes["hello.wav"] == stat.S_IMODE((tenant / "prompts" / "hello.wav").stat().st_mode)
    assert [path.name for path in other.iterdir()] == ["a.example"]


def test_an_import_is_a_version(tenant: Path, tmp_path: Path) -> None:
    imported(exported(tenant), tmp_path, domain="B.example")
    versions = Templates(tmp_path, ()).history("b.example", "1")
    assert [version.number for version in versions] == [1, 2, 3]
    assert versions[-1].note == NOTE
    assert Templates(tmp_path, ()).find("b.example", "1").version == 3
    [first] = Templates(tmp_path, ()).history("b.example")
    assert first.note == NOTE


def test_a_tenant_is_not_replaced_by_chance(tenant: Path, tmp_path: Path) -> None:
    data, before = exported(tenant), tree(tmp_path)
    with pytest.raises(ConfigError, match=r"a\.example: is there already: use --replace, or --as"):
        imported(data, tmp_path)
    assert tree(tmp_path) == before


def test_replacing_keeps_the_secrets(tenant: Path, tmp_path: Path, write: Write) -> None:
    data = exported(tenant)
    assert b"sk-1" not in gzip.decompress(data)
    write("a.example/tenant.toml", "display = 'changed'\n")
    write("a.example/new.csv", "of later")
    imported(data, tmp_path, is_replacing=True)
    after = tree(tenant)
    assert b"correct horse" in after["tenant.toml"]
    assert b"crm.key" in after["secrets.toml"] and after["keys/crm.key"] == b"sk-1"
    assert "new.csv" not in after and ".cache" not in after
    assert [path.name for path in tmp_path.iterdir()] == ["a.example"]


def test_replacing_with_secrets_takes_those_of_the_archive(tenant: Path, tmp_path: Path, write: Write) -> None:
    data = exported(tenant, with_secrets=True)
    write("a.example/secrets.toml", "")
    imported(data, tmp_path, is_replacing=True)
    assert b"crm.key" in tree(tenant)["secrets.toml"]


def test_a_replacement_that_fails_leaves_the_old_one(
    tenant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, before = exported(tenant), tree(tenant)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if target == tenant and self.name == "a.example":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ConfigError, match=r"a\.tar\.gz: cannot be imported: Input/output error"):
        imported(data, tmp_path, is_replacing=True)
    assert tree(tenant) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.example"]


# Hostile archives.


def packed(*members: tuple[str, bytes | str], kind: bytes = tarfile.REGTYPE) -> bytes:
    """An archive of these names and texts; a str is the target of a link."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = kind, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


GOOD = ("a.example/tenant.toml", b"[nodes.1]\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "no such name"),
        ("../x/y", "no such name"),
        ("a.example/../../x", "no such name"),
        ("a.example/./x", "no such name"),
        ("a.example/nodes/../x", "no such name"),
        ("a.example//x", "no such name"),
        ("a.example/.ssh/authorized_keys", "no such name"),
        ("a.example/x\ny", "no such name"),
        ("a.example/x\\y", "no such name"),
        ("a.example/" + "x" * 256, "no such name"),
        ("a.example/" + "x/" * 9 + "x", "folders in folders"),
        ("b.example/x", "holds two tenants, a.example and b.example"),
        ("a.example", "only plain files in one folder"),
        ("a.example/tenant.toml", "is there twice"),
        ("a.example/tenant.toml/x", "cannot be imported"),
    ],
)
def test_bad_names(tmp_path: Path, name: str, message: str) -> None:
    home = tmp_path / "tenants"
    home.mkdir()
    with pytest.raises(ConfigError, match=message):
        imported(packed(GOOD, (name, b"x")), home)
    assert tree(tmp_path) == {}
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE]
)
def test_no_links_and_no_devices(tmp_path: Path, kind: bytes) -> None:
    data = packed(GOOD, ("a.example/x", "/etc/passwd"), kind=kind)
    if kind == tarfile.CONTTYPE:  # another word for a plain file
        imported(data, tmp_path)
        return
    with pytest.raises(ConfigError, match="only plain files"):
        imported(data, tmp_path)
    assert tree(tmp_path) == {}


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    home = tmp_path / "tenants"
    home.mkdir()
    data = packed(GOOD, ("a.example/prompts", "/tmp"), ("a.example/prompts/x", b"x"), kind=tarfile.SYMTYPE)
    with pytest.raises(ConfigError, match="only plain files"):
        imported(data, home)


def test_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_FILE", 1000)
    monkeypatch.setattr(archive, "MOST_BYTES", 2500)
    monkeypatch.setattr(archive, "MOST_FILES", 5)
    for members, message in (
        ([("a.example/x", b"x" * 1001)], "a.example/x: more than 1000 bytes"),
        ([(f"a.example/{n}", b"x" * 1000) for n in range(3)], "a.example/2: more than 2500 bytes in all"),
        ([(f"a.example/{n}", b"") for n in range(5)], "a.example/4: more than 5 files"),
    ):
        with pytest.raises(ConfigError, match=message):
            imported(packed(GOOD, *members), tmp_path)
    assert tree(tmp_path) == {}


def test_a_small_archive_with_an_endless_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo("a.example/tenant.toml")
        member.pax_headers = {"comment": "x" * (100_000 + 4096 * archive.MOST_FILES)}
        tar.addfile(member, io.BytesIO(b""))
    assert len(file.getvalue()) < 200_000
    with pytest.raises(ConfigError, match="unpacks to more than an archive may hold"):
        imported(file.getvalue(), tmp_path)
    assert tree(tmp_path) == {}


def test_an_export_that_could_not_be_imported_is_refused(tenant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    with pytest.raises(ConfigError, match="more than 3 files"):
        exported(tenant)


def test_a_tenant_that_is_wrong_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^a\.tar\.gz: tenant\.toml:1: x: unknown key"):
        imported(packed(("a.example/tenant.toml", b"x = 1\n")), tmp_path)
    with pytest.raises(ConfigError, match=r"tenant\.toml: cannot be read"):
        imported(packed(("a.example/x", b"")), tmp_path)
    with pytest.raises(ConfigError, match=r"'-a' is no domain"):
        imported(packed(("-a/tenant.toml", b"")), tmp_path)
    assert tree(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_folders_and_a_leading_dot_are_fine(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        folder = tarfile.TarInfo("./a.example/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        member = tarfile.TarInfo("./a.example/tenant.toml")
        tar.addfile(member, io.BytesIO(b""))
    assert imported(file.getvalue(), tmp_path).domain == "a.example"


@pytest.mark.parametrize("data", [b"", b"not gzip", gzip.compress(b""), gzip.compress(b"not tar" * 100), packed()])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"a\.tar\.gz: is no archive of a tenant"):
        imported(data, tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_damaged_archive_gives_a_tenant_or_a_config_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(packed(GOOD, ("a.example/x", b"hello" * 50)))
    if data.draw(st.booleans()):
        whole = bytearray(gzip.decompress(whole))
        for _ in range(data.draw(st.integers(0, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        whole = bytearray(gzip.compress(bytes(whole[: data.draw(st.integers(0, len(whole)))])))
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    home = tmp_path / "tenants"
    home.mkdir(exist_ok=True)
    with suppress(ConfigError):
        imported(bytes(whole), home, is_replacing=True)
    assert {path.name for path in tmp_path.iterdir()} == {"tenants"}
    assert not any(path.name.startswith(".import") for path in home.iterdir())
