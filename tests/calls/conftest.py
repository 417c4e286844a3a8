"""Whole calls: a real core on real sockets, its scripts in real locked-down workers, a real SIP phone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from house import Caller, House

OpenHouse = Callable[..., Awaitable[House]]
NewCaller = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def open_house(tmp_path: Path, stack: AsyncExitStack) -> OpenHouse:
    """`await open_house(scripts={"700": text}, config="", tenant="")`: a running core."""

    async def open_one(**arguments: object) -> House:
        return await stack.enter_async_context(House(tmp_path, **arguments))  # type: ignore[arg-type]

    return open_one


@pytest.fixture
async def new_caller(stack: AsyncExitStack) -> NewCaller:
    """`await new_caller(**arguments of Phone)`: a phone that remembers what it hears."""

    async def new_one(**arguments: object) -> Caller:
        return await stack.enter_async_context(Caller(**arguments))  # type: ignore[arg-type]

    return new_one
