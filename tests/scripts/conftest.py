"""The hall, and the desk that tenants get: by name, so that it is there also where the package's entry point is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from ivrnode.testing import ivr, ivrnode_studio
from scripts.hall import Workers, workers

__all__ = ["ivr", "ivrnode_studio"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Workers]:
    async with workers() as pool:
        yield pool
