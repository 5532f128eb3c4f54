"""Executors give each result once, whatever the workers, and what raises does not sink the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sim.executors.base import Poisoned, pack
from sim.executors.pool import executor


def _squares(job: int, numbers: Sequence[int]) -> list[int]:
    return [job * number * number for number in numbers]


def _picky(job: int, numbers: Sequence[int]) -> list[int]:
    if job in numbers:
        raise ValueError(f"{job} is not liked")
    return list(numbers)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_replication_of_each_job_is_answered_once(workers: int) -> None:
    jobs = [pack(_squares, factor) for factor in (1, 2)]
    with executor(workers) as running:
        for _ in range(2):  # it may be asked again
            found = list(running.run([(jobs[0], range(7)), (jobs[1], (3, 5))]))
            expected = [(jobs[0], n, n * n) for n in range(7)] + [(jobs[1], n, 2 * n * n) for n in (3, 5)]
            assert sorted(found, key=lambda one: (one[0].key, one[1])) == sorted(
                expected, key=lambda one: (one[0].key, one[1])
            )


@pytest.mark.parametrize("workers", [1, 2])
def test_what_raises_is_poisoned_alone(workers: int) -> None:
    with executor(workers) as running:
        found = {number: result for _, number, result in running.run([(pack(_picky, 3), range(6))])}
    assert found == {0: 0, 1: 1, 2: 2, 3: Poisoned("ValueError: 3 is not liked"), 4: 4, 5: 5}
