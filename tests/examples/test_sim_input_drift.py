"""Drifts of input: the same draws by another law, and monitors of attributes that alarm where scipy and numpy do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules
from sim.simulate import simulate

SECOND = 1_000_000
LAWS = {
    "size": ("uniform(low=0, high=100)", "uniform(low=10, high=130)"),
    "urgent": ("chance(p=0.2)", "chance(p=0.5)"),
    "kind": ("choice(a=0.5, b=0.5)", "choice(b=0.2, c=0.8)"),
}
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 2000s
replications: 3
agents: {pool: {replicas: 9, capabilities: {work: {service: 1s, success: 0.8, detected: 0.0}}}}
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work}}}}
work:
  main:
    workflow: flow
    arrivals: {kind: renewal, rate: 1/s, cv: 0}
    attributes: {size: "uniform(low=0, high=100)", urgent: chance(p=0.2), kind: "choice(a=0.5, b=0.5)"}
"""
OTHER = "  side: {workflow: flow, arrivals: {kind: poisson, rate: 1/s}, attributes: {n: 5}}\n"


def drift(attribute: str, at: str = "1000s") -> str:
    to = LAWS[attribute][1]
    return f'faults: [{{kind: drift, of: input, work: main, attribute: {attribute}, at: {at}, to: "{to}"}}]\n'


def monitor(attribute: str, detector: str) -> str:
    eye = f"agent: pool, capability: work, watches: attribute, attribute: {attribute}, detector: {{{detector}}}"
    return f"monitors: {{eye: {{{eye}}}}}\n"


Fly = Callable[..., Tables]


@pytest.fixture
def fly(tmp_path: Path) -> Fly:
    def run(more: str = "", text: str = TEXT, replication: int = 0) -> Tables:
        (tmp_path / "scenario.yaml").write_text(text + more)
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, replication)
        flight.run()
        return flight.tables("", 1)

    return run


def values(tables: Tables, attribute: str) -> list[Any]:
    return [row[f"attr.{attribute}"] for row in tables.cases.to_pylist() if row["work"] == "main"]


def alarms(tables: Tables) -> list[tuple[float, int]]:
    rows = [row for row in tables.events.to_pylist() if row["kind"] == "alarm"]
    return [(row["time"] / SECOND, row["value"]) for row in rows]


@pytest.mark.parametrize("attribute", LAWS)
def test_cases_from_then_on_have_the_same_draws_by_the_other_law(fly: Fly, attribute: str) -> None:
    # Case n arrives at n + 1 seconds: the first with the other law is number 999.
    old, new = LAWS[attribute]
    before, after = values(fly(), attribute), values(fly(text=TEXT.replace(old, new)), attribute)
    drifted = fly(drift(attribute))
    assert values(drifted, attribute) == before[:999] + after[999:]
    assert before[999:] != after[999:]
    others = [name for name in LAWS if name != attribute]
    assert all(values(drifted, name) == values(fly(), name) for name in others)
    told = [(r["time"], r["place"], r["detail"]) for r in drifted.events.to_pylist() if r["kind"] == "drift"]
    assert told == [(1000 * SECOND, "work:main", f"{attribute}: {new}")]


def test_the_last_drift_that_has_begun_is_in_force(fly: Fly) -> None:
    third = "{kind: drift, of: input, work: main, attribute: size, at: 500s, to: 7}"
    found = values(fly(drift("size").replace("faults: [", f"faults: [{third}, ")), "size")
    assert set(found[499:999]) == {7}
    assert found[999:] == values(fly(drift("size")), "size")[999:]


def windows(labels: Sequence[float], reference: int, window: int, differ: Callable[..., bool]) -> list[int]:
    """Where alarms come, in labels seen: after each the reference is learnt anew."""
    found, at = [], 0
    while at + reference + window <= len(labels):
        known, at = labels[at : at + reference], at + reference
        while at + window <= len(labels):
            at += window
            if differ(known, labels[at - window : at]):
                found.append(at)
                break
        else:
            break
    return found


def rare(known: Sequence[float], there: Sequence[float]) -> bool:
    return bool(ks_2samp(known, there, method="exact").pvalue < 0.001)


def shifted(known: Sequence[float], there: Sequence[float]) -> bool:
    edges = np.unique(np.quantile(known, np.arange(1, 10) / 10, method="inverted_cdf"))
    edges = edges[edges < max(known)] if (edges < max(known)).any() else np.array([max(known)])
    share = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) / len(x) for x in (known, there)]
    e, a = (np.maximum(s, 0.5 / len(x)) for s, x in zip(share, (known, there), strict=True))
    return bool(((a - e) * np.log(a / e)).sum() > 0.25)


@pytest.mark.parametrize(
    ("attribute", "detector", "differ"),
    [
        ("size", "kind: ks, reference: 200, window: 100, alpha: 0.001", rare),
        ("size", "kind: psi, reference: 200, window: 100, threshold: 0.25", shifted),
        ("urgent", "kind: ks, reference: 200, window: 100, alpha: 0.001", rare),
        ("urgent", "kind: psi, reference: 200, window: 100, threshold: 0.25", shifted),
    ],
)
@pytest.mark.parametrize("replication", range(3))
def test_alarms_come_where_the_reference_raises_them(
    fly: Fly, attribute: str, detector: str, differ: Callable[..., bool], replication: int
) -> None:
    # The n-th label comes with the n-th case's answer, a second after its arrival at n seconds.
    tables = fly(drift(attribute) + monitor(attribute, detector), replication=replication)
    labels = [float(value) for value in values(tables, attribute)][:1998]
    expected = windows(labels, 200, 100, differ)
    assert alarms(tables) == [(seen + 1, seen) for seen in expected]
    assert any(seen > 1000 for seen in expected)
    quiet = fly(monitor(attribute, detector), replication=replication)
    assert len(alarms(quiet)) < len(expected)


def test_cases_without_the_attribute_have_no_label(fly: Fly) -> None:
    eye = monitor("size", "kind: ks, reference: 200, window: 100, alpha: 0.001")
    alone, beside = fly(drift("size") + eye), fly(drift("size") + eye, TEXT + OTHER)
    assert [seen for _, seen in alarms(alone)] == [seen for _, seen in alarms(beside)]


def test_the_report_tells_the_delay_and_the_harm(tmp_path: Path) -> None:
    eye = monitor("size", "kind: ks, reference: 200, window: 100, alpha: 0.001")
    (tmp_path / "scenario.yaml").write_text(TEXT + drift("size") + eye)
    run = simulate(load(tmp_path), tmp_path / "out", workers=1)
    outcomes = assess(run)
    (outcome,) = outcomes.drift
    assert (outcome.of, outcome.subject, outcome.monitor, outcome.missed) == ("input", "main size", "eye", 0)
    assert not outcomes.quiet_monitors
    events = run.events()
    first = events[(events["kind"] == "alarm") & (events["time"] >= 1000 * SECOND)].groupby("replication")["time"].min()
    assert outcome.delay.estimate == pytest.approx(first.mean() - 1000 * SECOND)
    wrong = events[(events["kind"] == "attempt-wrong") & (events["time"] >= 1000 * SECOND)]
    harm = [(wrong[wrong["replication"] == n]["time"] < at).sum() for n, at in first.items()]
    assert outcome.harm.estimate == pytest.approx(np.mean(harm))


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("work: main, ", "", "a drift of input needs `work`"),
        ("work: main, ", "work: mane, ", "unknown work `mane`"),
        ("attribute: size, at", "attribute: sise, at", "work `main` has no attribute `sise`"),
        ("of: input", "of: input, agent: pool", "a drift of input has no use for `agent`"),
        ("of: input", "of: quality", "a drift of quality needs `agent`"),
        ('"uniform(low=10, high=130)"', '"chance(p=0.5)"', "the attribute is a whole number, and this law gives true"),
        ("watches: attribute, ", "", "errors are no attribute"),
        ("attribute: size, detector", "detector", "`watches: attribute` needs an attribute"),
        ("attribute: size, detector", "attribute: sise, detector", "no case has the attribute `sise`"),
        ("attribute: size, detector", "attribute: kind, detector", "`kind` is a text, and detectors read numbers"),
        ("kind: ks, reference: 9, window: 9", "kind: ddm", "a `ddm` reads labels of 0 and 1, and `size` is a number"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, message: str) -> None:
    text = TEXT + drift("size") + monitor("size", "kind: ks, reference: 9, window: 9")
    assert text.count(good) == 1
    (tmp_path / "scenario.yaml").write_text(text.replace(good, bad))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert any(found.message.startswith(message) for found in caught.value.diagnostics)


def test_what_a_trace_tells_does_not_drift(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("at,Size\n0,5\n1,6\n")
    trace = "{kind: trace, file: t.csv, column: at, attributes: {size: Size}}"
    text = TEXT.replace("{kind: renewal, rate: 1/s, cv: 0}", trace) + drift("size")
    (tmp_path / "scenario.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert "the attribute `size` is read from a trace" in caught.value.diagnostics[0].message
