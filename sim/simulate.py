"""Replications in parallel processes, merged into one run folder.

Each replication writes its tables into part files; they are merged in order of replication, so the bytes of a run do
not depend on the number of workers or on who finishes first. The parts stay, with a journal of them, until the run is
whole: a run that was stopped goes on with those that are missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from models.diagnostics import input_error, listed, quoted
from sim.behaviours import BehaviourError, BehaviourFile, with_behaviours
from sim.case_table import case_schema
from sim.clock import EventLimitError
from sim.compile import compile_plan
from sim.counted import COUNTED_EVENTS_MAX, CountedReplication
from sim.decision_log import Chain, Seal, identity
from sim.engine import EVENTS_MAX, Replication
from sim.executors.base import Executor, Poisoned, pack
from sim.executors.pool import cores, executor
from sim.journal import Finished, Header, Journal, journal, part_file, part_under_way, read_header
from sim.plan import Plan
from sim.rules import Rules, compile_rules
from sim.run import (
    FINDINGS,
    MANIFEST,
    SCENARIO,
    SCHEMA,
    Manifest,
    PoisonedReplication,
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


class Precision(NamedTuple):
    """How narrow intervals are wanted, relative to their means, and with how many replications at most."""

    relative: float
    most: int
    needed: Callable[[Run, float, int], int | None]
    """How many replications a run is guessed to need for that; None where it has enough."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to run any replication."""

    plan: Plan
    rules: Rules
    digest: str
    seed: int
    folder: Path | None
    """Where part files are written; None where a worker may not reach it, and their bytes are given back."""
    volume: Volume = "events"
    behaviours: BehaviourFile | None = None


def simulate(
    loaded: LoadedScenario,
    out: Path,
    *,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    findings: str | None = None,
    volume: Volume = "events",
    behaviours: str | Path | None = None,
    precision: Precision | None = None,
) -> Run:
    """Run the replications of a scenario and write the run folder `out`.

    With a `precision` replications are added until it is reached: the run is that of so many from the start.

    `behaviours` is the Python file, or the module, that registers the behaviours which the scenario names. Its sha256
    is part of the run's digest.

    `findings` is the text of what verification found, None where nothing was verified. It is kept with the tables and
    the manifest names it, so that a run that was verified cannot pass for one that was not. `volume` is what is kept of
    each replication: `sim.tables.KEPT` has its tables.

    `replications` and `seed` replace the scenario's own; `workers` is the number of processes, all cores by default;
    one runs in this process. `cluster` is where they run instead: `local`, or the address of a Dask scheduler, as
    `tcp://host:port`, which has its own number of workers. `progress(done, total)` is called after each replication.
    What an earlier call with the same arguments has finished before it was stopped is not run again.

    Raises InputError where the folder cannot be written, an argument is out of range, the cluster cannot be used, or a
    replication outgrows its limits.
    """
    loaded, programs = with_behaviours(loaded, behaviours)
    count = loaded.scenario.replications if replications is None else replications
    chosen = loaded.scenario.seed if seed is None else seed
    processes = min(cores() if workers is None else workers, max(count, 1))
    _check("replications", count, 1, REPLICATIONS_MAX)
    _check("seed", chosen, 0, 2**63 - 1)
    _check("workers", processes, 1, 1024)
    if volume not in KEPT:
        raise input_error(f"expected one of {listed(KEPT)}, got {quoted(volume)}", "--volume")
    kept = None if findings is None else hashlib.sha256(findings.encode()).hexdigest()
    header = Header(
        str(loaded.path.resolve()), loaded.digest, chosen, count, versions(), kept, volume, loaded.changes,
        *((None, 0) if precision is None else precision[:2]),
    )  # fmt: skip
    header = replace(header, variant=loaded.variant)
    with new_run_folder(out) as folder, journal(folder, header, out) as progressing:
        (folder / FINDINGS).unlink(missing_ok=True)  # of a stopped run that was verified
        if findings is not None:
            (folder / FINDINGS).write_text(findings, encoding="utf-8", newline="\n")
        try:
            if (left := count - len(progressing.finished)) > 0 or precision is not None:
                fewer = processes if precision is not None else min(processes, left)
                where = executor(fewer) if cluster is None else executor(workers, cluster)
            else:
                where = executor(1)  # the parts are only to be put together
            with where as on:  # workers start meanwhile
                shared = folder if cluster is None else None
                job = Job(compile_plan(loaded), compile_rules(loaded), loaded.digest, chosen, shared, volume, programs)
                more: int | None = count
                while more is not None:
                    count = more
                    poisoned = _run_all(job, progressing, count, on, progress or _silent, str(loaded.path))
                    seals = [_seal(job, number, progressing.finished) for number in range(count)]
                    _write_manifest(folder, job, loaded, seals, poisoned, kept)
                    more = None if precision is None else precision.needed(open_run(folder), *precision[:2])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_told(progressing, out)) from None
        except OSError as error:  # the disk is full, above all
            what = f"cannot be written: {error.strerror or error}"
            raise input_error(what, str(out), _told(progressing, out)) from error
        progressing.close()
    return open_run(out)


def run_alone(
    loaded: LoadedScenario,
    number: int,
    *,
    seed: int | None = None,
    volume: Volume = "events",
    behaviours: str | Path | None = None,
) -> None:
    """Run one replication in this process, and write nothing: what could not be run shows why.

    Raises InputError where a behaviour fails or the replication outgrows its limits; what else it raises comes through.
    """
    loaded, programs = with_behaviours(loaded, behaviours)
    chosen = loaded.scenario.seed if seed is None else seed
    _check("seed", chosen, 0, 2**63 - 1)
    _check("only", number, 0, REPLICATIONS_MAX - 1)
    job = Job(compile_plan(loaded), compile_rules(loaded), loaded.digest, chosen, None, volume, programs)
    match _run(job, number):
        case Poisoned(why):
            raise input_error(f"replication {number}: {why}", str(loaded.path))
        case str(wrong):
            raise input_error(wrong, str(loaded.path))


def resume(
    out: Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    behaviours: str | Path | None = None,
    needed: Callable[[Run, float, int], int | None] | None = None,
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

    loaded = replace(load(Path(header.scenario), header.changes), variant=header.variant)
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
        cluster=cluster,
        progress=progress,
        findings=findings,
        volume=header.volume,
        behaviours=behaviours,
        precision=None
        if header.precision is None or needed is None
        else Precision(header.precision, header.most, needed),
    )


def _told(stopped: Journal, out: Path) -> str:
    """What an interrupt leaves, for who interrupted."""
    done, all = len(stopped.finished), stopped.header.replications
    return f"{done} of {all} replications are kept; `windtunnel resume {out}` goes on" if done else ""


def _silent(done: int, total: int) -> None:
    pass


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise input_error(f"expected {name} from {least} to {most}, got {value}", f"--{name}")


# --- replications -----------------------------------------------------------------------------------------------------


class Carried(NamedTuple):
    """A finished replication with the bytes of its part files, in order of the tables."""

    finished: Finished
    parts: tuple[bytes, ...]


Flown = Finished | Carried | Poisoned | str
"""A replication: what the journal keeps of it, why there is none, or what is wrong with the scenario."""


def replicate(job: Job, number: int) -> Flown:
    """Run one replication into part files."""
    replication = _run(job, number)
    if isinstance(replication, (Poisoned, str)):
        return replication
    batches = replication.batches(job.digest, job.seed)
    decisions = decision_schema(names_policies=bool(job.rules.path))
    schemas = {**KEPT[job.volume], "cases": case_schema(job.plan), "decisions": decisions}
    seal = batches.chain.seal
    if job.folder is None:
        parts = tuple(_bytes(getattr(batches, name), schemas[name]) for name in KEPT[job.volume])
        return Carried(Finished(seal(), tuple(hashlib.sha256(part).hexdigest() for part in parts)), parts)
    digests = []
    for name in KEPT[job.volume]:
        with part_under_way(job.folder, number, name) as file:
            with pa.OSFile(str(file), "wb") as sink:
                _put(sink, getattr(batches, name), schemas[name])
            digests.append(file_digest(file))
    return Finished(seal(), tuple(digests))


def _put(sink: pa.NativeFile, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _bytes(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> bytes:
    with pa.BufferOutputStream() as sink:
        _put(sink, batches, schema)
        data: bytes = sink.getvalue().to_pybytes()
    return data


def _landed(folder: Path, number: int, volume: Volume, result: Finished | Carried) -> Finished:
    """A finished replication whose parts are written."""
    if isinstance(result, Finished):
        return result
    for name, data in zip(KEPT[volume], result.parts, strict=True):
        with part_under_way(folder, number, name) as file:
            file.write_bytes(data)
    return result.finished


def _run(job: Job, number: int) -> Replication | Poisoned | str:
    """A replication that has run to its end, why it cannot, or what is wrong with the scenario."""
    try:
        replication = _replication(job, number)
        replication.run()
    except BehaviourError as error:
        return Poisoned(str(error))
    except CaseLimitError:
        most = BLOCKED_CASES_MAX if job.volume == "summary" else CASES_MAX
        return f"replication {number} has more than {most:,} cases: lower the rate or the horizon"
    except WindowLimitError:
        return f"replication {number} has a fault that comes more than {WINDOWS_MAX:,} times: lengthen `between`"
    except EventLimitError:
        most = COUNTED_EVENTS_MAX if job.volume == "summary" else EVENTS_MAX
        return f"replication {number} has more than {most:,} happenings: lower the rate, the horizon or the retries"
    return replication


def replicate_all(job: Job, numbers: Sequence[int]) -> list[Flown]:
    """What an executor runs: `replicate` for each of the numbers."""
    return [replicate(job, number) for number in numbers]


def _replication(job: Job, number: int) -> Replication:
    functions = {} if job.behaviours is None else job.behaviours.functions()
    if job.volume == "summary":
        return CountedReplication(job.plan, job.rules, job.seed, number, job.digest, functions)
    return Replication(job.plan, job.rules, job.seed, number, job.volume, functions)


def _run_all(
    job: Job, running: Journal, count: int, on: Executor, progress: Progress, file: str
) -> dict[int, Poisoned]:
    """Run what is missing and merge all replications in order; those that cannot be run. Raises InputError or
    RuntimeError where none can."""
    finished = running.finished
    poisoned: dict[int, Poisoned] = {}
    missing = [number for number in range(count) if number not in finished]
    with ExitStack() as stack:
        others = {*chain.from_iterable(KEPT.values())} - KEPT[job.volume].keys()
        for name in others:  # of a stopped run of another volume
            table_file(running.folder, name).unlink(missing_ok=True)
        writers = _Writers(stack, running.folder, KEPT[job.volume], count)
        writers.merge(finished, poisoned)
        for _, number, result in stack.enter_context(closing(on.run([(pack(replicate_all, job), missing)]))):
            if isinstance(result, str):
                running.discard()
                raise input_error(result, file)
            if isinstance(result, Poisoned):
                poisoned[number] = result
            else:
                running.add(number, _landed(running.folder, number, job.volume, result))
            writers.merge(finished, poisoned)
            progress(len(finished) + len(poisoned), count)
    if not finished:
        raise _none_left(poisoned, file)
    return dict(sorted(poisoned.items()))


def _none_left(poisoned: Mapping[int, Poisoned], file: str) -> Exception:
    """What is wrong where no replication can be run."""
    number, first = min(poisoned.items())
    what = f"replication {number}: {first.why}"
    return RuntimeError(what) if first.internal else input_error(what, file)


# --- the run folder ---------------------------------------------------------------------------------------------------


class _Writers:
    """The Parquet files of a run under way: parts are appended in order of replication."""

    def __init__(self, stack: ExitStack, folder: Path, tables: Collection[str], count: int) -> None:
        self._count = count
        self._stack = stack
        self._tables = tables
        self._folder = folder
        self._open: dict[str, pq.ParquetWriter] = {}
        self._merged = 0

    def merge(self, finished: Container[int], left_out: Container[int]) -> None:
        """Append the replications that are finished, as far as none before them is missing."""
        while self._merged < self._count and (self._merged in finished or self._merged in left_out):
            if self._merged in finished:
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


def _seal(job: Job, number: int, finished: Mapping[int, Finished]) -> Seal:
    """The seal of a replication's decisions. One that could not be run has decided nothing."""
    if number in finished:
        return finished[number].seal
    return Chain(identity(job.digest, job.seed, number, names_policies=bool(job.rules.path))).seal()


def _write_manifest(
    folder: Path,
    job: Job,
    loaded: LoadedScenario,
    seals: list[Seal],
    poisoned: Mapping[int, Poisoned],
    findings: str | None,
) -> None:
    scenario = json.dumps(loaded.scenario.dump(), indent=1, ensure_ascii=False)
    (folder / SCENARIO).write_text(scenario + "\n", encoding="utf-8")
    files = [table_file(folder, name) for name in KEPT[job.volume]] + [folder / SCENARIO]
    manifest = Manifest(
        schema_=SCHEMA,
        scenario=loaded.scenario.name,
        scenario_digest=loaded.digest,
        variant=loaded.variant,
        inputs=dict(loaded.inputs),
        versions=versions(),
        engine="reference",
        seed=job.seed,
        volume=job.volume,
        replications=len(seals),
        tables={file.name: file_digest(file) for file in files},
        findings=findings,
        decisions=tuple(seals),
        poisoned=tuple(PoisonedReplication(replication=n, why=one.why) for n, one in poisoned.items()),
    )
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
