"""Templates as an operator meets them: versions, advice, settings."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from command_line import run

WHERE = ("--tenant", "a.example", "--node", "100")


def save(text: str, *options: str) -> None:
    run("template", "set", "-", *WHERE, *options, input=text)


def test_history_tells_who_when_and_why(home: Path) -> None:
    assert run("template", "history", *WHERE).output == "no version yet\n"
    save("x = 1\n", "--comment", "a first try", "--author", "ann")
    save("x = 22\n")
    (home / "tenants/a.example/nodes/100/ivrnode.py").write_text("x = 3\n")
    run("template", "reset", *WHERE, "--author", "ann")
    lines = run("template", "history", *WHERE).output.splitlines()
    assert [line.split()[0] for line in lines] == ["4", "3", "2", "1"]
    assert [line.split()[3] for line in lines] == ["ann", "file", getpass.getuser(), "ann"]
    assert lines[0].endswith("empty  reset")
    assert lines[3].endswith("6 bytes  a first try")
    assert run("template", "history").output.split()[3] == "file"  # the system's, as it was found


def test_show_and_diff_versions(home: Path) -> None:
    save("a = 1\nb = 2\n")
    save("a = 1\nb = 3\n")
    save("a = 1\nb = 4\n")
    assert run("template", "show", "--version", "2", *WHERE).output == "a = 1\nb = 3\n"
    lines = run("template", "diff", "1", *WHERE).output.splitlines()
    assert lines == ["--- version 1", "+++ version 3", "@@ -1,2 +1,2 @@", " a = 1", "-b = 2", "+b = 4"]
    assert "+b = 3" in run("template", "diff", "1", "2", *WHERE).output.splitlines()
    assert run("template", "diff", "3", *WHERE).output == ""
    assert "there is no version 9" in run("template", "diff", "9", *WHERE, status=1).output


def test_rollback_makes_a_new_version(home: Path) -> None:
    save("x = 1\n")
    save("x = 2\n")
    output = run("template", "rollback", "1", *WHERE).output
    assert output == "version 1 is back as version 3; it runs from the next call on\n"
    assert run("template", "show", *WHERE).output == "x = 1\n"
    assert run("template", "history", *WHERE).output.splitlines()[0].endswith("back to version 1")
    run("template", "reset", *WHERE)
    run("template", "rollback", "3", "--comment", "it was good", *WHERE)
    assert run("template", "history", *WHERE).output.splitlines()[0].endswith("it was good")
    assert "there is no version 9" in run("template", "rollback", "9", *WHERE, status=1).output


def test_where_nothing_can_be_written(home: Path) -> None:
    (home / "tenants/a.example/nodes").write_text("no folder")
    output = run("template", "set", "-", *WHERE, input="x = 1\n", status=1).output
    assert output == "Error: tenants/a.example/nodes/100/.versions cannot be written: Not a directory\n"


def test_set_tells_what_is_odd_and_saves_all_the_same(home: Path) -> None:
    (home / "my.py").write_text('call.sya("Hi")\nsetTimout(call.hangup, 1)\n')
    result = run("template", "set", "my.py", *WHERE)
    assert result.stderr.splitlines() == [
        'Warning: my.py:1:1: unknown name "call.sya": did you mean "call.say"?',
        "Warning: my.py:2:1: setTimout is not defined: did you mean setTimeout?",
    ]
    assert "saved as version 1" in result.stdout


def test_check_saves_nothing(home: Path) -> None:
    (home / "my.py").write_text("call.sya('Hi')\n")
    result = run("template", "check", "my.py")
    assert 'my.py:1:1: unknown name "call.sya"' in result.stderr
    assert result.stdout == "my.py can run\n"
    assert run("template", "check", "-", input="import os\n", status=1).output == (
        "Error: standard input:1:1: import os: not allowed in a script\n"
    )
    assert "No such file" in run("template", "check", "none.py", status=1).output
    assert sorted(path.name for path in home.iterdir()) == ["my.py", "tenants"]


DECLARING = """
SETTINGS = {
    "greeting": {"default": "Hello", "help": "What callers hear first."},
    "line": {"default": "sales", "choices": ["sales", "support"]},
    "tries": 3,
    "must": {"type": "int"},
    "crm": {"type": "secret"},
    "other": {"type": "secret"},
}
"""


@pytest.fixture
def declaring(home: Path) -> Path:
    (home / "tenants/ivrnode.py").write_text(DECLARING)
    (home / "ivrnode.toml").write_text(
        '[settings]\ntries = 4\n[secrets.crm]\nvalue = "k-123"\nhosts = ["crm.example"]\n'
    )
    (home / "tenants/a.example/tenant.toml").write_text(
        '[settings]\ngreeting = "Moin"\n[nodes.100]\n[nodes.100.settings]\ntries = "x"\n[nodes.101]\nsecrets = []\n'
    )
    return home


def test_settings_of_a_node(declaring: Path) -> None:
    result = run("template", "settings", *WHERE)
    assert result.stdout.splitlines() == [
        'greeting (str) = "Moin" (default "Hello")  # What callers hear first.',
        'line (str) = "sales" (default)',
        "tries (int) = 3 (default)",
        "must (int) = (none)",
        "crm (secret) = (set)",
        "other (secret) = (not set)",
    ]
    assert result.stderr == "Warning: settings.tries is 'x', must be int: the default 3 counts\n"


def test_settings_of_each_tier(declaring: Path) -> None:
    assert "crm (secret) = (not set)" in run("template", "settings", "--tenant", "a.example", "--node", "101").stdout
    of_tenant = run("template", "settings", "--tenant", "a.example").stdout
    assert 'greeting (str) = "Moin"' in of_tenant and "tries (int) = 4 (default 3)" in of_tenant
    of_system = run("template", "settings").stdout
    assert 'greeting (str) = "Hello" (default)' in of_system and "tries (int) = 4 (default 3)" in of_system
    assert "k-123" not in of_system


def test_settings_as_json_make_a_form(declaring: Path) -> None:
    found = json.loads(run("template", "settings", "--json", *WHERE).stdout)
    rows = {row["name"]: row for row in found["settings"]}
    choices = {"choices": ["sales", "support"], "default": "sales", "value": "sales"}
    assert rows["line"] == {"name": "line", "type": "str", "help": ""} | choices
    assert rows["crm"] == {"name": "crm", "type": "secret", "help": "", "is_set": True}
    assert rows["must"]["value"] is None
    assert found["problems"] == ["settings.tries is 'x', must be int: the default 3 counts"]


def test_the_default_script_declares_its_settings(home: Path) -> None:
    (home / "tenants/ivrnode.py").unlink()
    output = run("template", "settings", *WHERE).output
    assert 'codec (str) = "g711_ulaw" (default)' in output and "openai (secret) = (not set)" in output
    (home / "tenants/ivrnode.py").write_text("x = 1\n")
    assert run("template", "settings").output == "the system template declares no settings\n"


def test_check_tells_of_odd_scripts_and_settings(declaring: Path) -> None:
    path = declaring / "tenants/a.example/tenant.toml"
    path.write_text(path.read_text().replace("greeting", "greting"))
    (declaring / "tenants/a.example/nodes/101").mkdir(parents=True)
    (declaring / "tenants/a.example/nodes/101/ivrnode.py").write_text("call.sya('x')\n")
    notes = [line.split(maxsplit=1)[1] for line in run("check").stdout.splitlines() if line.startswith("note   10")]
    assert notes == [
        "100@a.example: settings.tries is 'x', must be int: the default 3 counts",
        '100@a.example: settings.greting is not declared by the script: did you mean "greeting"?',
        '101@a.example: tenants/a.example/nodes/101/ivrnode.py:1:1: unknown name "call.sya": did you mean "call.say"?',
    ]
