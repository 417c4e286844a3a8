"""Where pytest finds the plug-in `ivrnode.testing`.

A script is called ivrnode.py, like the package. Who keeps one beside his tests and runs `python -m pytest` there has it
in the package's way; so the package is imported here, once, from where it is installed.
"""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).parent)

sys.path.insert(0, _ROOT)
try:
    import ivrnode  # noqa: F401
finally:
    sys.path.remove(_ROOT)

pytest_plugins = ("ivrnode.testing",)
