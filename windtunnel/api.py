"""The public Python names. Each does one step of the main job; heavy libraries load when a step needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from models.cedar.policies import PolicySet, Profile
    from models.load import LoadedScenario
    from reports.digest import Digest
    from reports.evidence.check import EvidenceCheck
    from reports.gate.gate import Gate, Step
    from reports.outcomes import Outcomes
    from reports.studies.study import Answered, Question
    from sim.run import Run
    from sim.simulate import Precision
    from sim.tables import Volume
    from verify.backtest import Backtest
    from verify.diff import Diff
    from verify.findings import Findings
    from verify.questions import QueryResult

RUNS = Path("runs")
"""Where runs land when no folder is named, below the working directory."""

Effort = Literal["low", "normal", "high"]
"""How far the solvers go before a check is `undecided`; budgets are in `verify.query`."""


def load(path: str | Path, changes: Mapping[str, Any] | None = None, *, variant: str = "base") -> LoadedScenario:
    """The scenario at a file or folder, with its policies. Raises `models.diagnostics.InputError` with every fault.

    `variant` names one of the scenario's `variants`; `changes` maps paths to values they take instead of its, as
    `--set` does: `{"desks.finance.roster.0.staff": 3}`.
    """
    from models.load import load as load_scenario

    return load_scenario(Path(path), changes, variant)


def export(scenario: LoadedScenario, folder: str | Path) -> tuple[Path, ...]:
    """Write a scenario as it is loaded, a variant with its changes made, into a new folder, and return the files.

    It is complete, with every file it names, and its runs are those of `scenario`. Raises
    `models.diagnostics.InputError` rather than overwrite.
    """
    from models.export import export as export_scenario

    return export_scenario(scenario, Path(folder))


def verify(scenario: LoadedScenario, *, effort: Effort = "normal") -> Findings:
    """What always holds of the scenario's policies and escalation chains, and what does not, with witnesses."""
    from verify.verify import verify as verify_policies

    return verify_policies(scenario.policies, scenario, effort=effort)


def diff(
    old: str | Path | PolicySet,
    new: str | Path | PolicySet,
    *,
    schema: str | Path | None = None,
    old_schema: str | Path | None = None,
    new_schema: str | Path | None = None,
    profile: Profile = "windtunnel",
    effort: Effort = "normal",
    forbid: Collection[str] = (),
) -> Diff:
    """What a change of policies changes, in every request environment: newly allowed, denied and escalated requests.

    Policies are files, folders or loaded sets, to which schema and profile do not apply. A schema that is not named is
    looked for beside the policies, else inferred from both. `forbid` names changes that fail the verdict, such as
    `newly-allowed` and `unescalated`. Raises `models.diagnostics.InputError` with every fault of the files, and
    ValueError on an unknown change or effort.
    """
    from models.cedar.pair import load_pair, paired
    from models.cedar.policies import PolicySet
    from verify.diff import diff as compare

    if isinstance(old, PolicySet) and isinstance(new, PolicySet):
        before, after = paired(old, new)
    elif isinstance(old, PolicySet) or isinstance(new, PolicySet):
        raise TypeError("both sides are paths, or both are policy sets")
    else:
        schemas = {"schema": _path(schema), "old_schema": _path(old_schema), "new_schema": _path(new_schema)}
        before, after = load_pair(Path(old), Path(new), profile=profile, **schemas)
    return compare(before, after, effort=effort, forbid=forbid)


def query(
    property: str,
    policies: str | Path | PolicySet,
    other: str | Path | PolicySet | None = None,
    *,
    schema: str | Path | None = None,
    policy: str | None = None,
    other_policy: str | None = None,
    principal_type: str | None = None,
    action: str | None = None,
    resource_type: str | None = None,
    profile: Profile = "windtunnel",
    effort: Effort = "normal",
) -> QueryResult:
    """Whether a property of Cedar's own symbolic compiler holds, such as `implies`, over some or all environments.

    Decisions are Cedar's own: a forbid that escalates denies. Policies are files, folders or loaded sets, to which
    schema and profile do not apply; a schema that is not named is looked for beside them. A property of single policies
    is about `policy` and `other_policy`, by `@id`. Raises `models.diagnostics.InputError` on faults of the files and on
    names that do not exist, and ValueError on an unknown effort.
    """
    from models.cedar.pair import load_under_one
    from models.cedar.policies import PolicySet
    from verify.questions import asked_property
    from verify.questions import query as ask

    asked_property(property, other is not None, policy, other_policy)
    sets: list[PolicySet] = [one for one in (policies, other) if isinstance(one, PolicySet)]
    paths = [Path(one) for one in (policies, other) if isinstance(one, str | Path)]
    if sets and paths:
        raise TypeError("both sides are paths, or both are policy sets")
    first, *rest = sets or load_under_one(paths, schema=_path(schema), profile=profile)
    return ask(
        property,
        first,
        *rest,
        policy=policy,
        other_policy=other_policy,
        principal_type=principal_type,
        action=action,
        resource_type=resource_type,
        effort=effort,
    )


def backtest(
    policies: str | Path | PolicySet,
    new: str | Path | PolicySet | None = None,
    *,
    requests: str | Path,
    schema: str | Path | None = None,
    entities: str | Path | None = None,
    profile: Profile = "windtunnel",
    progress: Callable[[int], None] | None = None,
) -> Backtest:
    """Decide the requests of a log (a JSON object a line) under one policy set, or an old and a new one.

    Without `new` the decisions on record are what is compared with. `schema` and `entities` are for sets given by path.
    Raises `models.diagnostics.InputError` with every fault of the log.
    """
    from models.cedar.load import load_policies
    from models.cedar.policies import PolicySet
    from models.cedar.recorded import read_requests
    from verify.backtest import backtest as decide_again

    first, *rest = [
        given
        if isinstance(given, PolicySet)
        else load_policies(Path(given), schema=_path(schema), entities=_path(entities), profile=profile)
        for given in (policies, new)
        if given is not None
    ]
    log = Path(requests)
    return decide_again(first, read_requests(log), *rest, file=str(log), progress=progress)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def simulate(
    scenario: LoadedScenario,
    out: str | Path | None = None,
    *,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    findings: Findings | None = None,
    volume: Volume = "events",
    behaviours: str | Path | None = None,
    precision: float | None = None,
    replications_max: int = 1000,
) -> Run:
    """Run every replication and write the run folder, `runs/NAME` unless `out` names another.

    `findings` of the scenario are kept with the run, so that it is reported with them ever after; without them the run
    says that nothing was verified.

    `volume` is what is kept of each replication: `events`; `cases` without the events, which are counted only; or a
    `summary`, counts alone, in memory that does not grow with the cases. What the outcomes cannot tell then, they name
    in `not_kept`; of a summary there is a digest.

    `behaviours` is the Python file, or the name of the module, with the `behaviour`s that the scenario names. It is
    run: it must be yours.

    With a `precision`, as .05, replications are added until the interval of every objective is that narrow, relative
    to its mean, or there are `replications_max`. The run is that of so many from the start.

    `replications` and `seed` replace the scenario's own; `workers` is processes (default: all cores). `cluster` runs
    them on Dask instead: `local`, or the address of a scheduler (extra `windtunnel[cluster]`). Results do not depend on
    either. `progress(done, total)` is called after each replication. A call that is stopped is gone on
    with by `resume`, or by the same call. A script that calls this with more than one worker needs the usual
    `if __name__ == "__main__":` guard.
    """
    from sim.simulate import simulate as run_scenario

    folder = Path(out) if out is not None else RUNS / scenario.scenario.name
    kept = None
    if findings is not None:
        from reports.json import findings_text

        kept = findings_text(findings)
    return run_scenario(
        scenario,
        folder,
        replications=replications,
        seed=seed,
        workers=workers,
        cluster=cluster,
        progress=progress,
        findings=kept,
        volume=volume,
        behaviours=behaviours,
        precision=None if precision is None else _precision(scenario, replications, precision, replications_max),
    )


def _precision(scenario: LoadedScenario, replications: int | None, relative: float, most: int) -> Precision:
    from models.diagnostics import input_error
    from reports.precision import replications_needed
    from sim.simulate import Precision

    first = scenario.scenario.replications if replications is None else replications
    if not 0.0 < relative < 1.0:
        raise input_error(
            f"expected a share between 0 and 1, got {relative:g}", "--precision", "such as `5%` or `0.05`"
        )
    if first < 2:
        help = "an interval takes 2 replications at least: begin with more"
        raise input_error("one replication gives no interval to make narrow", "--replications", help)
    if most < first:
        raise input_error(f"expected {first} or more, with which it begins, got {most}", "--replications-max")
    return Precision(relative, most, replications_needed)


def run_alone(
    scenario: LoadedScenario,
    replication: int,
    *,
    seed: int | None = None,
    volume: Volume = "events",
    behaviours: str | Path | None = None,
) -> None:
    """Run one replication in this process, and write nothing: one that a run could not run shows why.

    Raises `models.diagnostics.InputError` where a behaviour fails or the replication outgrows its limits; what else it
    raises comes through.
    """
    from sim.simulate import run_alone as run_one

    run_one(scenario, replication, seed=seed, volume=volume, behaviours=behaviours)


def resume(
    out: str | Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    behaviours: str | Path | None = None,
) -> Run:
    """Go on with a run that was stopped before its folder `out` was whole. The result is that of an unstopped run.
    `behaviours` have to be given again.

    Raises `models.diagnostics.InputError` where there is nothing to go on with, or where the scenario, its files or the
    versions of the libraries have changed.
    """
    from reports.precision import replications_needed
    from sim.simulate import resume as resume_run

    ways = {"workers": workers, "cluster": cluster, "progress": progress, "behaviours": behaviours}
    return resume_run(Path(out), needed=replications_needed, **ways)  # type: ignore[arg-type]


def compare(
    scenario: LoadedScenario,
    variants: Sequence[str] | Mapping[str, Mapping[str, Any]],
    out: str | Path | None = None,
    *,
    replications: int | None = None,
    seed: int | None = None,
    measures: Sequence[str] = (),
    volume: Literal["events", "summary"] = "events",
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Answered:
    """Compare variants with the first of them, replication by replication under common random numbers.

    `variants` are names of the scenario's own, `base` among them, or what each changes, by name: `{"base": {}, "two":
    {"desks.care.roster.0.staff": 2}}`. The study is written to `runs/NAME-compare` unless `out` names a folder.
    `measures` asks for measures beside those of every study, by the names that `reports.measures` lists. Of the answer,
    `result` has intervals and differences, `measures()` every figure as a frame. Raises
    `models.diagnostics.InputError`.
    """
    from models.variants import chosen
    from reports.studies.compare import compare_question

    asked = variants if isinstance(variants, Mapping) else {name: chosen(scenario.document, name) for name in variants}
    count = scenario.scenario.replications if replications is None else replications
    ways = {"workers": workers, "cluster": cluster, "behaviours": behaviours, "progress": progress}
    return _study(scenario, compare_question(asked, count), out, seed, volume, measures, **ways)


def size(
    scenario: LoadedScenario,
    find: str,
    until: str,
    out: str | Path | None = None,
    *,
    low: int = 1,
    high: int | None = None,
    replications_max: int = 640,
    confidence: float = 0.95,
    seed: int | None = None,
    volume: Literal["events", "summary"] = "events",
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Answered:
    """The least whole number for a field, as `desks.finance.staff`, with which a condition is met with confidence.

    `until` is a measure with a limit, as `refund-answered.p95 <= 15m`, or the name of an objective: its mean over
    replications is meant. `P(answered) >= 95%` asks that so many runs meet it, each by itself. `result.least` is
    None where no value from `low` to `high` was shown to. Raises `models.diagnostics.InputError`.
    """
    from reports.studies.size import ask

    question = ask(scenario, find, until, low, high, replications_max, confidence)
    ways = {"workers": workers, "cluster": cluster, "behaviours": behaviours, "progress": progress}
    return _study(scenario, question, out, seed, volume, [question.condition.measure], **ways)


def sweep(
    scenario: LoadedScenario,
    vary: Mapping[str, Sequence[Any]] | Sequence[str],
    out: str | Path | None = None,
    *,
    design: Literal["grid", "latin-hypercube", "sobol"] = "grid",
    points: int | None = None,
    replications: int | None = None,
    best: str | None = None,
    more: bool | None = None,
    indifference: float | None = None,
    budget: int | None = None,
    pareto: Sequence[str] = (),
    tornado: str = "",
    seed: int | None = None,
    measures: Sequence[str] = (),
    volume: Literal["events", "summary"] = "events",
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Answered:
    """What combinations of values give: `vary` maps paths to values, or is texts as `--vary` takes them.

    A `grid` tries all combinations; `latin-hypercube` and `sobol` spread `points` over ranges `lo..hi`. `best` names
    the measure whose best point is looked for: with an `indifference` by Kim and Nelson's procedure, with a `budget` of
    replications by OCBA. `more` says whether more of it is better, where the measure does not. Of the answer,
    `points()` is a frame with a column for each field and each measure. Raises `models.diagnostics.InputError`.
    """
    from reports.studies.asked import sweep_question

    wanted = {"best": best, "more": more, "indifference": indifference, "budget": budget}
    question = sweep_question(
        scenario, vary, design, points, replications, wanted=wanted, pareto=pareto, tornado=tornado, seed=seed
    )
    named = [name for name in (best, *pareto, tornado) if name]
    ways = {"workers": workers, "cluster": cluster, "behaviours": behaviours, "progress": progress}
    return _study(scenario, question, out, seed, volume, [*measures, *named], **ways)


def recovery_map(
    scenario: LoadedScenario,
    load: str,
    retry: str,
    out: str | Path | None = None,
    *,
    objective: str | None = None,
    replications_max: int = 40,
    confidence: float = 0.95,
    seed: int | None = None,
    volume: Literal["events", "summary"] = "events",
    workers: int | None = None,
    cluster: str | None = None,
    behaviours: str | Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Answered:
    """With which loads and retry settings goodput comes back after the fault of a recovery objective.

    `load` and `retry` are fields with their values, as `work.questions.arrivals.rate=0.5/s,1/s`. `objective` is the
    only one of its kind unless it is named. `result.rows()` has the cells. Raises `models.diagnostics.InputError`.
    """
    from reports.studies.recovery_map import ask

    question = ask(scenario.scenario, load, retry, objective, replications_max, confidence)
    measures = [f"{question.objective}.{what}" for what in ("back", "time")]
    ways = {"workers": workers, "cluster": cluster, "behaviours": behaviours, "progress": progress}
    return _study(scenario, question, out, seed, volume, measures, **ways)


def _study(
    scenario: LoadedScenario,
    question: Question,
    out: str | Path | None,
    seed: int | None,
    volume: Literal["events", "summary"],
    measures: Sequence[str],
    **ways: Any,
) -> Answered:
    from reports.studies.study import Settings, answer_question

    chosen = scenario.scenario.seed if seed is None else seed
    folder = Path(out) if out is not None else RUNS / f"{scenario.scenario.name}-{question.kind}"
    return answer_question(scenario, question, Settings(chosen, volume, tuple(measures)), folder, **ways)


def gate(
    base: str,
    head: str | None = None,
    paths: Sequence[str | Path] = (),
    *,
    folder: str | Path = ".",
    requests: str | Path | None = None,
    replications: int | None = None,
    workers: int | None = None,
    behaviours: str | Path | None = None,
    today: date | None = None,
    step: Step | None = None,
) -> Gate:
    """Judge the change from one commit to another, or to the working tree, by the `windtunnel.toml` of the base.

    `folder` is in the git checkout; `paths` are from it: scenarios, folders of policies, or folders above them, by
    default all that the change touches. `requests` is a log of recorded requests that both versions decide; `today` is
    the day that waivers are judged by, by default the current one. `step` is told what is begun and gives a context
    that is told how far it is. Faults of the head's files are part of the verdict; `models.diagnostics.InputError` is
    raised on refs, paths, rules, waivers and a log that cannot be used.
    """
    from reports.gate.gate import Asked
    from reports.gate.gate import gate as judge

    asked = Asked(tuple(paths), _path(requests), replications, workers, behaviours, today)
    return judge(Path(folder), base, head, asked, step=step)


def open_run(folder: str | Path) -> Run:
    """The run in a folder. Raises `models.diagnostics.InputError` where it is not a whole run of a known version."""
    from sim.run import open_run as open_folder

    return open_folder(Path(folder))


def sql(runs: str | Path | Sequence[str | Path], query: str) -> pd.DataFrame:
    """The answer to a SQL query over the tables of a run or a study, or of several: read-only, by DuckDB.

    Tables are those that the run keeps (`cases`, `events`, `decisions`, `samples`, `counts`, `figures`), of a study
    `measures` and `variants`; of several folders each has a column `run`. Raises `models.diagnostics.InputError`.
    """
    from reports.sql import sql as ask

    folders = [runs] if isinstance(runs, str | Path) else list(runs)
    answer: pd.DataFrame = ask([Path(folder) for folder in folders], query).to_pandas()
    return answer


def assess(run: Run) -> Outcomes | Digest:
    """The outcomes of a run: objectives with intervals, drift, deadlock, people, cost, compliance."""
    from reports.assess import assess_run

    return assess_run(run)


def frame(rows: Iterable[Any]) -> pd.DataFrame:
    """A part of the outcomes (`outcomes.objectives`, `.people`, `.work` ...) as a pandas frame: a row each.

    An interval `x` becomes the columns `x`, `x_low` and `x_high`. Units: microseconds, shares of one, currency units.
    """
    from reports.frames import frame as frame_of

    return frame_of(rows)


def report(run: Run, findings: Findings | None, path: str | Path) -> Path:
    """Write the HTML report of a run, and return its path. Without findings, those kept with the run are told.

    Raises `models.diagnostics.InputError` where the kept findings are missing or not as they were written.
    """
    from reports.html import write_html
    from reports.json import read_findings

    return write_html(Path(path), run, findings if findings is not None else read_findings(run))


def evidence(run: Run, *, key: str | Path | None = None, fail_on: Literal["error", "warning"] = "error") -> Path:
    """Write the evidence of a run into its folder and return its path: an in-toto statement over the digests of all
    that it is. With an Ed25519 `key` (PEM) it is signed, in a DSSE envelope. Evidence that was there is replaced.

    Raises `models.diagnostics.InputError`.
    """
    from reports.evidence.write import write_evidence

    return write_evidence(run, None if key is None else Path(key), fail_on)


def verify_evidence(
    given: str | Path,
    *,
    public_key: str | Path | None = None,
    replay: LoadedScenario | None = None,
    workers: int | None = None,
) -> EvidenceCheck:
    """Whether a run is what its evidence says, by the evidence file or the folder of the run.

    `replay` is the scenario, to simulate again with the run's seed. Raises `models.diagnostics.InputError`.
    """
    from reports.evidence.check import check_evidence

    key = None if public_key is None else Path(public_key)
    return check_evidence(Path(given), public_key=key, replay=replay, workers=workers)
