"""`x.on(name, fn)`, the same for everything that tells of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar, overload

from ivrnode.script.guest.runtime import Handler, Runtime, adapt

Function = TypeVar("Function", bound=Handler)


class Emitter:
    """`_events` names the events and how many arguments each brings."""

    _events: ClassVar[dict[str, int]] = {}

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._handlers: dict[str, list[Handler]] = {}

    @overload
    def on(self, name: str, fn: Function) -> Function: ...
    @overload
    def on(self, name: str) -> Callable[[Function], Function]: ...

    def on(self, name: str, fn: Function | None = None) -> Function | Callable[[Function], Function]:
        """Add a handler; returns it. Without `fn` a decorator. Several run in the order they were added."""
        if name not in self._events:
            raise ValueError(f"unknown event {name!r}: one of {' '.join(self._events)}")
        if fn is None:
            return lambda function: self.on(name, function)
        self._handlers.setdefault(name, []).append(adapt(fn, self._events[name]))
        self._handler_added(name)
        return fn

    def _handler_added(self, name: str) -> None:
        """For those who have something to do then."""

    def _emit(self, name: str, *arguments: object) -> None:
        for handler in tuple(self._handlers.get(name, ())):
            self._runtime.run(handler, *arguments)
