"""Whole numbers by case number, however they are kept."""

from __future__ import annotations

from typing import Protocol


class ByCase(Protocol):
    """A column of figures: an array over all cases, or blocks of those under way (`sim.blocks`)."""

    def __getitem__(self, case: int, /) -> int: ...

    def __setitem__(self, case: int, value: int, /) -> None: ...
