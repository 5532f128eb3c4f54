"""From a question about variants to its answer, in a folder that can be gone on with when it was stopped.

    question --Study--> rows of measures (journal, then Parquet) --statistics--> answer --render--> terminal, JSON, HTML

A question is frozen data that says what is asked; its `answer` is a plain algorithm over a `Lab`. An answer is frozen
data that renderers tell. Both are kept as JSON, so that a study is told again without simulating.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, TypeAdapter

from models.load import load
from reports.measures import (
    Limit,
    MeasureInfo,
    Value,
    Volume,
    definitions,
    infos,
    judge,
    measure,
    measure_job,
    sample_of,
)
from sim.behaviours import BehaviourFile, with_behaviours
from sim.executors.base import Packed, Poisoned, pack
from sim.executors.pool import executor
from sim.run import SCENARIO, STUDY, file_digest, new_run_folder, versions
from sim.study import JOURNAL, Header, Study, journal

if TYPE_CHECKING:
    import pandas as pd

    from models.load import LoadedScenario
    from models.scenario import Scenario
    from reports.intervals import Sample
    from reports.objectives import ObjectiveOutcome

SCHEMA: Final = "windtunnel.study/1"
RESULT: Final = "result.json"
MEASURES: Final = "measures.parquet"
VARIANTS: Final = "variants.parquet"

_PLAIN: Final = ConfigDict(ser_json_inf_nan="strings")
"""JSON has no infinities; as texts they are read back as they were."""

_LOADED_KEPT: Final = 64
"""Variants that are kept with their policies: some 1 MB each."""

OF_THE_STUDY: Final = ("seed", "replications")
"""Fields that are the same in all variants of a study, whatever a variant says."""

Progress = Callable[[int, int | None], None]
"""Told how many replications are known, of how many where that is known too."""

Changes = Mapping[str, Any]
"""What is changed in a variant, by path."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How replications are run and measured, whatever is asked."""

    seed: int
    volume: Volume = "events"
    measures: tuple[str, ...] = ()
    """Measures asked for beside those that every study has."""


@dataclass(frozen=True)
class Variant:
    """A variant under study: the scenario it is, and what its measures are."""

    name: str
    changes: Changes
    digest: str
    currency: str
    infos: Mapping[str, MeasureInfo]

    @property
    def objectives(self) -> tuple[str, ...]:
        return tuple(name for name, info in self.infos.items() if info.objective)


@dataclass(frozen=True, slots=True, order=True)
class Unrun:
    """A replication that could not be run, and why."""

    variant: str
    replication: int
    why: str


class Lab:
    """What a question asks: replications of variants, by measure. It notes which variants there were."""

    def __init__(self, study: Study, settings: Settings, load: Callable[[Changes], LoadedScenario]) -> None:
        self._study = study
        self._settings = settings
        self._load = load
        self._infos: dict[str, MeasureInfo] = {}
        self.variants: dict[str, Variant] = {}
        """Those that were asked for, by name, in the order that they were."""

    @property
    def base(self) -> Scenario:
        """The scenario as it stands."""
        return self._load({}).scenario

    def check(self, changes: Changes) -> None:
        """Raises InputError where changes are wrong, and keeps nothing."""
        self._load(changes)

    def variant(self, name: str, changes: Changes) -> Variant:
        """A variant of the scenario, by what is changed. Raises InputError where that is wrong."""
        if name not in self.variants:
            loaded = self._load(changes)
            chosen = definitions(loaded.scenario, self._settings.measures)
            if chosen != {name: info.definition for name, info in self._infos.items()}:
                self._infos = infos(loaded.scenario, chosen)  # most variants have those of the one before
            self.variants[name] = Variant(name, changes, loaded.digest, loaded.scenario.currency, self._infos)
        return self.variants[name]

    def ask(self, wanted: Iterable[tuple[Variant, Iterable[int]]]) -> None:
        """Have replications of several variants measured, at once."""
        self._study.ask(wanted)

    def values(self, variant: Variant, measure: str, numbers: Iterable[int]) -> list[Value | None]:
        """A measure in replications; None where one could not be run."""
        place = list(variant.infos).index(measure)
        rows = self._study.rows(variant, numbers)
        return [None if isinstance(row, Poisoned) else Value(*row[place]) for row in rows]

    def sample(self, variant: Variant, measure: str, numbers: Iterable[int]) -> Sample:
        """The figures of a measure in replications."""
        return sample_of(self.values(variant, measure, numbers))

    def judged(
        self, variant: Variant, measure: str, numbers: Iterable[int], limit: Limit | None = None
    ) -> ObjectiveOutcome:
        """A measure judged over replications as the objective of a run is, against its own limit or another."""
        return judge(variant.infos[measure], self.values(variant, measure, numbers), variant.currency, limit)

    @property
    def measured(self) -> int:
        """How many replications of named variants are known."""
        digests = {variant.digest for variant in self.variants.values()}
        return sum(digest in digests for digest, _ in self._study.known)

    def table(self, variant: Variant) -> pa.Table:
        """The measures of a variant in every replication that is known: a row each."""
        digest = variant.digest
        numbers = sorted(number for of, number in self._study.known if of == digest)
        cells = [
            (variant.name, number, name, *(None if math.isnan(end) else end for end in value[:3]), value.trials)
            for number in numbers
            if not isinstance(row := self._study.known[digest, number], Poisoned)
            for name, value in zip(variant.infos, (Value(*cell) for cell in row), strict=True)
        ]
        columns = list(zip(*cells, strict=True)) or [()] * len(_MEASURES)
        return pa.Table.from_arrays(
            [pa.array(c, f.type) for c, f in zip(columns, _MEASURES, strict=True)], schema=_MEASURES
        )

    def poisoned(self) -> list[Unrun]:
        """Replications that could not be run."""
        names = {variant.digest: variant.name for variant in reversed(self.variants.values())}
        found = ((names[digest], number, row) for (digest, number), row in self._study.known.items() if digest in names)
        return sorted(Unrun(name, number, row.why) for name, number, row in found if isinstance(row, Poisoned))


class Question(Protocol):
    """What is asked about variants. Plain data, kept as JSON."""

    @property
    def kind(self) -> str: ...

    @property
    def planned(self) -> int | None:
        """How many replications the answer takes; None where that depends on what they show."""

    def answer(self, lab: Lab) -> Any:
        """Ask the lab until the answer is known. The same rows give the same answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A study in its folder: what `study.json` says, and the answer."""

    folder: Path
    manifest: Manifest
    result: Any

    def measures(self) -> pd.DataFrame:
        """Every measure of every replication: `variant`, `replication`, `measure`, `low`, `high`, `best`, `trials`."""
        frame: pd.DataFrame = pq.read_table(self.folder / MEASURES).to_pandas()
        return frame

    def points(self) -> pd.DataFrame:
        """The points of a sweep: a column for each field, and for each measure its mean and its interval's ends."""
        import pandas as pd

        rows = []
        for point in self.result.points:
            row = {"point": point.name, **point.values, "front": point.place}
            for one in point.figures:
                ends = (one.interval.estimate, one.interval.low, one.interval.high)
                row |= dict(zip((one.measure, f"{one.measure}_low", f"{one.measure}_high"), ends, strict=True))
            rows.append(row)
        return pd.DataFrame(rows)

    def variants(self) -> pd.DataFrame:
        """The variants: `variant`, `digest`, and `changes` as JSON."""
        frame: pd.DataFrame = pq.read_table(self.folder / VARIANTS).to_pandas()
        return frame


def answer_question(
    loaded: LoadedScenario,
    question: Question,
    settings: Settings,
    out: Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Progress | None = None,
) -> Answered:
    """Answer a question about variants of a scenario, and write the folder of the study.

    What an earlier call with the same arguments measured before it was stopped is not measured again. Raises InputError
    where the folder cannot be written or a variant is wrong.
    """
    whole, programs = with_behaviours(loaded, behaviours)
    header = Header(
        scenario=str(loaded.path.resolve()),
        changes=loaded.changes,
        digest=whole.digest,
        seed=settings.seed,
        volume=settings.volume,
        measures=settings.measures,
        question=dump(question),
        versions=versions(),
    )
    planned = question.planned

    def advance(done: int) -> None:
        if progress is not None:
            progress(done, planned)

    with new_run_folder(out, "study") as folder, journal(folder, header, out) as (lines, known):
        try:
            with executor(workers, cluster) as running:
                load = _Loading(loaded)
                study = Study(partial(packed, settings, programs, load), running, advance, dict(known), lines)
                lab = Lab(study, settings, load)
                result = question.answer(lab)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_told(study, out)) from None
        manifest = _write(folder, loaded, header, lab, result)
        (folder / JOURNAL).unlink()
    return Answered(out, manifest, result)


def _told(study: Study, out: Path) -> str:
    done = len(study.known)
    return f"{done} measured replications are kept; `windtunnel resume {out}` goes on" if done else ""


class _Loading:
    """Loads variants of a scenario, and keeps the last ones: what is asked for is simulated soon."""

    def __init__(self, loaded: LoadedScenario) -> None:
        self._path, self._changes = loaded.path, loaded.changes
        self._kept: OrderedDict[str, LoadedScenario] = OrderedDict()

    def __call__(self, changes: Changes) -> LoadedScenario:
        key = json.dumps(changes, sort_keys=True)
        if key not in self._kept:
            self._kept[key] = load(self._path, {**self._changes, **changes})
            if len(self._kept) > _LOADED_KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]


def packed(
    settings: Settings, programs: BehaviourFile | None, load: Callable[[Changes], LoadedScenario], variant: Variant
) -> Packed:
    """The work of measuring replications of a variant, as an executor takes it."""
    chosen = {name: info.definition for name, info in variant.infos.items()}
    return pack(measure, measure_job(load(variant.changes), settings.seed, chosen, settings.volume, programs))


def dump(value: Any) -> Any:
    """A question or an answer as plain JSON values."""
    return json.loads(adapter(type(value)).dump_json((value,)))[0]


def adapter(of: type[Any]) -> TypeAdapter[Any]:
    """Reads and writes values of a type of frozen data, in a list of one: only what is no dataclass takes settings."""
    whole: Any = GenericAlias(tuple, (of,))
    return TypeAdapter(whole, config=_PLAIN)


# --- the folder -------------------------------------------------------------------------------------------------------

_MEASURES: Final = pa.schema(
    [
        ("variant", pa.string()),
        ("replication", pa.int32()),
        ("measure", pa.string()),
        ("low", pa.float64()),  # bounds of the figure, equal where it is known exactly; null: nothing to measure
        ("high", pa.float64()),  # inf: no upper bound
        ("best", pa.float64()),  # the figure to tell
        ("trials", pa.int64()),  # cases behind a share
    ]
)


class Manifest(BaseModel):
    """What `study.json` says. Nothing in it depends on the machine, the time of day or who measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: str
    scenario: str
    description: str
    scenario_digest: str
    inputs: Mapping[str, str]
    """File beside the scenario -> sha256."""
    changes: Mapping[str, Any]
    """What was changed in every variant."""
    seed: int
    volume: str
    measures: tuple[str, ...]
    question: Mapping[str, Any]
    versions: Mapping[str, str]
    variants: int
    replications: int
    """Of all variants together, those that were measured; of equal variants, once."""
    unrun: tuple[Unrun, ...]
    currency: str
    tables: Mapping[str, str]
    """File of the folder -> sha256."""


def _write(folder: Path, loaded: LoadedScenario, header: Header, lab: Lab, result: Any) -> Manifest:
    scenario = json.dumps(loaded.scenario.dump(), indent=1, ensure_ascii=False)
    (folder / SCENARIO).write_text(scenario + "\n", encoding="utf-8")
    (folder / RESULT).write_text(json.dumps(dump(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with pq.ParquetWriter(folder / MEASURES, _MEASURES, version="2.6", compression="zstd") as writer:
        for variant in lab.variants.values():
            writer.write_table(lab.table(variant))
    names = {"variant": list(lab.variants), "digest": [v.digest for v in lab.variants.values()]}
    changes = [json.dumps(v.changes, ensure_ascii=False) for v in lab.variants.values()]
    pq.write_table(pa.table({**names, "changes": changes}), folder / VARIANTS, version="2.6", compression="zstd")
    manifest = Manifest(
        schema_=SCHEMA,
        scenario=loaded.scenario.name,
        description=loaded.scenario.description,
        scenario_digest=header.digest,
        inputs=loaded.inputs,
        changes=header.changes,
        seed=header.seed,
        volume=header.volume,
        measures=header.measures,
        question=header.question,
        versions=header.versions,
        variants=len(lab.variants),
        replications=lab.measured,
        unrun=tuple(lab.poisoned()),
        currency=loaded.scenario.currency,
        tables={name: file_digest(folder / name) for name in (SCENARIO, RESULT, MEASURES, VARIANTS)},
    )
    values = manifest.model_dump(mode="json")
    text = json.dumps({"schema": values.pop("schema_")} | values, indent=1, ensure_ascii=False)
    (folder / STUDY).write_text(text + "\n", encoding="utf-8")
    return manifest
