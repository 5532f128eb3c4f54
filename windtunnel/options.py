"""Options and output that commands share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from models.diagnostics import input_error, listed, near, quoted

if TYPE_CHECKING:
    from reports.objectives import ObjectiveOutcome


class Format(StrEnum):
    text = "text"
    json = "json"


class ToldFormat(StrEnum):
    """Formats of commands that judge. All but text and JSON are written by `windtunnel.telling`."""

    text = "text"
    json = "json"
    sarif = "sarif"
    code_scanning = "code-scanning"
    junit = "junit"
    github = "github"
    markdown = "markdown"


class ReportFormat(StrEnum):
    html = "html"
    md = "md"
    pdf = "pdf"
    csv = "csv"
    text = "text"
    json = "json"
    sarif = "sarif"
    code_scanning = "code-scanning"
    junit = "junit"
    github = "github"
    markdown = "markdown"


WRITTEN = tuple(one.value for one in ToldFormat if one not in (ToldFormat.text, ToldFormat.json))
"""The formats that `--write` takes."""


class Written(NamedTuple):
    """A format, and the file that it is to be written to."""

    format: str
    path: Path


def written(text: str) -> Written:
    """`junit=report.xml`."""
    name, equals, path = text.partition("=")
    if name not in WRITTEN:
        close = near(name, WRITTEN)
        meant = f"; did you mean {quoted(close)}?" if close else ""
        raise typer.BadParameter(f"expected one of {listed(WRITTEN)}, got {quoted(name)}{meant}")
    if not equals or not path:
        raise typer.BadParameter(f"expected a file after {quoted(name + '=')}, got {quoted(text)}")
    return Written(name, file_to_write(path))


def file_to_write(text: str) -> Path:
    """A file in a folder that is there: that it is not is told before the work is done, not after."""
    if not Path(text).parent.is_dir():
        raise typer.BadParameter(f"there is no folder {quoted(str(Path(text).parent))}")
    return Path(text)


class VolumeName(StrEnum):
    events = "events"
    cases = "cases"
    summary = "summary"


def share(text: str) -> float:
    """`5%` or `0.05`."""
    number = text[:-1] if text.endswith("%") else text
    try:
        value = float(number) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{quoted(text)} is not a share between 0 and 1, such as `5%` or `0.05`")
    return value


class StudyVolumeName(StrEnum):
    events = "events"
    summary = "summary"


class DesignName(StrEnum):
    grid = "grid"
    latin_hypercube = "latin-hypercube"
    sobol = "sobol"


class EffortName(StrEnum):
    low = "low"
    normal = "normal"
    high = "high"


class ProfileName(StrEnum):
    windtunnel = "windtunnel"
    tiered = "tiered"
    advice = "advice"


class Threshold(StrEnum):
    error = "error"
    warning = "warning"


def the_day(text: str) -> date:
    """A day of `--today`."""
    from models.waivers import parse_date

    try:
        return parse_date(text)
    except ValueError:
        raise typer.BadParameter(f"{quoted(text)} is not a date, such as `2027-01-31`") from None


def the_current_day() -> date:
    """The day of SOURCE_DATE_EPOCH, seconds since 1970, where that is set; else the current one. Both in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return datetime.now(UTC).date()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise input_error(f"{quoted(epoch)} is no number of seconds", "SOURCE_DATE_EPOCH") from None


def one_of(names: type[StrEnum], help: str, name: str = "") -> Any:
    """An option that takes one of some names. A wrong one is answered with the near name, or with all."""

    def parse(text: str) -> StrEnum:
        if text in [one.value for one in names]:
            return names(text)
        close = near(text, [one.value for one in names])
        meant = f"; did you mean {quoted(close)}?" if close else ""
        raise typer.BadParameter(f"expected one of {listed(names)}, got {quoted(text)}{meant}")

    return typer.Option(*filter(None, [name]), parser=parse, metavar="|".join(names), help=help)


def changed(texts: list[str] | None) -> dict[str, Any]:
    """What `--set` changes, by path. Raises InputError with every fault."""
    from models.changes import parse_changes

    return parse_changes(texts or ())


def _check(text: str) -> str:
    """The id of a check that verification asks."""
    from verify.catalogue import CATALOGUE, CHANGES
    from verify.page import check_named

    found = check_named(text)
    if found in CHANGES:
        raise typer.BadParameter(f"{found} is asked of a change: `windtunnel diff` answers it")
    if found is not None:
        return found
    names = [name for check in CATALOGUE.values() if check.id not in CHANGES for name in (check.id, check.name)]
    close = near(text, names)
    meant = f"did you mean {quoted(close)}?" if close else f"expected one of {listed(names[::2], len(names))}"
    raise typer.BadParameter(f"there is no check {quoted(text)}; {meant}")


TOLD_FORMATS = (
    "Text for people; JSON; or for other tools: SARIF, SARIF of what GitHub shows as alerts, JUnit, "
    "GitHub annotations, Markdown."
)

ScenarioPath = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario.yaml or its folder.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
OutFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the run. [default: runs/NAME]")]
Replications = Annotated[int | None, typer.Option(min=1, max=100_000, help="Replications, instead of the scenario's.")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Seed, instead of the scenario's.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Another value for a field of the scenario, such as horizon=2d or faults.0.at=2h; repeatable.",
    ),
]
VariantName = Annotated[
    str,
    typer.Option("--variant", metavar="NAME", help="The variant of the scenario that is meant.", show_default=False),
]
MeasureNames = Annotated[
    list[str] | None,
    typer.Option(
        "--measure", metavar="NAME", help="A measure beside those of every study, such as work.X.time.p99; repeatable."
    ),
]
StudyVolume = Annotated[
    StudyVolumeName,
    one_of(StudyVolumeName, "Measured by all events, exactly, or counted in memory that does not grow.", "--volume"),
]
PrecisionOption = Annotated[
    float | None,
    typer.Option(
        "--precision",
        metavar="SHARE",
        parser=share,
        help="Add replications until the interval of every objective is this narrow beside its mean, as 5%.",
    ),
]
ReplicationsMax = Annotated[
    int | None,
    typer.Option(min=2, max=100_000, help="Replications at most, with --precision. [default: 1000]"),
]
Workers = Annotated[int | None, typer.Option(min=1, max=1024, help="Processes. [default: all cores]")]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run on Dask: `local`, or a scheduler's tcp://host:port (docs/cluster.md)."),
]
VolumeOption = Annotated[
    VolumeName,
    one_of(VolumeName, "What is kept: every event, cases and decisions, or counts that take no memory.", "--volume"),
]
Behaviours = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Python file, or module, with the behaviours that the scenario names. It is run."
    ),
]
Only = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Run replication N alone, here, and write nothing: to see why it fails."),
]
OutputFormat = Annotated[Format, one_of(Format, "Text for people or JSON for programs.", "--format")]
WaiversOption = Annotated[
    Path | None, typer.Option("--waivers", metavar="FILE", help="Reviewed exceptions (docs/ci.md). [default: none]")
]
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="What is known of old and does not fail. [default: nothing]"),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write what fails or is undecided as a baseline. The verdict stays."),
]
TodayOption = Annotated[
    date | None,
    typer.Option(
        "--today",
        metavar="YYYY-MM-DD",
        parser=the_day,
        help="The day that waivers are judged by. [default: SOURCE_DATE_EPOCH, else the current day]",
    ),
]
WriteOption = Annotated[
    list[Any] | None,
    typer.Option(
        "--write",
        metavar="FORMAT=FILE",
        parser=written,
        help="Write another format to a file, too, such as junit=report.xml; repeatable.",
    ),
]
ToldFormatOption = Annotated[ToldFormat, one_of(ToldFormat, TOLD_FORMATS, "--format")]
EffortOption = Annotated[EffortName, one_of(EffortName, "How far the solvers go before a check is undecided.")]
FailOn = Annotated[Threshold, one_of(Threshold, "Least severity of a violated check that fails.")]
ExplainOption = Annotated[
    str | None,
    typer.Option(
        "--explain",
        metavar="CHECK",
        parser=_check,
        help="Ask one check alone, by id or name, and tell all about it and its findings.",
    ),
]
ProfileOption = Annotated[ProfileName, one_of(ProfileName, "How the set spells escalation.")]


def for_waivers(waivers: Path | None, given: Mapping[str, object]) -> None:
    """Raise a usage error where an option is given that is of waivers alone, and they are not."""
    for name, value in given.items():
        if value is not None and waivers is None:
            raise typer.BadParameter("it is for `--waivers`, which is not given", param_hint=name)


def wanted_precision(precision: float | None, replications_max: int | None) -> dict[str, Any]:
    """The arguments of a precision. Raises a usage error where only the most is given."""
    if precision is None and replications_max is not None:
        raise typer.BadParameter("it is for `--precision`, which is not given", param_hint="--replications-max")
    return {"precision": precision, "replications_max": 1000 if replications_max is None else replications_max}


def tell_precision(objectives: Sequence[ObjectiveOutcome], precision: float | None) -> None:
    """Warn of what is not as precise as wanted, on standard error."""
    if precision is not None:
        from reports.precision import too_wide

        for sentence in too_wide(objectives, precision):
            typer.echo(f"warning: {sentence}", err=True)


def print_json(value: Any, out: Path | None = None) -> None:
    """Print JSON, or write it to a file."""
    import json

    print_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", out)


def print_text(text: str, out: Path | None = None) -> None:
    """Print a text, or write it to a file. A reader that goes early changes nothing about how the command ends."""
    import sys

    from reports.console import silence

    if out is not None:
        write(out, text)
        return
    try:
        typer.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        silence()


def write(out: Path, text: str) -> None:
    """Write a file. Raises InputError where it cannot be written."""
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise input_error(f"cannot write here: {error.strerror}", str(out)) from None
