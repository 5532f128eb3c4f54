"""Events counted instead of kept: the log of a run of volume `cases`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from sim.logs import KIND_NAMES, PLACE, ROW, Kind, Log, pack
from sim.tables import COUNTS

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BLOCK_BYTES: Final = 1 << 20
"""Bytes of events that are held before they are counted."""


class CountedLog(Log):
    """Counts events by kind and place, a block at a time, and forgets them. The rest is kept as in any log."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[int] = Counter()
        self.write = self._note

    def _note(self, row: Buffer) -> int:
        written = self._rows.write(row)
        if self._rows.tell() >= _BLOCK_BYTES:
            self._count()
        return written

    def detailed(self, time: int, code: int, case: int, value: int, detail: str) -> None:  # noqa: ARG002 - not kept
        """Add an event that has a detail."""
        self.write(pack(time, code, case, value))

    def _count(self) -> None:
        codes, counts = np.unique(np.frombuffer(self._rows.getvalue(), ROW)["code"], return_counts=True)
        self._rows.seek(0)
        self._rows.truncate()
        self._counts.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))

    def count_table(self, replication: int) -> pa.Table:
        """How many events of each kind there were at each place, in order of kind and name of place."""
        self._count()
        places = self.places.array().to_pylist()
        rows = [(KIND_NAMES[code % PLACE], places[code // PLACE], count) for code, count in self._counts.items()]
        arrived = KIND_NAMES[Kind.ARRIVED]  # its row stands for the first entry, too
        entered = Counter({place: count for kind, place, count in rows if kind == KIND_NAMES[Kind.ENTERED]})
        entered.update({place: count for kind, place, count in rows if kind == arrived})
        rows = [row for row in rows if row[0] != KIND_NAMES[Kind.ENTERED]]
        rows += [(KIND_NAMES[Kind.ENTERED], place, count) for place, count in entered.items()]
        rows.sort()
        columns = [[replication] * len(rows), *(list(column) for column in zip(*rows, strict=True))]
        return pa.table(columns if rows else [[]] * len(COUNTS), schema=COUNTS)
