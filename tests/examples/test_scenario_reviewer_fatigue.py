"""What scenarios/reviewer-fatigue teaches: wrong effects fall as more is escalated, and rise again past a point."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SCENARIO = Path(__file__).parents[2] / "scenarios" / "reviewer-fatigue"
THRESHOLDS = (450, 350, 250, 150, 0)
REPLICATIONS = 12


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Wrong refunds for each case, by threshold and replication, in a week of work."""
    rows = []
    for threshold in THRESHOLDS:
        folder = tmp_path_factory.mktemp("sweep") / "scenario"
        shutil.copytree(SCENARIO, folder)
        policies = folder / "policies" / "refunds.cedar"
        text = policies.read_text()
        assert text.count("context.amount > 0 ") == 1
        policies.write_text(text.replace("context.amount > 0 ", f"context.amount > {threshold} "))
        scenario = folder / "scenario.yaml"
        text = scenario.read_text()
        assert text.count("horizon: 12d") == 1
        scenario.write_text(text.replace("horizon: 12d", "horizon: 5d"))
        loaded = load(folder)
        plan, rules = compile_plan(loaded), compile_rules(loaded)
        rows.append([wrong_share(Replication(plan, rules, loaded.scenario.seed, n)) for n in range(REPLICATIONS)])
    return np.array(rows)


def wrong_share(replication: Replication) -> float:
    replication.run()
    cases = replication.tables("", 0).cases.to_pandas()
    assert (cases["outcome"] != "in-flight").mean() > 0.99
    return float(((cases["outcome"] == "completed") & cases["wrong"]).mean())


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 99 % interval of the mean: of four, all hold with 96 %."""
    low, high = stats.t.interval(0.99, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def test_oversight_gets_better_and_then_worse(wrong: np.ndarray) -> None:
    """Each step of escalation but the last takes wrong refunds away; the last brings some back."""
    steps = [interval(after - before) for before, after in pairwise(wrong)]
    assert [high < 0 for _, high in steps] == [True, True, True, False]
    low, _ = steps[-1]
    assert low > 0


def test_the_best_threshold_looks_at_some(wrong: np.ndarray) -> None:
    means = wrong.mean(axis=1)
    assert THRESHOLDS[int(np.argmin(means))] == 150
    assert means.max() == means[0]
