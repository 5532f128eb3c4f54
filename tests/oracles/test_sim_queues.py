"""The engine against queueing theory: closed formulas, judged by z over independent replications.

Every system is an ordinary scenario read by the public loader. A figure's z is (mean over replications - theory) over
its standard error; all figures of the module are judged together, by Holm's correction at a family level of 1 in 1000.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

FAMILY = 0.001
WARM_UP, REST = 500, 100
"""Seconds at the start that are not measured (the systems start empty), and at the end (their waits are cut short)."""

HEAD = """\
windtunnel: 1
name: queue
start: 2026-01-05T00:00:00Z
horizon: {horizon}s
agents:
  servers:
    replicas: {servers}
    queue: {queue}
    capabilities:
      serve: {{service: "{service}"}}
workflows:
  visit:
    start: serve
    steps:
      serve: {{kind: task, agent: servers, capability: serve{step}}}
work:
"""
WORK = "  w{n}: {{workflow: visit, priority: {n}, arrivals: {{kind: poisson, rate: {rate}/s}}}}\n"


class System(NamedTuple):
    """A queue: arrival rates by priority (a second), servers, service law, queue keys, further step keys."""

    rates: tuple[float, ...]
    servers: int
    service: str
    queue: str = "{}"
    step: str = ""
    horizon: int = 4000
    replications: int = 20


SYSTEMS = {
    "M/M/10": System((9.0,), 10, "exponential(mean=1s)"),
    "M/G/1": System((0.8,), 1, "lognormal(mean=1s, cv=1.414213562)", horizon=20_000),
    "M/D/1": System((0.8,), 1, "1s", horizon=10_000),
    "M/M/1/10": System((0.9,), 1, "exponential(mean=1s)", "{capacity: 9}", horizon=20_000),
    "M/M/4/10": System((3.6,), 4, "exponential(mean=1s)", "{capacity: 6}", horizon=6_000),
    "M/M/10+M": System((11.0,), 10, "exponential(mean=1s)", step=", patience: exponential(mean=2s)", horizon=3_000),
    "M/M/10+D": System((11.0,), 10, "exponential(mean=1s)", step=", patience: 2s", horizon=3_000),
    "priority M/M/1": System((0.3, 0.5), 1, "exponential(mean=1s)", "{order: priority}", horizon=20_000),
    "priority M/M/10": System((3.0, 6.0), 10, "exponential(mean=1s)", "{order: priority}", horizon=5_000),
}


def lognormal_wait(rate: float, scv: float) -> float:
    """Pollaczek and Khinchine, mean service 1."""
    return rate * (1 + scv) / (2 * (1 - rate))


def erlang_c(a: float, c: int) -> float:
    b = 1.0
    for k in range(1, c + 1):
        b = a * b / (k + a * b)
    return b / (1 - a / c * (1 - b))


THEORY = {
    ("M/M/10", "waits"): erlang_c(9, 10),
    ("M/M/10", "wait"): erlang_c(9, 10) / (10 - 9),
    ("M/M/10", "wait over 1s"): erlang_c(9, 10) * math.exp(-1),
    ("M/G/1", "wait"): lognormal_wait(0.8, 2.0),
    ("M/D/1", "wait"): lognormal_wait(0.8, 0.0),
    ("M/M/1/10", "blocked"): 0.050814,
    ("M/M/1/10", "in system"): 4.646601,
    ("M/M/4/10", "blocked"): 0.067174,
    ("M/M/4/10", "wait"): 0.507100,
    ("M/M/10+M", "waits"): 0.750503,
    ("M/M/10+M", "lost"): 0.147746,
    ("M/M/10+M", "any wait"): 0.295492,
    ("M/M/10+D", "lost"): 0.099674,
    ("M/M/10+D", "waits"): 1 - 0.038477,
    ("priority M/M/1", "wait of 0"): 1.142857,
    ("priority M/M/1", "wait of 1"): 5.714286,
    ("priority M/M/10", "wait of 0"): 0.095533,
    ("priority M/M/10", "wait of 1"): 0.955331,
}
"""Values of the second half: ../shared/reference/simulation.md, section 9; birth-death formulas and Cobham's."""


class Visits(NamedTuple):
    """One replication's visits to the queue, measured ones only; times in seconds."""

    wait: npt.NDArray[np.float64]
    lost: npt.NDArray[np.bool_]
    blocked: npt.NDArray[np.bool_]
    in_system: npt.NDArray[np.float64]
    work: npt.NDArray[np.int64]


def visits(system: System, replication: Replication) -> Visits:
    tables = replication.tables("", 0)
    events = tables.events.to_pandas()
    cases = tables.cases.to_pandas()
    of_kind = {kind: rows.set_index("case") for kind, rows in events.groupby("kind")}

    def at(kind: str, column: str) -> pd.Series:
        rows = of_kind.get(kind)
        return rows[column].reindex(cases["case"]) if rows is not None else pd.Series(np.nan, cases["case"])

    wait = at("started", "value").fillna(at("abandoned", "value")).to_numpy() / 1e6
    arrived = cases["arrived"].to_numpy() / 1e6
    measured = (arrived >= WARM_UP) & (arrived < system.horizon - REST)
    blocked = at("rejected", "time").notna().to_numpy()
    assert np.isnan(wait[measured & ~blocked]).sum() == 0, "every visit is over before the end"
    in_system = (at("finished", "time").to_numpy() - cases["arrived"].to_numpy()) / 1e6
    lost = at("abandoned", "time").notna().to_numpy()
    work = cases["work"].str[1:].astype("int64").to_numpy()
    return Visits(*(column[measured] for column in (wait, lost, blocked, in_system, work)))


FIGURES: dict[str, Callable[[Visits], float]] = {
    "waits": lambda v: float(np.mean(v.wait > 0)),
    "wait": lambda v: float(np.nanmean(v.wait)),
    "wait over 1s": lambda v: float(np.mean(v.wait > 1)),
    "any wait": lambda v: float(np.mean(v.wait)),
    "lost": lambda v: float(np.mean(v.lost)),
    "blocked": lambda v: float(np.mean(v.blocked)),
    "in system": lambda v: float(np.nanmean(v.in_system)),
    "wait of 0": lambda v: float(np.mean(v.wait[v.work == 0])),
    "wait of 1": lambda v: float(np.mean(v.wait[v.work == 1])),
}


def simulate(name: str, system: System, folder: Path, replications: int) -> dict[tuple[str, str], list[float]]:
    text = HEAD.format(**system._asdict()) + "".join(WORK.format(n=n, rate=rate) for n, rate in enumerate(system.rates))
    file = folder / "scenario.yaml"
    file.write_text(text)
    loaded = load(file)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    found: dict[tuple[str, str], list[float]] = {key: [] for key in THEORY if key[0] == name}
    for number in range(replications):
        replication = Replication(plan, rules, 20260105, number)
        replication.run()
        seen = visits(system, replication)
        for key in found:
            found[key].append(FIGURES[key[1]](seen))
    return found


def p_value(values: list[float], theory: float) -> float:
    """Two-sided p of Student's t."""
    return float(stats.ttest_1samp(values, theory).pvalue)


def rejected(p_values: dict[tuple[str, str], float], level: float) -> set[tuple[str, str]]:
    """Holm's step-down procedure."""
    found: set[tuple[str, str]] = set()
    for passed, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > level / (len(p_values) - passed):
            break
        found.add(key)
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for name, system in SYSTEMS.items():
        found |= simulate(name, system, tmp_path_factory.mktemp("queue"), system.replications)
    return found


def test_every_figure_agrees_with_queueing_theory(measured: dict[tuple[str, str], list[float]]) -> None:
    p_values = {key: p_value(values, THEORY[key]) for key, values in measured.items()}
    assert p_values.keys() == THEORY.keys()
    assert rejected(p_values, FAMILY) == set(), {key: (np.mean(v), THEORY[key]) for key, v in measured.items()}


@pytest.mark.parametrize("key", [("M/M/10", "waits"), ("M/M/1/10", "blocked"), ("M/M/10+D", "lost"), ("M/D/1", "wait")])
def test_a_theory_that_is_off_by_a_tenth_is_rejected(
    key: tuple[str, str], measured: dict[tuple[str, str], list[float]]
) -> None:
    p_values = {other: p_value(values, THEORY[other]) for other, values in measured.items()}
    p_values[key] = p_value(measured[key], THEORY[key] * 1.1)
    assert rejected(p_values, FAMILY) == {key}


def test_priority_is_not_first_come_first_served(measured: dict[tuple[str, str], list[float]]) -> None:
    in_order = lognormal_wait(0.8, 1.0)
    assert p_value(measured["priority M/M/1", "wait of 0"], in_order) < FAMILY


def test_formulas_give_the_reference_values() -> None:
    assert erlang_c(9, 10) == pytest.approx(0.668732, abs=1e-6)
    assert lognormal_wait(0.8, 2.0) == pytest.approx(6.0)


@pytest.mark.long
def test_erlang_c_over_many_replications(tmp_path: Path) -> None:
    system = SYSTEMS["M/M/10"]._replace(horizon=12_000)
    found = simulate("M/M/10", system, tmp_path, 100)
    assert rejected({key: p_value(values, THEORY[key]) for key, values in found.items()}, FAMILY) == set()
    assert np.std(found["M/M/10", "wait"], ddof=1) / 10 < 0.012, "the test is sharp: about one per cent and a half"
