"""Figures of cases by blocks of case numbers, of which only those with a case under way are kept.

In a run whose volume is `summary` this stands in for the arrays over all cases: both are indexed alike.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sim.plan import Outcome
from sim.tokens import Cases

SHIFT: Final = 12
BLOCK: Final = 1 << SHIFT
"""Cases in a block."""
_WITHIN: Final = BLOCK - 1
_KEPT: Final = 64
"""Blocks of attributes that are kept; others are drawn again when they are asked for."""

Figures = dict[str, npt.NDArray[np.int64]]
"""The columns of some cases, by name."""


class Column:
    """Whole numbers by case number. What is added to a case whose block is gone is kept in `rest`, all together: work
    that nobody waits for is still paid after the end of its case."""

    def __init__(self) -> None:
        self.blocks: dict[int, array[int]] = {}
        self.rest = 0

    def __getitem__(self, case: int) -> int:
        block = self.blocks.get(case >> SHIFT)
        return 0 if block is None else block[case & _WITHIN]

    def __setitem__(self, case: int, value: int) -> None:
        block = self.blocks.get(case >> SHIFT)
        if block is None:
            self.rest += value
        else:
            block[case & _WITHIN] = value


class Lazy:
    """Values by number. The block of one is made when it is asked for; the blocks used last are kept."""

    def __init__(self, make: Callable[[int, int], npt.NDArray[Any]]) -> None:
        self._make = make
        self._blocks: dict[int, npt.NDArray[Any]] = {}

    def __getitem__(self, number: int) -> Any:
        return self.block(number >> SHIFT)[number & _WITHIN]

    def block(self, key: int) -> npt.NDArray[Any]:
        """The values from key x BLOCK on."""
        block = self._blocks.pop(key, None)
        if block is None:
            block = self._make(key << SHIFT, (key + 1) << SHIFT)
            if len(self._blocks) >= _KEPT:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[key] = block  # the one used last stands last
        return block


class BlockedCases(Cases):
    """The figures of cases, by block. Invariant: a block is kept from the arrival of its first case until all of it
    have ended and `finished` has given it out."""

    def __init__(self) -> None:
        self.arrived, self.work, self.entity = Column(), Column(), Column()
        self.ended, self.outcome = Column(), Column()
        self.attempts, self.wrong, self.hand_offs, self.missed_hand_off = Column(), Column(), Column(), Column()
        self.tokens_in, self.tokens_out, self.late = Column(), Column(), Column()
        self.approvals, self.cost = Column(), Column()
        self.cost_calls, self.cost_tokens, self.cost_people = Column(), Column(), Column()
        self._columns: dict[str, Column] = {
            name: column for name, column in vars(self).items() if isinstance(column, Column)
        }
        self._open: dict[int, int] = {}
        self._done: list[int] = []

    def open(self, arrivals: Sequence[tuple[int, int, int]], first: int) -> None:
        """Keep a block: the time, work and entity of its cases, the first of which is a multiple of BLOCK."""
        key = first >> SHIFT
        self._open[key] = len(arrivals)
        told = dict(zip(("arrived", "work", "entity"), zip(*arrivals, strict=True), strict=True))
        told["outcome"] = (int(Outcome.IN_FLIGHT),) * len(arrivals)
        for name, column in self._columns.items():
            column.blocks[key] = array("q", told.get(name) or bytes(8 * len(arrivals)))

    def end(self, case: int) -> None:
        """A case has ended."""
        key = case >> SHIFT
        self._open[key] -= 1
        if not self._open[key]:
            self._done.append(key)

    def finished(self) -> Iterator[Figures]:
        """The blocks whose cases have all ended since the last call, which are then gone."""
        done, self._done = self._done, []
        return (self._taken(key) for key in done)

    def left(self) -> Iterator[Figures]:
        """All blocks that are there, which are then gone."""
        return (self._taken(key) for key in sorted(self._open))

    def after(self) -> dict[str, int]:
        """Of each column, what was added to cases whose blocks were gone, all together."""
        return {name: column.rest for name, column in self._columns.items()}

    def _taken(self, key: int) -> Figures:
        del self._open[key]
        return {name: np.array(column.blocks.pop(key), np.int64) for name, column in self._columns.items()}
