"""The public Python names. Each does one step of the main job; heavy libraries load when a step needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from models.load import LoadedScenario
    from reports.outcomes import Outcomes
    from sim.run import Run
    from verify.findings import Findings

RUNS = Path("runs")
"""Where runs land when no folder is named, below the working directory."""

Effort = Literal["low", "normal", "high"]
"""How far the solvers go before a check is `undecided`; budgets are in `verify.query`."""


def load(path: str | Path) -> LoadedScenario:
    """The scenario at a file or folder, with its policies. Raises `models.diagnostics.InputError` with every fault."""
    from models.load import load as load_scenario

    return load_scenario(Path(path))


def verify(scenario: LoadedScenario, *, effort: Effort = "normal") -> Findings:
    """What always holds of the scenario's policies and escalation chains, and what does not, with witnesses."""
    from verify.verify import verify as verify_policies

    return verify_policies(scenario.policies, scenario, effort=effort)


def simulate(
    scenario: LoadedScenario,
    out: str | Path | None = None,
    *,
    replications: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    findings: Findings | None = None,
) -> Run:
    """Run every replication and write the run folder, `runs/NAME` unless `out` names another.

    `findings` of the scenario are kept with the run, so that it is reported with them ever after; without them the run
    says that nothing was verified.

    `replications` and `seed` replace the scenario's own; `workers` is processes (default: all cores). Results do not
    depend on `workers`. `progress(done, total)` is called after each replication. A script that calls this with more
    than one worker needs the usual `if __name__ == "__main__":` guard.
    """
    from sim.simulate import simulate as run_scenario

    folder = Path(out) if out is not None else RUNS / scenario.scenario.name
    kept = None
    if findings is not None:
        from reports.json import findings_text

        kept = findings_text(findings)
    return run_scenario(
        scenario, folder, replications=replications, seed=seed, workers=workers, progress=progress, findings=kept
    )


def open_run(folder: str | Path) -> Run:
    """The run in a folder. Raises `models.diagnostics.InputError` where it is not a whole run of a known version."""
    from sim.run import open_run as open_folder

    return open_folder(Path(folder))


def assess(run: Run) -> Outcomes:
    """The outcomes of a run: objectives with intervals, drift, deadlock, people, cost, compliance."""
    from reports.outcomes import assess as assess_run

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
