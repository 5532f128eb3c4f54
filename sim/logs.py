"""The record of one replication while it runs, and the tables it becomes.

Texts are numbered when they first occur, an event is five integers, and the Arrow tables are built once at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.tables import DECISIONS, EVENTS, SAMPLES

NONE = -1
"""A null in an integer column; every real value is 0 or more."""


class Kind(IntEnum):
    """Kinds of events, by their names in the table (`_` reads `-`)."""

    ARRIVED = 0
    ENTERED = 1
    QUEUED = 2
    STARTED = 3
    FINISHED = 4
    ABANDONED = 5
    REJECTED = 6
    ATTEMPT_FAILED = 7
    ATTEMPT_WRONG = 8
    ASKED = 9
    ANSWERED = 10
    EXHAUSTED = 11
    BOUNCED = 12
    LOCKED = 13
    UNLOCKED = 14
    BLOCKED = 15
    DEADLOCK = 16
    RESOLVED = 17
    OUTAGE = 18
    OUTAGE_OVER = 19
    PARTITION = 20
    PARTITION_OVER = 21
    DRIFT = 22
    ALARM = 23
    ROLLED_BACK = 24
    HANDED_OFF = 25
    ENDED = 26


KIND_NAMES = tuple(kind.name.lower().replace("_", "-") for kind in Kind)
PLACE = 32
"""An event's code is `place * 32 + kind`."""


class Texts:
    """Texts by number, each kept once; number 0 is the empty text."""

    def __init__(self) -> None:
        self._numbers = {"": 0}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def array(self) -> pa.Array:
        return pa.array(list(self._numbers), pa.string())


class Log:
    """Events, decisions and samples of one replication, in order of happening."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.add = self.rows.extend
        """Takes (time, code, case, value, detail): code of `code`, detail a number of `details`; NONE for none."""
        self.places = Texts()
        self.details = Texts()
        self.decisions: list[tuple[int, int, str, str, str, str, str, str]] = []
        """(time, case, step, action, decision, enforced, reason, approvals)."""
        self.samples: list[int] = []
        """Flat rows of (time, place, queue, busy, capacity)."""

    def code(self, kind: Kind, place: str) -> int:
        return self.places.number(place) * PLACE + kind

    def event(self, time: int, kind: Kind, place: str, case: int = NONE, value: int = NONE, detail: str = "") -> None:
        """Add an event by its texts: for what happens seldom."""
        self.add((time, self.code(kind, place), case, value, self.details.number(detail)))

    def event_table(self, replication: int) -> pa.Table:
        rows = _rows(self.rows, 5)
        columns = [
            *_front(replication, len(rows)),
            pa.array(rows[:, 0]),
            _texts(rows[:, 1] % PLACE, pa.array(KIND_NAMES, pa.string())),
            _nullable(rows[:, 2]),
            _texts(rows[:, 1] // PLACE, self.places.array()),
            _nullable(rows[:, 3]),
            _texts(rows[:, 4], self.details.array()),
        ]
        return pa.Table.from_arrays(columns, schema=EVENTS)

    def decision_table(self, replication: int, hashes: Sequence[str]) -> pa.Table:
        turned = list(zip(*self.decisions, strict=True)) or [()] * 8
        columns = [*_front(replication, len(self.decisions)), *turned, hashes]
        arrays = [pa.array(c, field.type) for c, field in zip(columns, DECISIONS, strict=True)]
        return pa.Table.from_arrays(arrays, schema=DECISIONS)

    def sample_table(self, replication: int) -> pa.Table:
        rows = _rows(self.samples, 5)
        columns = [
            pa.array(np.full(len(rows), replication, np.int32)),
            pa.array(rows[:, 0]),
            _texts(rows[:, 1], self.places.array()),
            pa.array(rows[:, 2]),
            pa.array(rows[:, 3]),
            _nullable(rows[:, 4]),
        ]
        return pa.Table.from_arrays(columns, schema=SAMPLES)


def _rows(flat: list[int], width: int) -> npt.NDArray[np.int64]:
    return np.array(flat, np.int64).reshape(-1, width)


def _front(replication: int, count: int) -> list[Any]:
    return [pa.array(np.full(count, replication, np.int32)), pa.array(np.arange(count, dtype=np.int64))]


def _nullable(values: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values == NONE)


def _texts(numbers: npt.NDArray[np.int64], texts: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), texts).cast(pa.string())
