"""The tables of a run: their columns, types and meaning. Times are integer microseconds from the start of a run.

Every table is sorted by replication, then by its own order, so the same run writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import pyarrow as pa

CASES = pa.schema(
    [
        ("replication", pa.int32()),
        ("case", pa.int64()),  # 0.. in order of arrival within the replication
        ("work", pa.string()),
        ("arrived", pa.int64()),
        ("ended", pa.int64()),  # null where the case had not ended at the horizon
        ("outcome", pa.string()),  # completed | denied | failed | expired | aborted | cancelled | in-flight | stuck
        ("measured", pa.bool_()),  # arrived after the warm-up
        ("attempts", pa.int32()),  # attempts by agents
        ("wrong", pa.bool_()),  # a wrong attempt went unnoticed and its effect stands
        ("hand_offs", pa.int32()),  # agents gave the case to a person
        ("missed_hand_off", pa.bool_()),  # an agent should have and did not
        ("approvals", pa.int32()),  # approvals granted
        ("cost", pa.int64()),  # millionths of the scenario's currency
        ("tokens_in", pa.int64()),  # tokens of its endpoint calls that went in
        ("tokens_out", pa.int64()),  # tokens that came out
        ("late", pa.bool_()),  # its deadline passed before it ended
        ("cost_calls", pa.int64()),  # of the cost, what endpoint calls cost without their tokens
        ("cost_tokens", pa.int64()),  # of the cost, the tokens of endpoint calls
        ("cost_people", pa.int64()),  # of the cost, people's time; the rest is what agents' attempts cost
    ]
)
"""One row a case. Attributes follow as `attr.<name>` columns (string, int64 or bool)."""

EVENTS = pa.schema(
    [
        ("replication", pa.int32()),
        ("sequence", pa.int64()),  # 0.. in order of happening
        ("time", pa.int64()),
        ("kind", pa.string()),
        ("case", pa.int64()),  # null where no case is concerned
        # `desk:x`, `agent:x`, `endpoint:x`, `step:workflow.x`, `lock:x[value]`, `monitor:x`, `site:x`, `topic:x`, ...
        ("place", pa.string()),
        ("value", pa.int64()),  # microseconds for `started` (wait) and `finished` (busy); a count or nothing otherwise
        ("detail", pa.string()),  # empty, or what else there is to say, e.g. the members of a deadlock as JSON
    ]
)
"""What happened. Kinds: arrived, entered, queued, started, finished, abandoned, rejected, attempt-failed,
attempt-wrong, asked, answered, exhausted, bounced, locked, unlocked, blocked, deadlock, resolved, outage, outage-over,
partition, partition-over, drift, alarm, rolled-back, handed-off, ended, violation; crash, hang, slowdown, absence,
load-spike and fault, each with its -over.
Of change: routed, stopped, stage, canary, enrolled, shadow-difference, labels, attack-stopped, attack-through,
quarantined, quarantine-over.
partition, partition-over, drift, alarm, rolled-back, handed-off, ended, violation; voted, self-check-stopped,
guardrail-stopped, shed, case-late, withdrawn, scaled-up, scaled-down; crash, hang, slowdown, loss,
certificate-expiry, absence,
load-spike and fault, each with its -over; cached, stale-decision,
residency-breach, replayed, lost.
Of supply: retry-after, held-up, let-in, hedged.
Of resilience: orphaned, wasted, skipped, retry-denied, breaker-open, breaker-half-open, breaker-closed, fallback.
Of topics: published, back-pressure, delivered, redelivered, acknowledged, dead-letter.
Of the platform: duplicated, contract-skew, contract-skew-over.
Of workflows: called, returned, effect, effect-repeated, effect-suppressed, compensating, compensated.
Of people: reviewed, wrong-approval, gathered.
Of people: reviewed, wrong-approval.
Of topics: published, back-pressure, delivered, redelivered, acknowledged, dead-letter.
Of workflows: called, returned, effect, effect-repeated, effect-suppressed, compensating, compensated,
sub-workflow-ended, sent, received, message-expired, not-received,
livelock, livelock-over.
`docs/semantics.md` tells when each happens and what its value and detail are."""

DECISIONS = pa.schema(
    [
        ("replication", pa.int32()),
        ("sequence", pa.int64()),  # 0.. in order of decision
        ("time", pa.int64()),
        ("case", pa.int64()),  # null for the request of an attack
        ("step", pa.string()),  # workflow.step, or attack:name
        ("action", pa.string()),
        ("decision", pa.string()),  # allow | deny | escalate: what policy says
        ("enforced", pa.string()),  # what was done: differs where the point was unreachable
        ("reason", pa.string()),  # names of the determining policies, sorted, comma-separated; or why unreachable
        ("approvals", pa.string()),  # chains that had approved, sorted, comma-separated
        ("hash", pa.string()),  # hex sha256 over the previous row's hash and this row: a chain for each replication
    ]
)
"""Every decision of the decision point, hash-chained."""

POLICIES = "policies"
"""The column that names the policy set which decided, by its path in the scenario. It stands before `hash`, in runs
where a rollout of policies decides."""


def decision_schema(*, names_policies: bool) -> pa.Schema:
    """The columns of the decision log, with or without the policy set which decided."""
    return DECISIONS.insert(len(DECISIONS) - 1, pa.field(POLICIES, pa.string())) if names_policies else DECISIONS


SAMPLES = pa.schema(
    [
        ("replication", pa.int32()),
        ("time", pa.int64()),
        ("place", pa.string()),
        ("queue", pa.int64()),  # items waiting
        ("busy", pa.int64()),  # servers at work
        ("capacity", pa.int64()),  # servers there (staff on duty, slots)
        ("calls", pa.int64()),  # of an endpoint, calls that have been made so far; null elsewhere
        ("spent", pa.int64()),  # millionths of the currency paid so far for work here; null where nothing can be
    ]
)
"""Queues and servers at evenly spaced moments."""

COUNTS = pa.schema(
    [
        ("replication", pa.int32()),
        ("kind", pa.string()),
        ("place", pa.string()),
        ("count", pa.int64()),
    ]
)
"""How many events of each kind there were at each place, where events are not kept."""

FIGURES = pa.schema(
    [
        ("replication", pa.int32()),
        ("figure", pa.string()),
        ("of", pa.string()),  # work, place, step or objective
        ("key", pa.string()),
        ("bucket", pa.int64()),  # of a histogram, a window of arrival, the time of a fault; -1 for none
        ("amount", pa.int64()),  # a count, or a sum in the unit of what is summed
    ]
)
"""What a summary keeps: counts, sums and histograms, sorted. `docs/semantics.md` lists them."""

TABLES = {"cases": CASES, "events": EVENTS, "decisions": DECISIONS, "samples": SAMPLES}
"""The tables of a run that keeps all there is."""

Volume = Literal["events", "cases", "summary"]
"""How much a run keeps of each replication: every event; the cases, decisions and samples with counts of events; or
figures and samples alone, in memory that does not grow with the cases."""

KEPT: Final[Mapping[Volume, Mapping[str, pa.Schema]]] = {
    "events": TABLES,
    "cases": {"cases": CASES, "counts": COUNTS, "decisions": DECISIONS, "samples": SAMPLES},
    "summary": {"figures": FIGURES, "samples": SAMPLES},
}
"""The tables of a run, by its volume."""
