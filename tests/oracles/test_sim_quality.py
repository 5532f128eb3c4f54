"""Votes and checks of answers: against integrals over the law of a case's chance, and against independence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.simulate import simulate

LEVEL = 1e-3
CASES = 20_000
TEXT = """\
windtunnel: 1
name: answers
start: 2026-01-05T00:00:00Z
horizon: 20000s
replications: 3
endpoints: {{api: {{latency: 2s, price: 0.01 USD}}}}
agents:
  pool:
    replicas: 200
    capabilities:
      answer: {{{capability}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: answer{step}}}}}}}}}
work: {{a: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}}}
"""
FLOW = "service: 1s, detected: 0, success: 'beta(alpha=0.709, beta=0.276)'"


class Ran(NamedTuple):
    cases: pd.DataFrame
    events: pd.DataFrame


def run(folder: Path, capability: str, step: str = "") -> Ran:
    (folder / "scenario.yaml").write_text(TEXT.format(capability=capability, step=step))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 11, 0)
    replication.run()
    tables = replication.tables("", 0)
    cases = tables.cases.to_pandas()
    return Ran(cases[cases["outcome"] != "in-flight"], tables.events.to_pandas())


def over_cases(alpha: float, beta: float, of_chance: Callable[[float], float]) -> float:
    """The mean over cases of a function of their chance, by the quantiles of the Beta law."""
    return float(integrate.quad(lambda u: of_chance(float(special.betaincinv(alpha, beta, u))), 0, 1, limit=200)[0])


def majority(p: float) -> float:
    return p**3 + 3 * p**2 * (1 - p)


@pytest.mark.parametrize(("alpha", "beta", "theory"), [(0.709, 0.276, 0.734315), (0.314, 0.331, 0.486192)])
def test_a_vote_is_worth_what_correlation_leaves(tmp_path: Path, alpha: float, beta: float, theory: float) -> None:
    assert over_cases(alpha, beta, majority) == pytest.approx(theory, abs=2e-4)
    capability = f"service: 1s, detected: 0, vote: {{of: 3}}, success: 'beta(alpha={alpha}, beta={beta})'"
    right = int((~run(tmp_path, capability).cases["wrong"]).sum())
    assert stats.binomtest(right, CASES - 3, theory).pvalue > LEVEL


def test_a_vote_is_not_worth_what_independence_promises(tmp_path: Path) -> None:
    right = int((~run(tmp_path, f"{FLOW}, vote: {{of: 3}}").cases["wrong"]).sum())
    assert stats.binomtest(right, CASES - 3, majority(0.709 / 0.985)).pvalue < LEVEL


def test_a_vote_of_independent_answers_is_binomial(tmp_path: Path) -> None:
    ran = run(tmp_path, "service: 1s, detected: 0, vote: {of: 3}, success: 0.7")
    right = ran.events.loc[ran.events["kind"] == "voted", "value"].value_counts().sort_index()
    expected = stats.binom.pmf(range(4), 3, 0.7) * right.sum()
    assert stats.chisquare(right, expected).pvalue > LEVEL


def test_an_attempt_that_votes_takes_and_costs_all_its_answers(tmp_path: Path) -> None:
    ran = run(tmp_path, "service: 1s, vote: {of: 3}, endpoint: api, calls: 2, cost: 0.1 USD")
    assert (ran.cases["ended"] - ran.cases["arrived"] == (3 * 1 + 3 * 2 * 2) * 1_000_000).all()
    assert (ran.cases["cost"] == 3 * 100_000 + 6 * 10_000).all()


def test_the_answers_of_a_vote_take_times_of_their_own(tmp_path: Path) -> None:
    ran = run(tmp_path, "service: exponential(mean=1s), vote: {of: 3}")
    busy = (ran.cases["ended"] - ran.cases["arrived"]) / 1e6
    assert stats.kstest(busy, stats.gamma(3).cdf).pvalue > LEVEL
    assert stats.kstest(busy, stats.expon(scale=3).cdf).pvalue < LEVEL, "not one time three times over"


def stopped(ran: Ran, kind: str, what: str) -> int:
    return int(((ran.events["kind"] == kind) & (ran.events["detail"] == what)).sum())


@pytest.mark.parametrize("kind", ["guardrail", "self-check"])
def test_a_check_has_its_sensitivity_and_specificity(tmp_path: Path, kind: str) -> None:
    ran = run(tmp_path, f"service: 1s, detected: 0, success: 0.6, {kind}: {{sensitivity: 0.9, specificity: 0.95}}")
    wrong_stopped, right_stopped = (stopped(ran, f"{kind}-stopped", what) for what in ("wrong", "right"))
    wrong, good = int(ran.cases["wrong"].sum()), int((ran.cases["outcome"] == "completed").sum())
    assert stats.binomtest(wrong_stopped, wrong_stopped + wrong, 0.9).pvalue > LEVEL
    assert stats.binomtest(right_stopped, right_stopped + good - wrong, 0.95).pvalue < LEVEL
    assert stats.binomtest(right_stopped, right_stopped + good - wrong, 0.05).pvalue > LEVEL
    assert int((ran.cases["outcome"] == "failed").sum()) == wrong_stopped + right_stopped
    failed = ran.events[ran.events["kind"] == "attempt-failed"]
    assert set(failed["detail"]) == {kind}


def test_an_agent_sees_fewest_errors_where_it_is_worst(tmp_path: Path) -> None:
    """The self-check is read at the case's own uniform: where both laws are one, E[(1-p)p] are noticed."""
    alpha, beta = 0.709, 0.276
    same = f"beta(alpha={alpha}, beta={beta})"
    ran = run(tmp_path, f"{FLOW}, self-check: {{sensitivity: '{same}'}}")
    noticed = stopped(ran, "self-check-stopped", "wrong")
    together = over_cases(alpha, beta, lambda p: (1 - p) * p)
    mean = alpha / (alpha + beta)
    assert stats.binomtest(noticed, CASES - 1, together).pvalue > LEVEL
    assert stats.binomtest(noticed, CASES - 1, (1 - mean) * mean).pvalue < LEVEL, "independent draws see more"


def test_a_guardrail_is_paid_for_each_answer_it_looks_at(tmp_path: Path) -> None:
    guardrail = "guardrail: {sensitivity: 0.5, specificity: 0.9, cost: 0.001 USD}"
    retry = ", retry: {attempts: 4, backoff: 0s}"
    ran = run(tmp_path, f"service: 1s, success: 0.5, detected: 0, {guardrail}", retry)
    assert (ran.cases["cost"] == ran.cases["attempts"] * 1000).all()
    assert ran.cases["attempts"].max() == 4


def test_what_the_self_check_stops_never_comes_to_the_guardrail(tmp_path: Path) -> None:
    ran = run(tmp_path, "service: 1s, success: 0.5, self-check: {sensitivity: 1}, guardrail: {sensitivity: 1}")
    assert stopped(ran, "self-check-stopped", "wrong") > 0
    assert stopped(ran, "guardrail-stopped", "wrong") == 0
    assert not ran.cases["wrong"].any()


def test_a_check_leaves_the_answers_themselves_alone(tmp_path: Path) -> None:
    """The draws of a check are its own: without retries, the same cases are answered wrongly with it and without."""
    bare = run(tmp_path, FLOW).cases
    checked = run(tmp_path, f"{FLOW}, guardrail: {{sensitivity: 0.3, specificity: 0.9}}").cases
    passed = checked["outcome"] == "completed"
    assert (bare.loc[passed, "wrong"] == checked.loc[passed, "wrong"]).all()
    assert 0.5 < passed.mean() < 1


def test_the_report_tells_what_correlation_leaves(tmp_path: Path) -> None:
    text = TEXT.format(
        capability=f"{FLOW}, vote: {{of: 3}}, guardrail: {{sensitivity: 0.9, specificity: 0.98}}", step=""
    )
    (tmp_path / "scenario.yaml").write_text(text)
    outcomes = assess(simulate(load(tmp_path), tmp_path / "run", workers=1))
    (vote,) = outcomes.votes
    assert (vote.place, vote.answers) == ("agent:pool", 3)
    assert vote.right.low < 0.709 / 0.985 < vote.right.high
    assert vote.majorities.low < 0.734315 < vote.majorities.high
    assert vote.independent.low > vote.majorities.high
    (check,) = outcomes.checks
    assert check.wrong.low < CASES * (1 - 0.734315) * 0.9 < check.wrong.high
    assert check.right.low < CASES * 0.734315 * 0.02 < check.right.high
    assert {"votes", "checks"} <= {section.anchor for section in sections(outcomes)}


def test_a_run_without_votes_and_checks_has_no_such_section(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(TEXT.format(capability=FLOW, step="").replace("20000s", "20s"))
    outcomes = assess(simulate(load(tmp_path), tmp_path / "run", workers=1))
    assert not {"votes", "checks"} & {section.anchor for section in sections(outcomes)}


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        ("service: 1s, vote: {of: 4}", "a vote of an even number"),
        ("service: 1s, guardrail: {sensitivity: 0}", "a check that stops nothing"),
        ("service: 1s, self-check: {sensitivity: 0}", "a check that stops nothing"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, capability: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, capability)
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)


def test_the_integral_is_that_of_the_reference() -> None:
    grid = special.betaincinv(0.709, 0.276, (np.arange(200_000) + 0.5) / 200_000)
    assert float(np.mean(3 * grid**2 - 2 * grid**3)) == pytest.approx(0.734315, abs=1e-5)
