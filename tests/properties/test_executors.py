"""Executors give each result once, whatever the workers, and what raises does not sink the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from models.diagnostics import InputError
from sim.executors.base import Packed, Poisoned, attempt, pack
from sim.executors.batches import BATCH_MAX, TRIES, Batches
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
    assert found == {0: 0, 1: 1, 2: 2, 3: Poisoned("ValueError: 3 is not liked", internal=True), 4: 4, 5: 5}


def _deadly(job: tuple[Path, int], numbers: Sequence[int]) -> list[int]:
    """Notes what is run, and ends its process at one number, so many times."""
    folder, deaths = job
    for number in numbers:
        tried = len(list(folder.glob(f"{number}.*")))
        (folder / f"{number}.{tried}").touch()
        if number == 3 and tried < deaths:
            os.kill(os.getpid(), signal.SIGKILL)
    return list(numbers)


@pytest.mark.parametrize("deaths", [1, TRIES - 1, TRIES + 1, 99])
def test_a_replication_that_kills_its_worker_is_tried_alone_before_it_is_given_up(tmp_path: Path, deaths: int) -> None:
    with executor(2) as running:
        found = {number: result for _, number, result in running.run([(pack(_deadly, (tmp_path, deaths)), range(30))])}
        again = [result for _, _, result in running.run([(pack(_squares, 1), range(3))])]
    assert sorted(found) == list(range(30))
    assert {number: one for number, one in found.items() if number != 3} == {n: n for n in range(30) if n != 3}
    tries = len(list(tmp_path.glob("3.*")))
    if deaths < TRIES:
        assert (found[3], tries) == (3, deaths + 1)
    else:
        assert found[3] == Poisoned(f"its worker process died each of the {TRIES} times that it was run alone")
        assert TRIES <= tries <= TRIES + 1, "once more where it was in a batch with others first"
    assert sorted(again) == [0, 1, 4], "the pool goes on"
    assert multiprocessing.active_children() == []


def _deadly_but_once(folder: Path, numbers: Sequence[int]) -> list[int]:
    """Ends its process at one number, each time but the last; the others tell which process they were in."""
    alone = len(numbers) == 1
    tried = len(list(folder.iterdir()))
    if 3 in numbers and (not alone or tried < TRIES - 1):
        if alone:
            (folder / str(tried)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [os.getpid() for _ in numbers]


def test_the_last_try_is_in_a_worker_that_was_started_for_it(tmp_path: Path) -> None:
    """One that is there may have been hit by what killed the others."""
    with executor(2) as running:
        found = {number: pid for _, number, pid in running.run([(pack(_deadly_but_once, tmp_path), range(9))])}
    assert found[3] not in {pid for number, pid in found.items() if number != 3}


def _pid(_: None, numbers: Sequence[int]) -> list[int]:
    return [os.getpid() for _ in numbers]


def test_workers_that_are_killed_from_outside_lose_nothing() -> None:
    with executor(2) as running:
        found = []
        for _, number, pid in running.run([(pack(_pid, None), range(400))]):
            found.append(number)
            if number % 100 == 0:
                os.kill(pid, signal.SIGKILL)
    assert sorted(found) == list(range(400))


def _hard(job: str, numbers: Sequence[int]) -> list[int]:
    if job == "disk":
        raise OSError(28, "No space left on device")
    raise KeyError(lambda: numbers)


def test_what_is_wrong_with_the_machine_ends_all_and_a_fault_comes_through_by_its_name() -> None:
    with executor(2) as running:
        with pytest.raises(OSError, match="No space left"):
            list(running.run([(pack(_hard, "disk"), range(9))]))
        found = list(running.run([(pack(_hard, "fault"), range(2))]))
    assert all(isinstance(one, Poisoned) and one.internal and one.why.startswith("KeyError") for _, _, one in found)


def test_workers_that_die_as_they_start_are_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.executors.pool._serve", _never)
    with pytest.raises(InputError, match="die as they start"), executor(2) as running:
        list(running.run([(pack(_squares, 1), range(9))]))
    assert multiprocessing.active_children() == []


def _never(_: object) -> None:
    os._exit(1)


def test_whoever_stops_reading_leaves_the_pool_in_order() -> None:
    with executor(2) as running:
        first = running.run([(pack(_squares, 1), range(1000))])
        next(first)
        first.close()
        assert sorted(result for _, _, result in running.run([(pack(_squares, 2), range(3))])) == [0, 2, 8]


def test_large_jobs_and_large_results_do_not_block_each_other() -> None:
    """Both pipes of a worker are full at once: a pool that hands over while the worker writes would wait for ever."""
    jobs = [pack(_first_of, bytes(1 << 20) + bytes([n])) for n in range(6)]
    with executor(2) as running:
        found = [len(result) for _, _, result in running.run((job, range(4)) for job in jobs)]
    assert found == [1 << 20] * 24


def _first_of(job: bytes, numbers: Sequence[int]) -> list[bytes]:
    return [job[: 1 << 20] for _ in numbers]


def asked(*counts: int) -> Iterator[tuple[Packed, range]]:
    return ((Packed(str(job), b""), range(count)) for job, count in enumerate(counts))


@pytest.mark.parametrize("each", [1e-6, 1e-3, 0.05, 10.0])
def test_batches_grow_to_the_time_they_should_take_and_hold_each_replication_once(each: float) -> None:
    batches = Batches(asked(5000, 0, 3, 5000), workers=2)
    seen: list[tuple[str, int]] = []
    sizes = []
    while batches:
        batch = batches.take()
        seen += [(batch.packed.key, number) for number in batch.numbers]
        sizes.append(len(batch.numbers))
        batches.took(batch, each * len(batch.numbers))
    assert seen == [(key, n) for key, count in (("0", 5000), ("2", 3), ("3", 5000)) for n in range(count)]
    assert sizes[0] == 1
    assert max(sizes) <= BATCH_MAX
    assert all(size * each <= 0.2 or size == 1 for size in sizes)
    assert max(sizes) == {1e-6: 1000, 1e-3: 200, 0.05: 4, 10.0: 1}[each]


def test_a_job_among_many_goes_to_one_worker_and_the_last_one_is_shared() -> None:
    """Each worker that runs a job unpacks it, which may take longer than its replications."""
    batches = Batches(asked(20, 8, 8, 8), workers=2)
    handed: list[tuple[str, int]] = []
    while batches:
        batch = batches.take()
        handed.append((batch.packed.key, len(batch.numbers)))
        batches.took(batch, 1e-3 * len(batch.numbers))
    grown = [("0", 1), ("0", 2), ("0", 4), ("0", 8), ("0", 5)]
    shared = [("3", 2), ("3", 2), ("3", 1), ("3", 1), ("3", 1), ("3", 1)]
    assert handed == [*grown, ("1", 8), ("2", 8), *shared]


def test_a_batch_where_one_raises_gives_the_results_of_the_others() -> None:
    assert attempt(pack(_picky, 3), (2, 3)) == [2, Poisoned("ValueError: 3 is not liked", internal=True)]
