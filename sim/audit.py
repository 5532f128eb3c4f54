"""Whether a run is as it was written: file digests, the decision log's hash chain and its Merkle roots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from models.diagnostics import input_error
from models.scenario import Scenario
from sim.decision_log import Chain, Seal, chained, identity
from sim.run import FINDINGS, SCENARIO, Manifest, file_digest, read_manifest, table_file
from sim.tables import KEPT, POLICIES, TABLES, Volume, decision_schema

_LOG = "decisions.parquet"


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found. `faults` are plain sentences, the first bad row first; none means that the run is intact."""

    folder: Path
    files: int
    rows: int
    """Decisions in the log, by the manifest."""
    roots: tuple[str, ...]
    verified: bool
    """Whether the manifest names findings."""
    volume: Volume
    """What the run keeps of each replication."""
    faults: tuple[str, ...]

    @property
    def intact(self) -> bool:
        return not self.faults

    def lines(self) -> list[str]:
        """The result for people."""
        if self.faults:
            return [f"{self.folder}: not as it was written", *(f"  {fault}" for fault in self.faults)]
        log = f"{self.rows} decisions in {len(self.roots)} hash chains"
        if "decisions" not in KEPT[self.volume]:
            log = f"the log of {self.rows} decisions was not kept, so their seals are not checked"
        intact = f"{self.folder}: intact: {self.files} files, {log}"
        lacking = "" if self.volume == "events" else f"; no events were kept (volume {self.volume})"
        return [intact + lacking + ("" if self.verified else "; simulated alone, nothing was verified")]


def audit(run_folder: Path) -> AuditResult:
    """Audit a run folder against its manifest. Raises InputError where there is no manifest of a known version."""
    manifest = read_manifest(run_folder)
    digests = [_digest_fault(run_folder, name, digest) for name, digest in manifest.files.items()]
    log = _audit_log(run_folder, manifest) if "decisions" in KEPT[manifest.volume] else []
    faults = [*log, *(fault for fault in digests if fault)]
    if len(manifest.decisions) != manifest.replications:
        faults.append("run.json: the number of decision log seals is not the number of replications")
    verified = manifest.findings is not None
    if not verified and (run_folder / FINDINGS).exists():
        faults.append(f"{FINDINGS}: is no part of the run: run.json says that nothing was verified")
    lacks = [name for name in TABLES if name not in KEPT[manifest.volume]]
    faults += [
        f"{name}.parquet: is no part of the run: its volume is {manifest.volume}"
        for name in lacks
        if table_file(run_folder, name).exists()
    ]
    rows = sum(s.rows for s in manifest.decisions)
    return AuditResult(run_folder, len(manifest.files), rows, manifest.roots, verified, manifest.volume, tuple(faults))


def _digest_fault(folder: Path, name: str, digest: str) -> str | None:
    if Path(name).name != name:
        raise input_error("names a file outside the run folder", str(folder / "run.json"))
    try:
        found = file_digest(folder / name)
    except OSError as error:
        return f"{name}: cannot be read: {error.strerror}"
    return None if found == digest else f"{name}: sha256 is {found}, was {digest}"


# --- the decision log -------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """One row of the log, and where it stands."""

    replication: int
    sequence: int
    values: tuple[Any, ...]
    hash: str


class _DamagedError(Exception):
    """A stretch of the log cannot be decoded."""


def _audit_log(folder: Path, manifest: Manifest) -> list[str]:
    """The first fault of the decision log, if any."""
    try:
        seals = _check_rows(folder, manifest)
    except _DamagedError as damage:
        return [f"{_LOG}: {damage}"]
    for replication, (found, kept) in enumerate(zip(seals, manifest.decisions, strict=False)):
        if found != kept:
            return [f"{_LOG}: replication {replication} ends at row {found.rows}, not as its seal in run.json says"]
    return []


def _check_rows(folder: Path, manifest: Manifest) -> list[Seal]:
    """The seals of the rows as they are. Raises _DamagedError at the first bad row."""
    named = _names_policies(table_file(folder, "decisions"))
    known = _known_policies(folder) if named else frozenset[str]()
    chains = [
        Chain(identity(manifest.scenario_digest, manifest.seed, r, names_policies=named))
        for r in range(len(manifest.decisions))
    ]
    current = 0
    for position, row in enumerate(_rows(table_file(folder, "decisions"), named)):
        while current < len(chains) and chains[current].rows == manifest.decisions[current].rows:
            current += 1
        if current == len(chains):
            raise _DamagedError(f"row {position} of the file is one too many")
        chain = chains[current]
        expected = chain.rows
        if (row.replication, row.sequence) != (current, expected) or _chained(chain.head, row) != row.hash:
            raise _DamagedError(
                f"row {expected} of replication {current} (row {position} of the file) is not as it was written"
            )
        if known and row.values[-1] not in known:
            raise _DamagedError(f"row {expected} of replication {current} names policies that the scenario has not")
        chain.append(row.hash)
    return [chain.seal() for chain in chains]


def _chained(before: str, row: _Row) -> str | None:
    try:
        return chained(before, row.values)
    except ValueError:  # a text that is no UTF-8 any more
        return None


def _names_policies(file: Path) -> bool:
    """Whether the rows name the policy set which decided: then the log is of version 2. A column more or less breaks
    its chain."""
    try:
        return POLICIES in pq.read_schema(file).names
    except (OSError, pa.ArrowException, ValueError):  # told where its rows are read
        return False


def _known_policies(folder: Path) -> frozenset[str]:
    """The policy sets of the run's scenario, by their paths; none where that cannot be read, which its digest tells."""
    try:
        scenario = Scenario.model_validate_json((folder / SCENARIO).read_bytes())
    except (OSError, ValueError):
        return frozenset()
    paths = {rollout.path for rollout in scenario.rollouts.values()}
    paths.add(scenario.policies.path if scenario.policies else None)
    return frozenset(path for path in paths if path is not None)


def _rows(file: Path, names_policies: bool) -> Iterator[_Row]:
    """The rows in file order. A row group that cannot be decoded is named by its range of rows."""
    try:
        log = pq.ParquetFile(file)
        groups = [log.metadata.row_group(n).num_rows for n in range(log.metadata.num_row_groups)]
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _DamagedError(f"cannot be read: {_first_line(error)}") from None
    start = 0
    for number, count in enumerate(groups):
        where = f"rows {start} to {start + count - 1} of the file"
        yield from _group(log, number, count, where, decision_schema(names_policies=names_policies))
        start += count


def _group(log: pq.ParquetFile, number: int, count: int, where: str, schema: pa.Schema) -> Iterator[_Row]:
    try:
        table = log.read_row_group(number)
        table.validate(full=True)
        columns = [table.column(field.name).to_pylist() for field in schema]
    except (OSError, pa.ArrowException, ValueError, KeyError, MemoryError) as error:
        raise _DamagedError(f"{where} cannot be decoded: {_first_line(error)}") from None
    if any(len(column) != count for column in columns):
        raise _DamagedError(f"{where} are not all there")
    for values in zip(*columns, strict=True):
        yield _Row(values[0], values[1], values[:-1], values[-1])


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
