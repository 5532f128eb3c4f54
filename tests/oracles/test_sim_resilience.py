"""Budgets, breakers, deadlines, fallbacks: timelines worked by hand, and second state machines by brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from models.units import SECOND
from sim.breakers import Breaker, State
from sim.budgets import Budget
from sim.compile import compile_plan
from sim.engine import Replication
from sim.plans.resilience import BreakerPlan, BudgetPlan
from sim.rules import compile_rules

Rows = list[dict[str, Any]]

# --- the budget against a plain count ---------------------------------------------------------------------------------

PLANS = st.builds(BudgetPlan, st.just("b"), st.integers(0, 2_000_000), st.integers(0, 3_000_000), st.integers(1, 30))
STEPS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=80)


def plainly(plan: BudgetPlan, steps: list[tuple[int, bool]]) -> list[bool]:
    """Whether each retry is paid for, counting the whole past anew each time."""
    now, requests, retries, answers = 0, [], [], []
    for wait, retry in steps:
        now += wait
        if not retry:
            requests.append(now)
            continue
        of_late = [sum(time > now - plan.window for time in times) for times in (requests, retries)]
        paid = plan.ratio * of_late[0] + plan.reserve >= 1_000_000 * (of_late[1] + 1)
        answers.append(paid)
        retries += [now] * paid
    return answers


def answers(plan: BudgetPlan, steps: list[tuple[int, bool]]) -> list[bool]:
    budget, now, given_ = Budget(plan), 0, []
    for wait, retry in steps:
        now += wait
        if retry:
            given_.append(budget.retry(now))
        else:
            budget.request(now)
    return given_


@given(PLANS, STEPS)
def test_a_budget_pays_for_what_a_plain_count_allows(plan: BudgetPlan, steps: list[tuple[int, bool]]) -> None:
    assert answers(plan, steps) == plainly(plan, steps)


def test_a_budget_of_a_fifth_pays_for_every_fifth() -> None:
    """Five requests pay for one retry, until they are 10 s old. A reserve of 1 pays for one more."""
    first = [(1, False)] * 5
    assert answers(BudgetPlan("b", 200_000, 0, 10), [*first, (0, True), (0, True), (9, True), (9, True)]) == [
        True,
        False,
        False,
        False,
    ]
    assert answers(BudgetPlan("b", 200_000, 1_000_000, 10), [*first, (0, True), (0, True), (0, True)]) == [
        True,
        True,
        False,
    ]


# --- the breaker against a machine that keeps everything --------------------------------------------------------------


class Plain:
    """A breaker that keeps the whole history of each state and looks at it anew each time."""

    def __init__(self, plan: BreakerPlan) -> None:
        self.plan, self.state, self.since, self.over, self.let = plan, State.CLOSED, 0, list[bool](), 0
        self.period = 0

    def turn(self, state: State, now: int) -> None:
        self.state, self.since, self.over, self.let = state, now, [], 0
        self.period += 1

    def admits(self, now: int) -> bool:
        if self.state == State.OPEN and now - self.since >= self.plan.open:
            self.turn(State.HALF_OPEN, now)
        admitted = self.state == State.CLOSED or (self.state == State.HALF_OPEN and self.let < self.plan.probes)
        self.let += admitted
        return admitted

    def ends(self, period: int, failed: bool | None, now: int) -> None:
        if period != self.period:
            return
        if failed is None:
            self.let -= 1
            return
        self.over.append(failed)
        half = self.state == State.HALF_OPEN
        seen = self.over if half else self.over[-self.plan.window :]
        if len(seen) >= (self.plan.probes if half else self.plan.least):
            bad = sum(seen) * 1_000_000 >= self.plan.rate * len(seen)
            if bad or half:
                self.turn(State.OPEN if bad else State.CLOSED, now)


BREAKERS = st.builds(
    lambda window, least, rate, open, probes: BreakerPlan(
        "b", window, min(least, window), rate, open, probes, frozenset()
    ),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([250_000, 500_000, 1_000_000]),
    st.integers(1, 10),
    st.integers(1, 4),
)
MOVES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["ask", "ask", "right", "failed", "failed", "cut off"])), max_size=120
)


@given(BREAKERS, MOVES, st.randoms(use_true_random=False))
def test_a_breaker_is_the_plain_machine(plan: BreakerPlan, moves: list[tuple[int, str]], random: Any) -> None:
    turns: list[State] = []
    breaker, plain = Breaker(plan, lambda state, _: turns.append(state)), Plain(plan)
    now, under_way = 0, list[tuple[int, int]]()
    for wait, move in moves:
        now += wait
        if move == "ask":
            admitted = breaker.admits(now)
            assert admitted == plain.admits(now)
            if admitted:
                under_way.append((breaker.period, plain.period))
        elif under_way:
            period, plain_period = under_way.pop(random.randrange(len(under_way)))
            if move == "cut off":
                breaker.released(period)
                plain.ends(plain_period, None, now)
            else:
                breaker.over(period, move == "failed", now)
                plain.ends(plain_period, move == "failed", now)
        assert breaker.state == plain.state
    ways = list(zip([State.CLOSED, *turns], turns, strict=False))
    assert all((old, new) != (State.OPEN, State.CLOSED) and old != new for old, new in ways)


# --- timelines --------------------------------------------------------------------------------------------------------

TEXT = """\
windtunnel: 1
name: resilience
start: 2026-01-05T00:00:00Z
horizon: {horizon}
endpoints: {{api: {{latency: {latency}}}}}
agents:
  first: {{replicas: 9, capabilities: {{ask: {{endpoint: api}}}}}}
  second: {{replicas: 9, capabilities: {{do: {{service: 2s, cost: 1 USD}}}}}}
{parts}
workflows:
  flow:
    start: s
    steps:
      s: {{kind: task, agent: first, capability: ask, {step}}}
      people: {{kind: wait, duration: 1s}}
work: {{a: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}}}
faults: [{faults}]
"""


def fly(folder: Path, **keys: str) -> tuple[Rows, Rows]:
    given_ = {"horizon": "60s", "latency": "4s", "parts": "", "faults": "", "rate": "6/min"}
    (folder / "scenario.yaml").write_text(TEXT.format(**{**given_, **keys}))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    replication.run()
    tables = replication.tables("", 0)
    return tables.events.to_pylist(), tables.cases.to_pylist()


def told(rows: Rows, *kinds: str) -> list[tuple[float, str, int | None, str]]:
    return [(row["time"] / SECOND, row["kind"], row["case"], row["detail"]) for row in rows if row["kind"] in kinds]


def test_retries_amplify_the_load_as_the_geometric_law_says(tmp_path: Path) -> None:
    """Attempts that are right with .4 each, whatever became of the others, four at most: (1 - .6^4) / (1 - .6) = 2.176
    on the mean. An attempt more or a chance of .44 is rejected."""
    text = TEXT.replace("do: {{service: 2s, cost: 1 USD}}", "do: {{service: 2s, success: 0.4}}")
    step = "retry: {attempts: 4, backoff: 1s}"
    text = text.replace("agent: first, capability: ask", "agent: second, capability: do")
    keys = {"horizon": "100000s", "latency": "1s", "parts": "", "faults": "", "rate": "12/min", "step": step}
    (tmp_path / "scenario.yaml").write_text(text.replace("people:", "# ").format(**keys))
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    replication.run()
    cases = [row["attempts"] for row in replication.tables("", 0).cases.to_pylist() if row["ended"] is not None]

    def agrees(chance: float, most: int) -> bool:
        misses = 1 - chance
        return bool(stats.ttest_1samp(cases, (1 - misses**most) / chance).pvalue > 1e-3)

    assert len(cases) > 19_000
    assert agrees(0.4, 4)
    assert not agrees(0.4, 5)
    assert not agrees(0.44, 4)


DOWN = "{kind: outage, endpoint: api, at: 0s, lasts: 1000s, severity: 1}"
RETRY = "retry: {attempts: 3, backoff: 1s, factor: 1}"
LEADS = "on-failure: people"


def test_a_budget_denies_the_retry_that_is_not_paid_for(tmp_path: Path) -> None:
    """Cases at 10, 20, 30 s ... fail 4 s later. Half a retry a case: the first cannot pay, the second can, once."""
    parts = "budgets: {half: {ratio: 0.5, least-per-second: 0, window: 25s}}"
    rows, _ = fly(tmp_path, parts=parts, step=f"{RETRY}, {LEADS}, budget: half", faults=DOWN, horizon="45s")
    assert told(rows, "attempt-failed", "retry-denied") == [
        (14.0, "attempt-failed", 0, "api: outage"),
        (14.0, "retry-denied", 0, "budget half"),
        (24.0, "attempt-failed", 1, "api: outage"),  # requests of 10 s and 20 s: one retry
        (29.0, "attempt-failed", 1, "api: outage"),
        (29.0, "retry-denied", 1, "budget half"),
        (34.0, "attempt-failed", 2, "api: outage"),  # requests of 10, 20, 30 s pay 1.5, and one was taken
        (34.0, "retry-denied", 2, "budget half"),
        (44.0, "attempt-failed", 3, "api: outage"),  # requests of 20, 30, 40 s pay 1.5, one taken at 24 s
        (44.0, "retry-denied", 3, "budget half"),
    ]


def test_a_breaker_opens_refuses_probes_and_closes(tmp_path: Path) -> None:
    """A case each 2 s, answered or not after 4 s; the endpoint is down from 0 to 21 s. Two of two failures open it."""
    parts = "breakers: {fuse: {window: 2, least-calls: 2, open: 10s, half-open: 1}}"
    step = f"{RETRY}, {LEADS}, breaker: fuse"
    faults = "{kind: outage, endpoint: api, at: 0s, lasts: 21s, severity: 1}"
    rows, cases = fly(tmp_path, parts=parts, step=step, faults=faults, rate="30/min", horizon="44s")
    kinds = ("breaker-open", "breaker-half-open", "breaker-closed")
    assert told(rows, *kinds) == [
        (8.0, "breaker-open", None, ""),  # cases 0 (at 2 s) and 1 (at 4 s) have failed at 6 s and 8 s
        (18.0, "breaker-half-open", None, ""),  # the case of 18 s probes, during the outage
        (22.0, "breaker-open", None, ""),
        (32.0, "breaker-half-open", None, ""),  # the case of 32 s probes
        (36.0, "breaker-closed", None, ""),
    ]
    refused = [case for time, _, case, detail in told(rows, "attempt-failed") if detail == "breaker-open"]
    served = {row["case"] for row in rows if row["kind"] == "started"}
    # Case n comes at 2 (n + 1) s. Those of 8 s to 16 s are refused, that of 8 s after the failure of the same instant;
    # 18 s is the probe, 20 s is refused beside it; 22 s to 30 s are refused; 32 s is the probe, 34 s refused beside it.
    assert served == {0, 1, 2, 8, 15, *range(17, 21)}
    assert {case for case in refused if case > 2} == {*range(3, 15), 16}  # that of 18 s when it tries again
    assert all(cases[case]["attempts"] == 0 for case in refused if case > 2 and case != 8)


def test_a_breaker_counts_what_it_is_told_to_count(tmp_path: Path) -> None:
    parts = "breakers: {fuse: {window: 2, least-calls: 2, open: 10s, half-open: 1, counts: [timeout]}}"
    rows, _ = fly(tmp_path, parts=parts, step=f"{LEADS}, breaker: fuse", faults=DOWN, rate="30/min")
    assert told(rows, "breaker-open") == []
    rows, _ = fly(tmp_path, parts=parts, step=f"{LEADS}, breaker: fuse, timeout: 3s", faults=DOWN, rate="30/min")
    assert told(rows, "breaker-open")[0] == (7.0, "breaker-open", None, "")


def test_a_deadline_holds_for_all_attempts_together(tmp_path: Path) -> None:
    """Attempts fail after 4 s and wait 1 s. A deadline of 8 s cuts the second at 18 s; one of 9 s finds it failed and a
    third at 20 s too late; one of 5 s does not even wait for the second."""
    for deadline, expected in (
        ("8s", [(14.0, "attempt-failed", 0, "api: outage"), (18.0, "attempt-failed", 0, "deadline")]),
        (
            "9s",
            [
                (14.0, "attempt-failed", 0, "api: outage"),
                (19.0, "attempt-failed", 0, "api: outage"),
                (19.0, "retry-denied", 0, "deadline"),
            ],
        ),
        ("5s", [(14.0, "attempt-failed", 0, "api: outage"), (14.0, "retry-denied", 0, "deadline")]),
    ):
        step = f"{RETRY}, {LEADS}, deadline: {deadline}"
        rows, _ = fly(tmp_path, step=step, faults=DOWN, horizon="20s")
        assert told(rows, "attempt-failed", "retry-denied") == expected
        entered = [row["time"] / SECOND for row in rows if row["place"] == "step:flow.people"]
        assert entered[0] == expected[-1][0]


def test_a_deadline_does_nothing_to_who_is_done_or_elsewhere(tmp_path: Path) -> None:
    rows, cases = fly(tmp_path, step="deadline: 4s, next: people", horizon="30s")
    assert told(rows, "attempt-failed") == []
    assert [case["outcome"] for case in cases] == ["completed", "completed"]


def test_a_fallback_takes_over_after_the_last_attempt(tmp_path: Path) -> None:
    """Two attempts of the first agent fail by 19 s, then the second agent takes 2 s. It stands at the same step: what
    comes after is that step's, and the deadline is, too."""
    step = "retry: {attempts: 2, backoff: 1s}, next: people, fallbacks: [{agent: second, capability: do}]"
    rows, cases = fly(tmp_path, step=step, faults=DOWN, horizon="24s")
    found = [(row["time"] / SECOND, row["kind"], row["place"]) for row in rows if row["case"] == 0]
    assert found[-5:] == [
        (19.0, "fallback", "agent:second"),
        (19.0, "started", "agent:second"),
        (21.0, "finished", "agent:second"),
        (21.0, "entered", "step:flow.people"),
        (22.0, "ended", "step:flow.people"),
    ]
    assert cases[0]["attempts"] == 3
    assert cases[0]["cost"] == 1_000_000
    late, _ = fly(tmp_path, step=f"{step}, deadline: 10s, on-failure: people", faults=DOWN, horizon="24s")
    assert told(late, "attempt-failed")[-1] == (20.0, "attempt-failed", 0, "deadline")
    assert told(late, "fallback") == [(19.0, "fallback", 0, "")]


def test_an_effect_of_a_fallback_repeats_that_of_the_step(tmp_path: Path) -> None:
    """The call takes effect at 14 s and the time-out at 13 s does not know; the fallback does it again at 15 s."""
    step = f"timeout: 3s, idempotency-key: false, fallbacks: [{{agent: second, capability: do}}], {LEADS}"
    rows, _ = fly(tmp_path, step=step, horizon="19s")
    effects = [(row["time"] / SECOND, row["kind"], row["place"]) for row in rows if row["kind"].startswith("effect")]
    assert effects == [(13.0, "effect", "step:flow.s"), (15.0, "effect-repeated", "step:flow.s")]


@pytest.mark.parametrize(
    ("parts", "step", "message"),
    [
        ("budgets: {half: {}}", "budget: hall, retry: {attempts: 2}", "unknown budget `hall`"),
        ("budgets: {half: {}}", "budget: half", "a budget without a retry"),
        ("breakers: {fuse: {window: 5}}", "breaker: fuse", "the window holds 5"),
        ("breakers: {fuse: {}}", "breaker: fuze", "unknown breaker `fuze`"),
        ("", "deadline: 2s, timeout: 3s", "`timeout` is longer than the `deadline`"),
        ("", "fallbacks: [{agent: second, capability: done}]", "has no capability `done`"),
    ],
)
def test_what_could_not_work_is_refused(tmp_path: Path, parts: str, step: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fly(tmp_path, parts=parts, step=step)
