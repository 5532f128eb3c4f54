"""The sentences that a case's events are told in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

_SECOND = 1_000_000


class Event(NamedTuple):
    """An event as a sentence needs it: `value` is None where the table has none."""

    kind: str
    place: str
    value: int | None
    detail: str

    @property
    def name(self) -> str:
        """What the place is called: `x` of `desk:x`."""
        return self.place.partition(":")[2] or self.place


def event_line(row: Mapping[str, Any]) -> str:
    """A row of the event table as a sentence; a kind without one is told as it stands."""
    value = None if row["value"] != row["value"] else int(row["value"])
    event = Event(row["kind"], row["place"], value, row["detail"])
    sentence = SENTENCES.get(event.kind)
    if sentence is not None:
        return sentence(event)
    return " ".join(part for part in (event.kind, event.place, event.detail) if part)


def span(micros: int) -> str:
    """A length of time in its two largest units: `2h 05m`, `3m 20s`, `1.250s`."""
    seconds = micros // _SECOND
    if seconds < 60:
        return f"{micros / _SECOND:.3f}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    if seconds < 86_400:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
    return f"{seconds // 86_400}d {seconds % 86_400 // 3600:02}h"


def counted(number: int, column: str) -> str:
    """A number of what a column counts: `1 attempt`."""
    name = column.replace("_", "-")
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _asked(e: Event) -> str:
    chain, _, at = e.detail.partition(": ")
    return f"approval `{chain}` asked of {e.place or 'a desk that does not exist'}, `{at or chain}` level {e.value}"


def _nth(value: int | None) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(value or 0, f"{value}th")


def _ring(detail: str) -> str:
    """The members of a deadlock in words; the detail as it is where it is not one. Tables are not trusted."""
    try:
        members = json.loads(detail)["ring"]
        return "; ".join(
            f"case {m['case']} at {m['step']} holds {', '.join(m['holds']) or 'nothing'} and waits for {m['waits-for']}"
            for m in members
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return detail


def _members(detail: str) -> str:
    """The members of a livelock in words; the detail as it is where it is not one."""
    try:
        return "; ".join(f"attempt {m['attempt']} at {m['step']}" for m in json.loads(detail)["members"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return detail


SENTENCES: Final[Mapping[str, Callable[[Event], str]]] = {
    "arrived": lambda _: "arrives",
    "entered": lambda e: f"step {e.name}" + (f", visit {e.value}" if e.value and e.value > 1 else ""),
    "queued": lambda e: f"waits for {e.place}, number {e.value} in the queue",
    "started": lambda e: f"served by {e.place}" + (f" after {span(e.value)}" if e.value else ""),
    "finished": lambda e: f"leaves {e.place} after {span(e.value or 0)}",
    "abandoned": lambda e: f"gives up waiting for {e.place} after {span(e.value or 0)}",
    "rejected": lambda e: f"turned away by {e.place}: the queue is full",
    "attempt-failed": lambda e: f"attempt {e.value} by {e.place} fails: {e.detail}",
    "attempt-wrong": lambda e: f"attempt {e.value} by {e.place} is wrong, and nobody notices",
    "orphaned": lambda e: (
        f"{e.place} goes on for nobody" + (f", after {span(e.value)}" if e.value is not None else ": it still waits")
    ),
    "wasted": lambda e: f"{e.place} is done for nobody, after {span(e.value or 0)}",
    "skipped": lambda e: f"passed over by {e.place} after {span(e.value or 0)}: nobody waits for it",
    "retry-denied": lambda e: f"no attempt {e.value} by {e.place}: {e.detail}",
    "fallback": lambda e: f"{e.place} takes the step over",
    "handed-off": lambda e: f"{e.place} hands the case to a person ({e.detail})",
    "asked": _asked,
    "answered": lambda e: f"approval {e.detail} by {e.place}",
    "reviewed": lambda e: f"reviewed by {e.place} in {span(e.value or 0)}: {e.detail}",
    "wrong-approval": lambda e: f"{e.place} grants `{e.detail}`, which it ought not",
    "bounced": lambda e: f"{e.place} sends the approval `{e.detail}` down a level, for the {_nth(e.value)} time",
    "exhausted": lambda e: f"approval {e.detail}: nobody answered",
    "blocked": lambda e: f"waits for {e.place}",
    "locked": lambda e: f"takes {e.place}" + (f" after {span(e.value)}" if e.value else ""),
    "unlocked": lambda e: f"gives back {e.place}",
    "deadlock": lambda e: f"deadlock of {counted(e.value or 0, 'cases')}: {_ring(e.detail)}",
    "resolved": lambda e: f"the deadlock is over: {e.detail}",
    "canary": lambda e: f"attempt {e.value} was made by the new model of {e.name}, and is {e.detail}",
    "enrolled": lambda e: f"is among the cases of rollout {e.name}",
    "shadow-difference": lambda e: f"the policies of rollout {e.name} would decide otherwise on {e.detail}",
    "routed": lambda e: f"{e.place} has the step done by {e.detail}",
    "case-late": lambda e: f"its deadline passes at step {e.name}",
    "withdrawn": lambda e: f"is taken back at step {e.name}",
    "hedged": lambda e: f"{e.place} has not answered: the request is made a {_nth((e.value or 0) + 1)} time",
    "held-up": lambda e: f"kept out by {e.place}, whose queue is full; number {e.value} outside",
    "let-in": lambda e: f"let in by {e.place} after {span(e.value or 0)}",
    "retry-after": lambda e: f"{e.place} refuses, and tells to wait {span(e.value or 0)}",
    "shed": lambda e: f"given up by {e.place} after {span(e.value or 0)}: a full queue, the lowest priority",
    "voted": lambda e: f"{e.value} of the answers {e.detail} by {e.place} are right",
    "self-check-stopped": lambda e: f"attempt {e.value} by {e.place}: the agent takes its {e.detail} answer for wrong",
    "guardrail-stopped": lambda e: f"attempt {e.value} by {e.place}: the guardrail stops a {e.detail} answer",
    "effect": lambda e: f"step {e.name} takes effect",
    "effect-repeated": lambda e: f"step {e.name} takes effect again, for the {_nth(e.value)} time",
    "effect-suppressed": lambda e: f"step {e.name} would take effect again; its key tells",
    "livelock": lambda e: f"has made no progress for {span(e.value or 0)}, and goes on: {_members(e.detail)}",
    "livelock-over": lambda e: f"the livelock is over after {span(e.value or 0)}: {e.detail}",
    "sent": lambda e: f"sends {e.place}",
    "received": lambda e: f"receives {e.place}" + (f" after {span(e.value)}" if e.value else ""),
    "not-received": lambda e: f"no {e.place} comes within {span(e.value or 0)}" + (e.detail and f": {e.detail}"),
    "sub-workflow-ended": lambda e: f"the workflow at step {e.name} ends {e.detail}, after {span(e.value or 0)}",
    "compensating": lambda e: f"step {e.name} is undone, by step {e.detail}",
    "compensated": lambda e: (
        f"step {e.name} is undone after {span(e.value or 0)}" if not e.detail else f"undoing step {e.name} {e.detail}"
    ),
    "called": lambda e: f"the agent calls {e.place}, and keeps its slot",
    "returned": lambda e: f"the call of {e.place} is over after {span(e.value or 0)}" + (e.detail and f": {e.detail}"),
    "step-limit": lambda e: f"may go through {counted(e.value or 0, 'steps')}, and {e.name} would be one more",
    "ended": lambda e: f"ends: {e.detail}",
    "cached": lambda e: f"{e.place} gives an answer it keeps since {span(e.value or 0)}",
    "stale-decision": lambda e: f"{e.place} gives an answer that is out of date by up to {span(e.value or 0)}",
    "residency-breach": lambda e: f"{e.place} handles data outside its regions: {e.detail}",
    "replayed": lambda e: (
        f"its state is restored ({e.detail}) in {span(e.value or 0)}, and it goes on at step {e.name}"
    ),
    "lost": lambda e: f"its state is lost at step {e.name}: {e.detail}",
    "published": lambda e: f"{e.place} takes its message, number {e.value}" + (e.detail and ", which it has already"),
    "back-pressure": lambda e: (
        f"cannot reach {e.place}: a partition" if e.detail == "partition" else f"waits for room in {e.place}"
    ),
    "delivered": lambda e: f"message {e.value} of {e.place} is delivered" + (e.detail and f", in vain: {e.detail}"),
    "redelivered": lambda e: f"message {e.value} of {e.place} is delivered again: {e.detail}",
    "duplicated": lambda e: f"{e.place} brings what was sent to {e.detail} twice",
    "acknowledged": lambda e: f"message {e.value} of {e.place} is acknowledged",
    "dead-letter": lambda e: f"message {e.value} of {e.place} is a dead letter: {e.detail}",
    "violation": lambda e: f"violation: step {e.name} took effect, though policy says {e.detail}",
}
"""Of each kind of event that concerns a case."""

OF_NO_CASE: Final = frozenset(
    {
        "message-expired",
        "outage",
        "outage-over",
        "partition",
        "partition-over",
        "drift",
        "alarm",
        "labels",
        "rolled-back",
        "breaker-open",
        "breaker-half-open",
        "breaker-closed",
        "scaled-up",
        "scaled-down",
        "gathered",
        "crash",
        "crash-over",
        "hang",
        "hang-over",
        "slowdown",
        "slowdown-over",
        "load-spike",
        "load-spike-over",
        "absence",
        "absence-over",
        "loss",
        "loss-over",
        "contract-skew",
        "contract-skew-over",
        "certificate-expiry",
        "certificate-expiry-over",
        "stopped",
        "stage",
        "attack-stopped",
        "attack-through",
        "quarantined",
        "quarantine-over",
        "fault",
        "fault-over",
    }
)
"""The kinds of events that concern no case, so that no case's story tells them."""
