"""The journal of a run under way: which replications are finished, so that a run that was stopped can go on.

The first line says what is run, each further one that a replication is finished, with the digests of its part files. A
line is appended once the parts are written; what is not on a whole line, or does not match its digests, is run again.
The journal lies in the hidden folder of the unfinished run and goes with it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from sim.decision_log import Seal
from sim.interrupts import held
from sim.lines import Lines, first_line, open_lines
from sim.run import file_digest
from sim.tables import KEPT, Volume

SCHEMA: Final = "windtunnel.journal/2"
_NAME: Final = "journal.jsonl"
_PARTS: Final = "parts"


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
    precision: float | None = None
    """The relative half-width until which replications are added, to `most`; None: there are `replications`."""
    most: int = 0
    variant: str | None = None
    """What the changes are called."""


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

    def __init__(self, folder: Path, header: Header, finished: dict[int, Finished], lines: Lines) -> None:
        self.folder = folder
        self.header = header
        self.finished = finished
        self._lines = lines

    def add(self, number: int, done: Finished) -> None:
        """Note that a replication is finished; its parts are written. One that ran twice counts once."""
        if number not in self.finished:
            self._lines.append({"replication": number, "seal": done.seal._asdict(), "parts": list(done.parts)})
            self.finished[number] = done

    def discard(self) -> None:
        """Nothing that is finished is of use: the run cannot become whole."""
        self.finished.clear()

    def close(self) -> None:
        """The run is whole: take the journal and the parts out of its folder."""
        shutil.rmtree(self.folder / _PARTS)
        (self.folder / _NAME).unlink()


@contextmanager
def journal(folder: Path, header: Header, out: Path) -> Iterator[Journal]:
    """The journal in a folder, gone on with where it is of the same run, begun anew where not.

    When the block ends with no replication finished, the folder goes. Raises InputError where it cannot be written, or
    another process writes it.
    """
    (folder / _PARTS).mkdir(exist_ok=True)
    with open_lines(folder / _NAME, out) as lines:
        said = lines.read()
        kept = _finished(folder, said, header) if _header(next(said, None)) == header else None
        own = Journal(folder, header, kept or {}, lines)
        try:
            if kept is None:
                lines.clear()
                lines.append({"schema": SCHEMA, **asdict(header)})
            yield own
        finally:
            if not own.finished and folder.exists():
                with held():
                    shutil.rmtree(folder, ignore_errors=True)


def read_header(folder: Path) -> Header | None:
    """What the unfinished run in a folder runs; None where the folder holds no journal that says it."""
    return _header(first_line(folder / _NAME))


def _header(values: dict[str, Any] | None) -> Header | None:
    if values is None or values.pop("schema", None) != SCHEMA:
        return None
    try:
        header = Header(**values)
    except TypeError:
        return None
    numbers = type(header.seed) is int and type(header.replications) is int
    texts = isinstance(header.scenario, str) and isinstance(header.digest, str)
    known = isinstance(header.volume, str) and header.volume in KEPT
    mappings = isinstance(header.versions, dict) and isinstance(header.changes, dict)
    called = header.variant is None or isinstance(header.variant, str)
    return header if numbers and texts and known and mappings and called else None


def _finished(folder: Path, lines: Iterable[dict[str, Any]], header: Header) -> dict[int, Finished]:
    """The replications that were asked for, whose lines can be read and whose parts are as they were written."""
    found: dict[int, Finished] = {}
    for values in lines:
        try:
            number, done = values["replication"], Finished(Seal(**values["seal"]), tuple(values["parts"]))
        except (TypeError, KeyError):
            continue
        most = header.replications if header.precision is None else header.most
        asked = type(number) is int and 0 <= number < most
        if asked and number not in found and _is_whole(folder, number, done, header.volume):
            found[number] = done
    return found


def _is_whole(folder: Path, number: int, done: Finished, volume: Volume) -> bool:
    files = [part_file(folder, number, table) for table in KEPT[volume]]
    return all(file.is_file() for file in files) and done.parts == tuple(map(file_digest, files))
