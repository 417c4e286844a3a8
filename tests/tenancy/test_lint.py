"""What is said about a script before it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.errors import ScriptError
from ivrnode.tenancy.lint import LARGEST_SCRIPT, check

IMPORTS = ("asyncio", "collections", "json", "urllib.parse")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "call.say('hi')\nawait asyncio.sleep(1)\n",
        "from __future__ import annotations\nimport json, collections.abc\n",
        "import urllib.parse\nfrom urllib import parse\nfrom urllib.parse import quote\n",
        "from asyncio import sleep\nasync with x: pass\n[i async for i in y]\n",
        "import json as j\r\nx = '\\d'\r\n",
        "x = 1 is 1\n",  # only a warning of the compiler
    ],
)
def test_good_scripts(text: str) -> None:
    assert check(text, "ivrnode.py", IMPORTS) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nif x\n", "ivrnode.py:2:5: syntax error: expected ':'"),
        ("x = (1\n", "ivrnode.py:1:5: syntax error: '(' was never closed"),
        ("return 1\n", "ivrnode.py:1:1: syntax error: 'return' outside function"),
        (
            "def f():\n    x = 1\n    nonlocal x\n",
            "ivrnode.py:3:5: syntax error: name 'x' is assigned to before nonlocal declaration",
        ),
        ("x = 1\nimport os\n", "ivrnode.py:2:1: import os: not allowed in a script"),
        ("import json, os.path\n", "ivrnode.py:1:1: import os.path: not allowed in a script"),
        ("import requests\n", "ivrnode.py:1:1: import requests: not allowed in a script, use system.http"),
        ("import urllib\n", "ivrnode.py:1:1: import urllib: not allowed in a script"),
        ("from urllib import request\n", "ivrnode.py:1:1: import urllib: not allowed in a script"),
        ("from urllib.request import urlopen\n", "ivrnode.py:1:1: import urllib.request: not allowed in a script"),
        ("def f():\n    'ä'; import threading\n", "ivrnode.py:2:10: import threading: not allowed in a script"),
        ("from . import x\n", "ivrnode.py:1:1: a script has no package: write the import without dots before the name"),
        (
            "import asyncio\nasyncio.run(main())\n",
            "ivrnode.py:2:1: asyncio.run: the script has a running loop: use `await` at top level instead",
        ),
        (
            "from asyncio import to_thread\n",
            "ivrnode.py:1:1: asyncio.to_thread: a script has no threads: use `await` or a task",
        ),
        ("x = 1\n\nx = '\ud800'\n", "ivrnode.py:3: holds half a character (a lone surrogate)"),
        ("x = " + "(" * 300 + ")" * 300, None),
        ("x = " + "-" * 100_000 + "1", None),
        ("x = 1\0", None),
        ("#" * (LARGEST_SCRIPT + 1), "ivrnode.py: is larger than 256 KB"),
        ("# " + "ä" * (LARGEST_SCRIPT // 2), "ivrnode.py: is larger than 256 KB"),
    ],
)
def test_refused_scripts(text: str, message: str | None) -> None:
    error = check(text, "ivrnode.py", IMPORTS)
    assert isinstance(error, ScriptError)
    assert message is None or str(error) == message


def test_the_first_refusal_by_line_is_told() -> None:
    error = check("def f():\n    import os\nimport sys\n", "ivrnode.py", IMPORTS)
    assert error is not None
    assert error.line == 2


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_gets_a_verdict(text: str) -> None:
    error = check(text, "ivrnode.py", IMPORTS)
    assert error is None or isinstance(error, ScriptError)
