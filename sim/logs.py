"""The record of one replication while it runs, and the tables it becomes.

Texts are numbered when they first occur, an event is 24 bytes, and the Arrow tables are built once at the end.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum, unique
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.decision_log import Chain
from sim.tables import EVENTS, SAMPLES

NONE: Final = -1
"""A null in an integer column; every real value is 0 or more."""


@unique
class Kind(IntEnum):
    """Kinds of events, by their names in the table (`_` reads `-`).

    Each part of the engine numbers its kinds in a block of its own: 0 the first engine; 28 attempts and resilience;
    36 supply; 44 workflows and waiting; 56 and 106 platform; 76 change; 88 people; 96 faults; 120 more of supply.
    """

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
    VIOLATION = 27
    ORPHANED = 28
    WASTED = 29
    SKIPPED = 30
    RETRY_DENIED = 31
    BREAKER_OPEN = 32
    BREAKER_HALF_OPEN = 33
    BREAKER_CLOSED = 34
    FALLBACK = 35
    VOTED = 36
    SELF_CHECK_STOPPED = 37
    GUARDRAIL_STOPPED = 38
    SHED = 39
    CASE_LATE = 40
    WITHDRAWN = 41
    SCALED_UP = 42
    SCALED_DOWN = 43
    CRASH = 56
    CRASH_OVER = 57
    HANG = 58
    HANG_OVER = 59
    SLOWDOWN = 60
    SLOWDOWN_OVER = 61
    LOAD_SPIKE = 62
    LOAD_SPIKE_OVER = 63
    ABSENCE = 64
    ABSENCE_OVER = 65
    LOSS = 66
    LOSS_OVER = 67
    ROUTED = 76
    STOPPED = 77
    STAGE = 78
    CANARY = 79
    ATTACK_STOPPED = 80
    ATTACK_THROUGH = 81
    QUARANTINED = 82
    QUARANTINE_OVER = 83
    ENROLLED = 84
    SHADOW_DIFFERENCE = 85
    LABELS = 86
    CACHED = 68
    STALE_DECISION = 69
    RESIDENCY_BREACH = 70
    REPLAYED = 71
    LOST = 72
    CERTIFICATE_EXPIRY = 73
    CERTIFICATE_EXPIRY_OVER = 74
    PUBLISHED = 75
    CALLED = 44
    RETURNED = 45
    EFFECT = 46
    EFFECT_REPEATED = 47
    EFFECT_SUPPRESSED = 48
    COMPENSATING = 49
    COMPENSATED = 50
    SUB_WORKFLOW_ENDED = 51
    SENT = 52
    RECEIVED = 53
    MESSAGE_EXPIRED = 54
    LIVELOCK = 55
    NOT_RECEIVED = 98
    LIVELOCK_OVER = 99
    REVIEWED = 88
    WRONG_APPROVAL = 89
    GATHERED = 90
    FAULT = 96
    FAULT_OVER = 97
    BACK_PRESSURE = 106
    DELIVERED = 107
    ACKNOWLEDGED = 108
    REDELIVERED = 109
    DEAD_LETTER = 110
    DUPLICATED = 111
    CONTRACT_SKEW = 112
    CONTRACT_SKEW_OVER = 113
    RETRY_AFTER = 120
    STEP_LIMIT = 126
    HELD_UP = 121
    LET_IN = 122
    HEDGED = 123


PLACE: Final = 128
"""An event's code is `place * 128 + kind`."""
_NAMES: Final = {int(kind): kind.name.lower().replace("_", "-") for kind in Kind}
KIND_NAMES: Final = tuple(_NAMES.get(number, "") for number in range(PLACE))
"""The kinds' names by number; empty where there is no such kind."""
_BATCH: Final = 1 << 17
pack: Final = struct.Struct("<qiiq").pack
"""An event as bytes: time, code, case, value."""
ROW: Final = np.dtype([("time", "<i8"), ("code", "<i4"), ("case", "<i4"), ("value", "<i8")])


class Texts:
    """Texts by number, each kept once; number 0 is the empty text."""

    def __init__(self) -> None:
        self._numbers = {"": 0}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def texts(self) -> list[str]:
        """The texts, each at its number."""
        return list(self._numbers)

    def array(self) -> pa.Array:
        return pa.array(self.texts(), pa.string())


class Log:
    """Events, decisions and samples of one replication, in order of happening."""

    def __init__(self) -> None:
        self._rows = io.BytesIO()
        self.write = self._rows.write
        """Takes what `pack` made of (time, code, case, value), NONE for none."""
        self._detailed: list[tuple[int, str]] = []
        """Rows that have a detail, by number, and the detail."""
        self.places = Texts()
        self.decisions: list[tuple[int | str | None, ...]] = []
        """(time, case, step, action, decision, enforced, reason, approvals), and the policies where rows name them."""
        self.samples: list[int] = []
        """Flat rows of (time, place, queue, busy, capacity, calls, spent)."""

    def code(self, kind: Kind, place: str) -> int:
        return self.places.number(place) * PLACE + kind

    def event(self, time: int, kind: Kind, place: str, case: int = NONE, value: int = NONE, detail: str = "") -> None:
        """Add an event by its texts: for what happens seldom."""
        self.detailed(time, self.code(kind, place), case, value, detail)

    def detailed(self, time: int, code: int, case: int, value: int, detail: str) -> None:
        """Add an event with a detail."""
        if detail:
            self._detailed.append((self._rows.tell() // ROW.itemsize, detail))
        self.write(pack(time, code, case, value))

    def take(self) -> npt.NDArray[Any]:
        """The events since the last call, which are then gone: their rows, without details."""
        rows = np.frombuffer(self._rows.getvalue(), ROW)
        self._rows.seek(0)
        self._rows.truncate()
        self._detailed.clear()
        return rows

    def event_batches(self, replication: int, outcomes: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The events, some 100 000 at a time: as tables they take seven times the memory.

        An arrival enters its first step at once, so its row stands for both events. The value of an `ended` row is the
        number of the outcome that its detail names.
        """
        rows = np.frombuffer(self._rows.getbuffer(), ROW)
        texts = Texts()
        for outcome in outcomes:
            texts.number(outcome)
        detailed = np.array([row for row, _ in self._detailed], np.int64)
        details = np.array([texts.number(detail) for _, detail in self._detailed], np.int32)
        sequence = 0
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            low, high = np.searchsorted(detailed, (start, start + len(part)))
            detail = np.zeros(len(part), np.int32)
            detail[detailed[low:high] - start] = details[low:high]
            ended = part["code"] % PLACE == Kind.ENDED
            detail[ended] = part["value"][ended] + 1  # texts begin with the empty one, then the outcomes
            value = np.where(ended, NONE, part["value"])
            yield self._batch(replication, sequence, part, value, detail, texts.array())
            sequence += len(part) + int(np.count_nonzero(part["code"] % PLACE == Kind.ARRIVED))

    def _batch(
        self,
        replication: int,
        sequence: int,
        rows: npt.NDArray[Any],
        value: npt.NDArray[np.int64],
        detail: npt.NDArray[np.int32],
        details: pa.Array,
    ) -> pa.RecordBatch:
        full, entries = _with_entries(rows)
        code, value = rows["code"][full], value[full]
        code[entries] += Kind.ENTERED - Kind.ARRIVED
        value[entries] = 1
        columns = [
            *_front(replication, len(full), sequence),
            pa.array(rows["time"][full]),
            _texts(code % PLACE, pa.array(KIND_NAMES, pa.string())),
            _nullable(rows["case"][full]),
            _texts(code // PLACE, self.places.array()),
            _nullable(value),
            _texts(detail[full], details),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=EVENTS)

    def decision_batches(self, replication: int, chain: Chain, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The decisions, some 100 000 at a time. The chain follows them."""
        for start in range(0, len(self.decisions), _BATCH):
            part = self.decisions[start : start + _BATCH]
            hashes = chain.extend((replication, n, *row) for n, row in enumerate(part, start))
            columns = [*_front(replication, len(part), start), *zip(*part, strict=True), hashes]
            arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def sample_table(self, replication: int) -> pa.Table:
        rows = np.array(self.samples, np.int64).reshape(-1, 7)
        columns = [
            pa.array(np.full(len(rows), replication, np.int32)),
            pa.array(rows[:, 0]),
            _texts(rows[:, 1], self.places.array()),
            pa.array(rows[:, 2]),
            pa.array(rows[:, 3]),
            *(_nullable(rows[:, column]) for column in (4, 5, 6)),
        ]
        return pa.Table.from_arrays(columns, schema=SAMPLES)


def _front(replication: int, count: int, start: int = 0) -> list[Any]:
    return [pa.array(np.full(count, replication, np.int32)), pa.array(np.arange(start, start + count, dtype=np.int64))]


def _with_entries(rows: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The number of the row behind each event, and the events that are entries at an arrival."""
    arrivals = rows["code"] % PLACE == Kind.ARRIVED
    full = np.repeat(np.arange(len(rows)), np.where(arrivals, 2, 1))
    return full, np.flatnonzero(arrivals) + np.arange(1, 1 + np.count_nonzero(arrivals))


def _nullable(values: npt.NDArray[np.integer[Any]]) -> pa.Array:
    return pa.array(values.astype(np.int64), mask=values == NONE)


def _texts(numbers: npt.NDArray[np.integer[Any]], texts: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), texts).cast(pa.string())
