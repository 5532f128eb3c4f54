"""What is said of findings, a change, a gate or a run, as text in the formats of other tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from models.waivers import Waiver
    from reports.assess import Assessed
    from reports.gate.gate import Gate
    from reports.statements import Statement, Told
    from reports.verdict import Verdict
    from sim.run import Run
    from verify.diff import Diff
    from verify.findings import Findings, Location

ToolFormat = Literal["sarif", "code-scanning", "junit", "github", "markdown"]


def tell(
    said: Findings | Diff | Gate | Run,
    format: ToolFormat,
    *,
    fail_on: Literal["error", "warning"] = "error",
    folder: str | Path | None = None,
    waivers: str | Path | None = None,
    baseline: str | Path | None = None,
    today: date | None = None,
) -> str:
    """What findings, a change, a gate or a run say, in a format for other tools; the text that `--format` prints.

    `folder` is what files of findings are named from, the scenario's folder, where it is not the working directory.
    `waivers` and `baseline` are files, as of `windtunnel verify`; `today` is the day that waivers are judged by, else
    that of SOURCE_DATE_EPOCH, else the current one. A gate goes by those of its base: for it, these are not to be
    given. Raises ValueError on an unknown format, and `models.diagnostics.InputError` on faults of the files.
    """
    from reports.gate.gate import Gate
    from windtunnel.options import the_current_day

    if format not in get_args(ToolFormat):
        raise ValueError(f"unknown format {format!r}: expected one of {', '.join(get_args(ToolFormat))}")
    if isinstance(said, Gate) and (waivers or baseline):
        raise ValueError("a gate goes by the waivers and the baseline of its base")
    told = from_root(_told(said, fail_on), said.root if isinstance(said, Gate) else Path(folder) if folder else None)
    known = Path(baseline) if baseline else None
    exceptions = waivers_in(Path(waivers) if waivers else None)
    return in_format(excepted(told, exceptions, known, today or the_current_day()), format)


def _told(said: Findings | Diff | Gate | Run, fail_on: Literal["error", "warning"]) -> Told:
    from reports.gate.gate import Gate
    from reports.gate.told import told_of_gate
    from reports.statements import told_of_diff, told_of_findings, told_of_run
    from reports.verdict import judge
    from verify.diff import Diff
    from verify.findings import Findings

    match said:
        case Gate():
            return told_of_gate(said)
        case Diff():
            return told_of_diff(said)
        case Findings():
            return told_of_findings(judge(said, None, fail_on=fail_on), said, fail_on=fail_on)
    from reports.assess import assess_run
    from reports.json import read_findings

    findings, outcomes = read_findings(said), assess_run(said)
    return told_of_run(judge(findings, outcomes, fail_on=fail_on), findings, outcomes, fail_on=fail_on)


def told_run(
    verdict: Verdict,
    findings: Findings | None,
    outcomes: Assessed,
    *,
    fail_on: Literal["error", "warning"] = "error",
    loaded: LoadedScenario | None = None,
    folder: Path | None = None,
    waivers: Sequence[Waiver] | None = None,
    today: date | None = None,
) -> Told:
    """What a run says, with waivers where a file of them is named. Its files are named from the root by the folder of
    the scenario."""
    from reports.statements import told_of_run
    from windtunnel.options import the_current_day

    places = objective_places(loaded) if loaded else None
    told = told_of_run(verdict, findings, outcomes, fail_on=fail_on, places=places)
    told = from_root(told, loaded.path.parent if loaded else folder)
    return excepted(told, waivers, None, today or the_current_day())


def in_format(told: Told, format: str) -> str:
    """What is told, in a format."""
    return _format(format)(told)


def _format(format: str) -> Callable[[Told], str]:
    from reports.formats.github import github
    from reports.formats.junit import junit
    from reports.formats.markdown import markdown
    from reports.formats.sarif import sarif
    from windtunnel import __version__

    formats: Mapping[str, Callable[[Told], str]] = {
        "sarif": lambda told: sarif(told, version=__version__),
        "code-scanning": lambda told: sarif(told, version=__version__, alerts=True),
        "junit": junit,
        "github": github,
        "markdown": markdown,
    }
    return formats[format]


def objective_places(loaded: LoadedScenario) -> dict[str, Location]:
    """Where the objectives of a scenario stand, by name."""
    from verify.findings import Location

    spans = {name: loaded.locate("objectives", name) for name in loaded.scenario.objectives}
    return {name: Location(span.file, span.line) for name, span in spans.items()}


def _root() -> Path:
    """What files are named from: the git checkout about the working directory, else the working directory."""
    here = Path.cwd()
    return next((above for above in (here, *here.parents) if (above / ".git").exists()), here)


def named_from_root(file: str, folder: Path | None = None) -> str:
    """A file as all readers find it; `folder` is what its name is relative to, where not the working directory."""
    root = _root()
    full = Path(os.path.normpath(Path.cwd() / (folder or "") / file))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else file


def from_root(told: Told, folder: Path | None = None) -> Told:
    """What is told, its files named from the root."""
    root = _root()

    def moved(place: Location) -> Location:
        return replace(place, file=named_from_root(place.file, folder)) if place.file else place

    def said(text: str) -> str:
        return text.replace(f"{root}{os.sep}", "")  # where the checkout lies is nobody's business

    statements = (
        replace(
            one,
            message=said(one.message),
            location=moved(one.location),
            related=tuple(replace(about, location=moved(about.location)) for about in one.related),
        )
        for one in told.statements
    )
    reasons = tuple(map(said, told.reasons))
    return replace(told, title=said(told.title), reasons=reasons, statements=tuple(statements))


def waivers_in(file: Path | None) -> tuple[Waiver, ...] | None:
    """The waivers in a file, where one is named. Raises InputError on its faults."""
    if file is None:
        return None
    from models.reading import FILE_BYTES_MAX, read_bytes
    from models.waivers import read_waivers
    from reports.waivers import CHECKS

    found = read_waivers(read_bytes(file, FILE_BYTES_MAX), str(file), CHECKS)
    return tuple(replace(one, file=named_from_root(one.file)) for one in found)


def excepted(told: Told, waivers: Sequence[Waiver] | None, baseline: Path | None, today: date) -> Told:
    """What is told, against a baseline and with waivers. Raises InputError where the baseline cannot be used."""
    if waivers is None and baseline is None:
        return told
    from models.reading import read_bytes
    from reports.baseline import BYTES_MAX, apply_baseline, read_baseline
    from reports.statements import judged_again
    from reports.waivers import apply_waivers

    said: tuple[Statement, ...] = told.statements
    about: tuple[Statement, ...] = ()
    if baseline is not None:
        said = apply_baseline(said, read_baseline(read_bytes(baseline, BYTES_MAX), str(baseline)))
    if waivers is not None:
        applied = apply_waivers(said, waivers, today)
        said, about = applied.statements, (*applied.faults, *applied.unused)
    return judged_again(told, said, about)
