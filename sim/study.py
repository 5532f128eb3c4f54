"""A study: replications of variants of a scenario, measured, each once.

A study remembers every replication that it has measured, in memory and in a journal. A question about variants is a
plain algorithm that asks for rows; when it is asked again after a stop it finds the old ones and goes on. Rows are a
function of (variant, seed, replication), so they depend neither on who measured them nor in which order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from sim.executors.base import Executor, Packed, Poisoned
from sim.lines import Lines, first_line, open_lines
from sim.run import STUDY, unfinished

SCHEMA: Final = "windtunnel.study-journal/1"
JOURNAL: Final = "journal.jsonl"

Row = tuple[Any, ...]
"""The measures of a replication, in the order of their names: plain values, or tuples of them."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Header:
    """What is studied. Two studies with equal headers give the same result."""

    scenario: str
    """The scenario's file, absolute: a study is resumed from any folder."""
    changes: Mapping[str, Any]
    """What is changed in every variant, by path."""
    digest: str
    """Of the scenario with these changes, and of the behaviours."""
    seed: int
    volume: str
    measures: tuple[str, ...]
    """Names of measures asked for beside those that every study has."""
    question: Mapping[str, Any]
    versions: Mapping[str, str]


class Subject(Protocol):
    """What is measured: a variant, by the digest that its rows are known by."""

    @property
    def digest(self) -> str: ...


Measuring = Callable[[Any], Packed]
"""Packs the work that measures replications of a subject."""


@dataclass
class Study:
    """What is known so far, and how to know more. Owns the memory of what was measured."""

    measuring: Measuring
    executor: Executor
    progress: Progress
    known: dict[tuple[str, int], Row | Poisoned] = field(default_factory=dict)
    """By digest of the variant and number of the replication."""
    lines: Lines | None = None

    def rows(self, subject: Subject, numbers: Iterable[int]) -> list[Row | Poisoned]:
        """The rows of replications of a variant, measured where they are not known yet."""
        chosen = list(numbers)
        self.ask([(subject, chosen)])
        return [self.known[subject.digest, number] for number in chosen]

    def ask(self, wanted: Iterable[tuple[Subject, Iterable[int]]]) -> None:
        """Measure what is not known yet of several variants, at once."""
        digests: dict[str, str] = {}
        for packed, number, row in self.executor.run(self._missing(wanted, digests)):
            self._note(digests[packed.key], number, row)
            self.progress(len(self.known))

    def _missing(
        self, wanted: Iterable[tuple[Subject, Iterable[int]]], digests: dict[str, str]
    ) -> Iterator[tuple[Packed, Sequence[int]]]:
        asked: set[tuple[str, int]] = set()
        for subject, numbers in wanted:
            digest = subject.digest
            missing = [n for n in numbers if (digest, n) not in self.known and (digest, n) not in asked]
            if missing:
                asked.update((digest, number) for number in missing)
                packed = self.measuring(subject)
                digests[packed.key] = digest
                yield packed, missing

    def _note(self, digest: str, number: int, row: Row | Poisoned) -> None:
        self.known[digest, number] = row
        if self.lines is not None and not isinstance(row, Poisoned):  # what is poisoned is tried again
            self.lines.append({"variant": digest, "replication": number, "row": row})


# --- the journal ------------------------------------------------------------------------------------------------------


@contextmanager
def journal(folder: Path, header: Header, out: Path) -> Iterator[tuple[Lines, dict[tuple[str, int], Row]]]:
    """The journal in a folder, open for more, with the rows that it has of the same study; begun anew where it is of
    another one. Raises InputError where it cannot be written, or another process writes it."""
    first = {"schema": SCHEMA, **asdict(header)}
    with open_lines(folder / JOURNAL, out) as lines:
        said = lines.read()
        known: dict[tuple[str, int], Row] = {}
        begun = next(said, None) != json.loads(json.dumps(first))
        if begun:
            lines.clear()
            lines.append(first)
        else:
            for values in said:
                with suppress(KeyError, TypeError):
                    known.setdefault((values["variant"], values["replication"]), _row(values["row"]))
        try:
            yield lines, known
        finally:
            if not known and lines.count == begun:  # nothing was measured
                (folder / JOURNAL).unlink(missing_ok=True)


def _row(cells: Sequence[Any]) -> Row:
    return tuple(tuple(cell) if isinstance(cell, list) else cell for cell in cells)


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study that is answered."""
    return (folder / STUDY).is_file()


def is_stopped(out: Path) -> bool:
    """Whether a study that was to be written to a folder has been stopped."""
    return read_header(unfinished(out)) is not None


def read_header(folder: Path) -> Header | None:
    """What the unfinished study in a folder studies; None where the folder holds no journal that says it."""
    values = first_line(folder / JOURNAL)
    if values is None or values.pop("schema", None) != SCHEMA:
        return None
    try:
        return Header(**{**values, "measures": tuple(values["measures"])})
    except (TypeError, KeyError):
        return None
