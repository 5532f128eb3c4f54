"""An executor on a Dask cluster: one that is started here (`local`), or any whose scheduler can be reached.

Workers need no disk in common with the client: work and results go over the wire. They need the same Python and the
same libraries, for results to be the same to the bit; each batch looks after that itself, since workers come and go.

Dask keeps what is finished in the memory of the worker that has done it, and runs it again when that worker dies, as
long as somebody holds the future (measured: 43 extra executions). So futures are let go as soon as their results are
here. A death counts against every task that was assigned to the worker (dask/distributed#5234): few are in flight, and
those that Dask gives up for it (`KilledWorker`) are tried alone, at last with nothing else in flight.
"""

from __future__ import annotations

import logging
import pickle
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any, Final, NamedTuple, cast

from models.diagnostics import InputError, input_error, quoted
from sim.executors.base import Answered, Asked, Packed, attempt, portable
from sim.executors.batches import Batch, Batches, Suspects
from sim.interrupts import held, starting
from sim.run import versions

_Client = Any
_Future = Any
"""Dask's own types are partial."""

BATCH_SECONDS: Final = 1.0
"""How long a batch should take: a task costs Dask some 2 ms (measured), and goes over a network."""

PATIENCE: Final = 120.0
"""Seconds without any worker after which waiting has no point. Dask's configuration may say otherwise, as
`windtunnel.patience`: a cluster that grows by demand may take longer to bring up a machine."""

CONNECT_SECONDS: Final = 5.0
"""How long to wait for the answer of a scheduler."""

FETCH_SECONDS: Final = 10.0
"""How long to wait for a result that is known to be there: its worker may have gone since, and the result with it. An
assumption: batches of a second give some megabytes at most."""

_IN_FLIGHT: Final = 2
"""Batches handed out for each thread of the workers: one that it works at, one that it goes on with."""

_LOOK_SECONDS: Final = 1.0
"""How often to look which workers there are."""

_AGAIN: Final = "start it again, then go on: what is finished is kept"


@contextmanager
def dask_executor(cluster: str, workers: int | None = None) -> Iterator[DaskExecutor]:
    """An executor on a Dask cluster: `local`, with so many worker processes, or the address of a scheduler.

    Raises InputError where Dask is not installed, the address is none, or nobody answers there.
    """
    if cluster != "local" and not cluster.startswith(("tcp://", "tls://")):
        wanted = "expected `local` or the address of a Dask scheduler, such as `tcp://10.0.0.7:8786`"
        raise input_error(f"{wanted}, got {quoted(cluster)}", "--cluster")
    if cluster != "local" and workers is not None:
        raise input_error("a cluster has its own number of workers", "--workers", "drop it, or `--cluster`")
    try:
        import distributed  # noqa: F401 - whether it is there
    except ImportError:
        help = "pip install 'windtunnel[cluster]'"
        raise input_error("Dask is not installed", "--cluster", help) from None
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        address = stack.enter_context(_local(workers)) if cluster == "local" else cluster
        yield DaskExecutor(stack.enter_context(_connected(address)), cluster)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs of lost workers and schedulers is told here, once and in plain words."""
    loggers = [logging.getLogger(f"distributed{part}") for part in ("", ".client", ".core", ".nanny", ".scheduler")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _local(workers: int | None) -> Iterator[str]:
    """A cluster of worker processes on this machine. Dask's own supervisors start those anew that die."""
    import dask
    from distributed import LocalCluster

    from sim.executors.pool import cores

    # A death is told at once: tries are counted here, as for the pool. No limit of memory, as for the pool.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), starting():
        cluster = LocalCluster(
            n_workers=cores() if workers is None else workers,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    try:
        yield cluster.scheduler_address
    finally:
        with held():
            cluster.close()


@contextmanager
def _connected(address: str) -> Iterator[_Client]:
    import dask
    from distributed import Client

    with dask.config.set({"distributed.comm.timeouts.connect": CONNECT_SECONDS}):
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            what = f"no Dask scheduler answers at {quoted(address)}: {error}"
            raise input_error(what, "--cluster", "start one by `dask scheduler`, or try `--cluster local`") from None
        try:
            yield client
        finally:
            with suppress(Exception):  # what is left of a client whose scheduler is gone
                client.close(timeout=CONNECT_SECONDS)


# --- on a worker ------------------------------------------------------------------------------------------------------


class _Done(NamedTuple):
    """What a worker answers."""

    results: Sequence[Any] | Exception
    seconds: float
    differing: Mapping[str, str]
    """Versions of this worker that are not those of the client; then there are no results."""


_one_at_a_time = threading.Lock()
"""Threads of a worker share one interpreter: replications side by side would be no faster, and behaviours share it."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that is made where it is unpickled.

    Dask ends a worker that cannot import the function of a task, without a word to the client. The standard library's
    `pickle.loads` of a call it can import, and then it is the task that fails. A scheduler needs no Windtunnel either.
    """

    function: Callable[..., object]
    arguments: tuple[object, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def _perform(packed: Packed, numbers: Sequence[int], expected: Mapping[str, str]) -> bytes:
    """What a task does: a pickled `_Done`."""
    own = versions()
    differing = {name: own.get(name, "not known") for name, one in expected.items() if own.get(name) != one}
    if differing:
        return pickle.dumps(_Done((), 0.0, differing))
    with _one_at_a_time:
        began = perf_counter()
        try:
            results: Sequence[Any] | Exception = attempt(packed, numbers)
        except Exception as error:
            results = portable(error)
        return pickle.dumps(_Done(results, perf_counter() - began, {}), protocol=pickle.HIGHEST_PROTOCOL)


# --- at the client ----------------------------------------------------------------------------------------------------


class _Died:
    """In place of what a task gave: it ended its workers, one after the other."""


class DaskExecutor:
    """Runs batches of replications on the workers of a Dask cluster."""

    def __init__(self, client: _Client, name: str) -> None:
        self._client = client
        self._name = name
        self._versions = versions()

    def run(self, asked: Iterable[Asked]) -> Generator[Answered, None, None]:
        """Results of the replications, as they come. Raises what is wrong with the input, the machines or the cluster;
        InputError where the scheduler is gone, or no worker has been there for long."""
        batches = Batches(asked, 1, seconds=BATCH_SECONDS)
        suspects = Suspects(batches)
        running: dict[_Future, Batch] = {}
        ended: queue.SimpleQueue[_Future] = queue.SimpleQueue()
        watch = _Watch(self._client, self._name)
        try:
            while batches or suspects or running:
                batches.workers = max(watch.threads(), 1)
                while batches and len(running) < _IN_FLIGHT * batches.workers:
                    self._submit(batches.take(), running, ended)
                if suspects and not batches and not running:
                    self._submit(suspects.take(), running, ended)
                try:
                    future = ended.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                data = self._fetched(future, ended)
                if data is not None:
                    yield from self._answered(data, running.pop(future), batches, suspects)
                    future.release()
        finally:
            if running:
                with suppress(Exception):  # the scheduler may be gone
                    self._client.cancel(list(running), force=True)

    def _submit(self, batch: Batch, running: dict[_Future, Batch], ended: queue.SimpleQueue[_Future]) -> None:
        call = pickle.dumps(_Call(_perform, (batch.packed, batch.numbers, self._versions)))
        future = self._client.submit(pickle.loads, call, pure=False)
        running[future] = batch
        future.add_done_callback(ended.put)

    def _fetched(self, future: _Future, ended: queue.SimpleQueue[_Future]) -> bytes | _Died | None:
        """What a task gave; None where that went with its worker and is computed anew: it ends once more then."""
        from distributed.scheduler import KilledWorker

        try:
            return cast(bytes, future.result(timeout=FETCH_SECONDS))
        except KilledWorker:
            return _Died()
        except TimeoutError:  # an OSError, too
            future.add_done_callback(ended.put)
            return None
        except (CancelledError, OSError):  # at once, or as the result was fetched
            raise self._gone() from None
        except (ImportError, AttributeError) as error:
            help = "install the same version of windtunnel where the workers run"
            raise input_error(f"a worker cannot run windtunnel: {error}", "--cluster", help) from None

    def _answered(self, data: bytes | _Died, batch: Batch, batches: Batches, suspects: Suspects) -> Iterator[Answered]:
        if isinstance(data, _Died):
            yield from suspects.died(batch)
            return
        done: _Done = pickle.loads(data)  # noqa: S301 - from the workers of the user's own cluster
        if done.differing:
            raise self._differing(done.differing)
        if isinstance(done.results, Exception):
            raise done.results
        batches.took(batch, done.seconds)
        for number, result in zip(batch.numbers, done.results, strict=True):
            yield batch.packed, number, result

    def _gone(self) -> InputError:
        return input_error(f"the Dask scheduler of `{self._name}` is gone", "--cluster", _AGAIN)

    def _differing(self, found: Mapping[str, str]) -> InputError:
        told = ", ".join(f"{name} {one} there, {self._versions[name]} here" for name, one in sorted(found.items()))
        help = "results may differ: install the same versions where the workers run"
        return input_error(f"a worker has other versions: {told}", "--cluster", help)


class _Watch:
    """Sees which workers there are. Raises InputError where there have been none for too long."""

    def __init__(self, client: _Client, name: str) -> None:
        import dask

        self._client = client
        self._name = name
        self._patience = float(dask.config.get("windtunnel.patience", PATIENCE))
        self._looked = -_LOOK_SECONDS
        self._seen = monotonic()
        self._threads = 0

    def threads(self) -> int:
        """Threads of the workers, by what was seen about a second ago."""
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return self._threads
        self._looked = now
        with suppress(OSError, AttributeError):  # no answer, or no scheduler any more: its futures tell that
            found = self._client.sync(self._client.scheduler.ncores, callback_timeout=CONNECT_SECONDS)
            self._threads = sum(found.values())
            if found:
                self._seen = now
        if now - self._seen > self._patience:
            what = f"no worker has been seen at the Dask cluster `{self._name}` for {self._patience:.0f} seconds"
            raise input_error(what, "--cluster", "start workers, then go on: what is finished is kept")
        return self._threads
