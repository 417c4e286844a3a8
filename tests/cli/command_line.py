"""A command as an operator types it."""

from __future__ import annotations

from click.testing import CliRunner, Result

from ivrnode.cli import main


def run(*arguments: str, status: int = 0, input: str | None = None) -> Result:
    result = CliRunner().invoke(main, list(arguments), input=input, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result
