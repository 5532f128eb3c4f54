"""Replications in parallel processes, merged into one run folder.

Each replication writes its tables into part files; they are merged in order of replication, so the bytes of a run do
not depend on the number of workers or on who finishes first. The parts stay, with a journal of them, until the run is
whole: a run that was stopped goes on with those that are missing.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from models.diagnostics import InputError, input_error, listed, quoted
from sim.behaviours import BehaviourError, BehaviourFile, with_behaviours
from sim.case_table import case_schema
from sim.clock import EventLimitError
from sim.compile import compile_plan
from sim.counted import COUNTED_EVENTS_MAX, CountedReplication
from sim.decision_log import Seal
from sim.engine import EVENTS_MAX, Replication
from sim.interrupts import held
from sim.journal import Finished, Header, Journal, journal, part_file, read_header
from sim.plan import Plan
from sim.rules import Rules, compile_rules
from sim.run import (
    FINDINGS,
    MANIFEST,
    SCENARIO,
    SCHEMA,
    Manifest,
    Run,
    file_digest,
    new_run_folder,
    open_run,
    table_file,
    unfinished,
    versions,
)
from sim.tables import KEPT, Volume, decision_schema
from sim.windows import WINDOWS_MAX, WindowLimitError
from sim.workload import BLOCKED_CASES_MAX, CASES_MAX, CaseLimitError

if TYPE_CHECKING:
    from models.load import LoadedScenario

REPLICATIONS_MAX: Final = 100_000
_WRITING: Final[dict[str, Any]] = {"compression": "zstd", "compression_level": 3}
# The decision log is written plainly, so that a changed byte changes one row and can be named.
_PLAIN: Final[dict[str, Any]] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
_DECISIONS_IN_GROUP: Final = 1024
_ROWS_IN_GROUP: Final = 1 << 17

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to run any replication."""

    plan: Plan
    rules: Rules
    digest: str
    seed: int
    folder: Path
    volume: Volume = "events"
    behaviours: BehaviourFile | None = None


def simulate(
    loaded: LoadedScenario,
    out: Path,
    *,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    findings: str | None = None,
    volume: Volume = "events",
    behaviours: str | Path | None = None,
) -> Run:
    """Run the replications of a scenario and write the run folder `out`.

    `behaviours` is the Python file, or the module, that registers the behaviours which the scenario names. Its sha256
    is part of the run's digest.

    `findings` is the text of what verification found, None where nothing was verified. It is kept with the tables and
    the manifest names it, so that a run that was verified cannot pass for one that was not. `volume` is what is kept of
    each replication: `sim.tables.KEPT` has its tables.

    `replications` and `seed` replace the scenario's own; `workers` is the number of processes, all cores by default;
    one runs in this process. `progress(done, total)` is called after each replication. What an earlier call with the
    same arguments has finished before it was stopped is not run again. Raises InputError where the folder cannot be
    written, an argument is out of range, or a replication outgrows its limits.
    """
    loaded, programs = with_behaviours(loaded, behaviours)
    count = loaded.scenario.replications if replications is None else replications
    chosen = loaded.scenario.seed if seed is None else seed
    processes = min(_cores() if workers is None else workers, max(count, 1))
    _check("replications", count, 1, REPLICATIONS_MAX)
    _check("seed", chosen, 0, 2**63 - 1)
    _check("workers", processes, 1, 1024)
    if volume not in KEPT:
        raise input_error(f"expected one of {listed(KEPT)}, got {quoted(volume)}", "--volume")
    kept = None if findings is None else hashlib.sha256(findings.encode()).hexdigest()
    header = Header(str(loaded.path.resolve()), loaded.digest, chosen, count, versions(), kept, volume, loaded.changes)
    with new_run_folder(out) as folder, journal(folder, header, out) as progressing:
        if findings is not None:
            (folder / FINDINGS).write_text(findings, encoding="utf-8", newline="\n")
        job = Job(compile_plan(loaded), compile_rules(loaded), loaded.digest, chosen, folder, volume, programs)
        try:
            seals = _run_all(job, progressing, processes, progress or _silent, str(loaded.path))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_told(progressing, out)) from None
        progressing.close()
        _write_manifest(job, loaded, seals, findings)
    return open_run(out)


def resume(
    out: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    behaviours: str | Path | None = None,
) -> Run:
    """Go on with the unfinished run of `out`: the replications that are missing are run, and the folder is written.

    The result equals that of a run that was never stopped, to the byte. Raises InputError where there is nothing to go
    on with, or where the scenario, its files or the versions of the libraries are no longer those of the run. The file
    of behaviours has to be given again: no folder names code that is run.
    """
    folder = unfinished(out)
    header = read_header(folder)
    if header is None:
        whole = (
            "the run there is whole"
            if out.is_dir()
            else "a run that is stopped leaves a hidden folder beside its place"
        )
        raise input_error("there is no unfinished run of this name", str(out), whole)
    from models.load import load

    loaded = load(Path(header.scenario), header.changes)
    findings = None
    if header.findings is not None:
        findings = (folder / FINDINGS).read_text(encoding="utf-8")
    help = "run it anew: with other inputs it would be another run"
    if with_behaviours(loaded, behaviours)[0].digest != header.digest:
        raise input_error(
            "the scenario or one of its files has changed since the run was stopped", header.scenario, help
        )
    if changed := sorted(name for name, one in versions().items() if header.versions.get(name) != one):
        raise input_error(f"the version of {changed[0]} has changed since the run was stopped", str(out), help)
    return simulate(
        loaded,
        out,
        replications=header.replications,
        seed=header.seed,
        workers=workers,
        progress=progress,
        findings=findings,
        volume=header.volume,
        behaviours=behaviours,
    )


def _told(stopped: Journal, out: Path) -> str:
    """What an interrupt leaves, for who interrupted."""
    done, all = len(stopped.finished), stopped.header.replications
    return f"{done} of {all} replications are kept; `windtunnel resume {out}` goes on" if done else ""


def _silent(done: int, total: int) -> None:
    pass


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise input_error(f"expected {name} from {least} to {most}, got {value}", f"--{name}")


# --- replications -----------------------------------------------------------------------------------------------------


def replicate(job: Job, number: int) -> Finished | str:
    """Run one replication into part files; what the journal keeps of it, or what is wrong with the scenario."""
    try:
        replication = _replication(job, number)
        replication.run()
    except BehaviourError as error:
        return f"replication {number}: {error}"
    except CaseLimitError:
        most = BLOCKED_CASES_MAX if job.volume == "summary" else CASES_MAX
        return f"replication {number} has more than {most:,} cases: lower the rate or the horizon"
    except WindowLimitError:
        return f"replication {number} has a fault that comes more than {WINDOWS_MAX:,} times: lengthen `between`"
    except EventLimitError:
        most = COUNTED_EVENTS_MAX if job.volume == "summary" else EVENTS_MAX
        return f"replication {number} has more than {most:,} happenings: lower the rate, the horizon or the retries"
    batches = replication.batches(job.digest, job.seed)
    decisions = decision_schema(names_policies=bool(job.rules.path))
    schemas = {**KEPT[job.volume], "cases": case_schema(job.plan), "decisions": decisions}
    digests = []
    for name in KEPT[job.volume]:
        file = part_file(job.folder, number, name)
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schemas[name]) as writer:
            for batch in getattr(batches, name):
                writer.write_batch(batch)
        digests.append(file_digest(file))
    return Finished(batches.chain.seal(), tuple(digests))


def _replication(job: Job, number: int) -> Replication:
    functions = {} if job.behaviours is None else job.behaviours.functions()
    if job.volume == "summary":
        return CountedReplication(job.plan, job.rules, job.seed, number, job.digest, functions)
    return Replication(job.plan, job.rules, job.seed, number, job.volume, functions)


_job: Job | None = None
"""The job of a worker process, set once when it starts."""


def _start_worker(job: Job) -> None:
    global _job
    _job = job


def _work(number: int) -> Finished | str:
    assert _job is not None
    try:
        return replicate(_job, number)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        # What it was raised with may not come through to the parent process; these words do, and the traceback.
        raise RuntimeError(f"replication {number}: {type(error).__name__}: {error}") from error


def _run_all(job: Job, running: Journal, workers: int, progress: Progress, file: str) -> list[Seal]:
    """Run what is missing and merge all replications; their seals, in order."""
    count = running.header.replications
    finished = running.finished
    missing = [number for number in range(count) if number not in finished]
    with ExitStack() as stack:
        for name in {*chain.from_iterable(KEPT.values())} - KEPT[
            job.volume
        ].keys():  # of a stopped run of another volume
            table_file(job.folder, name).unlink(missing_ok=True)
        writers = _Writers(stack, job.folder, KEPT[job.volume])
        writers.merge(finished)
        for number, result in stack.enter_context(_results(job, missing, workers)):
            if isinstance(result, str):
                running.discard()
                raise input_error(result, file)
            running.add(number, result)
            writers.merge(finished)
            progress(len(finished), count)
    return [finished[number].seal for number in range(count)]


@contextmanager
def _results(job: Job, missing: Sequence[int], workers: int) -> Iterator[Iterator[tuple[int, Finished | str]]]:
    """Results of the replications as they come."""
    if workers == 1 or not missing:
        yield ((number, replicate(job, number)) for number in missing)
        return
    others = {process.pid for process in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (job,))
    try:
        with held():  # workers start as replications are submitted; Ctrl-C is the parent's to handle
            numbers = {pool.submit(_work, number): number for number in missing}
        yield _completed(numbers)
    except BrokenProcessPool:
        help = "the machine may be short of memory: `windtunnel resume` goes on, perhaps with fewer `--workers`"
        raise input_error("a worker process died", "--workers", help) from None
    finally:
        with held():
            for process in multiprocessing.active_children():
                if process.pid not in others:
                    process.terminate()
                    process.join()
            pool.shutdown(cancel_futures=True)  # its thread has semaphores to give back: it must not be cut short


def _completed(numbers: dict[Future[Finished | str], int]) -> Iterator[tuple[int, Finished | str]]:
    for future in as_completed(numbers):
        yield numbers.pop(future), future.result()


# --- the run folder ---------------------------------------------------------------------------------------------------


class _Writers:
    """The Parquet files of a run under way: parts are appended in order of replication."""

    def __init__(self, stack: ExitStack, folder: Path, tables: Collection[str]) -> None:
        self._stack = stack
        self._tables = tables
        self._folder = folder
        self._open: dict[str, pq.ParquetWriter] = {}
        self._merged = 0

    def merge(self, finished: Container[int]) -> None:
        """Append the replications that are finished, as far as none before them is missing."""
        while self._merged in finished:
            for name in self._tables:
                self._append(name, part_file(self._folder, self._merged, name))
            self._merged += 1

    def _append(self, name: str, part: Path) -> None:
        rows = _DECISIONS_IN_GROUP if name == "decisions" else _ROWS_IN_GROUP
        with pa.OSFile(str(part)) as source:  # not mapped: what is mapped stays in memory until the end
            reader = pa.ipc.open_file(source)
            writer = self._writer(name, reader.schema)
            for table in _grouped(reader, _ROWS_IN_GROUP):
                writer.write_table(table, row_group_size=rows)

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        if name not in self._open:
            settings = _PLAIN if name == "decisions" else _WRITING
            writer = pq.ParquetWriter(table_file(self._folder, name), schema, version="2.6", **settings)
            self._open[name] = self._stack.enter_context(writer)
        return self._open[name]


def _grouped(reader: pa.ipc.RecordBatchFileReader, rows: int) -> Iterator[pa.Table]:
    """The rows of a part, so many at a time."""
    pending = reader.schema.empty_table()
    for number in range(reader.num_record_batches):
        pending = pa.concat_tables([pending, pa.Table.from_batches([reader.get_batch(number)])])
        while pending.num_rows >= rows:
            yield pending.slice(0, rows)
            pending = pending.slice(rows)
    if pending.num_rows or not reader.num_record_batches:  # a part without rows has its row group, too
        yield pending


def _write_manifest(job: Job, loaded: LoadedScenario, seals: list[Seal], findings: str | None) -> None:
    folder = job.folder
    scenario = json.dumps(loaded.scenario.dump(), indent=1, ensure_ascii=False)
    (folder / SCENARIO).write_text(scenario + "\n", encoding="utf-8")
    files = [table_file(folder, name) for name in KEPT[job.volume]] + [folder / SCENARIO]
    manifest = Manifest(
        schema_=SCHEMA,
        scenario=loaded.scenario.name,
        scenario_digest=loaded.digest,
        inputs=dict(loaded.inputs),
        versions=versions(),
        engine="reference",
        seed=job.seed,
        volume=job.volume,
        replications=len(seals),
        tables={file.name: file_digest(file) for file in files},
        findings=None if findings is None else file_digest(folder / FINDINGS),
        decisions=tuple(seals),
    )
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
