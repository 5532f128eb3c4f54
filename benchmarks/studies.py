"""What common random numbers buy, and what a study keeps in memory.

Run: python benchmarks/studies.py [--pairs N] [--points N]

- gain: the variance of a difference of two variants when both have independent random numbers, over its variance when
  they share them. As many times more replications would an independent comparison need for the same interval. The
  pairs are named; bar for the first, a queue of ten servers at load .9 and the same with service 2 % faster: 10.
- memory: peak of a process that sweeps the queue over so many points, from one number of points to twice as many, by
  replication.

Nothing here depends on the machine but memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import windtunnel as wt
from models.load import LoadedScenario
from reports.measures import Value, definitions, measure, measure_job

SCENARIOS = Path(__file__).parents[1] / "scenarios"
GAIN_BAR = 10
REPLICATIONS = 20

QUEUE = """\
windtunnel: 1
name: desk
start: 2026-01-05T00:00:00Z
horizon: 10h
warm-up: 1h
desks:
  people:
    roster: [{days: daily, hours: "00:00-24:00", staff: 10}]
    service: exponential(mean=60s)
workflows: {call: {start: talk, steps: {talk: {kind: desk, desk: people}}}}
work: {calls: {workflow: call, arrivals: {kind: poisson, rate: 9/min}}}
"""

FASTER = {"desks.people.service": "exponential(mean=58.8235s)"}
SHIPPED = (
    ("refund-desk", "two-at-care", "desks.care.wait.mean"),
    ("refund-desk", "cap-1000", "work.refunds.cost"),
    ("incident-desk", "smaller-second-line", "desks.second-line.load"),
)
"""Scenario, variant against the scenario as it stands, measure."""
FEWER = 10
"""Pairs of the queue for one of a shipped scenario, whose replications take longer."""


def figures(scenario: LoadedScenario, name: str, seed: int, pairs: int) -> np.ndarray:
    """A measure in replications, NaN where there was nothing to measure."""
    chosen = {name: definitions(scenario.scenario)[name]}
    rows = measure(measure_job(scenario, seed, chosen, "events"), range(pairs))
    return np.array([row[0].best if isinstance(row[0], Value) else np.nan for row in rows])


def gain(one: LoadedScenario, other: LoadedScenario, name: str, pairs: int) -> float:
    """Variance of independent differences over that of paired ones."""
    seed = one.scenario.seed
    first, shared, apart = (
        figures(scenario, name, number, pairs) for scenario, number in ((one, seed), (other, seed), (other, seed + 1))
    )
    independent, together = np.nanvar(apart - first, ddof=1), np.nanvar(shared - first, ddof=1)
    return float(independent / together)


def told(name: str, found: float, pairs: int, bar: str = "") -> None:
    print(f"{name}: gain {found:.1f} ({pairs} pairs){bar}", flush=True)


def gains(pairs: int) -> None:
    """Print the gain of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(QUEUE)
        found = gain(wt.load(file), wt.load(file, FASTER), "desks.people.wait.mean", pairs)
    print(
        f"M/M/10 at load .9, service 2% faster, mean wait: gain {found:.1f} ({pairs} pairs); bar {GAIN_BAR}", flush=True
    )
    few = max(pairs // FEWER, 2)
    for name, variant, what in SHIPPED:
        base, changed = (wt.load(SCENARIOS / name, {"horizon": "12d"}, variant=of) for of in ("base", variant))
        print(
            f"{name} of 12 days, {variant}, {what}: gain {gain(base, changed, what, few):.1f} ({few} pairs)", flush=True
        )


def sweep(points: int) -> float:
    """Sweep the queue, a short while, over so many points. Returns the peak of memory, MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(QUEUE)
        vary: dict[str, list[Any]] = {"desks.people.service": [f"exponential(mean={60 + n}s)" for n in range(points)]}
        short = wt.load(file, {"horizon": "2m", "warm-up": "0s"})
        wt.sweep(short, vary, Path(folder) / "study", replications=REPLICATIONS, workers=1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(points: int) -> float:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--sweep", str(points)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - our own


def memory(points: int) -> None:
    """Print what a point more takes."""
    few, many = peak(points), peak(2 * points)
    each = (many - few) * 2**20 / (points * REPLICATIONS)
    print(
        f"a sweep of {points:,} points of {REPLICATIONS} replications: peak {few:,.0f} MB; of {2 * points:,} points: "
        f"{many:,.0f} MB; {each:,.0f} bytes a replication more"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=200, help="of the queue [default: 200]")
    options.add_argument("--points", type=int, default=100, help="[default: 100]")
    options.add_argument("--sweep", type=int, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.sweep:
        print(sweep(asked.sweep))
        return
    gains(asked.pairs)
    memory(asked.points)


if __name__ == "__main__":
    main()
