"""The docs say what the code does: keys, members, commands, links, RFCs and examples are compared with it."""

from __future__ import annotations

import dataclasses
import re
import shlex
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ivrnode.cli import main
from ivrnode.config import ConfigFile
from ivrnode.errors import ConfigError
from ivrnode.log import CATEGORIES
from ivrnode.realtime.faults import FAULTS
from ivrnode.realtime.rules import Script
from ivrnode.script.guest.environment import Environment
from ivrnode.script.guest.imports import ALLOWED
from ivrnode.script.guest.link import Link
from ivrnode.script.guest.loop import ScriptLoop
from ivrnode.script.guest.playback import Playback
from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.websocket import Websocket
from ivrnode.script.messages import Facts
from ivrnode.tenancy.declared import declared_settings
from ivrnode.tenancy.document import Document
from ivrnode.tenancy.lint import check
from ivrnode.tenancy.quotas import QuotaLimits
from ivrnode.tenancy.secrets import SecretSource
from ivrnode.tenancy.tenant import Account, IvrNode, SecretsFile, TenantFile

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[/\s])ivrnode ([a-z][^#;|]*?)(?=$|[#;|]| and |, then )", re.MULTILINE)


def doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def blocks(text: str, kind: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(text) if language == kind]


def spans(text: str) -> list[str]:
    """What stands in backquotes outside of blocks."""
    return _SPAN.findall(_BLOCK.sub("", text))


def words(text: str) -> set[str]:
    """The names in backquotes."""
    return {word for span in spans(text) for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", span)}


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows by the names in their first cell."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        first, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] if line[:1] == "|" else [""]
        for name in _SPAN.findall(first):
            found[name] = cells
    return found


def sections(text: str) -> dict[str, str]:
    """Text by heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# Configuration.


def config_sections() -> dict[str, type[Any]]:
    hints = typing.get_type_hints(ConfigFile)
    return {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}


@pytest.mark.parametrize("name", config_sections())
def test_every_key_of_a_section_is_explained_and_no_other(name: str) -> None:
    kind = config_sections()[name]
    told = rows(sections(doc("configuration.md"))[f"`[{name}]`"].partition("\n| category")[0])
    told = {key: cells for key, cells in told.items() if len(cells) > 1 and "." not in key}
    assert told.keys() == {field.name for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        if isinstance(field.default, bool | int):
            assert str(field.default).lower() in told[field.name][0], field.name


def test_every_key_at_the_top_is_explained() -> None:
    names = {field.name for field in dataclasses.fields(ConfigFile)} - config_sections().keys()
    assert names <= words(doc("configuration.md"))


def test_every_log_category_is_explained() -> None:
    table = doc("configuration.md")
    assert [category for category in CATEGORIES if not re.search(rf"^\|[^|]*\b{category}\b", table, re.MULTILINE)] == []


@pytest.mark.parametrize("kind", [TenantFile, IvrNode, Account, QuotaLimits, SecretSource])
def test_every_key_of_a_tenant_is_explained(kind: type[Any]) -> None:
    known = words(doc("tenants-and-templates.md"))
    named = {"name", "extension"}  # the tables' own names
    assert {field.name for field in dataclasses.fields(kind)} - named <= known


# The script API.


@pytest.fixture
def environment() -> Iterator[Environment]:
    loop = ScriptLoop(Link(), {})
    made = Environment(Runtime(loop._link, loop))
    made.call._begin(dataclasses.asdict(Facts("1", "en", "", "", "", "", "")))
    yield made
    loop.close()


def members(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")} | set(getattr(type(thing), "_events", ()))


def test_every_global_is_explained(environment: Environment) -> None:
    assert environment.names.keys() - {"__builtins__", "__name__"} <= words(doc("scripting.md")) | {
        name for name in environment.names if name.startswith("__")
    }


def test_every_member_is_explained(environment: Environment) -> None:
    runtime = environment.call._runtime
    page = sections(doc("scripting.md"))
    for heading, thing in (
        ("`call`", environment.call),
        ("`Playback`", Playback(runtime, 1)),
        ("`Websocket`", Websocket(environment.sockets, "ws://x")),
        ("`system`", environment.names["system"]),
    ):
        text = page[heading]
        told = words(text) | set(re.findall(r'on\("([a-z]+)"', text))
        assert members(thing) <= told, heading


def test_every_import_is_told() -> None:
    imports = doc("scripting.md").partition("### Imports")[2].partition("## `call`")[0]
    assert set(ALLOWED) <= set(_SPAN.findall(imports))


def test_every_setting_of_the_assistant_is_explained() -> None:
    script = (ROOT / "ivrnode" / "tenancy" / "default" / "ivrnode.py").read_text("utf-8")
    names = declared_settings(script).keys()
    assert len(names) > 12
    assert names <= words(doc("realtime.md"))


def test_every_fault_and_option_of_the_stand_in_is_explained() -> None:
    told = rows(doc("realtime.md"))
    assert set(FAULTS) <= told.keys()
    options = {option for parameter in find("realtime").params for option in parameter.opts} - {"--help", "-h"}
    assert options <= {name.split()[0] for name in told}


# Commands.


def find(*path: str) -> click.Command:
    """The command of that path; the words after a command are its arguments."""
    command: click.Command = main
    for name in path:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(click.Context(main), name)
        assert found is not None, f"ivrnode {' '.join(path)}"
        command = found
    return command


def commands_in(text: str) -> list[str]:
    lines = [line for kind in ("sh", "") for block in blocks(text, kind) for line in block.splitlines()]
    return [found for piece in (*lines, *spans(text)) for found in _COMMAND.findall(piece)]


@PAGE
def test_every_command_that_is_named_exists(page: Path) -> None:
    for line in commands_in(page.read_text("utf-8")):
        parts = shlex.split(line)
        command = find(*(part for part in parts if not part.startswith("-")))
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {part for part in parts if part.startswith("--")} <= known, line


def test_commands_are_found() -> None:
    found = commands_in((ROOT / "README.md").read_text("utf-8"))
    assert {"serve", "phone", "template", "init", "log"} <= {line.split()[0] for line in found}


@PAGE
def test_every_target_of_make_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    pieces = [*spans(text), *(line for block in blocks(text, "sh") for line in block.splitlines())]
    targets = {found[1] for piece in pieces if (found := re.match(r"make (\w+)", piece))}
    known = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert targets <= known


def test_every_command_is_in_some_page() -> None:
    told = {line.split()[0] for page in PAGES for line in commands_in(page.read_text("utf-8"))}
    assert set(main.list_commands(click.Context(main))) <= told


# Links.


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@PAGE
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    for page in PAGES:
        links = _LINK.findall(page.read_text("utf-8"))
        reached |= {(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link}
    assert set(PAGES) <= reached


# Examples.


def test_every_script_would_be_saved() -> None:
    texts = [(page.name, text) for page in PAGES for text in blocks(page.read_text("utf-8"), "python")]
    assert len(texts) > 4
    for name, text in texts:
        assert check(text, name, ALLOWED) is None, text


def test_every_piece_of_toml_is_right() -> None:
    texts = [(page.name, text) for page in PAGES for text in blocks(page.read_text("utf-8"), "toml")]
    assert len(texts) > 6
    for name, text in texts:
        assert is_some_file(text, name), text


def is_some_file(text: str, name: str) -> bool:
    """Does one of our readers take it?"""
    document = Document(text, name)
    for kind in (ConfigFile, TenantFile, SecretsFile):
        try:
            document.read(kind)
        except ConfigError:
            continue
        return True
    return bool(Script.parse(tomllib.loads(text), name))


# RFCs, and what was decided once.


def test_every_rfc_of_the_protocol_rooms_is_in_the_table() -> None:
    rooms = [file for room in ("sip", "sdp", "rtp") for file in (ROOT / "ivrnode" / room).glob("*.py")]
    cited = {number for file in rooms for number in re.findall(r"RFC (\d{3,5})", file.read_text("utf-8"))}
    assert len(cited) > 15
    assert cited <= set(re.findall(r"\b\d{4}\b", doc("rfcs.md")))


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/rfcs.md"])
def test_aiosip_is_out_of_date_and_we_say_so(page: str) -> None:
    text = " ".join((ROOT / page).read_text("utf-8").split())
    assert re.search(r"aiosip.{0,400}not import on (Python )?3\.10", text)
