"""How a process of our own code is started: from where this code is installed, whatever folder we were started in.

There may be a file ivrnode.py: a tenant's script, which must not run as a part of the core.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import ivrnode

_ROOT = str(Path(ivrnode.__file__).parents[1])


def command(module: str) -> tuple[str, ...]:
    """Run `module` as a program. `-P`: the current folder is no place to import from."""
    return sys.executable, "-P", "-m", module


def import_path() -> str:
    """PYTHONPATH of a child: where we are, then where our own path leads."""
    return os.pathsep.join(filter(None, (_ROOT, *sys.path)))


def bare_environment() -> dict[str, str]:
    """Our import path and nothing else of our environment: secrets live there."""
    return {"PYTHONPATH": import_path(), "PATH": os.environ.get("PATH", "")}
