"""What a run does not keep: it stands where its rows or its outcomes would, and whoever uses it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Never, TypeVar

Part = TypeVar("Part")


class NotKeptError(Exception):
    """A figure rests on a table that the run does not keep."""


def kept(part: Part, nothing: Part) -> Part:
    """A part of the outcomes, or `nothing` where it is not kept: for what is drawn only where there is something."""
    return nothing if isinstance(part, NotKept) else part


class NotKept:
    """Stands for what is not kept. Nothing can be read from it: not that it is empty, nor how long it is."""

    def __init__(self, what: str) -> None:
        self._what = what

    def _refuse(self) -> Never:
        raise NotKeptError(self._what)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copying and introspection look for
            raise AttributeError(name)
        self._refuse()

    def __getitem__(self, key: Any) -> Any:
        self._refuse()

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __bool__(self) -> bool:
        self._refuse()

    def __repr__(self) -> str:
        return f"<{self._what}>"
