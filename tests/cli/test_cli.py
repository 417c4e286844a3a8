"""The commands as an operator meets them: what they print, what they refuse, with which status."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import run

from ivrnode import __version__
from ivrnode.log import Log
from ivrnode.net.control import ControlServer
from ivrnode.net.log_sinks import log_operations
from ivrnode.net.scripts.walls import Walls

HEAVY = ("asyncio", "av", "websockets", "aiortc", "uvloop", "ivrnode.net.runtime", "ivrnode.config")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ivrnode.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[-1] == "[]"
    for command in ("serve", "init", "template", "log", "check", "call"):
        assert any(line.startswith(f"  {command} ") for line in lines), command


def test_it_runs_as_a_module() -> None:
    result = subprocess.run([sys.executable, "-m", "ivrnode", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"ivrnode, version {__version__}\n"


def test_every_command_has_its_help(home: Path) -> None:
    for name in ("serve", "init", "template", "log", "check", "call"):
        assert run(name, "--help").output.startswith(f"Usage: main {name}")


def test_an_unknown_command() -> None:
    assert "No such command 'serf'" in run("serf", status=2).output


def test_a_fault_in_the_configuration_is_one_line(home: Path) -> None:
    (home / "ivrnode.toml").write_text("\nlogs = 1\n")
    assert run("check", status=1).output == 'Error: ivrnode.toml:2: logs: unknown key "logs": did you mean "log"?\n'
    assert run("check", "--config", "none.toml", status=1).output == (
        "Error: none.toml: cannot be read: No such file or directory\n"
    )


def test_the_environment_names_the_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRNODE_CONFIG", "other.toml")
    assert "other.toml: cannot be read" in run("template", "show", status=1).output


# template


def test_template_which_marks_the_one_that_runs(home: Path) -> None:
    lines = run("template", "which", "--tenant", "a.example", "--node", "100").output.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["node", "tenants/a.example/nodes/100/ivrnode.py"],
        ["tenant", "tenants/a.example/ivrnode.py"],
        ["runs", "->"],
        ["default", lines[3].split()[1]],
    ]
    assert lines[2] == "runs -> system  tenants/ivrnode.py"
    assert lines[0].endswith("(empty)")
    (home / "tenants" / "ivrnode.py").write_text("\n  \n")
    lines = run("template", "which", "--tenant", "a.example").output.splitlines()
    assert [line.endswith("(empty)") for line in lines] == [True, True, False]
    assert lines[2].startswith("runs -> default")


def test_template_set_show_reset(home: Path) -> None:
    where = ("--tenant", "a.example", "--node", "100")
    (home / "my.py").write_text("x = 'mine'\n")
    output = run("template", "set", "my.py", *where).output
    assert output == "saved as version 1 of tenants/a.example/nodes/100/ivrnode.py; it runs from the next call on\n"
    assert run("template", "show", *where).output == "x = 'mine'\n"
    assert run("template", "show", "--tenant", "a.example").output == "x = 'system'\n"
    assert run("template", "reset", *where).output == "removed tenants/a.example/nodes/100/ivrnode.py\n"
    assert run("template", "reset", *where).output == "tenants/a.example/nodes/100/ivrnode.py was empty already\n"
    assert run("template", "show", *where).output == "x = 'system'\n"


def test_template_set_from_standard_input(home: Path) -> None:
    run("template", "set", "-", input="x = 'new'\n")
    assert (home / "tenants" / "ivrnode.py").read_text() == "x = 'new'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"x = 1\nx = = 2\n", "Error: my.py:2:5: syntax error: invalid syntax\n"),
        (b"import os\n", "Error: my.py:1:1: import os: not allowed in a script\n"),
        (b"x = '\xff'\n", "Error: my.py:1:6: is not UTF-8: save it as UTF-8\n"),
    ],
)
def test_template_set_refuses(home: Path, text: bytes, message: str) -> None:
    (home / "my.py").write_bytes(text)
    assert run("template", "set", "my.py", status=1).output == message
    assert (home / "tenants" / "ivrnode.py").read_text() == "x = 'system'\n"


def test_template_set_warns_of_dunder_attributes(home: Path) -> None:
    result = run("template", "set", "-", input="x = ().__class__\n")
    assert result.stderr.startswith("Warning: standard input:1:5: __class__: attributes with two underscores")


def test_a_broken_template_is_told(home: Path) -> None:
    (home / "tenants" / "ivrnode.py").write_text("x = (\n")
    assert "Error: tenants/ivrnode.py:1:5: syntax error" in run("template", "which", status=1).output
    assert "Error: tenants/ivrnode.py:1:5: syntax error" in run("template", "show", status=1).output


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        (("--node", "100"), 2, "--node needs --tenant"),
        (("--tenant", "a.exampel"), 1, 'tenants: unknown tenant "a.exampel": did you mean "a.example"?'),
        (("--tenant", "../x"), 1, 'tenants: unknown tenant "../x": known here: a.example'),
        (
            ("--tenant", "a.example", "--node", "../x"),
            1,
            'tenants/a.example: unknown node "../x": known here: 100, 101',
        ),
    ],
)
def test_template_of_nobody(home: Path, where: tuple[str, ...], status: int, message: str) -> None:
    assert message in run("template", "show", *where, status=status).output


def test_template_of_a_broken_tenant(home: Path) -> None:
    (home / "tenants" / "a.example" / "tenant.toml").write_text("x = 1\n")
    assert "tenant.toml:1: x: unknown key" in run("template", "show", "--tenant", "a.example", status=1).output


# init and check


def test_init_writes_a_tree_that_check_likes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("init", "new").output.splitlines()
    assert lines[-1] == "Start it:  ivrnode serve --config new/ivrnode.toml"
    assert (home / "new" / "ivrnode.toml").is_file()
    secrets = home / "new" / "tenants" / "localhost" / "secrets.toml"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    (home / "new" / "tenants" / "ivrnode.py").write_text("x = 1\n")
    output = run("check", "--config", "new/ivrnode.toml").output
    assert "ok     tenant localhost\n" in output
    assert "ok     700@localhost: system template new/tenants/ivrnode.py\n" in output


def test_init_gives_each_tree_its_own_password(home: Path) -> None:
    run("init", "one")
    run("init", "two")
    texts = [(home / name / "tenants" / "localhost" / "tenant.toml").read_text() for name in ("one", "two")]
    assert texts[0] != texts[1]
    assert "@password@" not in texts[0]


def test_init_touches_nothing_that_is_there(home: Path) -> None:
    (home / "ivrnode.toml").write_text("# mine\n")
    assert run("init", ".", status=1).output == "Error: ivrnode.toml exists already: name an empty folder\n"
    assert (home / "ivrnode.toml").read_text() == "# mine\n"


def test_the_starter_shows_the_defaults() -> None:
    """Each commented line is the default: turned on, it changes nothing."""
    from ivrnode.commands.init import STARTER
    from ivrnode.config import Config
    from ivrnode.tenancy.document import Document

    text = (STARTER / "ivrnode.toml").read_text()
    examples = ("address =", "file =", "local_nets =", "en =", "model =", "env =", "hosts =")
    lines = [line[2:] if re.match(r"# [a-z_]+ = ", line) else line for line in text.splitlines()]
    lines = [line for line in lines if not line.startswith(examples)]
    assert sum(not line.startswith("#") for line in lines) > 20
    assert Config.read(Document("\n".join(lines), "f"), {}) == Config.read(Document("", "f"), {})


def test_check_finds_every_fault(home: Path) -> None:
    (home / "tenants" / "a.example" / "tenant.toml").write_text('[nodes.100]\nsecrets = ["crm"]\n')
    (home / "tenants" / "a.example" / "ivrnode.py").write_text("import os\n")
    (home / "tenants" / "b.example").mkdir()
    (home / "tenants" / "b.example" / "tenant.toml").write_text("displya = 1\n")
    result = run("check", status=1)
    wrong = [line for line in result.stderr.splitlines() if line.startswith("WRONG")]
    assert [line.split(maxsplit=1)[1] for line in wrong][:3] == [
        'tenants/b.example/tenant.toml:1: displya: unknown key "displya": did you mean "display"?',
        "100@a.example: tenant template tenants/a.example/ivrnode.py:1:1: import os: not allowed in a script",
        '100@a.example: there is no secret "crm": add [secrets.crm] to tenants/a.example/secrets.toml, or set the'
        " variable that its env names",
    ]


def test_check_tells_what_to_do_about_a_secret(home: Path) -> None:
    tenant = home / "tenants" / "a.example"
    (tenant / "tenant.toml").write_text('[nodes.100]\nsecrets = ["crm", "opnai", "openai"]\n')
    (tenant / "secrets.toml").write_text(
        '[secrets.crm]\nenv = "NOBODY_SET_THIS"\nhosts = ["crm.example"]\n'
        '[secrets.openai]\nvalue = "sk"\nhosts = ["api.openai.com"]\n'
    )
    lines = [line.split(maxsplit=2)[2] for line in run("check", status=1).stderr.splitlines() if "secret " in line]
    assert lines == [
        'the secret "crm" has no value: set the variable NOBODY_SET_THIS, as tenants/a.example/secrets.toml says',
        'there is no secret "opnai": did you mean "openai"? Else add [secrets.opnai] to'
        " tenants/a.example/secrets.toml, or set the variable that its env names",
    ]


def test_check_tells_of_a_fallback_that_nobody_has(home: Path) -> None:
    tenant = 'fallback = "9"\n[nodes.100]\nfallback = "101"\n[nodes.101]\n'
    (home / "tenants" / "a.example" / "tenant.toml").write_text(tenant)
    lines = [line for line in run("check", status=1).stderr.splitlines() if "fallback" in line]
    assert lines == ["WRONG  101@a.example: nobody has the number of its fallback, 9"]


def test_check_tells_of_what_has_no_voice(home: Path) -> None:
    (home / "tenants" / "a.example" / "tenant.toml").write_text(
        '[voices]\nen = "en-AU"\nde = "de-DE"\n[nodes.100]\n[nodes.101]\nlanguage = "ja"\n'
    )
    lines = [line.split(maxsplit=1)[1] for line in run("check").stdout.splitlines() if line.startswith("note")]
    assert [line for line in lines if "voice" in line] == [
        '100@a.example: there is no voice "en-AU": the usual one for en is taken',
        '101@a.example: there is no voice "en-AU": the usual one for en is taken',
        '101@a.example: there is no voice for its language, "ja": what it says is silence',
    ]


def test_check_tells_of_missing_walls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrnode.net.scripts.walls.probe", lambda: Walls("riscv64"))
    result = run("check", status=1)
    assert "WRONG  scripts will not be started: there are no walls to put around them\n" in result.stderr
    assert "note   no seccomp filter for scripts on this system (riscv64)\n" in result.stdout


def test_check_without_a_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no tenant in tenants: `ivrnode init` writes a first one" in run("check", status=1).stderr


# The commands that talk to a running ivrnode.


@contextmanager
def serving(path: Path, operations: dict[str, Callable[..., Any]]) -> Iterator[asyncio.AbstractEventLoop]:
    """A control server in a loop of its own thread: the commands block."""
    is_up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = ControlServer(path, operations)
        await server.start()
        is_up.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(10)
        yield loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_log_level_and_levels(home: Path) -> None:
    log = Log()
    with serving(home / "var" / "control.sock", log_operations(log, lambda: ["a.example"])):
        run("log", "level", "sip", "9", "--tenant", "a.example")
        assert "SIP        9\n" in run("log", "levels", "--tenant", "a.example").output
        assert "SIP        4\n" in run("log", "levels").output
        assert "not in the range 0<=x<=9" in run("log", "level", "SIP", "10", status=2).output
        assert "'SIPS' is not one of 'general'" in run("log", "level", "SIPS", "1", status=2).output


def test_log_follow(home: Path) -> None:
    asked: list[tuple[str, list[str]]] = []

    async def follow(tenant: str, categories: list[str]) -> Any:
        asked.append((tenant, categories))
        yield {
            "time": "2026-11-23T12:00:00.000+01:00",
            "category": "SCRIPT",
            "level": 5,
            "tenant": "a.example",
            "call": "3f9c",
            "text": "hello\nworld",
        }

    with serving(home / "var" / "control.sock", {"log.follow": follow}):
        output = run("log", "follow", "--tenant", "a.example", "--category", "script,WebClient").output
        assert "'SIPS' is not one of" in run("log", "follow", "--category", "SIP,SIPS", status=2).output
    assert asked == [("a.example", ["SCRIPT", "WEBCLIENT"])]
    assert output == "2026-11-23 12:00:00.000 SCRIPT 5 a.example 3f9c: hello\n    | world\n"


def test_call_list(home: Path) -> None:
    rows = [{"id": "3f9c", "tenant": "a.example", "node": "100", "caller": "\x1b[2J", "seconds": 1.5}]
    asked: list[dict[str, Any]] = []

    def list_calls(**arguments: Any) -> Any:
        asked.append(arguments)
        return json.loads(json.dumps(rows))

    with serving(home / "var" / "control.sock", {"call.list": list_calls}):
        output = run("call", "list").output
        run("call", "list", "--all", "--tenant", "a.example")
    assert asked == [{"tenant": "", "all": False}, {"tenant": "a.example", "all": True}]
    assert output == "id=3f9c  tenant=a.example  node=100  caller=\\x1b[2J  seconds=1.5\n"


def test_tenant_unblock(home: Path) -> None:
    blocked = ["a.example"]

    def unblock(tenant: str) -> bool:
        return tenant in blocked and not blocked.remove(tenant)

    with serving(home / "var" / "control.sock", {"tenant.unblock": unblock}):
        assert run("tenant", "unblock", "a.example").output == "the scripts of a.example start again\n"
        assert run("tenant", "unblock", "a.example").output == "the scripts of a.example were not blocked\n"
        assert (
            'unknown tenant "a.exmple": did you mean "a.example"?'
            in run("tenant", "unblock", "a.exmple", status=1).output
        )


def test_call_hangup(home: Path) -> None:
    with serving(home / "var" / "control.sock", {"call.hangup": lambda id: id == "3f9c"}):
        assert run("call", "hangup", "3f9c").output == ""
        assert "there is no call 3f9d" in run("call", "hangup", "3f9d", status=1).output


def test_nobody_is_running(home: Path) -> None:
    assert run("log", "levels", status=1).output == (
        "Error: no running ivrnode at var/control.sock (No such file or directory): start it with `ivrnode serve`, "
        "or name its file with --config\n"
    )


# serve


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """In place of the runtime: notes what it was started with and writes one line."""
    started: list[tuple[Any, ...]] = []

    async def serve(config: Any, log: Log, *, is_unsafe: bool) -> None:
        started.append((config, is_unsafe))
        log.write("GENERAL", 1, "up")

    module = type(sys)("ivrnode.net.runtime")
    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ivrnode.net.runtime", module)
    monkeypatch.setattr("ivrnode.net.runtime", module, raising=False)
    return started


def test_serve_starts_the_runtime_with_its_log(home: Path, runtime: list[tuple[Any, ...]]) -> None:
    (home / "ivrnode.toml").write_text('[log]\nfile = "var/log.jsonl"\n')
    assert "GENERAL 1: up" in run("serve", "--unsafe-scripts").stderr
    ((config, is_unsafe),) = runtime
    assert config.tenants == Path("tenants")
    assert is_unsafe
    *_, last = (home / "var" / "log.jsonl").read_text().splitlines()
    assert json.loads(last)["text"] == "up"


def test_serve_without_a_console(home: Path, runtime: list[tuple[Any, ...]]) -> None:
    (home / "ivrnode.toml").write_text("[log]\nconsole = false\n")
    assert run("serve").output == ""
    assert not runtime[0][1]


def test_serve_with_a_log_file_that_cannot_be(home: Path, runtime: list[tuple[Any, ...]]) -> None:
    (home / "ivrnode.toml").write_text('[log]\nfile = "tenants"\n')
    assert run("serve", status=1).output == "Error: log.file: tenants cannot be written: Is a directory\n"
    assert runtime == []


def test_serve_tells_which_walls_are_missing(
    home: Path, runtime: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrnode.net.scripts.walls.probe", lambda: Walls("x86_64", seccomp=True))
    assert "GENERAL 3: no Landlock" in run("serve").stderr
    assert "GENERAL 0: --unsafe-scripts: no walls" in run("serve", "--unsafe-scripts").stderr


# phone


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("700", "'700' is no address to call"),
        ("", "'' is no address to call"),
        ("tel:+491", "is no address to call"),
        ("sips:700@127.0.0.1", "is no address to call"),
        ("sip:700@127.0.0.1 x", "is no address to call"),
        ("sip:700@127.0.0.1;transport=tls", "transport 'tls': this phone has udp and tcp"),
    ],
)
def test_phone_refuses_what_it_cannot_call(uri: str, message: str) -> None:
    assert message in run("phone", "dial", uri, status=2).output


@pytest.mark.parametrize("account", ["100", "100:", ":secret", ""])
def test_phone_wants_a_user_and_a_password(account: str) -> None:
    output = run("phone", "dial", "sip:700@127.0.0.1", "--register", account, status=2).output
    assert "is not USER:PASSWORD, as in 100:a-long-password" in output


def test_phone_to_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    output = run("phone", "dial", f"sip:700@127.0.0.1:{port};transport=tcp", status=1).output
    assert f"Error: no way to sip:700@127.0.0.1:{port};transport=tcp: nobody listens there\n" in output


def test_phone_to_a_host_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dial(self: Any, target: str) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("ivrnode.net.phone.Phone.dial", dial)
    output = run("phone", "dial", "700@nowhere", status=1).output
    assert "Error: no way to sip:700@nowhere: Name or service not known\n" in output
