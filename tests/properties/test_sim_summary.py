"""Runs that keep counts alone: the same cases, the same figures, the same verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.assess import assess_run
from reports.digest import Digest
from reports.objectives import ObjectiveOutcome
from sim.audit import audit
from sim.blocks import BLOCK
from sim.buckets import bounds, buckets
from sim.chance import Draws
from sim.compile import compile_plan
from sim.counted import CountedReplication
from sim.decision_log import Chain, chained_hashes, seal
from sim.engine import Replication, Tables
from sim.replay import replay
from sim.rules import compile_rules
from sim.run import Run
from sim.simulate import simulate
from sim.tables import KEPT, Volume
from sim.workload import arrivals, materialise

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*/scenario.yaml"))
SEED = 5


def both(loaded: LoadedScenario) -> tuple[Tables, pd.DataFrame, object]:
    """The tables of a replication, the figures of the same one counted as it goes, and its seal."""
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    whole = Replication(plan, rules, SEED, 0)
    whole.run()
    counted = CountedReplication(plan, rules, SEED, 0, loaded.digest)
    counted.run()
    kept = counted.batches(loaded.digest, SEED)
    return whole.tables(loaded.digest, SEED), pa.Table.from_batches(kept.figures).to_pandas(), kept.chain.seal()


def amounts(figures: pd.DataFrame, name: str) -> dict[object, int]:
    rows = figures[figures["figure"] == name]
    return dict(zip(zip(rows["of"], rows["key"], strict=True), rows["amount"], strict=True))


@pytest.mark.parametrize("file", SCENARIOS, ids=[file.parent.name for file in SCENARIOS])
def test_what_is_counted_is_what_happened(file: Path) -> None:
    loaded = load(file)
    tables, figures, sealed = both(loaded)
    events, cases = tables.events.to_pandas(), tables.cases.to_pandas()
    measured = cases[cases["measured"]]
    assert sealed == tables.seal
    assert amounts(figures, "events") == events.groupby(["place", "kind"]).size().to_dict()
    assert amounts(figures, "cases") == measured.groupby(["work", "outcome"]).size().to_dict()
    after = amounts(figures, "after")
    for column in ("cost", "attempts", "tokens_out", "cost_people"):
        sums = {key: int(total) for key, total in measured.groupby(["work", "outcome"])[column].sum().items() if total}
        if not after.get(("", column)):
            assert amounts(figures, column) == sums
    values = events[(events["kind"] != "ended") & (events["value"] > 0)].groupby(["place", "kind"])["value"].sum()
    entered = {key for key in values.to_dict() if key[1] == "entered"}  # told with its arrival, without its value
    assert {k: v for k, v in amounts(figures, "values").items() if k[1] != "entered"} == {
        key: int(total) for key, total in values.items() if key not in entered
    }
    decisions = tables.decisions.to_pandas().groupby("step").size().to_dict()
    found = figures[figures["figure"] == "decisions"].groupby("of")["amount"].sum().to_dict()
    assert found == decisions


STREAMS = """\
windtunnel: 1
name: streams
start: 2026-01-05T00:00:00Z
horizon: {horizon}s
agents: {{pool: {{replicas: 9, capabilities: {{work: {{service: 1s}}}}}}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: work}}}}}}}}
work:
  first:
    workflow: flow
    arrivals: {{kind: {first}}}
    batch: {batch}
    attributes: {{n: "uniform(low=0, high=1000)", tier: "choice(a=0.5, b=0.5)"}}
  second: {{workflow: flow, arrivals: {{kind: {second}}}, attributes: {{n: 3}}}}
faults: [{faults}]
"""
KINDS = ("poisson, rate: 20/s", "renewal, rate: 9/s, cv: 2", "mmpp, rates: [2/s, 30/s], stays: [1m, 9s]")
SPIKE = "{kind: load-spike, work: first, factor: 3, between: exponential(mean=2m), repair: exponential(mean=20s)}"
INPUT = '{kind: drift, of: input, work: first, attribute: n, at: 100s, to: "uniform(low=5000, high=6000)"}'


@settings(max_examples=12, deadline=None)
@given(
    first=st.sampled_from(KINDS),
    second=st.sampled_from(KINDS),
    batch=st.sampled_from(["1", "'values(1=0.5, 4=0.5)'"]),
    faults=st.lists(st.sampled_from([SPIKE, INPUT]), unique=True),
    seed=st.integers(0, 9),
)
def test_cases_that_come_by_blocks_are_those_drawn_before_the_run(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str, batch: str, faults: list[str], seed: int
) -> None:
    """Some 9,000 cases, more than two blocks: times, streams, numbers and attributes, to the bit."""
    faults = [fault for fault in faults if fault != SPIKE or "mmpp" not in first]
    folder = tmp_path_factory.mktemp("streams")
    text = STREAMS.format(horizon=300, first=first, second=second, batch=batch, faults=", ".join(faults))
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    whole = materialise(plan, rules, Draws(seed, 0))
    blocks = list(arrivals(plan, Draws(seed, 0)))
    assert all(len(block) == BLOCK for block in blocks[:-1])
    cases = [case for block in blocks for case in block]
    assert cases == list(zip(whole.arrived.tolist(), whole.work, whole.entity, strict=True))
    counted = CountedReplication(plan, rules, seed, 0, "")
    for work, columns in enumerate(whole.attributes):
        for position, column in enumerate(columns):
            lazy = counted.workload.attributes[work][position]
            assert [lazy[entity] for entity in range(len(column))] == column.tolist()


@given(st.lists(st.integers(0, 2**52), min_size=1))
def test_a_bucket_is_no_wider_than_a_128th(values: list[int]) -> None:
    numbers = np.array(sorted(values))
    found = buckets(numbers)
    low, high = bounds(found)
    assert ((low <= numbers) & (numbers <= high)).all()
    assert (np.diff(found) >= 0).all()
    assert ((high - low) * 128 <= low).all() or (numbers < 256).any()
    assert (low[numbers < 256] == high[numbers < 256]).all()


@given(st.lists(st.integers(), max_size=40))
def test_a_chain_seals_rows_one_by_one_as_it_does_together(rows: list[int]) -> None:
    chain = Chain("00" * 32)
    for row in rows:
        chain.add((row,))
    assert chain.seal() == seal("00" * 32, chained_hashes("00" * 32, [(row,) for row in rows]))


# --- whole runs -------------------------------------------------------------------------------------------------------

NAMES = (
    "refund-desk",
    "reviewer-fatigue",
    pytest.param("incident-desk", marks=pytest.mark.long),
    pytest.param("claims-multi-region", marks=pytest.mark.long),
)


def flown(name: str, folder: Path, volume: Volume) -> Run:
    file = next(file for file in SCENARIOS if file.parent.name == name)
    return simulate(load(file), folder / f"{name}-{volume}", replications=5, workers=1, volume=volume)


def agree(kept: ObjectiveOutcome, counted: ObjectiveOutcome) -> bool:
    """The same figures to the last digit; of quantiles, bounds around them no wider than a 64th."""
    if kept.unit != "duration":
        return (kept.verdict, kept.sample, kept.sentence) == (counted.verdict, counted.sample, counted.sentence)
    for exact, low, high in zip(kept.sample.low, counted.sample.low, counted.sample.high, strict=True):
        if np.isfinite(exact) and not (low <= exact <= high and (np.isinf(high) or high - low <= exact / 64)):
            return False
    return counted.verdict in (kept.verdict, "undecided")


@pytest.mark.parametrize("name", NAMES)
def test_objectives_are_judged_alike_whatever_is_kept(tmp_path: Path, name: str) -> None:
    whole = assess_run(flown(name, tmp_path, "events"))
    digest = assess_run(flown(name, tmp_path, "summary"))
    assert isinstance(digest, Digest)
    for kept, counted in zip(whole.objectives, digest.objectives, strict=True):
        unknown = "does not keep" in counted.open_because
        assert agree(kept, counted) or unknown, (kept.sentence, counted.sentence)
        assert not unknown or counted.verdict == "undecided"


UNFINISHED = """\
windtunnel: 1
name: unfinished
start: 2026-01-05T09:00:00Z
horizon: 2h
replications: 3
agents:
  few: {replicas: 1, capabilities: {work: {service: exponential(mean=50s), cost: 1 USD, success: 0.9}}}
workflows:
  flow:
    start: one
    steps: {one: {kind: task, agent: few, capability: work, next: two}, two: {kind: wait, duration: 20m}}
work:
  first: {workflow: flow, arrivals: {kind: poisson, rate: 1/min}}
  second: {workflow: flow, arrivals: {kind: poisson, rate: 1/h}}
"""


def test_a_limit_within_a_bucket_is_open_because_of_the_bucket(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(
        """\
windtunnel: 1
name: even
start: 2026-01-05T00:00:00Z
horizon: 2d
desks: {one: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 1m, batch: {size: 3, wait: 1h}}}
workflows: {flow: {start: d, steps: {d: {kind: desk, desk: one}}}}
work: {w: {workflow: flow, arrivals: {kind: renewal, rate: 6/h, cv: 0}}}
objectives:
  wait: {kind: desk-wait, desk: one, quantile: 0.5, at-most: 11m}
  time: {kind: case-time, quantile: 0.3, at-most: 3m}
"""
    )
    run = simulate(load(tmp_path), tmp_path / "run", replications=5, workers=1, volume="summary")
    for objective in assess_run(run).objectives:
        assert objective.verdict == "undecided"
        assert objective.open_because == "times are known up to a 128th of themselves; `--volume events` settles that"


def test_a_summary_tells_times_and_costs_of_work_as_a_whole_run_does(tmp_path: Path) -> None:
    """A third of the cases is unfinished: they are slower than all others, and not yet paid for."""
    (tmp_path / "scenario.yaml").write_text(UNFINISHED)
    whole, counted = (
        assess_run(simulate(load(tmp_path), tmp_path / volume, workers=1, volume=volume)).work
        for volume in ("events", "summary")
    )
    assert any(of.time_p95.at_least for of in whole)
    for of, told in zip(whole, counted, strict=True):
        assert told.cost.estimate == pytest.approx(of.cost.estimate)
        for exactly, roughly in ((of.time_median, told.time_median), (of.time_p95, told.time_p95)):
            assert roughly.at_least == exactly.at_least
            assert roughly.estimate == pytest.approx(exactly.estimate, rel=1 / 64)


def test_a_run_says_what_it_does_not_keep(tmp_path: Path) -> None:
    run = flown("refund-desk", tmp_path, "summary")
    assert {file.name for file in run.folder.iterdir()} == {
        "run.json",
        "scenario.json",
        *(f"{table}.parquet" for table in KEPT["summary"]),
    }
    for table in (run.cases, run.events, run.decisions):
        with pytest.raises(InputError, match="its volume is `summary`"):
            table()
    with pytest.raises(InputError, match="keeps no events"):
        replay(run, 0)
    result = audit(run.folder)
    assert result.intact
    assert "was not kept" in result.lines()[0]


def test_figures_that_were_changed_are_noticed(tmp_path: Path) -> None:
    run = flown("refund-desk", tmp_path, "summary")
    file = run.folder / "figures.parquet"
    file.write_bytes(file.read_bytes()[:-200] + b"x" + file.read_bytes()[-199:])
    assert not audit(run.folder).intact
