"""A tenant as one file, to move it or to keep it: a gzipped tar whose only folder is named like the tenant.

    example.com/tenant.toml
    example.com/ivrnode.py
    example.com/nodes/700/ivrnode.py
    example.com/nodes/700/.versions/0001.py
    example.com/prompts/welcome.wav ...

All that lies in the tenant's folder goes in, but for hidden files other than versions, links, and (unless asked for)
secrets.toml with the files that it names. tenant.toml holds the passwords of accounts: the archive is a secret anyway.
Who imports trusts nobody: plain files with plain names, so many, so large; and all of it or nothing.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ivrnode.errors import ConfigError
from ivrnode.tenancy.document import Document
from ivrnode.tenancy.tenant import SECRETS_FILE, SecretsFile, is_domain, load_tenant
from ivrnode.tenancy.versions import VERSIONS_FOLDER, Note, Versions

MOST_FILES = 20_000
LARGEST_FILE = 64 << 20
MOST_BYTES = 512 << 20
"""Unpacked, all files together."""
_FOR_ALL = 0o044
_DEEPEST = 8
_LONGEST_NAME = 255
_TAR_OVERHEAD = 4096  # bytes that the format needs for a file, at most


@dataclass(slots=True)
class Contents:
    """What went through: the tenant's `domain`, the number of `files`, and the `links` that did not."""

    domain: str
    files: int = 0
    links: list[str] = field(default_factory=list)


def export_tenant(folder: Path, file: BinaryIO, *, with_secrets: bool) -> Contents:
    """Write the tenant of `folder` into `file`. Raises ConfigError for what could not be imported again."""
    contents, size = Contents(folder.name), 0
    with (
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _files(folder, contents, set() if with_secrets else _secret_files(folder)):
            data = path.read_bytes()
            size += len(data)
            contents.files += 1
            _check_size(str(path), len(data), size, contents.files)
            member = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            found = path.stat()
            member.size, member.mtime = len(data), int(found.st_mtime)
            member.mode = 0o600 | (found.st_mode & _FOR_ALL)
            tar.addfile(member, io.BytesIO(data))
    return contents


def import_tenant(
    file: BinaryIO,
    name: str,
    tenants: Path,
    note: Note,
    environ: Mapping[str, str],
    *,
    domain: str = "",
    is_replacing: bool = False,
) -> Contents:
    """Unpack the archive `file`, called `name` in errors, as a tenant below `tenants`; its templates get a version.

    `domain`: "" = the one in the archive. `is_replacing`: a tenant of that name makes room; its secrets stay if there
    are none in the archive. Raises ConfigError, and then nothing has changed.
    """
    stage = tenants / f".import.{os.getpid()}"
    shutil.rmtree(stage, ignore_errors=True)
    try:
        contents = _unpack(file, name, stage / "new")
        contents.domain = (domain or contents.domain).lower()
        if not is_domain(contents.domain):
            raise ConfigError(f"{contents.domain!r} is no domain: give the tenant another with --as", file=name)
        target = tenants / contents.domain
        if target.exists() and not is_replacing:
            raise ConfigError("is there already: use --replace, or --as with another domain", file=str(target))
        new = (stage / "new").rename(stage / contents.domain)
        if not (new / SECRETS_FILE).exists():
            _copy_secrets(target, new)
        _check(new, name, environ)
        for template in (new / "ivrnode.py", *new.glob("nodes/*/ivrnode.py")):
            if template.is_file():
                Versions(template).keep(note)
        _put_in_place(new, target, stage / "old")
    except OSError as error:
        raise ConfigError(f"cannot be imported: {error.strerror or error}", file=name) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return contents


def _files(folder: Path, contents: Contents, left_out: Collection[Path]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") and path.name != VERSIONS_FOLDER:
            continue
        if path.is_symlink():
            contents.links.append(str(path))
        elif path.is_dir():
            yield from _files(path, contents, left_out)
        elif path.is_file() and path.resolve() not in left_out:
            yield path


def _secret_files(folder: Path) -> set[Path]:
    """secrets.toml and the files that it names. Raises ConfigError when it cannot be read."""
    path = folder / SECRETS_FILE
    if not path.exists():
        return set()
    sources = Document.load(path).read(SecretsFile).secrets.values()
    return {path.resolve(), *(source.file.resolve() for source in sources if source.file is not None)}


def _unpack(file: BinaryIO, name: str, folder: Path) -> Contents:
    contents, size = Contents(""), 0
    try:
        with tarfile.open(fileobj=_Limited(gzip.GzipFile(fileobj=file), name), mode="r|") as tar:
            for member in tar:
                domain, *parts = _parts(member.name, name)
                contents.domain = contents.domain or domain
                if domain != contents.domain:
                    raise ConfigError(f"holds two tenants, {contents.domain} and {domain}", file=name)
                if member.isdir():
                    continue
                if not member.isreg() or not parts:
                    raise ConfigError(f"{member.name}: only plain files in one folder are imported", file=name)
                size += member.size
                contents.files += 1
                _check_size(f"{name}: {member.name}", member.size, size, contents.files)
                source = tar.extractfile(member)
                is_private = not member.mode & _FOR_ALL or parts[-1].endswith(".toml")
                data = source.read() if source else b""
                _write_new(folder.joinpath(*parts), data, is_private, f"{name}: {member.name}")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise ConfigError(f"is no archive of a tenant: {error}", file=name) from None
    if not contents.files:
        raise ConfigError("is no archive of a tenant: it is empty", file=name)
    return contents


def _parts(member: str, name: str) -> list[str]:
    """The names on the way to a member. Raises ConfigError for a way that leads out, or is none of ours."""
    parts = member.removeprefix("./").rstrip("/").split("/")
    for part in parts:
        is_hidden = part.startswith(".") and part != VERSIONS_FOLDER
        if is_hidden or not part or not part.isprintable() or "\\" in part or len(part.encode()) > _LONGEST_NAME:
            raise ConfigError(f"{member!r}: no such name is imported", file=name)
    if len(parts) > _DEEPEST:
        raise ConfigError(f"{member!r}: folders in folders in folders", file=name)
    return parts


def _check_size(where: str, size: int, all: int, files: int) -> None:
    limits = ((size, LARGEST_FILE, "bytes"), (all, MOST_BYTES, "bytes in all"), (files, MOST_FILES, "files"))
    for number, most, unit in limits:
        if number > most:
            raise ConfigError(f"more than {most} {unit}", file=where)


def _write_new(path: Path, data: bytes, is_private: bool, where: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb", opener=_private if is_private else None) as file:
            file.write(data)
    except FileExistsError:
        raise ConfigError("is there twice", file=where) from None


def _private(path: str, flags: int) -> int:
    """Passwords and keys are for the owner alone."""
    return os.open(path, flags, 0o600)


def _copy_secrets(old: Path, new: Path) -> None:
    root = old.resolve()
    for path in _secret_files(old):
        if path.is_relative_to(root):
            place = new / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def _check(folder: Path, name: str, environ: Mapping[str, str]) -> None:
    try:
        load_tenant(folder, environ)
    except ConfigError as error:  # its place is one that will not be there any more
        file = f"{name}: {Path(error.file).name}"
        raise ConfigError(error.message, file=file, key=error.key, line=error.line) from None


def _put_in_place(new: Path, target: Path, old: Path) -> None:
    """`target` becomes `new`; what it was goes to `old`."""
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


class _Limited(io.RawIOBase):
    """A stream that ends in an error before it has given more than an archive may hold: a few bytes can unpack to
    any number of them."""

    def __init__(self, stream: gzip.GzipFile, name: str) -> None:
        super().__init__()
        self._stream, self._name = stream, name
        self._left = MOST_BYTES + MOST_FILES * _TAR_OVERHEAD

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ConfigError("unpacks to more than an archive may hold", file=self._name)
        return data
