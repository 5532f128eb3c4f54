"""Topics against the queue with bounded room, timelines worked by hand, and what at least once means."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.load import load
from models.units import SECOND
from reports.outcomes import Outcomes, assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.counted import CountedReplication
from sim.engine import Replication
from sim.replay import replay
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

SURE = 0.001
"""Chance of a false alarm of one test."""
Rows = list[dict[str, Any]]

HEAD = """\
windtunnel: 1
name: topics
start: 2026-01-05T00:00:00Z
horizon: HORIZON
replications: 4
sites: {here: {}, there: {}}
LINKS
endpoints: {post: {latency: 0s}}
agents:
  pool: {replicas: 1000, capabilities: {work: {service: SERVICE, success: SUCCESS, detected: 1, endpoint: post}}}
topics: {events: {site: there, TOPIC}}
workflows:
  main:
    start: tell
    steps:
      tell: {kind: publish, topic: events, site: FROM, PUBLISH}
  notify:
    start: send
    steps: {send: {kind: task, agent: pool, capability: work, CONSUMERS}}
work: {w: {workflow: main, arrivals: ARRIVALS}}
faults: [FAULT]
objectives: {none: {kind: count, of: dead-letters, at-most: 0}}
"""
DEFAULTS = {
    "HORIZON": "200s",
    "LINKS": "",
    "FROM": "here",
    "SERVICE": "4s",
    "SUCCESS": "1",
    "PUBLISH": "timeout: 100s",
    "CONSUMERS": "idempotency-key: false",
    "ARRIVALS": "{kind: trace, file: one.csv, column: t}",
    "FAULT": "",
}


def write(folder: Path, topic: str, times: str = "0", **values: str) -> Path:
    text = HEAD.replace("TOPIC", topic)
    for name, value in {**DEFAULTS, **values}.items():
        text = text.replace(name, value)
    (folder / "scenario.yaml").write_text(text)
    (folder / "one.csv").write_text("t\n" + "\n".join(times.split()) + "\n")
    return folder


def fly(folder: Path, number: int = 0, seed: int = 5) -> Rows:
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), seed, number)
    replication.run()
    rows: Rows = replication.tables("", seed).events.to_pylist()
    return rows


def told(rows: Rows) -> list[tuple[float, str, int, str]]:
    """Second, kind, value and detail of what happened at the topic."""
    here = [row for row in rows if row["place"] == "topic:events"]
    return [(row["time"] / SECOND, row["kind"], row["value"], row["detail"]) for row in here]


def count(rows: Rows, kind: str) -> int:
    return sum(row["kind"] == kind for row in rows)


# --- a topic with bounded room is M/M/4/10 ----------------------------------------------------------------------------


LAMBDA, MU, CONSUMERS, ROOM = 3.6, 1.0, 4, 10


def bounded(lam: float, mu: float, c: int, k: int) -> tuple[float, float]:
    """Chance to find M/M/c/K full, and how many wait on average: a birth-death chain with birth lam below K and death
    min(n, c) mu, as ../shared/reference/simulation.md has it."""
    weights = [1.0]
    for n in range(1, k + 1):
        weights.append(weights[-1] * lam / (min(n, c) * mu))
    total = sum(weights)
    return weights[-1] / total, sum(max(n - c, 0) * w for n, w in enumerate(weights)) / total


def is_apart(sample: list[float], theory: float) -> bool:
    t = (fmean(sample) - theory) / (stdev(sample) / math.sqrt(len(sample)))
    return bool(2 * stats.t.sf(abs(t), len(sample) - 1) < SURE)


def test_a_topic_that_turns_messages_away_is_a_queue_with_bounded_room(tmp_path: Path) -> None:
    block, waiting = bounded(LAMBDA, MU, CONSUMERS, ROOM)
    assert (block, waiting) == (pytest.approx(0.067174, abs=1e-6), pytest.approx(1.702930, abs=1e-6))
    topic = "capacity: 6, when-full: reject, consumers: {workflow: notify, concurrency: 4, site: there}"
    arrivals = "{kind: poisson, rate: 3.6/s}"
    write(
        tmp_path,
        topic + ", acknowledge-within: 9h",
        HORIZON="3000s",
        SERVICE="exponential(mean=1s)",
        ARRIVALS=arrivals,
    )
    blocked, waited = [], []
    for number in range(10):
        rows = fly(tmp_path, number)
        published = {row["value"]: row["time"] for row in rows if row["kind"] == "published"}
        rejected = count(rows, "rejected")
        blocked.append(rejected / (rejected + len(published)))
        delivered = {row["value"]: row["time"] for row in rows if row["kind"] == "delivered"}
        waits = (delivered.get(number, 3000 * SECOND) - time for number, time in published.items())
        waited.append(sum(waits) / SECOND / 3000)
    assert not is_apart(blocked, block)
    assert not is_apart(waited, waiting)
    # The test can say no: consumers that are a tenth faster, and room for one more.
    assert is_apart(blocked, bounded(LAMBDA, MU * 1.1, CONSUMERS, ROOM)[0])
    assert is_apart(waited, bounded(LAMBDA, MU, CONSUMERS, ROOM + 1)[1])


# --- timelines by hand ------------------------------------------------------------------------------------------------


def test_a_delivery_that_fails_comes_back_at_once_and_ends_as_a_dead_letter(tmp_path: Path) -> None:
    rows = fly(write(tmp_path, "attempts: 3, consumers: {workflow: notify}", "0 1", SUCCESS="0"))
    assert told(rows) == [
        (0.0, "published", 1, ""),
        (0.0, "delivered", 1, ""),
        (1.0, "published", 2, ""),
        (4.0, "redelivered", 1, "failed"),
        (8.0, "redelivered", 1, "failed"),
        (12.0, "dead-letter", 1, "failed"),
        (12.0, "delivered", 2, ""),
        (16.0, "redelivered", 2, "failed"),
        (20.0, "redelivered", 2, "failed"),
        (24.0, "dead-letter", 2, "failed"),
    ]


def test_a_delivery_without_acknowledgement_in_time_is_done_twice(tmp_path: Path) -> None:
    """Work of 4 s, to be acknowledged in 3: the second delivery begins while the first still works, whose
    acknowledgement then settles the message; the second works on for nothing."""
    topic = "acknowledge-within: 3s, consumers: {workflow: notify, concurrency: 2}"
    rows = fly(write(tmp_path, topic))
    assert told(rows) == [
        (0.0, "published", 1, ""),
        (0.0, "delivered", 1, ""),
        (3.0, "redelivered", 1, "not acknowledged"),
        (4.0, "acknowledged", 1, None or ""),
    ]
    effects = [(row["time"] / SECOND, row["kind"], row["value"]) for row in rows if row["kind"].startswith("effect")]
    assert effects == [(4.0, "effect", 1), (7.0, "effect-repeated", 2)]
    rows = fly(write(tmp_path, topic, CONSUMERS="idempotency-key: true"))
    effects = [(row["time"] / SECOND, row["kind"], row["value"]) for row in rows if row["kind"].startswith("effect")]
    assert effects == [(4.0, "effect", 1), (7.0, "effect-suppressed", 1)]


def test_a_full_topic_holds_its_publishers_back_in_order(tmp_path: Path) -> None:
    """One consumer, room for one: the third message waits at its publisher until the first is done."""
    rows = fly(write(tmp_path, "capacity: 1, consumers: {workflow: notify}", "0 1 2 3"))
    assert told(rows)[:10] == [
        (0.0, "published", 1, ""),
        (0.0, "delivered", 1, ""),
        (1.0, "published", 2, ""),
        (2.0, "back-pressure", 1, "full"),
        (3.0, "back-pressure", 2, "full"),
        (4.0, "acknowledged", 1, ""),
        (4.0, "delivered", 2, ""),
        (4.0, "published", 3, ""),
        (8.0, "acknowledged", 2, ""),
        (8.0, "delivered", 3, ""),
    ]
    ends = {row["case"]: row["time"] / SECOND for row in rows if row["kind"] == "ended"}
    assert ends == {0: 0.0, 1: 1.0, 2: 4.0, 3: 8.0}


def test_a_full_topic_drops_what_waits_longest_or_turns_away(tmp_path: Path) -> None:
    rows = fly(write(tmp_path, "capacity: 1, when-full: drop-oldest, consumers: {workflow: notify}", "0 1 2"))
    assert told(rows)[2:5] == [(1.0, "published", 2, ""), (2.0, "dead-letter", 2, "full"), (2.0, "published", 3, "")]
    rows = fly(write(tmp_path, "capacity: 1, when-full: reject, consumers: {workflow: notify}", "0 1 2"))
    assert told(rows)[2:4] == [(1.0, "published", 2, ""), (2.0, "rejected", None, "")]
    assert [row["detail"] for row in rows if row["kind"] == "ended"] == ["completed", "completed", "failed"]


def test_a_topic_over_its_room_for_what_came_back_drops_more_than_one(tmp_path: Path) -> None:
    topic = "capacity: 1, when-full: drop-oldest, acknowledge-within: 2s, consumers: {workflow: notify}"
    rows = fly(write(tmp_path, topic, "0 1 3"))
    assert told(rows)[2:6] == [
        (1.0, "published", 2, ""),
        # The first came back at 2, beside the second.
        (3.0, "dead-letter", 1, "full"),
        (3.0, "dead-letter", 2, "full"),
        (3.0, "published", 3, ""),
    ]


def test_a_publisher_that_waits_too_long_gives_up(tmp_path: Path) -> None:
    topic = "capacity: 1, consumers: {workflow: notify}"
    rows = fly(write(tmp_path, topic, "0 1 2 3", SERVICE="60s", PUBLISH="timeout: 10s"))
    assert told(rows)[4:7] == [
        (3.0, "back-pressure", 2, "full"),
        (12.0, "abandoned", 10 * SECOND, ""),
        (13.0, "abandoned", 10 * SECOND, ""),
    ]
    assert count(rows, "published") == 2


LINK = "links: {{sea: {{from: here, to: there, latency: 500ms, lost-after: 2s{}}}}}"


def test_messages_take_the_link_and_what_is_lost_is_sent_again(tmp_path: Path) -> None:
    rows = fly(write(tmp_path, "consumers: {workflow: notify}", LINKS=LINK.format("")))
    assert told(rows) == [(0.5, "published", 1, ""), (0.5, "delivered", 1, ""), (4.5, "acknowledged", 1, "")]
    assert [row["time"] for row in rows if row["kind"] == "ended"] == [SECOND]
    fault = "{kind: loss, link: sea, loss: 1, at: 0s, lasts: 5s}"
    rows = fly(write(tmp_path, "consumers: {workflow: notify}", LINKS=LINK.format(""), FAULT=fault))
    assert told(rows)[0] == (6.5, "published", 1, "")  # sent at 0, 2, 4 in vain, then at 6


def test_a_lost_word_of_the_topic_makes_a_copy_which_a_key_tells(tmp_path: Path) -> None:
    back = "links: {sea: {from: there, to: here, both-ways: false, loss: 1, lost-after: 2s}}"
    values = {"LINKS": back, "PUBLISH": "timeout: 3s", "CONSUMERS": "idempotency-key: true"}
    rows = fly(write(tmp_path, "consumers: {workflow: notify, concurrency: 2}", **values))
    published = [row for row in told(rows) if row[1] == "published"]
    assert published == [(0.0, "published", 1, ""), (2.0, "published", 2, "again")]
    assert [row["kind"] for row in rows if row["kind"].startswith("effect")] == ["effect", "effect-suppressed"]
    assert [(row["time"], row["detail"]) for row in rows if row["kind"] == "ended"] == [(3 * SECOND, "failed")]


def test_a_delivery_that_is_lost_keeps_a_consumer_until_that_is_noticed(tmp_path: Path) -> None:
    topic = "acknowledge-within: 10s, attempts: 2, consumers: {workflow: notify, site: here}"
    fault = "{kind: loss, link: sea, loss: 1, at: 1s, lasts: 5s}"
    rows = fly(write(tmp_path, topic, "0 2", FROM="there", LINKS=LINK.format(""), FAULT=fault))
    assert told(rows) == [
        (0.0, "published", 1, ""),
        (0.0, "delivered", 1, ""),
        (2.0, "published", 2, ""),
        # It is done at 4.5, and its acknowledgement gets lost; the consumer is free for the second message.
        (4.5, "delivered", 2, "lost"),
        (14.5, "redelivered", 1, "not acknowledged"),
        # The consumer is done at 19, and its word arrives at 19.5.
        (19.0, "redelivered", 2, "not acknowledged"),
        (19.5, "acknowledged", 1, ""),
        (24.0, "acknowledged", 2, ""),
    ]


def test_a_partition_holds_publishers_back_until_it_is_over(tmp_path: Path) -> None:
    fault = "{kind: partition, sites: [here], at: 1s, lasts: 9s}"
    rows = fly(write(tmp_path, "consumers: {workflow: notify}", "0 2 3", FAULT=fault))
    assert told(rows)[2:6] == [
        (2.0, "back-pressure", 1, "partition"),
        (3.0, "back-pressure", 2, "partition"),
        (4.0, "acknowledged", 1, ""),
        (10.0, "published", 2, ""),
    ]
    assert [row["time"] // SECOND for row in rows if row["kind"] == "ended"] == [0, 10, 10]


def test_a_topic_whose_word_a_partition_keeps_back_gets_a_copy(tmp_path: Path) -> None:
    fault = "{kind: partition, sites: [there], towards: [here], at: 1s, lasts: 9s}"
    rows = fly(write(tmp_path, "consumers: {workflow: notify, concurrency: 9}", "0 2", FAULT=fault))
    assert told(rows)[2:7] == [
        (2.0, "published", 2, ""),
        (2.0, "back-pressure", 1, "partition"),
        (2.0, "delivered", 2, ""),
        (4.0, "acknowledged", 1, ""),
        (6.0, "acknowledged", 2, ""),
    ]
    assert told(rows)[7] == (10.0, "published", 3, "again")
    assert [row["time"] // SECOND for row in rows if row["kind"] == "ended"] == [0, 10]


def test_messages_that_cannot_be_read_come_back_until_they_are_dead_letters(tmp_path: Path) -> None:
    fault = "{kind: contract-skew, name: new, topic: events, share: 1, at: 0s, lasts: 5s}"
    rows = fly(write(tmp_path, "attempts: 3, consumers: {workflow: notify}", "0 6", FAULT=fault))
    assert told(rows) == [
        (0.0, "contract-skew", 5 * SECOND, "1 cannot be read"),
        (0.0, "published", 1, ""),
        (0.0, "delivered", 1, ""),
        (0.0, "redelivered", 1, "contract"),
        (0.0, "redelivered", 1, "contract"),
        (0.0, "dead-letter", 1, "contract"),
        (5.0, "contract-skew-over", None, ""),
        (6.0, "published", 2, ""),
        (6.0, "delivered", 2, ""),
        (10.0, "acknowledged", 2, ""),
    ]
    assert [row["kind"] for row in rows if row["case"] == 0 and row["place"] == "step:notify.send"] == []


def test_a_message_is_struck_in_all_its_deliveries_or_in_none(tmp_path: Path) -> None:
    fault = "{kind: contract-skew, topic: events, share: SHARE, at: 0s, lasts: 1h}"
    topic = "attempts: 4, consumers: {workflow: notify, concurrency: 9}"
    arrivals = "{kind: poisson, rate: 5/s}"
    struck = {}
    for share in ("0.1", "0.4"):
        rows = fly(write(tmp_path, topic, FAULT=fault.replace("SHARE", share), ARRIVALS=arrivals, SERVICE="100ms"))
        dead = {row["value"] for row in rows if row["kind"] == "dead-letter"}
        back = Counter(row["value"] for row in rows if row["kind"] == "redelivered")
        assert dead == back.keys()
        assert set(back.values()) == {3}
        struck[share] = {row["case"] for row in rows if row["kind"] == "dead-letter"}
    assert struck["0.1"] < struck["0.4"]
    published = count(rows, "published")
    assert published > 900
    assert stats.binomtest(len(dead), published, 0.4).pvalue > SURE
    assert stats.binomtest(len(dead), published, 0.5).pvalue < SURE


# --- at least once ----------------------------------------------------------------------------------------------------


CHAOS = "links: {sea: {from: here, to: there, latency: 'exponential(mean=1s)', loss: 0.2, lost-after: 3s}}"


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    full=st.sampled_from(
        ["", "capacity: 2, ", "capacity: 2, when-full: reject, ", "capacity: 2, when-full: drop-oldest, "]
    ),
    attempts=st.integers(1, 4),
    success=st.sampled_from(["1", "0.6"]),
    keyed=st.booleans(),
)
def test_every_message_is_delivered_and_settled_once_or_left(
    tmp_path_factory: pytest.TempPathFactory, seed: int, full: str, attempts: int, success: str, keyed: bool
) -> None:
    consumers = "consumers: {workflow: notify, concurrency: 2, site: here}"
    topic = f"{full}attempts: {attempts}, acknowledge-within: 8s, {consumers}"
    arrivals = "{kind: poisson, rate: 0.4/s}"
    key = f"idempotency-key: {str(keyed).lower()}"
    fault = "{kind: partition, sites: [here], at: 60s, lasts: 20s}"
    values = {"LINKS": CHAOS, "SUCCESS": success, "ARRIVALS": arrivals, "CONSUMERS": key, "FAULT": fault}
    folder = write(tmp_path_factory.mktemp("t"), topic, SERVICE="exponential(mean=3s)", **values)
    rows = fly(folder, seed=seed)
    here = [row for row in rows if row["place"] == "topic:events"]
    by_kind = {kind: [row["value"] for row in here if row["kind"] == kind] for kind in {row["kind"] for row in here}}
    published, settled = by_kind.get("published", []), by_kind.get("acknowledged", []) + by_kind.get("dead-letter", [])
    assert published == list(range(1, len(published) + 1))
    assert len(set(settled)) == len(settled)
    assert set(settled) <= set(published)
    waiting = set(published) - set(by_kind.get("delivered", [])) - set(settled)
    assert not full or len(waiting) <= 2
    assert set(by_kind.get("acknowledged", [])) <= set(by_kind["delivered"])
    times = Counter(by_kind["delivered"] + by_kind.get("redelivered", []))
    assert max(times.values()) <= attempts
    assert max(Counter(by_kind["delivered"]).values()) == 1
    whole = {row["value"] for row in here if row["kind"] == "dead-letter" and row["detail"] != "full"}
    assert all(times[number] == attempts for number in whole)
    seen = Counter(row["case"] for row in rows if row["kind"] == "effect")
    assert max(seen.values()) == 1
    assert count(rows, "effect-repeated") == 0 if keyed else count(rows, "effect-suppressed") == 0


def test_without_keys_at_least_once_is_more_than_once(tmp_path: Path) -> None:
    topic = "acknowledge-within: 5s, consumers: {workflow: notify, concurrency: 3, site: here}"
    values = {"LINKS": CHAOS, "ARRIVALS": "{kind: poisson, rate: 0.3/s}", "SERVICE": "exponential(mean=3s)"}
    rows = fly(write(tmp_path, topic, **values))
    effects, repeated = count(rows, "effect"), count(rows, "effect-repeated")
    assert effects > 40
    assert repeated > 0.1 * effects
    keyed = fly(write(tmp_path, topic, **values, CONSUMERS="idempotency-key: true"))
    # The key changes what is done, and nothing of what is delivered.
    assert told(keyed) == told(rows)
    assert (count(keyed, "effect"), count(keyed, "effect-repeated")) == (effects, 0)
    assert count(keyed, "effect-suppressed") == repeated


def test_deliveries_find_fates_of_their_own(tmp_path: Path) -> None:
    """Each delivery of a message succeeds by itself: of those with a chance of one half that fail, half fail again."""
    topic = "attempts: 1000, consumers: {workflow: notify, concurrency: 9}"
    rows = fly(
        write(tmp_path, topic, SUCCESS="0.5", ARRIVALS="{kind: poisson, rate: 3/s}", HORIZON="400s", SERVICE="1s")
    )
    delivered = Counter(row["value"] for row in rows if row["kind"] in ("delivered", "redelivered"))
    done = {row["value"] for row in rows if row["kind"] == "acknowledged"}
    needed = Counter(min(delivered[number], 5) for number in done)
    expected = [len(done) * share for share in (0.5, 0.25, 0.125, 0.0625, 0.0625)]
    assert len(done) > 900
    assert stats.chisquare([needed[n] for n in range(1, 6)], expected).pvalue > SURE


STALL = """\
windtunnel: 1
name: stall
start: 2026-01-05T00:00:00Z
horizon: 100s
locks: {ledger: {}}
deadlock: {resolution: RESOLUTION}
topics: {events: {capacity: 1, consumers: {workflow: notify}}}
workflows:
  main:
    start: one
    steps:
      one: {kind: publish, topic: events, acquire: [ledger], next: two}
      two: {kind: publish, topic: events, next: three}
      three: {kind: publish, topic: events, TIMEOUTnext: rest}
      rest: {kind: wait, duration: 1s}
  notify: {start: book, steps: {book: {kind: wait, duration: 2sACQUIRE}}}
work: {w: {workflow: main, arrivals: {kind: trace, file: one.csv, column: t}}}
"""


def stalled(folder: Path, resolution: str = "none", acquire: str = ", acquire: [ledger]", timeout: str = "") -> Rows:
    text = STALL.replace("RESOLUTION", resolution).replace("ACQUIRE", acquire).replace("TIMEOUT", timeout)
    (folder / "scenario.yaml").write_text(text)
    (folder / "one.csv").write_text("t\n0\n")
    return fly(folder)


def test_a_publisher_that_keeps_what_its_consumers_need_is_a_deadlock(tmp_path: Path) -> None:
    """It holds the lock that the first delivery waits for, and waits for the room that its end would give."""
    rows = stalled(tmp_path)
    (found,) = [row for row in rows if row["kind"] == "deadlock"]
    assert (found["place"], found["value"]) == ("topic:events", 1)
    assert json.loads(found["detail"]) == {
        "ring": [
            {"case": 0, "step": "main.three", "holds": ["lock:ledger"], "waits-for": "topic:events"},
            {"case": 0, "step": "notify.book", "holds": ["topic:events"], "waits-for": "lock:ledger"},
        ],
    }
    assert not [row for row in rows if row["kind"] == "ended"]
    aborted = stalled(tmp_path, "abort")
    assert [row["detail"] for row in aborted if row["kind"] == "ended"] == ["aborted"]
    assert count(aborted, "acknowledged") == 2
    # Without the lock, and with a time-out, it passes.
    assert not count(stalled(tmp_path, acquire=""), "deadlock")
    passing = stalled(tmp_path, timeout="timeout: 9s, on-failure: rest, ")
    (found,) = [row for row in passing if row["kind"] == "deadlock"]
    assert json.loads(found["detail"])["until"] == "timeout"
    assert [(row["time"] // SECOND, row["detail"]) for row in passing if row["kind"] == "resolved"] == [
        (9, "a member gave up")
    ]
    assert [row["time"] // SECOND for row in passing if row["kind"] == "ended"] == [10]


LATE = """\
rollouts:
  new: {of: model, agent: pool, capability: work, at: 30s, stages: [{share: 0.5, lasts: 90s}], to: {success: 0}}
"""


def test_a_summary_counts_what_consumers_do_long_after_the_cases_are_gone(tmp_path: Path) -> None:
    """Thousands of cases publish and end; which of them have the new model is told by when they came, not by when their
    messages are dealt with."""
    topic = "attempts: 1, consumers: {workflow: notify, concurrency: 30}"
    folder = write(tmp_path, topic, ARRIVALS="{kind: poisson, rate: 60/s}", SERVICE="1s", HORIZON="130s")
    text = (folder / "scenario.yaml").read_text()
    (folder / "scenario.yaml").write_text(text + LATE)
    loaded = load(folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    whole = Replication(plan, rules, 5, 0)
    whole.run()
    counted = CountedReplication(plan, rules, 5, 0, loaded.digest)
    counted.run()
    happened = Counter(row["kind"] for row in whole.tables(loaded.digest, 5).events.to_pylist())
    figures = pa.Table.from_batches(counted.batches(loaded.digest, 5).figures).to_pylist()
    found: Counter[str] = Counter()
    for row in figures:
        if row["figure"] == "events":
            found[row["key"]] += row["amount"]
    assert found == happened
    assert happened["dead-letter"] > 500


# --- what is told of it -----------------------------------------------------------------------------------------------


def assessed(folder: Path) -> Outcomes:
    simulate(load(folder), folder / "run", workers=1)
    return assess(open_run(folder / "run"))


def test_the_report_accounts_for_every_message(tmp_path: Path) -> None:
    topic = "attempts: 2, capacity: 1, consumers: {workflow: notify}"
    outcomes = assessed(write(tmp_path, topic, "0 1 2 3", SUCCESS="0", SERVICE="30s", HORIZON="100s", PUBLISH=""))
    topic_, *_ = outcomes.topics
    # Delivered 0 and 30, dead at 60; the second 60 and 90; the third takes its place at 60, the fourth is held back.
    means = {
        name: getattr(topic_, name).estimate for name in ("published", "acknowledged", "dead", "left", "redelivered")
    }
    assert means == {"published": 3, "acknowledged": 0, "dead": 1, "left": 2, "redelivered": 2}
    assert topic_.oldest.estimate == 99 * SECOND
    assert topic_.held.estimate == (60 - 2 + 100 - 3) * SECOND
    assert math.isnan(topic_.took.estimate)
    assert outcomes.objectives[0].verdict == "fail"
    assert outcomes.objectives[0].interval.estimate == 1
    section = next(section for section in sections(outcomes) if section.anchor == "topics")
    assert section.rows[0].head == "events"
    assert len(section.rows[0].cells) == len(section.columns) - 1
    story = "\n".join(map(str, replay(open_run(tmp_path / "run"), 3)))
    assert "waits for room in topic:events" in story


def test_a_time_until_the_acknowledgement_is_that_of_the_messages_that_have_one(tmp_path: Path) -> None:
    outcomes = assessed(write(tmp_path, "consumers: {workflow: notify}", "0 1 190 198"))
    topic, *_ = outcomes.topics
    assert topic.took.estimate == (4 + 7 + 4) / 3 * SECOND
    assert topic.left.estimate == 1
    assert topic.oldest.estimate == 2 * SECOND
    assert outcomes.objectives[0].interval.estimate == 0


def test_a_message_that_comes_twice_is_taken_twice_where_there_is_room(tmp_path: Path) -> None:
    links = LINK.format(", duplication: 1")
    topic = "consumers: {workflow: notify, concurrency: 2}"
    rows = fly(write(tmp_path, topic, LINKS=links, CONSUMERS="idempotency-key: true"))
    assert told(rows)[:4] == [
        (0.5, "published", 1, ""),
        (0.5, "published", 2, "again"),
        (0.5, "delivered", 1, ""),
        (0.5, "delivered", 2, ""),
    ]
    assert [row["detail"] for row in rows if row["kind"] == "duplicated"] == ["topic:events"]
    assert [row["kind"] for row in rows if row["kind"].startswith("effect")] == ["effect", "effect-suppressed"]
    full = "capacity: 1, consumers: {workflow: notify}"
    rows = fly(write(tmp_path, full, "0 1", LINKS=links))
    # Two are taken at 0.5, of which one is delivered; there is no room for a second at 1.5, nor for the first.
    assert [row[1] for row in told(rows) if row[0] < 2] == ["published", "published", "delivered", "back-pressure"]
