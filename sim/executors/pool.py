"""Executors on this machine: this process, or a pool of worker processes.

A worker is a process with a pipe. Batches go out over it and results come back, so that a worker that dies is known,
and with it the batch it was at. What it had not begun goes to another one. A replication that dies with its worker is
tried alone; the last time in a worker of its own with no other there, for it may be the machine that is short of
memory, or something that kills every worker there is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import Any, Final

from models.diagnostics import input_error
from sim.executors.base import JOBS_KEPT, Answered, Asked, Executor, Packed, attempt, portable
from sim.executors.batches import Batch, Batches, Suspects
from sim.interrupts import held, starting

_PREFETCHED: Final = 2
"""Batches handed to a worker where they are short: one that it works at, one that it goes on with meanwhile."""

_STARTS: Final = 3
"""Workers in a row that die before they have said a word: then none will live."""


@contextmanager
def executor(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor]:
    """What runs replications: worker processes of this machine, all cores by default, or those of a Dask cluster.

    One worker is this process. `cluster` is `local` or the address of a scheduler, as `tcp://host:port`. Raises
    InputError where the cluster cannot be used.
    """
    if cluster is not None:
        from sim.executors.dask import dask_executor

        with dask_executor(cluster, workers) as on:
            yield on
        return
    count = cores() if workers is None else workers
    if count == 1:
        yield InProcess()
        return
    pool = Pool(count)
    try:
        pool.start(count)  # what is to be run is often compiled first
        yield pool
    finally:
        pool.close()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InProcess:
    """Runs replications here, one after the other."""

    def run(self, asked: Iterable[Asked]) -> Generator[Answered, None, None]:
        for packed, numbers in asked:
            for number in numbers:
                yield packed, number, attempt(packed, (number,))[0]


# --- a worker, from outside -------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, the jobs it has unpacked, and what it has been handed and not answered, in order."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    alive: bool = False
    """Whether it has been heard of. Until then it is not written to: a pipe that nobody reads yet is soon full."""
    known: dict[str, None] = field(default_factory=dict)
    batches: deque[Batch] = field(default_factory=deque)

    def hand(self, batch: Batch) -> None:
        """Hand over a batch. Raises OSError where the worker is gone."""
        key = batch.packed.key
        data = None if key in self.known else batch.packed.data
        dropped = []
        self.known.pop(key, None)
        while len(self.known) >= JOBS_KEPT:  # the job that was asked least lately
            dropped.append(next(iter(self.known)))
            del self.known[dropped[-1]]
        self.known[key] = None
        self.pipe.send((key, data, dropped, batch.numbers))
        self.batches.append(batch)

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()  # it holds nothing that must be put away
        self.process.join()
        self.process.close()


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    with starting():  # Ctrl-C is the parent's to handle: the worker inherits the blocked signal
        process.start()
        theirs.close()
    return _Worker(process, ours)


# --- a worker, from inside --------------------------------------------------------------------------------------------


def _serve(pipe: Connection) -> None:
    """Work at batches until the parent process is gone or closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    jobs: dict[str, Packed] = {}
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            key, data, dropped, numbers = pipe.recv()
            for one in dropped:
                jobs.pop(one)
            if data is not None:
                jobs[key] = Packed(key, data)
            began = perf_counter()
            try:
                results: Any = attempt(jobs[key], numbers)
            except Exception as error:
                results = portable(error)
            pipe.send((results, perf_counter() - began))


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on with its batch, and write where a resumed run writes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


# --- the pool ---------------------------------------------------------------------------------------------------------


class Pool:
    """Runs batches of replications in worker processes, which stay until `close`. One that dies is replaced."""

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._stillborn = 0
        self.workers: list[_Worker] = []

    def run(self, asked: Iterable[Asked]) -> Generator[Answered, None, None]:
        """Results of the replications, as they come. Raises what is wrong with the input or the machine."""
        flight = _Flight(self, Batches(asked, self._count))
        try:
            yield from flight.results()
        finally:
            self._stop([worker for worker in self.workers if worker.batches])

    def close(self) -> None:
        """End the workers."""
        self._stop(list(self.workers))

    def start(self, wanted: int) -> None:
        """Start workers where so many more could be of use."""
        without_work = sum(not worker.batches for worker in self.workers)
        for _ in range(min(wanted - without_work, self._count - len(self.workers))):
            self.workers.append(_start())

    def lived(self, worker: _Worker) -> None:
        worker.alive = True
        self._stillborn = 0

    def bury(self, worker: _Worker) -> None:
        """Take a dead worker out. Raises InputError where workers die before they have begun."""
        self._stillborn += not worker.alive
        self._stop([worker])
        if self._stillborn >= _STARTS:
            help = "the machine may be short of memory; a script needs the guard `if __name__ == '__main__':`"
            raise input_error("the worker processes die as they start", "--workers", help)

    def _stop(self, workers: Sequence[_Worker]) -> None:
        with held():
            for worker in workers:
                self.workers.remove(worker)
                worker.stop()


class _Flight:
    """One call of `Pool.run`: hands out batches, takes results, and sees to it that each replication is answered."""

    def __init__(self, pool: Pool, batches: Batches) -> None:
        self._pool = pool
        self._batches = batches
        self._suspects = Suspects(batches)
        self._fresh: _Worker | None = None
        """Started for the last try of a suspect."""

    def results(self) -> Iterator[Answered]:
        while True:
            self._pool.start(self._batches.left)
            self._hand_out()
            self._hand_suspect()
            if not self._batches and not self._suspects and not self._busy():
                return
            pipes = {worker.pipe: worker for worker in self._pool.workers if worker.batches or not worker.alive}
            for pipe in wait(list(pipes)) if pipes else ():
                yield from self._heard(pipes[pipe])  # type: ignore[index]

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._pool.workers if worker.batches]

    def _idle(self) -> list[_Worker]:
        return [worker for worker in self._pool.workers if worker.alive and not worker.batches]

    def _hand_out(self) -> None:
        """Work for all who have none; then, where batches are short, one more for each to go on with."""
        for worker in self._idle():
            if self._batches:
                self._hand(worker, self._batches.take())
        for worker in self._busy():
            # Of a job that the worker knows: small enough for the pipe, so that nobody waits for a worker that does
            # not read because it writes.
            if self._batches.short and len(worker.batches) < _PREFETCHED:
                batch = self._batches.take_known(worker.known)
                if batch is not None:
                    self._hand(worker, batch)

    def _hand_suspect(self) -> None:
        """A last try. A worker that is there may be dead and not known to be: what killed it would count against the
        replication that it never began."""
        if not self._suspects or self._batches or self._busy():
            return
        if self._fresh not in self._pool.workers:
            self._pool.close()
            self._pool.start(1)
            [self._fresh] = self._pool.workers
        elif self._fresh.alive:
            worker, self._fresh = self._fresh, None
            self._hand(worker, self._suspects.take())

    def _hand(self, worker: _Worker, batch: Batch) -> None:
        try:
            worker.hand(batch)
        except OSError:  # it died since it was heard of
            self._batches.give_back(batch)
            if not worker.batches:
                self._pool.bury(worker)

    def _heard(self, worker: _Worker) -> Iterator[Answered]:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._lost(worker)
            return
        if answer is None:
            self._pool.lived(worker)
            return
        results, seconds = answer
        if isinstance(results, Exception):
            raise results
        batch = worker.batches.popleft()
        self._batches.took(batch, seconds)
        self._hand_out()  # before whoever asked makes something of the results, which may take long
        for number, result in zip(batch.numbers, results, strict=True):
            yield batch.packed, number, result

    def _lost(self, worker: _Worker) -> Iterator[Answered]:
        """A worker has died. What it was at is tried alone, what it had not begun is run again."""
        batches = list(worker.batches)
        self._pool.bury(worker)
        for batch in batches[1:]:
            self._batches.give_back(batch)
        for batch in batches[:1]:
            yield from self._suspects.died(batch)
