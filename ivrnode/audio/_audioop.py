"""The one import of `audioop`: standard library up to 3.12, the package audioop-lts (same name) from 3.13 on.

Its DeprecationWarning is silenced here and only here: the successor is already a dependency.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

__all__ = ["audioop"]
