"""What scenarios/retry-storm teaches: a rush takes a service down for good, its retries keep it down, and a budget or a
breaker brings it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load
from reports.objectives import ObjectiveOutcome
from reports.outcomes import assess
from reports.recovery import RecoveryOutcome
from sim.run import open_run
from sim.simulate import simulate

SCENARIOS = Path(__file__).parents[2] / "scenarios"
STORM = (SCENARIOS / "retry-storm" / "scenario.yaml").read_text()
CURED = (SCENARIOS / "retry-storm-cured" / "scenario.yaml").read_text().partition("\nsources:")[0]
BUDGET = "budgets:\n  a-fifth: {ratio: 0.2, least-per-second: 0}\n\n"
BREAKER = "breakers:\n  server-breaker: {}\n\n"
MINUTE = 60e6


def flown(folder: Path, text: str) -> tuple[RecoveryOutcome, dict[str, ObjectiveOutcome]]:
    """Goodput around the rush, and the objectives, in five replications."""
    (folder / "scenario.yaml").write_text(text)
    simulate(load(folder / "scenario.yaml"), folder / "run", replications=5)
    outcomes = assess(open_run(folder / "run"))
    [rush] = outcomes.recovery
    return rush, {objective.name: objective for objective in outcomes.objectives}


def test_the_rush_is_over_and_the_service_stays_down(tmp_path: Path) -> None:
    rush, objectives = flown(tmp_path, STORM)
    assert rush.before.low > 0.99
    assert rush.at_the_end.high < 0.15
    assert (rush.down, rush.replications) == (5, 5)
    assert objectives["back-after-the-rush"].verdict == "fail"
    assert objectives["answered"].verdict == "fail"


def test_budget_and_breaker_bring_it_back(tmp_path: Path) -> None:
    rush, objectives = flown(tmp_path, CURED)
    assert rush.at_the_end.low > 0.95
    assert rush.down == 0
    assert rush.recovery.high < 10 * MINUTE
    assert {objective.verdict for objective in objectives.values()} == {"pass"}


@pytest.mark.parametrize(
    ("text", "comes_back"),
    [
        (CURED.replace(BREAKER, "").replace("        breaker: server-breaker\n", ""), True),
        (CURED.replace(BUDGET, "").replace("        budget: a-fifth\n", ""), True),
        (STORM.replace("abandoned: serve", "abandoned: cancel"), True),
        # The customary floor of 10 retries a second undoes the cure: the server manages 1.5.
        (
            CURED.replace(BREAKER, "")
            .replace("        breaker: server-breaker\n", "")
            .replace(", least-per-second: 0", ""),
            False,
        ),
    ],
    ids=["budget alone", "breaker alone", "a server that cancels", "a budget with its floor"],
)
def test_what_each_cure_does_alone(tmp_path: Path, text: str, comes_back: bool) -> None:
    assert text not in (STORM, CURED)
    rush, _ = flown(tmp_path, text)
    assert rush.down == (0 if comes_back else 5)
    assert (rush.at_the_end.low > 0.9) == comes_back


def test_a_fault_of_no_such_name_is_told_with_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(STORM.replace("fault: rush", "fault: rusk"))
    with pytest.raises(InputError, match=r"unknown fault `rusk`(.|\n)*`rush`"):
        load(tmp_path / "scenario.yaml")
