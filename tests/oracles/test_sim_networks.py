"""Networks of queues against closed forms: retrials, machine repair, Jackson's network, a closed network.

Every system is an ordinary scenario. Figures are judged together by Holm's correction, as those of single queues are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

FAMILY = 0.001
HEAD = "windtunnel: 1\nname: network\nstart: 2026-01-05T00:00:00Z\n"

RETRIAL = """\
horizon: 8000s
agents: {server: {queue: {capacity: 0}, capabilities: {serve: {service: exponential(mean=1s)}}}}
workflows:
  visit:
    start: serve
    steps:
      serve: {kind: task, agent: server, capability: serve, on-failure: orbit, limit: 10000}
      orbit: {kind: wait, duration: exponential(mean=2s), next: serve}
work: {w: {workflow: visit, arrivals: {kind: poisson, rate: 0.6/s}}}
"""

REPAIR = """\
horizon: 20000s
agents: {crews: {replicas: 2, capabilities: {mend: {service: exponential(mean=2s)}}}}
workflows:
  machine:
    start: up
    steps:
      up: {kind: wait, duration: exponential(mean=20s), next: down}
      down: {kind: task, agent: crews, capability: mend, next: up, limit: 10000}
work: {w: {workflow: machine, arrivals: {kind: trace, file: all.csv, column: t}}}
"""

JACKSON = """\
horizon: 8000s
agents:
  one: {capabilities: {serve: {service: exponential(mean=0.5s)}}}
  two: {replicas: 2, capabilities: {serve: {service: exponential(mean=0.833333s)}}}
  three: {replicas: 3, capabilities: {serve: {service: exponential(mean=1.25s)}}}
workflows:
  visit:
    start: at-one
    steps:
      at-one: {kind: task, agent: one, capability: serve, limit: 10000, next: from-one}
      from-one: {kind: choice, arms: [{share: 0.6, next: at-two}, {share: 0.4, next: at-three}]}
      at-two: {kind: task, agent: two, capability: serve, next: from-two}
      from-two: {kind: choice, arms: [{share: 0.7, next: at-three}]}
      at-three: {kind: task, agent: three, capability: serve, next: from-three}
      from-three: {kind: choice, arms: [{share: 0.2, next: at-one}]}
  second:
    start: at-two
    steps:
      at-two: {kind: task, agent: two, capability: serve, next: from-two}
      from-two: {kind: choice, arms: [{share: 0.7, next: at-three}]}
      at-three: {kind: task, agent: three, capability: serve, limit: 10000, next: from-three}
      from-three: {kind: choice, arms: [{share: 0.2, next: at-one}]}
      at-one: {kind: task, agent: one, capability: serve, next: from-one}
      from-one: {kind: choice, arms: [{share: 0.6, next: at-two}, {share: 0.4, next: at-three}]}
work:
  w: {workflow: visit, arrivals: {kind: poisson, rate: 1/s}}
  v: {workflow: second, arrivals: {kind: poisson, rate: 0.5/s}}
"""

CLOSED = """\
horizon: 8000s
agents:
  one: {capabilities: {serve: {service: exponential(mean=0.4s)}}}
  two: {capabilities: {serve: {service: exponential(mean=0.3s)}}}
  three: {capabilities: {serve: {service: exponential(mean=0.2s)}}}
workflows:
  round:
    start: think
    steps:
      think: {kind: wait, duration: exponential(mean=5s), next: at-one}
      at-one: {kind: task, agent: one, capability: serve, limit: 10000, next: at-two}
      at-two: {kind: task, agent: two, capability: serve, next: at-three}
      at-three: {kind: task, agent: three, capability: serve, next: think}
work: {w: {workflow: round, arrivals: {kind: trace, file: all.csv, column: t}}}
"""


class System(NamedTuple):
    """A scenario, how many start at its beginning, and its theory by figure."""

    text: str
    together: int
    theory: dict[str, float]
    warm_up: int = 500


SYSTEMS = {
    "retrial": System(RETRIAL, 0, {"in server": 0.6, "in system": 2.7 + 0.6}),
    "repair": System(REPAIR, 20, {"in crews": 3.452094, "in crews a machine": 1 - 0.827395}),
    "Jackson": System(
        JACKSON,
        0,
        {"in one": 1.777409, "in two": 1.465716, "in three": 2.215791, "in system": 5.458916, "time": 3.639277},
    ),
    "closed": System(
        CLOSED, 10, {"rate of one": 1.519883, "in one": 1.233972, "in two": 0.750989, "in three": 0.415621}
    ),
}
"""Values: ../shared/reference/simulation.md, section 9. Every system is measured after a warm-up."""

Figures = dict[str, list[float]]


def in_place(events: pd.DataFrame, joins: pd.Series, leaves: pd.Series, begin: int, end: int) -> float:
    """The mean number between those who joined and those who left, over the time from begin to end."""
    entered = events["time"][joins].clip(lower=begin).to_numpy(dtype="float64")
    left = events["time"][leaves].clip(lower=begin).to_numpy(dtype="float64")
    return float((np.sum(end - entered) - np.sum(end - left)) / (end - begin))


def figures(system: System, replication: Replication) -> dict[str, float]:
    tables = replication.tables("", 0)
    events, cases = tables.events.to_pandas(), tables.cases.to_pandas()
    begin, end = system.warm_up * 1_000_000, replication.plan.horizon
    kind, place = events["kind"], events["place"]
    found: dict[str, float] = {}
    for name in replication.plan.names.pools:
        here = place == f"agent:{name}"
        joins = here & ((kind == "queued") | ((kind == "started") & (events["value"] == 0)))
        leaves = here & (kind == "finished")
        found[f"in {name}"] = in_place(events, joins, leaves, begin, end)
        found[f"in {name} a machine"] = found[f"in {name}"] / max(system.together, 1)
        found[f"rate of {name}"] = float((leaves & (events["time"] >= begin)).sum() / (end - begin) * 1e6)
    found["in system"] = in_place(events, kind == "arrived", kind == "ended", begin, end)
    ended = cases[(cases["arrived"] >= begin) & cases["ended"].notna()]
    found["time"] = float((ended["ended"] - ended["arrived"]).mean() / 1e6) if len(ended) else 0.0
    return found


def simulate(system: System, folder: Path, replications: int) -> Figures:
    (folder / "scenario.yaml").write_text(HEAD + system.text)
    (folder / "all.csv").write_text("t\n" + "2026-01-05T00:00:00\n" * system.together)
    loaded = load(folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    found: Figures = {name: [] for name in system.theory}
    for number in range(replications):
        replication = Replication(plan, rules, 20260105, number)
        replication.run()
        seen = figures(system, replication)
        for name, values in found.items():
            values.append(seen[name])
    return found


def p_values(measured: dict[str, Figures], theory: Callable[[str, str], float]) -> dict[tuple[str, str], float]:
    return {
        (system, name): float(stats.ttest_1samp(values, theory(system, name)).pvalue)
        for system, figures in measured.items()
        for name, values in figures.items()
    }


def rejected(p_values: dict[tuple[str, str], float], level: float) -> set[tuple[str, str]]:
    """Holm's step-down procedure."""
    found: set[tuple[str, str]] = set()
    for passed, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > level / (len(p_values) - passed):
            break
        found.add(key)
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figures]:
    return {
        name: simulate(system, tmp_path_factory.mktemp("network"), REPLICATIONS) for name, system in SYSTEMS.items()
    }


REPLICATIONS = 12


def test_every_figure_agrees_with_its_closed_form(measured: dict[str, Figures]) -> None:
    found = p_values(measured, lambda system, name: SYSTEMS[system].theory[name])
    means = {key: (np.mean(measured[key[0]][key[1]]), SYSTEMS[key[0]].theory[key[1]]) for key in found}
    assert rejected(found, FAMILY) == set(), means


@pytest.mark.parametrize(
    "key", [("retrial", "in system"), ("repair", "in crews"), ("Jackson", "in three"), ("closed", "rate of one")]
)
def test_a_closed_form_that_is_off_by_a_tenth_is_rejected(key: tuple[str, str], measured: dict[str, Figures]) -> None:
    found = p_values(measured, lambda *at: SYSTEMS[at[0]].theory[at[1]] * (1.1 if at == key else 1.0))
    assert rejected(found, FAMILY) == {key}
