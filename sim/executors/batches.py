"""How replications are put into batches: many at a time where they are short, so that handing them over costs little.

Only the time that a run takes depends on it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sim.executors.base import Answered, Asked, Packed, Poisoned

BATCH_SECONDS: Final = 0.2
"""How long a batch should take: long beside the millisecond of handing it over, short to wait for at the end."""

BATCH_MAX: Final = 1_000
"""Replications in a batch at most."""

TRIES: Final = 3
"""How often a replication is run alone before it is given up, when its worker dies each time: a first death may be
anything, such as the machine's memory or an administrator. Dask's default is 3, too (`allowed-failures`)."""

_SHARES: Final = 2
"""A worker is handed at most this part of its share of what is left, so that all end at about the same time."""

_GROWTH: Final = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Replications of one job."""

    packed: Packed
    numbers: Sequence[int]


class Batches:
    """What was asked, batch by batch. `workers` is how many share it."""

    def __init__(self, asked: Iterable[Asked], workers: int, *, seconds: float = BATCH_SECONDS) -> None:
        self._asked = ((packed, numbers) for packed, numbers in asked if len(numbers))
        self._following = next(self._asked, None)
        """What comes after the job that is being handed out."""
        self._ready: deque[Batch] = deque()
        """Batches to be handed out as they are, first."""
        self._packed: Packed | None = None
        self._numbers: deque[int] = deque()
        self.workers = workers
        self._target = seconds
        self._each: dict[str, float] = {}
        """Seconds that one replication of a job takes, by what was measured last."""
        self._latest: float | None = None
        self._largest = 1
        self._fill()

    def __bool__(self) -> bool:
        return bool(self._ready or self._numbers)

    @property
    def left(self) -> int:
        """Replications of the current job, and batches, that are to be handed out."""
        return len(self._numbers) + len(self._ready)

    @property
    def short(self) -> bool:
        """Whether a batch takes so little time that it pays to have the next one at hand."""
        return self._latest is not None and self._latest * self._largest <= 2 * self._target

    def take(self) -> Batch:
        """The next batch. There must be one."""
        if self._ready:
            return self._ready.popleft()
        assert self._packed is not None
        batch = Batch(self._packed, [self._numbers.popleft() for _ in range(self._size(self._packed.key))])
        self._fill()
        return batch

    def take_known(self, known: Container[str]) -> Batch | None:
        """The next batch, if it is of a job that is known already."""
        if not self:
            return None
        following = self._ready[0].packed if self._ready else self._packed
        return self.take() if following is not None and following.key in known else None

    def took(self, batch: Batch, seconds: float) -> None:
        """Learn how long a batch took."""
        each = seconds / len(batch.numbers)
        self._each[batch.packed.key] = self._latest = each
        self._largest = max(self._largest, len(batch.numbers))

    def give_back(self, batch: Batch) -> None:
        """A batch that was not begun."""
        self._ready.appendleft(batch)

    def alone(self, batch: Batch) -> None:
        """The replications of a batch are to be run again, each alone."""
        self._ready.extendleft(Batch(batch.packed, (number,)) for number in reversed(batch.numbers))

    def _size(self, key: str) -> int:
        """As many as fit the time, but no more than twice what was tried before, nor than a fair share of the rest."""
        each = self._each.get(key, self._latest)
        if each is None:
            return 1
        fitting = int(self._target / max(each, 1e-9))
        most = min(fitting, _GROWTH * self._largest, BATCH_MAX, len(self._numbers))
        if self._following is None:  # else there is work enough, and a job that one worker runs is unpacked once
            most = min(most, -(-len(self._numbers) // (_SHARES * self.workers)))
        return max(1, most)

    def _fill(self) -> None:
        if not self._numbers and self._following is not None:
            self._packed, numbers = self._following
            self._numbers = deque(numbers)
            self._following = next(self._asked, None)


class Suspects:
    """Batches whose worker has died, and who may have done it.

    Each of their replications is tried alone, and again, and a last time with nothing else at work. Whoever runs
    batches takes it from here once all others are done.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._deaths: Counter[tuple[str, int]] = Counter()
        self._last: deque[Batch] = deque()

    def __bool__(self) -> bool:
        return bool(self._last)

    def take(self) -> Batch:
        """One replication that is tried a last time. There must be one."""
        return self._last.popleft()

    def died(self, batch: Batch) -> Iterator[Answered]:
        """The worker has died that was at this batch: what is given up."""
        if len(batch.numbers) > 1:
            self._batches.alone(batch)
            return
        at = batch.packed.key, batch.numbers[0]
        self._deaths[at] += 1
        if self._deaths[at] >= TRIES:
            why = f"its worker process died each of the {TRIES} times that it was run alone"
            yield batch.packed, batch.numbers[0], Poisoned(why)
        elif self._deaths[at] == TRIES - 1:
            self._last.append(batch)
        else:
            self._batches.alone(batch)
