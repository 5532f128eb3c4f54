"""Executors on this machine: this process, or a pool of worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final

from models.diagnostics import InputError
from sim.executors.base import Answered, Asked, Executor, Packed, Poisoned, perform
from sim.interrupts import held

_BATCHES_IN_FLIGHT: Final = 2
"""Batches handed out for each worker: one that it works at, one that it goes on with."""


@contextmanager
def executor(workers: int | None = None) -> Iterator[Executor]:
    """Worker processes, all cores by default; one worker is this process."""
    count = cores() if workers is None else workers
    if count == 1:
        yield InProcess()
        return
    others = {process.pid for process in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
    try:
        yield _Pool(pool, count)
    finally:
        with held():
            for process in multiprocessing.active_children():
                if process.pid not in others:
                    process.terminate()
                    process.join()
            pool.shutdown(cancel_futures=True)  # its thread has semaphores to give back: it must not be cut short


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InProcess:
    """Runs replications here, one after the other."""

    def run(self, asked: Iterable[Asked]) -> Iterator[Answered]:
        for packed, numbers in asked:
            for number in numbers:
                yield packed, number, attempt(packed, (number,))[0]


class _Pool:
    """Runs batches of replications in worker processes."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool = pool
        self._workers = workers

    def run(self, asked: Iterable[Asked]) -> Iterator[Answered]:
        batches = ((packed, (number,)) for packed, numbers in asked for number in numbers)
        running: dict[Future[Sequence[Any]], tuple[Packed, tuple[int, ...]]] = {}
        for batch in batches:
            with held():  # workers start as batches are submitted; Ctrl-C is the parent's to handle
                running[self._pool.submit(attempt, *batch)] = batch
            while len(running) >= _BATCHES_IN_FLIGHT * self._workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)


def _finished(running: dict[Future[Sequence[Any]], tuple[Packed, tuple[int, ...]]]) -> Iterator[Answered]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        packed, numbers = running.pop(future)
        for number, result in zip(numbers, future.result(), strict=True):
            yield packed, number, result


def attempt(packed: Packed, numbers: Sequence[int]) -> Sequence[Any]:
    """Run replications; what raises is poisoned, but for what is wrong with the input or the machine."""
    try:
        return perform(packed, numbers)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        if len(numbers) == 1:
            return [Poisoned(f"{type(error).__name__}: {error}")]
        return [result for number in numbers for result in attempt(packed, (number,))]
