"""Studies that are kept: reading the folder of one that is answered, and going on with one that was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.diagnostics import InputError, input_error, quoted
from models.load import load
from reports.studies.registry import read_answer, read_question
from reports.studies.study import (
    MEASURES,
    RESULT,
    SCHEMA,
    VARIANTS,
    Answered,
    Manifest,
    Progress,
    Settings,
    answer_question,
)
from sim.behaviours import with_behaviours
from sim.run import STUDY, file_digest, read_json, unfinished, versions
from sim.study import is_study, read_header


def open_study(folder: Path) -> Answered:
    """The study in a folder. Raises InputError where it is not whole, not as it was written, or of another version."""
    if not is_study(folder):
        help = "name the folder that `windtunnel compare` or another study wrote"
        raise input_error("is not the folder of a study: it has no study.json", str(folder), help)
    values = read_json(folder / STUDY)
    if not isinstance(values, dict) or (schema := values.pop("schema", None)) != SCHEMA:
        raise input_error(f"is not the manifest of a study: expected schema {quoted(SCHEMA)}", str(folder / STUDY))
    try:
        manifest = Manifest.model_validate({"schema_": schema, **values})
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise input_error(f"is not as it was written: {quoted(place)}", str(folder / STUDY)) from None
    changed = [name for name in (RESULT, MEASURES, VARIANTS) if not _as_written(folder / name, manifest)]
    if changed:
        help = "study again: the same scenario, question and seed give the same answer"
        raise InputError(
            *(input_error("is not as it was written", str(folder / n), help).diagnostics[0] for n in changed)
        )
    result = read_answer(read_json(folder / RESULT))
    if result is None:
        raise input_error("is not an answer that this version reads", str(folder / RESULT))
    return Answered(folder, manifest, result)


def _as_written(file: Path, manifest: Manifest) -> bool:
    return file.is_file() and file_digest(file) == manifest.tables.get(file.name)


def resume_study(
    out: Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Progress | None = None,
) -> Answered:
    """Go on with a study that was stopped. The answer is that of a study that never was, to the byte.

    Raises InputError where there is none, or where the scenario, its files or the versions have changed since.
    """
    header = read_header(unfinished(out))
    if header is None:
        raise input_error("there is no unfinished study of this name", str(out))
    loaded = load(Path(header.scenario), header.changes)
    help = "ask anew: with other inputs it would be another study"
    if with_behaviours(loaded, behaviours)[0].digest != header.digest:
        raise input_error(
            "the scenario or one of its files has changed since the study was stopped", header.scenario, help
        )
    if changed := sorted(name for name, one in versions().items() if header.versions.get(name) != one):
        raise input_error(f"the version of {changed[0]} has changed since the study was stopped", str(out), help)
    question = read_question(header.question)
    if question is None:
        raise input_error("what the study asks is not known to this version", str(out), help)
    settings = Settings(header.seed, _volume(header.volume), header.measures)
    return answer_question(
        loaded, question, settings, out, workers=workers, cluster=cluster, behaviours=behaviours, progress=progress
    )


def _volume(text: str) -> Any:
    if text not in ("events", "summary"):
        raise input_error(f"the volume {quoted(text)} is not known", "--volume")
    return text


def as_json(found: Answered) -> dict[str, Any]:
    """The answer as JSON for other programs: an end that is not bounded is null."""
    from reports.json import plain

    manifest = found.manifest.model_dump(mode="json", exclude={"schema_", "tables", "currency"})
    kind = str(manifest["question"]["kind"])
    return {"schema": f"windtunnel.{kind}/1", "study": manifest, "answer": plain(found.result)}
