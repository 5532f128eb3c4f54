"""What running replications side by side gains and costs: two workers against one, the pool's overhead, Dask.

Run: python benchmarks/executors.py [--replications N] [--rounds N] [--no-dask]

Each round runs the sides one after the other, in alternating order, and forms ratios within the round, so that a slow
spell of the machine hits both. Told are medians, with the least and the greatest. Times are wall clock.

- speed-up: `simulate` of the shipped scenario incident-desk into a run folder, by one worker (this process) and by
  two; a whole run, with the start of the workers and the writing of the folder. Bar: 1.7.
- overhead: replications that take about a millisecond of computing and do nothing, in this process and on two workers
  that have started. Wall time twice over (there are two cores), less the time of computing, for each replication. Bar:
  2 ms.
- Dask: the same run of incident-desk on two workers of `--cluster local` and of the pool; and what a replication of
  the millisecond costs there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.load import load
from sim.executors.base import Executor, pack
from sim.executors.pool import executor
from sim.simulate import simulate

SCENARIO = Path(__file__).parents[1] / "scenarios" / "incident-desk"
SPEED_UP_BAR, OVERHEAD_BAR_MS = 1.7, 2.0
SHORT = 2_000
"""Replications of about a millisecond in one measurement."""
_TURNS = 60_000
"""Turns of a loop that take about a millisecond."""


def spin(turns: int, numbers: Sequence[int]) -> list[int]:
    """A replication that only computes."""
    return [sum(range(number % 2, turns)) for number in numbers]


def seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def in_turn(number: int, sides: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The time of each side, in an order that changes with the round."""
    names = list(sides)[:: 1 if number % 2 else -1]
    return {name: seconds(sides[name]) for name in names}


def run(replications: int, workers: int, cluster: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        simulate(load(SCENARIO), out, replications=replications, workers=workers, cluster=cluster)


def short(on: Executor) -> None:
    """Run the short replications."""
    packed = pack(spin, _TURNS)
    assert sum(1 for _ in on.run([(packed, range(SHORT))])) == SHORT


def told(name: str, values: Sequence[float], unit: str, bar: str = "") -> None:
    spread = f"{min(values):.2f} to {max(values):.2f}"
    print(f"{name}: {statistics.median(values):.2f} {unit} (median of {len(values)}, {spread}){bar}")


def speed_up(replications: int, rounds: int) -> None:
    """Two workers against one."""
    times = [
        in_turn(n, {"one": lambda: run(replications, 1), "two": lambda: run(replications, 2)}) for n in range(rounds)
    ]
    told("incident-desk, one worker", [t["one"] for t in times], f"s for {replications} replications")
    told("incident-desk, two workers", [t["two"] for t in times], f"s for {replications} replications")
    told("two workers against one", [t["one"] / t["two"] for t in times], "times as fast", f"; bar {SPEED_UP_BAR}")


def overhead(rounds: int, cluster: str | None = None) -> None:
    """What handing over a replication costs."""
    name = "the pool" if cluster is None else "Dask"
    with executor(1) as here, executor(2, cluster) as there:
        short(there)  # the workers start, and have unpacked the job
        times = [in_turn(n, {"here": lambda: short(here), "there": lambda: short(there)}) for n in range(rounds)]
    bar = f"; bar {OVERHEAD_BAR_MS}" if cluster is None else ""
    told("a short replication", [1e3 * t["here"] / SHORT for t in times], "ms")
    told(f"overhead of {name}", [1e3 * (2 * t["there"] - t["here"]) / SHORT for t in times], "ms a replication", bar)


def dask(replications: int, rounds: int) -> None:
    """Dask against the pool."""
    sides = {"pool": lambda: run(replications, 2), "dask": lambda: run(replications, 2, "local")}
    times = [in_turn(n, sides) for n in range(rounds)]
    told("Dask against the pool, two workers each", [t["dask"] / t["pool"] for t in times], "times as long")
    overhead(rounds, "local")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=60, help="of incident-desk [default: 60]")
    parser.add_argument("--rounds", type=int, default=5, help="[default: 5]")
    parser.add_argument("--no-dask", action="store_true", help="leave Dask out")
    asked = parser.parse_args()
    speed_up(asked.replications, asked.rounds)
    overhead(asked.rounds)
    if not asked.no_dask:
        dask(asked.replications, asked.rounds)


if __name__ == "__main__":
    main()
