"""The journal of a run under way: which replications are finished, so that a run that was stopped can go on.

The first line says what is run, each further one that a replication is finished, with the digests of its part files. A
line is appended once the parts are written; what was cut off in the middle of a line, or does not match its digests, is
run again. It lies in the hidden folder of the unfinished run and goes with it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from models.diagnostics import input_error
from sim.decision_log import Seal
from sim.interrupts import held
from sim.run import file_digest
from sim.tables import KEPT, Volume

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system: two runs of one name are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

SCHEMA: Final = "windtunnel.journal/1"
_NAME: Final = "journal.jsonl"
_PARTS: Final = "parts"
_BYTES_MAX: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """What is run. Two runs with equal headers are equal to the byte, but for where the scenario lies."""

    scenario: str
    """The scenario's file, absolute: a run is resumed from any folder."""
    digest: str
    seed: int
    replications: int
    versions: Mapping[str, str]
    findings: str | None
    """The sha256 of the findings that are kept with the run."""
    volume: Volume = "events"
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What was changed in the scenario, by path."""


class Finished(NamedTuple):
    """A replication that is done: the seal of its decisions, and the sha256 of each part, in order of the tables."""

    seal: Seal
    parts: tuple[str, ...]


def part_file(folder: Path, number: int, table: str) -> Path:
    """Where a replication's rows of a table are kept until the run is whole."""
    return folder / _PARTS / f"{number}.{table}.arrow"


@contextmanager
def part_under_way(folder: Path, number: int, table: str) -> Iterator[Path]:
    """Where to write a part, which takes its name when it is whole: another process may be writing the same one."""
    file = part_file(folder, number, table)
    written = file.with_suffix(f".{os.getpid()}")
    yield written
    written.replace(file)


class Journal:
    """The journal of the unfinished run in a folder. It is locked while it is open: one process writes a run."""

    def __init__(self, folder: Path, header: Header, finished: dict[int, Finished], stream: IO[bytes]) -> None:
        self.folder = folder
        self.header = header
        self.finished = finished
        self._stream = stream

    def add(self, number: int, done: Finished) -> None:
        """Note that a replication is finished. Its parts are written."""
        self.finished[number] = done
        self._write({"replication": number, "seal": done.seal._asdict(), "parts": list(done.parts)})

    def discard(self) -> None:
        """Nothing that is finished is of use: the run cannot become whole."""
        self.finished.clear()

    def close(self) -> None:
        """The run is whole: take the journal and the parts out of its folder."""
        shutil.rmtree(self.folder / _PARTS)
        (self.folder / _NAME).unlink()

    def _write(self, line: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._stream.flush()


@contextmanager
def journal(folder: Path, header: Header, out: Path) -> Iterator[Journal]:
    """The journal in a folder, gone on with where it is of the same run, begun anew where not.

    When the block ends with no replication finished, the folder goes. Raises InputError where another process writes
    it.
    """
    (folder / _PARTS).mkdir(exist_ok=True)
    with (folder / _NAME).open("a+b") as stream:
        lock(stream, out)
        stream.seek(0)
        lines = stream.read(_BYTES_MAX).split(b"\n")[:-1]
        kept = _finished(folder, lines[1:], header.volume) if lines and _header(lines[0]) == header else {}
        stream.truncate(0)  # what is kept is written again: a line that was cut off must not stand in the middle
        own = Journal(folder, header, {}, stream)
        own._write({"schema": SCHEMA, **asdict(header)})
        for number, done in kept.items():
            if number < header.replications:
                own.add(number, done)
        try:
            yield own
        finally:
            if not own.finished and folder.exists():
                with held():
                    shutil.rmtree(folder, ignore_errors=True)


def read_header(folder: Path) -> Header | None:
    """What the unfinished run in a folder runs; None where the folder holds no journal that says it."""
    try:
        with (folder / _NAME).open("rb") as stream:
            return _header(stream.readline(_BYTES_MAX))
    except OSError:
        return None


def _header(line: bytes) -> Header | None:
    try:
        values = json.loads(line)
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            return None
        header = Header(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = type(header.seed) is int and type(header.replications) is int
    texts = isinstance(header.scenario, str) and isinstance(header.digest, str)
    known = isinstance(header.volume, str) and header.volume in KEPT
    mappings = isinstance(header.versions, dict) and isinstance(header.changes, dict)
    return header if numbers and texts and known and mappings else None


def _finished(folder: Path, lines: list[bytes], volume: Volume) -> dict[int, Finished]:
    """The replications whose lines can be read and whose parts are as they were written."""
    found: dict[int, Finished] = {}
    for line in lines:
        try:
            values = json.loads(line)
            number, done = values["replication"], Finished(Seal(**values["seal"]), tuple(values["parts"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if type(number) is int and number >= 0 and number not in found and _is_whole(folder, number, done, volume):
            found[number] = done
    return found


def _is_whole(folder: Path, number: int, done: Finished, volume: Volume) -> bool:
    files = [part_file(folder, number, table) for table in KEPT[volume]]
    return all(file.is_file() for file in files) and done.parts == tuple(map(file_digest, files))


def lock(stream: IO[bytes], out: Path) -> None:
    """Keep other processes from writing. Raises InputError where one does."""
    if fcntl is None:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        help = "wait for it, or name another folder by `--out`"
        raise input_error("another process is writing this run", str(out), help) from None
