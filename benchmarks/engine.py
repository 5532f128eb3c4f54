"""Speed of the reference engine: an M/M/10 queue, against the same queue written the way SimPy's documentation teaches.

Run: python benchmarks/engine.py [--customers N] [--rounds N]
     python benchmarks/engine.py --scenarios [--rounds N]
     python benchmarks/engine.py --memory 10000 100000 1000000

Each round runs both programs in processes of their own, one after the other, on one core and in alternating order. The
ratio is formed within a round, so that a slow spell of the machine hits both sides. Times are CPU time of the process.

- SimPy: one generator per customer and a `simpy.Resource`; only `Environment.run` is timed, and it keeps the waits
only.
- engine: the scenario below through `models.load.load`; timed are drawing the workload and running the replication with
  its whole event log. Loading, compiling and turning the log into tables are timed apart and printed.

With `--scenarios` every shipped scenario is measured instead: one replication in a process of its own, at its own
horizon, with the next seed each round. Told are the median and the range of events and cases in a second of drawing and
running, and the greatest peak of the process's memory, tables included.

With `--memory` the queue is simulated into a run folder with so many customers, in each volume: one replication, in a
process of its own. Told are the peak of its memory, from one size to the next what a customer more takes, and the size
of the report.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

ARRIVALS_PER_SECOND, SERVICE_SECONDS, SERVERS = 9, 1, 10

SCENARIO = """\
windtunnel: 1
name: mm10
start: 2026-01-05T00:00:00Z
horizon: {horizon}s
agents:
  servers:
    replicas: {servers}
    capabilities:
      serve: {{service: exponential(mean={service}s)}}
workflows:
  visit:
    start: serve
    steps:
      serve: {{kind: task, agent: servers, capability: serve}}
work:
  customers:
    workflow: visit
    arrivals: {{kind: poisson, rate: {rate}/s}}
"""


def time_simpy(customers: int, seed: int) -> dict[str, float]:
    """The queue as SimPy's documentation would have one write it."""
    import simpy

    chance = random.Random(seed)  # noqa: S311 - no secret
    waits: list[float] = []

    def visit(env: simpy.Environment, servers: simpy.Resource) -> simpy.events.ProcessGenerator:
        came = env.now
        with servers.request() as request:
            yield request
            waits.append(env.now - came)
            yield env.timeout(chance.expovariate(1 / SERVICE_SECONDS))

    def arrivals(env: simpy.Environment, servers: simpy.Resource) -> simpy.events.ProcessGenerator:
        for _ in range(customers):
            yield env.timeout(chance.expovariate(ARRIVALS_PER_SECOND))
            env.process(visit(env, servers))

    env = simpy.Environment()
    env.process(arrivals(env, simpy.Resource(env, SERVERS)))
    began = time.process_time()
    env.run()
    took = time.process_time() - began
    return {"per_second": customers / took, "wait": statistics.fmean(waits)}


def time_engine(customers: int, seed: int) -> dict[str, float]:
    """The same queue as an ordinary scenario, through the public loader."""
    from models.load import load
    from sim.compile import compile_plan
    from sim.engine import Replication
    from sim.rules import compile_rules

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(_scenario(customers))
        times = [time.process_time()]
        loaded = load(file)
        plan, rules = compile_plan(loaded), compile_rules(loaded)
    times.append(time.process_time())
    replication = Replication(plan, rules, seed, 0)
    replication.run()
    times.append(time.process_time())
    tables = replication.tables(loaded.digest, seed)
    times.append(time.process_time())
    count = tables.cases.num_rows
    started = tables.events.filter(_is_started(tables.events))
    load_time, run_time, table_time = (b - a for a, b in pairwise(times))
    return {
        "per_second": count / run_time,
        "events_per_second": tables.events.num_rows / run_time,
        "load": load_time,
        "tables_per_customer": table_time / count,
        "wait": statistics.fmean(started.column("value").to_pylist()) / 1e6,
    }


def _scenario(customers: int) -> str:
    """The queue for about so many customers."""
    horizon = customers // ARRIVALS_PER_SECOND
    return SCENARIO.format(horizon=horizon, servers=SERVERS, service=SERVICE_SECONDS, rate=ARRIVALS_PER_SECOND)


def _is_started(events):  # type: ignore[no-untyped-def]  # pyarrow has no types of its own
    import pyarrow.compute as pc

    return pc.equal(events.column("kind"), "started")


def time_scenario(folder: str, seed: int) -> dict[str, float]:
    """One replication of a shipped scenario, and the peak of memory in MB."""
    from models.load import load
    from sim.compile import compile_plan
    from sim.engine import Replication
    from sim.rules import compile_rules

    loaded = load(SCENARIOS / folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    began = time.process_time()
    replication = Replication(plan, rules, seed, 0)
    replication.run()
    took = time.process_time() - began
    tables = replication.tables(loaded.digest, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cases": tables.cases.num_rows, "events": tables.events.num_rows, "seconds": took, "peak": peak}


def measure_scenarios(rounds: int, seed: int) -> None:
    """Print a line for each shipped scenario."""
    names = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            found[name].append(measure("--scenario", name, "--seed", str(seed + turn)))
    for name, each in found.items():
        events = [one["events"] / one["seconds"] for one in each]
        cases = [one["cases"] / one["seconds"] for one in each]
        print(
            f"{name:24} {statistics.median(one['cases'] for one in each):9,.0f} cases, "
            f"{statistics.median(one['events'] for one in each):11,.0f} events: "
            f"{statistics.median(events):9,.0f} events/s [{min(events):,.0f}-{max(events):,.0f}], "
            f"{statistics.median(cases):8,.0f} cases/s; peak {max(one['peak'] for one in each):,.0f} MB"
        )


def time_volume(customers: int, seed: int, volume: str) -> dict[str, float]:
    """One replication of the queue into a run folder, and the peak of memory in MB; then the size of its report."""
    from models.load import load
    from sim.simulate import simulate

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(_scenario(customers))
        loaded = load(file)
        began = time.process_time()
        run = simulate(loaded, Path(folder) / "run", replications=1, seed=seed, workers=1, volume=volume)  # type: ignore[arg-type]
        took = time.process_time() - began
        size = sum(path.stat().st_size for path in (Path(folder) / "run").iterdir())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        from reports.html import write_html  # not before: it is no part of what a simulation takes

        page = write_html(Path(folder) / "report.html", run, None).stat().st_size
    return {"peak": peak, "seconds": took, "size": size / 1e6, "page": page / 1e3}


def measure_memory(sizes: list[int], seed: int) -> None:
    """Print a line for each volume and size."""
    for volume in VOLUMES:
        before: tuple[int, float] | None = None
        for customers in sorted(sizes):
            found = measure("--volume", volume, "--customers", str(customers), "--seed", str(seed))
            more = ""
            if before is not None:
                more = f"; {(found['peak'] - before[1]) * 2**20 / (customers - before[0]):,.0f} bytes a customer more"
            print(
                f"{volume:7} {customers:10,} customers: peak {found['peak']:,.0f} MB, run folder {found['size']:,.1f} "
                f"MB, report {found['page']:,.0f} kB, {found['seconds']:.1f} s{more}"
            )
            before = (customers, found["peak"])


VOLUMES = ("events", "cases", "summary")
SIDES = {"simpy": time_simpy, "engine": time_engine}
SCENARIOS = Path(__file__).parents[1] / "scenarios"


def measure(*arguments: str) -> dict[str, float]:
    """Run one side, or one scenario, in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--customers", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--scenarios", action="store_true", help="measure every shipped scenario")
    options.add_argument("--memory", type=int, nargs="+", metavar="N", help="measure memory with N customers")
    options.add_argument("--volume", choices=VOLUMES, help=argparse.SUPPRESS)
    options.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options.add_argument("--scenario", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.side:
        print(json.dumps(SIDES[chosen.side](chosen.customers, chosen.seed)))
        return
    if chosen.volume:
        print(json.dumps(time_volume(chosen.customers, chosen.seed, chosen.volume)))
        return
    if chosen.memory:
        measure_memory(chosen.memory, chosen.seed)
        return
    if chosen.scenario:
        print(json.dumps(time_scenario(chosen.scenario, chosen.seed)))
        return
    if chosen.scenarios:
        measure_scenarios(chosen.rounds, chosen.seed)
        return
    compare(chosen.rounds, chosen.customers, chosen.seed)


def compare(rounds: int, customers: int, seed: int) -> None:
    """Print the ratio of each round, and the median of all."""
    ratios = []
    for turn in range(rounds):
        order = ("simpy", "engine") if turn % 2 == 0 else ("engine", "simpy")
        given = ("--customers", str(customers), "--seed", str(seed + turn))
        found = {side: measure("--side", side, *given) for side in order}
        ratios.append(found["engine"]["per_second"] / found["simpy"]["per_second"])
        engine = found["engine"]
        print(
            f"round {turn + 1}: SimPy {found['simpy']['per_second']:,.0f} customers/s (mean wait "
            f"{found['simpy']['wait']:.3f} s), engine {engine['per_second']:,.0f} ({engine['wait']:.3f} s; "
            f"{engine['events_per_second']:,.0f} events/s; load {engine['load']:.2f} s; tables "
            f"{engine['tables_per_customer'] * 1e6:.2f} us a customer): ratio {ratios[-1]:.2f}"
        )
    print(f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}], {rounds} rounds")


if __name__ == "__main__":
    main()
