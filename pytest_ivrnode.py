"""Where pytest finds the plug-in `ivrnode.testing`.

A script is called ivrnode.py, like the package. Who keeps one beside his tests and runs `python -m pytest` there has it
in the package's way; so the package is looked for as the folder that it is, and imported once, here.
"""

import sys
from pathlib import Path

_HOME = next((entry for entry in sys.path if Path(entry, "ivrnode", "__init__.py").is_file()), "")

sys.path.insert(0, _HOME)
try:
    import ivrnode  # noqa: F401
finally:
    sys.path.remove(_HOME)

pytest_plugins = ("ivrnode.testing",)
