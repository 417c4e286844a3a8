"""What a request led to, and how a script waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from ivrnode.script.guest.runtime import Runtime
from ivrnode.script.guest.services import Answer


class Result:
    """`r.ok` and `r["ok"]` are the same."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the result has no {name!r}: {' '.join(self.__dict__)}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r:.60}' for name, value in self.__dict__.items())})"


R = TypeVar("R", bound=Result)


def await_first(asked: object, name: str) -> AttributeError:
    """For the attribute `name` of what has to be awaited first: a script has forgotten to."""
    return AttributeError(
        f"no {name!r} here: the result has it, so write `await` before the call", name=name, obj=asked
    )


class Pending(Generic[R]):
    """Awaited, it gives the result, as often as one likes. Who gives up waiting stops nothing.

    `read(answer, error)` makes the result: `answer` is None when the core refused, `error` then says why. `told` gets
    the result when it comes, before those who await it.
    """

    def __init__(
        self,
        runtime: Runtime,
        answer: asyncio.Future[Answer],
        read: Callable[[Answer | None, str], R],
        told: Callable[[R], None] | None = None,
    ) -> None:
        self._result: asyncio.Future[R] = runtime.loop.create_future()

        def came(answer: asyncio.Future[Answer]) -> None:
            error = answer.exception()
            result = read(None, str(error)) if error else read(answer.result(), "")
            self._came(result)
            if told is not None:
                told(result)

        answer.add_done_callback(came)

    def _came(self, result: R) -> None:
        self._result.set_result(result)

    def __await__(self) -> Generator[Any, None, R]:
        return (yield from asyncio.shield(self._result))

    def __getattr__(self, name: str) -> Any:
        raise await_first(self, name)
