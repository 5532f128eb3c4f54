"""Faults of the platform against what is known of them in closed form, judged by z over independent replications."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, stdev

import pytest
from scipy import stats

from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SURE = 0.001
"""Chance of a false alarm of one test."""

BREAKDOWNS = """\
windtunnel: 1
name: breakdowns
start: 2026-01-05T00:00:00Z
horizon: 20000s
agents: {pool: {capabilities: {work: {service: exponential(mean=1s)}}}}
workflows: {flow: {start: work, steps: {work: {kind: task, agent: pool, capability: work}}}}
work: {jobs: {workflow: flow, arrivals: {kind: poisson, rate: 0.5/s}}}
faults: [{kind: hang, agent: pool, between: exponential(mean=10s), repair: exponential(mean=2s)}]
"""
LAMBDA, MU, XI, ETA = 0.5, 1.0, 0.1, 0.5


def time_in_system(lam: float, mu: float, xi: float, eta: float) -> float:
    """Mean time in an M/M/1 queue whose server breaks down at rate xi, busy or not, is repaired at rate eta, and goes
    on where it was: the formula and its value for these rates are those of ../shared/reference/simulation.md."""
    available = eta / (xi + eta)
    return (1 + mu * xi / (xi + eta) ** 2) / (mu * available - lam)


def mean_times(folder: Path, text: str, replications: int) -> list[float]:
    """Of each replication, the mean time in seconds of the cases that came after 500 s and ended."""
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    means = []
    for number in range(replications):
        replication = Replication(plan, rules, 11, number)
        replication.run()
        arrived, ended = replication.workload.arrived.tolist(), replication.cases.ended
        times = [(ended[n] - at) / SECOND for n, at in enumerate(arrived) if at > 500 * SECOND and ended[n]]
        means.append(fmean(times))
    return means


def is_apart(sample: list[float], theory: float) -> bool:
    """Whether a mean is further from theory than chance brings it, by Student's law."""
    t = (fmean(sample) - theory) / (stdev(sample) / math.sqrt(len(sample)))
    return bool(2 * stats.t.sf(abs(t), len(sample) - 1) < SURE)


def test_a_server_that_breaks_down_and_goes_on_agrees_with_theory(tmp_path: Path) -> None:
    theory = time_in_system(LAMBDA, MU, XI, ETA)
    assert theory == pytest.approx(3.833333, abs=1e-6)
    times = mean_times(tmp_path, BREAKDOWNS, 20)
    assert not is_apart(times, theory)
    # The test can say no: a server that is repaired a tenth later, or that does not break down.
    assert is_apart(times, time_in_system(LAMBDA, MU, XI, ETA * 0.9))
    assert is_apart(times, 1 / (MU - LAMBDA))


CRASHES = """\
windtunnel: 1
name: crashes
start: 2026-01-05T00:00:00Z
horizon: 100s
agents: {pool: {replicas: 5, capabilities: {work: {service: 20s}}}}
workflows: {flow: {start: work, steps: {work: {kind: task, agent: pool, capability: work}}}}
work: {jobs: {workflow: flow, arrivals: {kind: renewal, rate: 30/min, cv: 0}}}
faults: [{kind: crash, agent: pool, replicas: 2, at: 7s, lasts: 10s}]
"""


def test_which_slots_crash_is_drawn_without_regard_to_what_is_in_them(tmp_path: Path) -> None:
    """Three of five slots are busy when two crash: the jobs that die follow the hypergeometric law."""
    (tmp_path / "scenario.yaml").write_text(CRASHES)
    loaded = load(tmp_path)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    died = [0, 0, 0]
    each = [0, 0, 0]
    for number in range(600):
        replication = Replication(plan, rules, 3, number)
        replication.clock.run_before(8 * SECOND, replication.workload.arrived.tolist(), replication.flow.arrive)
        dead = [case for case in range(3) if replication.cases.ended[case]]
        died[len(dead)] += 1
        for case in dead:
            each[case] += 1
    expected = [600 * stats.hypergeom.pmf(k, 5, 3, 2) for k in range(3)]
    assert stats.chisquare(died, expected).pvalue > SURE
    assert all(stats.binomtest(count, 600, 0.4).pvalue > SURE for count in each)
    assert stats.chisquare(died, [600 * stats.binom.pmf(k, 2, 0.5) for k in range(3)]).pvalue < SURE


# --- bounded retransmission -------------------------------------------------------------------------------------------


FRAMES, AGAIN = 16, 2
"""Frames of a file, and retransmissions of each at most: the parameters N and MAX of PRISM's case study `brp`."""
THERE, BACK = 0.2, 0.1
"""Losses on the way of a frame and of its acknowledgement, ten times those of the case study, to be seen in a test."""


def brp_fails(there: float, back: float) -> float:
    """Chance that the sender does not report success: 1 - (1 - (1 - (1-p)(1-q))^(MAX+1))^N."""
    return 1 - (1 - (1 - (1 - there) * (1 - back)) ** (AGAIN + 1)) ** FRAMES


def brp_scenario() -> str:
    frames = "\n".join(
        f"      f{n}: {{kind: task, agent: sender, capability: send, retry: {{attempts: {AGAIN + 1}, backoff: 1ms}}"
        + (f", next: f{n + 1}}}" if n + 1 < FRAMES else "}")
        for n in range(FRAMES)
    )
    return f"""\
windtunnel: 1
name: brp
start: 2026-01-05T00:00:00Z
horizon: 4000s
sites: {{here: {{}}, there: {{}}}}
links:
  out: {{from: here, to: there, both-ways: false, loss: {THERE}, lost-after: 10ms}}
  back: {{from: there, to: here, both-ways: false, loss: {BACK}, lost-after: 10ms}}
endpoints: {{receiver: {{site: there, latency: 1ms}}}}
agents: {{sender: {{site: here, replicas: 50, capabilities: {{send: {{endpoint: receiver}}}}}}}}
workflows:
  file:
    start: f0
    steps:
{frames}
work: {{files: {{workflow: file, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}}}
"""


def test_bounded_retransmission_fails_as_often_as_prism_says(tmp_path: Path) -> None:
    """PRISM publishes 4.23333443773418e-04 for N=16, MAX=2, losses .02 and .01 (case study brp, property 1)."""
    assert brp_fails(0.02, 0.01) == pytest.approx(4.23333443773418e-04, rel=1e-12)
    (tmp_path / "scenario.yaml").write_text(brp_scenario())
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    replication.run()
    outcomes = replication.tables("", 5).cases["outcome"].to_pylist()
    failed, cases = outcomes.count("failed"), len(outcomes) - outcomes.count("in-flight")
    assert stats.binomtest(failed, cases, brp_fails(THERE, BACK)).pvalue > SURE
    assert stats.binomtest(failed, cases, brp_fails(THERE, 0)).pvalue < SURE


# --- availability under random outages --------------------------------------------------------------------------------


OUTAGES = """\
windtunnel: 1
name: outages
start: 2026-01-05T00:00:00Z
horizon: 3650d
endpoints: {api: {latency: 0sOWN}}
agents: {pool: {capabilities: {ask: {endpoint: api}}}}
workflows: {flow: {start: ask, steps: {ask: {kind: task, agent: pool, capability: ask}}}}
work: {asks: {workflow: flow, arrivals: {kind: poisson, rate: 1/d}}}
FAULT
"""
SHAPE, SCALE = 0.720, 70.6
"""Time between failures of the OpenAI API, September 2023 to August 2024, as a Weibull law in hours: the figures of
../shared/reference/data.md."""
LOG_MEDIAN, SIGMA = 0.4257, 1.2264
"""And their length, as a lognormal law in hours."""
UP = f"weibull(shape={SHAPE}, scale={SCALE}h)"
DOWN = f"lognormal(median={math.exp(LOG_MEDIAN) * 3600:.6f}s, sigma={SIGMA})"


def availability(shape: float, scale: float, mu: float, sigma: float) -> float:
    """Share of time without outage of an alternating renewal process: mean up over mean up plus mean down (renewal
    reward; Ross, Stochastic Processes, section 3.4), whatever the laws are."""
    up, down = scale * math.gamma(1 + 1 / shape), math.exp(mu + sigma**2 / 2)
    return up / (up + down)


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        (f", outages: {{between: '{UP}', repair: '{DOWN}', severity: 1}}", ""),
        ("", f"faults: [{{kind: outage, endpoint: api, between: '{UP}', repair: '{DOWN}'}}]"),
    ],
    ids=["outages of the endpoint", "a fault by chance"],
)
def test_availability_is_that_of_the_alternating_renewal_process(tmp_path: Path, own: str, fault: str) -> None:
    """By the clock, and as Poisson calls see it."""
    (tmp_path / "scenario.yaml").write_text(OUTAGES.replace("OWN", own).replace("FAULT", fault))
    loaded = load(tmp_path)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    by_clock, by_calls = [], []
    for number in range(30):
        replication = Replication(plan, rules, 5, number)
        replication.run()
        rows = replication.tables("", 5).events.to_pylist()
        outages = [min(row["value"], plan.horizon - row["time"]) for row in rows if row["kind"] == "outage"]
        by_clock.append(1 - sum(outages) / plan.horizon)
        failed = sum(row["kind"] == "attempt-failed" for row in rows)
        by_calls.append(1 - failed / len(replication.workload.arrived))
    theory = availability(SHAPE, SCALE, LOG_MEDIAN, SIGMA)
    assert theory == pytest.approx(0.9641, abs=1e-4)
    for measured in (by_clock, by_calls):
        assert not is_apart(measured, theory)
        # The test can say no: repairs that take a tenth longer, and the median taken for the mean.
        assert is_apart(measured, availability(SHAPE, SCALE, LOG_MEDIAN + math.log(1.1), SIGMA))
        assert is_apart(measured, availability(SHAPE, SCALE, LOG_MEDIAN, 0))
