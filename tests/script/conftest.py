from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from script.stage import Stage, open_stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One set of workers for a file: every script gets a process of its own all the same."""
    async with open_stage() as stage:
        yield stage
