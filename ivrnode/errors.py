"""The error tree: whose fault it is.

IvrNodeError
├── ProtocolError   the remote's fault; carries the SIP status that answers it
├── ConfigError     the operator's fault; names file, key and line
├── ScriptError     the tenant's fault; carries the script's own file and line
└── StateError      our fault: a door was used out of order
"""

from __future__ import annotations


class IvrNodeError(Exception):
    """Base of every error that this package raises on purpose."""


class ProtocolError(IvrNodeError):
    """What the remote sent cannot be used.

    `status` is the SIP status code that answers it (RFC 3261 s21); code outside SIP ignores it.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ConfigError(IvrNodeError):
    """The operator's file is wrong. The text reads `file:line: key: what is wrong and what to do`."""

    def __init__(self, message: str, *, file: str = "", key: str = "", line: int = 0) -> None:
        where = f"{file}:{line}" if file and line else file
        super().__init__(": ".join(part for part in (where, key, message) if part))
        self.message, self.file, self.key, self.line = message, file, key, line


class ScriptError(IvrNodeError):
    """A tenant's script broke a rule. `file`, `line` and `column` (1-based, 0 = unknown) are the script's own."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, column: int = 0) -> None:
        where = ":".join(str(part) for part in (file, line, column) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.message, self.file, self.line, self.column = message, file, line, column


class StateError(IvrNodeError):
    """A method was called in a state that does not allow it: a bug on our side of the wire."""
