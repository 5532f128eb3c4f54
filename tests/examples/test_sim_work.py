"""Attempts, endpoints, drift, branches and locks: hand-worked timelines, second by second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from sim import logs
from sim.compile import compile_plan
from sim.detectors import PageHinkley
from sim.endpoints import RateLimit
from sim.engine import Replication, Tables
from sim.plan import Jitter, RetryPlan
from sim.rules import compile_rules
from sim.tasks import backoff

SECOND = 1_000_000

Flight = Callable[..., Tables]


@pytest.fixture
def fly(tmp_path: Path) -> Flight:
    def run(text: str, seed: int = 1) -> Tables:
        (tmp_path / "scenario.yaml").write_text("windtunnel: 1\nname: x\nstart: 2026-01-05T00:00:00Z\n" + text)
        loaded = load(tmp_path)
        replication = Replication(compile_plan(loaded), compile_rules(loaded), seed, 0)
        replication.run()
        return replication.tables("", 1)

    return run


def story(tables: Tables, *kinds: str, case: int | None = 0) -> list[tuple[Any, ...]]:
    """(seconds, kind, place, value in seconds or as it is, detail) of the events of these kinds."""
    return [
        (row["time"] / SECOND, row["kind"], row["place"], row["value"], row["detail"])
        for row in tables.events.to_pylist()
        if row["kind"] in kinds and (case is None or row["case"] == case)
    ]


def case(tables: Tables, number: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = tables.cases.to_pylist()[number]
    return row


# --- attempts ---------------------------------------------------------------------------------------------------------

ONE_TASK = """\
horizon: {horizon}
endpoints: {{{endpoints}}}
agents:
  pool: {{replicas: 9, capabilities: {{work: {{service: 1s, {capability}}}}}{pool}}}
workflows:
  flow:
    start: step
    steps:
      step: {{kind: task, agent: pool, capability: work{step}}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}
{more}
"""


def one_task(capability: str = "cost: 0 USD", **keys: str) -> str:
    given = {"horizon": "110s", "endpoints": "", "pool": "", "step": "", "rate": "1/min", "more": ""}
    return ONE_TASK.format(capability=capability, **(given | keys))


def test_backoff_doubles_up_to_its_cap(fly: Flight) -> None:
    """Attempts of one second fail at 61; then after waits of 5, 10, 15 (20 capped) seconds and one more each."""
    step = ", retry: {attempts: 4, backoff: 5s, factor: 2.0, max-backoff: 15s}"
    tables = fly(one_task("success: 0", step=step))
    assert [line[0] for line in story(tables, "started")] == [60, 66, 77, 93]
    assert story(tables, "attempt-failed")[-1] == (94, "attempt-failed", "agent:pool", 4, "wrong")
    assert (case(tables)["outcome"], case(tables)["attempts"], case(tables)["ended"]) == ("failed", 4, 94 * SECOND)


@pytest.mark.parametrize(
    ("jitter", "u", "expected"),
    [
        (Jitter.NONE, 0.5, 40_000_000),
        (Jitter.FULL, 0.25, 10_000_000),
        (Jitter.EQUAL, 0.25, 25_000_000),
        (Jitter.EQUAL, 0.999999999, 40_000_000),
    ],
)
def test_jitter(jitter: Jitter, u: float, expected: int) -> None:
    assert backoff(RetryPlan(9, 10 * SECOND, 2.0, 60 * SECOND, jitter), 3, u) == expected


def test_backoff_never_overflows() -> None:
    assert backoff(RetryPlan(1000, SECOND, 10.0, 86_400 * SECOND, Jitter.NONE), 1000, 0.5) == 86_400 * SECOND


def test_a_wrong_attempt_that_nobody_notices_stands(fly: Flight) -> None:
    tables = fly(one_task("success: 0, detected: 0.0"))
    assert story(tables, "attempt-wrong", "ended") == [
        (61, "attempt-wrong", "agent:pool", 1, ""),
        (61, "ended", "step:flow.step", None, "completed"),
    ]
    assert case(tables)["wrong"] is True


def test_attempts_are_paid_one_by_one(fly: Flight) -> None:
    tables = fly(one_task("success: 0, cost: 0.25 USD", step=", retry: {attempts: 3, backoff: 1s}"))
    assert case(tables)["cost"] == 750_000


@pytest.mark.parametrize(
    ("recall", "false_alarm", "needed", "detail"),
    [("1.0", "0.0", "1.0", "needed"), ("0.0", "1.0", "0.0", "not needed")],
)
def test_a_hand_off_leaves_by_its_own_exit(
    fly: Flight, recall: str, false_alarm: str, needed: str, detail: str
) -> None:
    capability = f"hand-off: {{needed: {needed}, recall: {recall}, false-alarm: {false_alarm}}}"
    text = one_task(capability, step=", on-hand-off: person").replace(
        "workflows:", "desks: {d: {roster: [{days: daily, hours: '00:00-24:00', staff: 1}], service: 2s}}\nworkflows:"
    )
    tables = fly(text.replace("work:\n  stream", "      person: {kind: desk, desk: d}\nwork:\n  stream"))
    assert story(tables, "handed-off") == [(61, "handed-off", "agent:pool", 1, detail)]
    assert case(tables)["ended"] == 63 * SECOND
    assert (case(tables)["hand_offs"], case(tables)["missed_hand_off"]) == (1, False)


def test_a_need_that_the_agent_misses_is_counted(fly: Flight) -> None:
    text = one_task("hand-off: {needed: 1.0, recall: 0.0, false-alarm: 0.0}", step=", on-hand-off: stop")
    tables = fly(text.replace("work:\n  stream", "      stop: {kind: end}\nwork:\n  stream"))
    assert (case(tables)["hand_offs"], case(tables)["missed_hand_off"]) == (0, True)


# --- endpoints --------------------------------------------------------------------------------------------------------

API = "api: {latency: 2s, price: 0.01 USD%s}"


def test_calls_follow_each_other_and_hold_the_slot(fly: Flight) -> None:
    tables = fly(one_task("endpoint: api, calls: 3", endpoints=API % ""))
    assert story(tables, "started", "finished") == [
        (60, "started", "agent:pool", 0, ""),
        (67, "finished", "agent:pool", 7 * SECOND, ""),
    ]
    assert case(tables)["cost"] == 30_000


def test_an_attempt_fails_at_its_first_failing_call_which_is_paid(fly: Flight) -> None:
    more = "faults: [{kind: outage, endpoint: api, at: 62s, lasts: 1s}]"
    tables = fly(one_task("endpoint: api, calls: 3", endpoints=API % "", more=more))
    # The second call starts at 63, when the outage is over: faults come first. It fails if the outage is longer.
    assert case(tables)["outcome"] == "completed"
    tables = fly(one_task("endpoint: api, calls: 3", endpoints=API % "", more=more.replace("1s}", "2s}")))
    assert story(tables, "attempt-failed") == [(65, "attempt-failed", "agent:pool", 1, "api: outage")]
    assert case(tables)["cost"] == 20_000
    assert story(tables, "outage", "outage-over", case=None) == [
        (62, "outage", "endpoint:api", 2 * SECOND, "1 of calls fail"),
        (64, "outage-over", "endpoint:api", None, ""),
    ]


def test_severity_is_the_share_of_calls_that_fail(fly: Flight) -> None:
    more = "faults: [{kind: outage, endpoint: api, at: 0s, lasts: 1d, severity: 0.3}]"
    tables = fly(one_task("endpoint: api, calls: 1", endpoints=API % "", rate="5/s", horizon="1000s", more=more))
    cases = tables.cases.to_pylist()
    failed = [c["outcome"] == "failed" for c in cases if c["ended"] is not None]
    assert sum(failed) / len(failed) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / len(failed)) ** 0.5)


@pytest.mark.parametrize("at", ["60s", "62s"])
def test_a_call_across_a_partition_fails_after_its_latency(fly: Flight, at: str) -> None:
    """Whether the partition is there when the call starts, at 61, or when it ends, at 63."""
    more = f"sites: {{a: {{}}, b: {{}}}}\nfaults: [{{kind: partition, sites: [b], at: {at}, lasts: 1500ms}}]"
    endpoints = API % ", site: b"
    tables = fly(one_task("endpoint: api", endpoints=endpoints, pool=", site: a", more=more))
    assert story(tables, "attempt-failed") == [(63, "attempt-failed", "agent:pool", 1, "api: partition")]
    inside = fly(one_task("endpoint: api", endpoints=endpoints, pool=", site: b", more=more))
    assert case(inside)["outcome"] == "completed"


def test_calls_over_the_rate_fail_at_once_and_unpaid(fly: Flight) -> None:
    """Two cases a second against one call in two seconds: every second case is refused, but for the first burst."""
    endpoints = API % ", rate: 30/min"
    tables = fly(one_task("endpoint: api", endpoints=endpoints, rate="1/s", horizon="20s"))
    outcomes = [c["outcome"] for c in tables.cases.to_pylist() if c["ended"] is not None]
    assert outcomes[:10] == ["completed", "completed", "completed"] + ["failed", "completed"] * 3 + ["failed"]
    refused = story(tables, "attempt-failed", case=None)[0]
    assert refused[4] == "api: rate-limited"
    cost = {c["outcome"]: c["cost"] for c in tables.cases.to_pylist() if c["ended"] is not None}
    assert cost == {"completed": 10_000, "failed": 0}


def test_the_rate_limit_accepts_a_burst_over_the_even_spread() -> None:
    limit = RateLimit(10.0, 2)
    assert [limit.accepts(0) for _ in range(4)] == [True, True, True, False]
    assert [limit.accepts(now) for now in (9, 10, 10, 20, 29, 30)] == [False, True, False, True, False, True]


def test_a_long_run_never_exceeds_the_rate_and_its_burst() -> None:
    limit = RateLimit(10.0, 3)
    accepted = [now for now in range(2_000) for _ in range(3) if limit.accepts(now)]
    for n, first in enumerate(accepted):
        for k in (5, 20, 100):
            if n + k < len(accepted):
                assert accepted[n + k] - first >= (k - 3) * 10


def test_calls_wait_for_the_endpoints_concurrency(fly: Flight) -> None:
    endpoints = API % ", concurrency: 1"
    tables = fly(one_task("endpoint: api", endpoints=endpoints, rate="1/s", horizon="9s"))
    assert [line[0] for line in story(tables, "finished", case=None)] == [4, 6, 8]
    assert story(tables, "queued", "started", case=1) == [
        (2, "started", "agent:pool", 0, ""),
        (3, "queued", "endpoint:api", 1, ""),
        (4, "started", "endpoint:api", SECOND, ""),
    ]


def test_a_timeout_frees_slot_and_call(fly: Flight) -> None:
    endpoints = API % ", concurrency: 1"
    tables = fly(one_task("endpoint: api", endpoints=endpoints, rate="1/s", horizon="9s", step=", timeout: 2s"))
    # A call starts one second after its case; a second later it is given up, and the next case's call, which asked at
    # that very instant, has the endpoint.
    assert {line[4] for line in story(tables, "attempt-failed", case=None)} == {"timeout"}
    assert [line[0] for line in story(tables, "attempt-failed", case=None)] == [3, 4, 5, 6, 7, 8]
    waited = [line for line in story(tables, "started", case=None) if line[2] == "endpoint:api"]
    assert [(line[0], line[3]) for line in waited] == [(n, 0) for n in range(3, 9)]


# --- drift and monitors -----------------------------------------------------------------------------------------------

WATCHED = """\
faults: [{kind: drift, agent: pool, capability: work, at: 100s, success: 0}]
monitors:
  eye:
    agent: pool
    capability: work
    detector: {kind: page-hinkley, minimum: 10, delta: 0.05, threshold: 3}
    delay: 5s
    action: roll-back
"""


def test_a_monitor_rolls_a_drift_back_when_its_test_says_so(fly: Flight) -> None:
    """Right until 100 s, then wrong: the n-th label is that of the case that arrived at n, and comes at n + 6."""
    tables = fly(one_task("success: 1, detected: 0.0", rate="1/s", horizon="200s", more=WATCHED))
    test = PageHinkley(10, 0.05, 3.0, 0.9999)
    alarm = next(n for n in range(1, 200) if test.update(float(n >= 100)))
    assert story(tables, "drift", "alarm", "rolled-back", case=None) == [
        (100, "drift", "agent:pool", None, "pool.work"),
        (alarm + 6, "alarm", "monitor:eye", alarm, ""),
        (alarm + 6, "rolled-back", "monitor:eye", None, "pool.work"),
    ]
    wrong = [c["case"] + 1 for c in tables.cases.to_pylist() if c["wrong"]]
    # The attempt that starts at 100 is the drifted one; so is the one under way when the roll-back comes.
    assert wrong == list(range(100, alarm + 6))


def test_an_alert_changes_nothing(fly: Flight) -> None:
    more = WATCHED.replace("roll-back", "alert")
    tables = fly(one_task("success: 1, detected: 0.0", rate="1/s", horizon="200s", more=more))
    assert story(tables, "alarm", case=None)
    assert not story(tables, "rolled-back", case=None)
    assert all(c["wrong"] for c in tables.cases.to_pylist() if 100 <= c["case"] < 190)


def test_a_share_of_the_attempts_is_labelled(fly: Flight) -> None:
    more = WATCHED.replace("delay: 5s", "sample: 0.25").replace("success: 0", "success: 0.5")
    tables = fly(one_task("success: 1, detected: 0.0", rate="10/s", horizon="400s", more=more))
    first = story(tables, "alarm", case=None)[0]
    assert first[3] / (first[0] * 10) == pytest.approx(0.25, abs=0.05)


# --- branches ---------------------------------------------------------------------------------------------------------

BRANCHES = """\
horizon: 110s
workflows:
  flow:
    start: both
    steps:
      both: {{kind: parallel, branches: [short, long], join: after}}
      short: {{kind: wait, duration: 3s, next: {short}}}
      long: {{kind: wait, duration: 7s, next: after}}
      after: {{kind: wait, duration: 1s}}
      stop: {{kind: end, outcome: failed}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/min, cv: 0}}}}
"""


def test_branches_meet_at_the_join(fly: Flight) -> None:
    text = BRANCHES.format(short="after").replace("      stop: {kind: end, outcome: failed}\n", "")
    assert [(line[0], line[2]) for line in story(fly(text), "entered", "ended")] == [
        (60, "step:flow.both"),
        (60, "step:flow.short"),
        (60, "step:flow.long"),
        (67, "step:flow.after"),
        (68, "step:flow.after"),
    ]


def test_a_branch_that_ends_the_case_stops_the_others(fly: Flight) -> None:
    text = BRANCHES.format(short="maybe").replace(
        "      after:", "      maybe: {kind: choice, arms: [{share: 1.0, next: stop}], otherwise: after}\n      after:"
    )
    assert story(fly(text), "ended") == [(63, "ended", "step:flow.stop", None, "failed")]


def test_a_step_has_its_limit(fly: Flight) -> None:
    text = """\
horizon: 110s
workflows:
  flow:
    start: turn
    steps:
      turn: {kind: wait, duration: 1s, next: turn, limit: 3, on-limit: out}
      out: {kind: wait, duration: 5s}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/min, cv: 0}}
"""
    tables = fly(text)
    assert [line[3] for line in story(tables, "entered")] == [1, 2, 3, 1]
    assert case(tables)["ended"] == 68 * SECOND
    tables = fly(text.replace(", on-limit: out", "").replace("      out: {kind: wait, duration: 5s}\n", ""))
    assert (case(tables)["outcome"], case(tables)["ended"]) == ("failed", 63 * SECOND)


def test_a_long_row_of_instant_steps_needs_no_stack(fly: Flight) -> None:
    text = """\
horizon: 110s
workflows:
  flow:
    start: turn
    steps:
      turn: {kind: choice, arms: [{share: 1.0, next: turn}], limit: 10000}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/min, cv: 0}}
"""
    assert len(story(fly(text), "entered")) == 10_000


def test_choices_follow_conditions_and_shares(fly: Flight) -> None:
    text = """\
horizon: 1000s
workflows:
  flow:
    start: look
    steps:
      look: {kind: choice, arms: [{when: "context.size > 10", next: large}, {when: "context.hot", next: hot}]}
      large: {kind: choice, arms: [{share: 0.3, next: left}, {share: 0.5, next: right}], otherwise: rest}
      hot: {kind: end, outcome: denied}
      left: {kind: end}
      right: {kind: end, outcome: failed}
      rest: {kind: wait, duration: 0s}
work:
  stream:
    workflow: flow
    arrivals: {kind: poisson, rate: 20/s}
    attributes: {size: "uniform(low=0, high=20)", hot: chance(p=0.5)}
"""
    tables = fly(text)
    cases = tables.cases.to_pandas()
    ended_at = tables.events.to_pandas().query("kind == 'ended'").set_index("case")["place"]
    place = cases["case"].map(ended_at).str.removeprefix("step:flow.")
    large = cases["attr.size"] > 10
    assert set(place[large]) == {"left", "right", "rest"}
    assert (place[~large & cases["attr.hot"]] == "hot").all()
    assert (place[~large & ~cases["attr.hot"]] == "look").all()
    shares = place[large].value_counts(normalize=True)
    tolerance = 4 * (0.25 / large.sum()) ** 0.5
    assert shares["left"] == pytest.approx(0.3, abs=tolerance)
    assert shares["right"] == pytest.approx(0.5, abs=tolerance)


# --- locks and deadlock -----------------------------------------------------------------------------------------------

LOCKED = """\
horizon: 200s
desks: {{judge: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}], service: 4s}}}}
locks: {{a: {{}}, b: {{}}}}
workflows:
  one:
    start: first
    steps:
      first: {{kind: wait, duration: 10s, acquire: [a], next: second}}
      second: {{kind: wait, duration: 1s, acquire: [b], release: [b, a]}}
  two:
    start: first
    steps:
      first: {{kind: wait, duration: 12s, acquire: [b], next: second}}
      second: {{kind: wait, duration: 1s, acquire: [a], release: [a, b]}}
work:
  ones: {{workflow: one, arrivals: {{kind: renewal, rate: 35/h, cv: 0}}}}
  twos: {{workflow: two, arrivals: {{kind: renewal, rate: 35/h, cv: 0}}}}
deadlock: {{{deadlock}}}
"""
"""Both arrive at 102.857142 s. One takes a, two takes b; one asks for b ten seconds later, two for a after twelve."""

ARRIVAL = 102.857142


def after_arrival(lines: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(round(line[0] - ARRIVAL, 3), *line[1:]) for line in lines]


def test_a_ring_is_recorded_whole_and_its_members_stay_stuck(fly: Flight) -> None:
    tables = fly(LOCKED.format(deadlock=""))
    ring = after_arrival(story(tables, "deadlock", case=None))
    assert [line[:4] for line in ring] == [(12, "deadlock", "lock:a", 2)]
    assert json.loads(ring[0][4]) == {
        "ring": [
            {"case": 1, "step": "two.second", "holds": ["lock:b"], "waits-for": "lock:a"},
            {"case": 0, "step": "one.second", "holds": ["lock:a"], "waits-for": "lock:b"},
        ]
    }
    assert [c["outcome"] for c in tables.cases.to_pylist()] == ["stuck", "stuck"]


@pytest.mark.parametrize(
    ("deadlock", "end"),
    [
        ("resolution: abort", 12),
        ("resolution: timeout, timeout: 30s", 42),
        ("resolution: escalate, desk: judge", 16),
    ],
    ids=["abort", "timeout", "escalate"],
)
def test_the_youngest_member_is_ended(fly: Flight, deadlock: str, end: float) -> None:
    tables = fly(LOCKED.format(deadlock=deadlock))
    assert after_arrival(story(tables, "resolved", case=1))[0][:2] == (end, "resolved")
    first, second = tables.cases.to_pylist()
    assert second["outcome"] == "aborted"
    assert second["ended"] / SECOND == pytest.approx(ARRIVAL + end)
    assert first["outcome"] == "completed"
    assert first["ended"] / SECOND == pytest.approx(ARRIVAL + end + 1)
    unlocked = [line[2] for line in story(tables, "unlocked", case=1)]
    assert unlocked == ["lock:b"]


def test_locks_are_told_apart_by_their_key(fly: Flight) -> None:
    """The same two workflows, but every case has a value of its own: nobody waits."""
    text = LOCKED.format(deadlock="").replace("a: {}, b: {}", "a: {key: n}, b: {key: n}")
    text = text.replace("cv: 0}}", "cv: 0}, attributes: {n: 1}}", 1).replace(
        "cv: 0}}", "cv: 0}, attributes: {n: 2}}", 1
    )
    tables = fly(text)
    assert not story(tables, "blocked", "deadlock", case=None)
    assert {line[2] for line in story(tables, "locked", case=1)} == {"lock:a[2]", "lock:b[2]"}


def test_a_branch_has_what_its_parent_holds_and_gives_back_its_own(fly: Flight) -> None:
    text = """\
horizon: 110s
locks: {a: {}, b: {}}
workflows:
  flow:
    start: both
    steps:
      both: {kind: parallel, acquire: [a], branches: [left, right], join: after}
      left: {kind: wait, acquire: [a, b], duration: 3s, next: after}
      right: {kind: wait, acquire: [b], duration: 2s, next: after}
      after: {kind: wait, duration: 1s, release: [a]}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/min, cv: 0}}
"""
    told = [(line[0], line[1], line[2]) for line in story(fly(text), "locked", "unlocked", "blocked", "ended")]
    assert told == [
        (60, "locked", "lock:a"),
        (60, "locked", "lock:b"),
        (60, "blocked", "lock:b"),
        (63, "unlocked", "lock:b"),
        (63, "locked", "lock:b"),
        (65, "unlocked", "lock:b"),
        (66, "unlocked", "lock:a"),
        (66, "ended", "step:flow.after"),
    ]


def test_parents_that_wait_for_branches_close_rings_too(fly: Flight) -> None:
    """Each parent holds one lock while its branch wants the other's."""
    flow = """\
  {name}:
    start: take
    steps:
      take: {{kind: wait, duration: {wait}, acquire: [{has}], next: both}}
      both: {{kind: parallel, branches: [left, right], join: after}}
      left: {{kind: wait, duration: 1s, acquire: [{wants}], next: after}}
      right: {{kind: wait, duration: 1s, next: after}}
      after: {{kind: wait, duration: 1s}}
"""
    one = flow.format(name="one", wait="2s", has="a", wants="b")
    two = flow.format(name="two", wait="3s", has="b", wants="a")
    text = LOCKED.format(deadlock="")
    text = text[: text.index("workflows:")] + "workflows:\n" + one + two + text[text.index("work:\n") :]
    tables = fly(text)
    (ring,) = story(tables, "deadlock", case=None)
    members = json.loads(ring[4])["ring"]
    assert [(m["case"], m["waits-for"]) for m in members] == [
        (1, "lock:a"),
        (0, "branches"),
        (0, "lock:b"),
        (1, "branches"),
    ]
    assert ring[3] == 2, "two cases"


def test_the_log_in_pieces_is_the_log(fly: Flight, monkeypatch: pytest.MonkeyPatch) -> None:
    text = one_task("success: 0.5, detected: 0.7", rate="1/s", step=", retry: {attempts: 2, backoff: 1s}")
    whole = fly(text).events
    for size in (1, 7, 100):
        monkeypatch.setattr(logs, "_BATCH", size)
        assert fly(text).events.equals(whole)
