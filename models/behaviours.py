"""Programs of the user's own: how a Python file registers them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

Behaviour = Callable[[Any, Any], Generator[Any, Any, Any]]
"""(env, attempt): a generator as SimPy's processes are. `sim.behaviours` tells what it may yield and return."""
_Function = TypeVar("_Function", bound=Behaviour)

MARK: Final = "__windtunnel_behaviour__"


def behaviour(name: str) -> Callable[[_Function], _Function]:
    """Register a generator function as the behaviour of this name: what an attempt of the capabilities does that name
    it. Nothing is kept but a mark on the function, so registering has no effect elsewhere."""

    def mark(function: _Function) -> _Function:
        setattr(function, MARK, name)
        return function

    return mark
