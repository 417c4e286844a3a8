"""docs/testing-scripts.md: its examples run, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from ivrnode.commands.script import run
from ivrnode.sim.caller import Caller
from ivrnode.sim.ivr import Ivr
from sim.test_sim_plugin import run_pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing-scripts.md").read_text("utf-8")
DEFAULT = Path(__file__).parents[2] / "ivrnode" / "tenancy" / "default" / "ivrnode.py"


def told(heading: str) -> set[str]:
    """The names in the first cells of a section's table."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    names = [name.removeprefix("ivr.") for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    return {re.split(r"[(. ]", name)[0] for name in names}


def test_the_examples_pass(tmp_path: Path) -> None:
    office, tests, assistant = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "office.py").write_text(office, "utf-8")
    (tmp_path / "test_office.py").write_text(tests + assistant, "utf-8")
    (tmp_path / "ivrnode.py").write_text(DEFAULT.read_text("utf-8"), "utf-8")
    done = run_pytest(tmp_path)
    assert "5 passed" in done.stdout, done.stdout


def test_every_option_is_explained() -> None:
    options = {option for parameter in run.params for option in parameter.opts if option.startswith("--")}
    assert options == told("From the shell") | {"--rules", "--fault"}


def test_every_member_is_explained() -> None:
    def members(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert members(Ivr) - {"close"} == told("The fixture `ivr`")
    assert members(Caller) - {"to_json", "unseen_errors"} == told("The caller")
