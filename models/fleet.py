"""What a system is made of: sites, endpoints, the decision point, agent pools, desks, escalation chains."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.curves import CurveText
from models.laws import DurationLaw, NumberLaw, SuccessLaw, parse_duration_law, parse_number_law, parse_success
from models.part import AttributeName, Condition, Count, EntityUid, Name, Part, StepName
from models.people import Batch, Review
from models.units import SECOND, DateText, DaysText, Duration, HoursText, Money, MoneyText, Probability, Rate, Told

ZERO_DURATION = parse_duration_law("0s")

Abandoned = Literal["cancel", "serve", "skip"]


# --- platform ---------------------------------------------------------------------------------------------------------


class Site(Part):
    """A place that agents, endpoints, desks and the decision point run at. A partition cuts sites off from others."""

    description: str = ""
    """What the place is, for readers."""
    region: Name | None = None
    """The region it is in, by the names that classes of data use. No key: it is not told."""


class Outages(Part):
    """Times when calls fail. Failed calls take their usual latency."""

    between: DurationLaw
    """Time from the end of one outage (or the start of the run) to the next."""
    repair: DurationLaw
    """How long an outage lasts."""
    severity: NumberLaw = Field(default=parse_number_law("1"))
    """Share of calls that fail while it lasts, drawn once for each outage, from 0 to 1."""


class TokenTimes(Part):
    """Time of each token of a call, on top of the endpoint's latency."""

    input: Duration = 0
    """Of a token that goes in."""
    output: Duration = 0
    """Of a token that comes out."""


class TokenPrices(Part):
    """Prices of a million tokens, paid whether a call fails or not."""

    input: MoneyText = Money(0, "")
    """Of tokens that go in."""
    output: MoneyText = Money(0, "")
    """Of tokens that come out."""


class Degradation(Part):
    """What an outage does to the calls that it lets through, by its severity."""

    latency: CurveText | None = None
    """How many times as long they take. No key: as long as ever."""
    success: CurveText | None = None
    """Factor of the chance that an attempt with such a call is right; of several calls the worst counts. No key: 1."""


class Endpoint(Part):
    """An LLM or tool API that agents call."""

    site: Name | None = None
    """Where it runs; a partition may cut it off. No key: reached from everywhere."""
    latency: DurationLaw
    """Time of one call."""
    concurrency: Count | None = None
    """Calls in flight at most; further ones wait in arrival order. No key: no limit."""
    rate: Rate | None = None
    """Calls accepted at most, spread evenly; a call over the rate fails at once (`rate-limited`)."""
    burst: Count = 1
    """Calls over the even spread that `rate` still accepts."""
    price: MoneyText = Money(0, "")
    """Price of one call, paid whether it fails or not."""
    load_latency: CurveText | None = None
    """How many times as long a call takes, by the share of `concurrency` that is taken when it starts, itself included.
    No key: as long at any load."""
    per_token: TokenTimes | None = None
    """Time of the call's tokens. No key: none."""
    token_rate: Rate | None = None
    """Tokens accepted at most, in and out together; a call with more than are left fails (`rate-limited`)."""
    token_burst: Count | None = None
    """Tokens accepted at a time; a call of more is never accepted. No key: those of a minute (an assumption)."""
    retry_after: Told | None = None
    """What it tells a caller that it refuses for `rate` or `token-rate`: how long to wait. The next attempt begins no
    earlier, whatever its backoff. `told`: the time until it would accept that very call, if no other came. No key: it
    tells nothing."""
    price_per_million: TokenPrices | None = None
    """Price of the call's tokens. No key: none."""
    outages: Outages | None = None
    """Times when it fails. No key: never, but for scheduled faults."""
    degradation: Degradation | None = None
    """What outages do to calls that do not fail. No key: nothing."""
    abandoned: Abandoned = "cancel"
    """What becomes of a call whose attempt has ended, by a time-out or otherwise. `cancel`: it is taken back at once.
    `serve`: it goes on, takes its time and is paid, for nobody. `skip`: as `serve`, but if it still waits it is passed
    over when its turn comes, as by a server that is told the caller's deadline."""


class DecisionPoint(Part):
    """Where policy decisions are made. A partition between it and the asking agent makes it unreachable."""

    site: Name | None = None
    """Where it runs. No key: reached from everywhere."""
    latency: DurationLaw = Field(default=ZERO_DURATION)
    """Time of one decision."""
    timeout: Duration = SECOND
    """How long the asking agent waits before it takes the point for unreachable."""
    on_unreachable: Literal["deny", "allow"] = "deny"
    """`deny` fails closed; `allow` fails open, and what takes effect against policy is counted as a violation."""
    outages: Outages | None = None
    """Times when it cannot be reached. No key: never, but for partitions."""


class Queue(Part):
    """Where work waits. A place with all its servers busy and its queue full rejects."""

    capacity: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Items that may wait. No key: no limit."""
    order: Literal["fifo", "priority"] = "fifo"
    """`priority` serves the lowest `priority` number of the work first, equals in arrival order, without preemption."""


class AgentQueue(Queue):
    """Where attempts wait for a slot. A full queue turns one away."""

    order: Literal["fifo", "priority", "lifo", "adaptive-lifo"] = "fifo"  # type: ignore[assignment]
    """`priority` serves the lowest `priority` number of the work first, equals in arrival order, without preemption.
    `lifo` serves the newest first; `adaptive-lifo` does so while more than `lifo-above` wait, else the oldest."""
    lifo_above: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Waiting attempts above which `adaptive-lifo` serves the newest first; mandatory with it."""
    when_full: Literal["reject", "block", "shed-lowest"] = "reject"
    """`reject` turns the newcomer away. `shed-lowest` turns away who has the lowest priority (the highest `priority`
    number) among those waiting and the newcomer, the last to come of equals. `block` lets the newcomer wait outside, in
    order of coming, until there is room: a case that comes right from another task keeps its slot there meanwhile."""


# --- agents and people ------------------------------------------------------------------------------------------------


class HandOff(Part):
    """An agent giving a case to a person of its own accord, rightly or wrongly."""

    needed: Probability
    """Share of cases that truly need a person (latent, drawn once for each case)."""
    recall: Probability
    """Chance that the agent hands over a case that needs it."""
    false_alarm: Probability
    """Chance that it hands over a case that does not."""


class Tokens(Part):
    """Tokens of each endpoint call, drawn for each and rounded to the nearest whole number."""

    input: NumberLaw
    """Tokens that go in."""
    output: NumberLaw
    """Tokens that come out."""
    input_from: AttributeName | None = None
    """A whole-number attribute that tells those that go in, of each call on a case that has it; `input` is drawn for
    the other cases."""
    output_from: AttributeName | None = None
    """As `input-from`, of those that come out."""


class Hedge(Part):
    """Further calls that make the same request while it has no answer. The first answer that is no failure
    counts, the others are given up; all that have started are paid (Dean and Barroso, "The tail at scale", 2013)."""

    after: Duration
    """Time from a call to the next one of its request."""
    most: Annotated[int, Field(ge=1, le=10)] = 1
    """Further calls of a request at most."""


class Vote(Part):
    """Several answers of one attempt, of which the majority stands. The answers on one case are as correlated as its
    attempts are: with `success: beta(...)` a vote does not help with cases that are too hard."""

    of: Annotated[int, Field(ge=3, le=99)]
    """Answers, an odd number. They come one after the other; each takes the service, the calls and the cost of one."""


class SelfCheck(Part):
    """The agent looks at its own answer before it gives it. An answer that it takes for wrong fails the attempt."""

    sensitivity: SuccessLaw
    """Chance that it takes a wrong answer for wrong. `beta(...)` is read at the case's place in its own law of
    success: the agent sees fewest of its errors in the cases that it is worst at."""
    specificity: Probability = 1.0
    """Chance that it lets a right answer pass."""


class Guardrail(Part):
    """A check of each answer, by other means than the agent's. An answer that it stops fails the attempt."""

    sensitivity: Probability
    """Chance that it stops a wrong answer, whatever the case (an assumption)."""
    specificity: Probability = 1.0
    """Chance that it lets a right answer pass."""
    cost: MoneyText = Money(0, "")
    """Cost of one check. What time it takes is part of the capability's `service`."""


class Capability(Part):
    """One thing an agent pool can do. An attempt holds one slot: own service time, then its endpoint calls in turn."""

    service: DurationLaw = Field(default=ZERO_DURATION)
    """Time of one attempt besides its endpoint calls."""
    behaviour: Name | None = None
    """A program of the user's own that an attempt runs instead of `service` and the calls: a Python generator that is
    registered by this name in the file given with `--behaviours`. It may use both, and may say whether it was right;
    the scenario itself never names or loads code. No key: `service`, then the calls."""
    endpoint: Name | None = None
    """What an attempt calls. No key: nothing."""
    calls: Annotated[int, Field(ge=0, le=1000)] = 1
    """Endpoint calls of one attempt; the attempt fails at the first call that fails."""
    hedge: Hedge | None = None
    """How requests that get no answer are made again meanwhile. No key: not at all."""
    tokens: Tokens | None = None
    """Tokens of each call. No key: they are not counted."""
    success: SuccessLaw = Field(default=parse_success(1))
    """Chance that an attempt is right. `beta(...)` is drawn once for each case: attempts on one case are correlated."""
    vote: Vote | None = None
    """Several answers an attempt, of which the majority stands. No key: one answer."""
    self_check: SelfCheck | None = None
    """The agent's look at its own answer. No key: none."""
    guardrail: Guardrail | None = None
    """A check of the answer by other means, after the agent's own. No key: none."""
    detected: Probability = 1.0
    """Chance that a wrong attempt that no check stopped is noticed, so fails and may be retried. Unnoticed ones go on
    as wrong effects."""
    hand_off: HandOff | None = None
    """How it gives cases to people of its own accord. No key: never."""
    cost: MoneyText = Money(0, "")
    """Cost of one attempt besides endpoint prices."""


class Autoscale(Part):
    """A pool's replicas follow its load by the rule of Kubernetes' horizontal pod autoscaler: replicas x load / target,
    rounded up. The load is the attempts in hand, waiting or in service, for each slot of all replicas, those that start
    up included. Defaults are those of Kubernetes (documentation, Horizontal Pod Autoscaling)."""

    least: Count = 1
    """Replicas at least."""
    most: Count
    """Replicas at most."""
    target: Annotated[float, Field(gt=0, le=1000)]
    """Load to aim at: attempts in hand for each slot."""
    every: Duration = 15 * SECOND
    """Time from one look at the load to the next, the first after this time."""
    start_up: Duration = 0
    """Time until a new replica takes its first attempt."""
    cool_down: Duration = 300 * SECOND
    """Replicas are taken away only down to the most that the load asked for within this time."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Deviation from the target, as a share of it, at which nothing changes."""


class AgentPool(Part):
    """Identical agents behind one queue."""

    site: Name | None = None
    """Where its agents run. No key: partitions do not touch them."""
    replicas: Count = 1
    """Agents in the pool."""
    autoscale: Autoscale | None = None
    """How `replicas`, then those at the start, follow the load. No key: not at all."""
    concurrency: Count = 1
    """Slots of one replica: the pool works on `replicas x concurrency` attempts at a time."""
    queue: AgentQueue = AgentQueue()
    """Where attempts wait for a free slot."""
    bulkheads: dict[StepName, Count] = Field(default_factory=dict)
    """For steps, as `workflow.step`, the slots that attempts at one may hold at a time; more of them wait while others
    pass them. An agent that a step calls is `workflow.step/n`. Fallbacks count as their step."""
    abandoned: Abandoned = "cancel"
    """What becomes of an attempt whose caller has given up: its time is out, its patience, or its case ended elsewhere.
    `cancel`: it stops at once, and its slot or place in the queue is free. `serve`: it goes on to the end of its
    endpoint calls, and is paid, for nobody. `skip`: as `serve`, but if it still waits it is passed over when its turn
    comes, as by a worker that is told the caller's deadline."""
    principal: EntityUid | None = None
    """Who its requests to the decision point come from."""
    parent: Name | None = None
    """The pool that its agents work for: they may do nothing that the parent may not (check P302). No key: none."""
    capabilities: dict[Name, Capability] = Field(min_length=1)
    """What the agents can do, by name."""


class Shift(Part):
    """`staff` people on duty in a daily window of some weekdays, local time."""

    days: DaysText
    """Weekdays, local time."""
    hours: HoursText
    """From and until, local time."""
    staff: Count
    """People on duty."""


class Desk(Part):
    """A queue of people. Shifts add up where they overlap; a person who is busy when a shift ends finishes first."""

    site: Name | None = None
    """Where its people work. No key: partitions do not touch them."""
    people: Condition | None = None
    """Which principals are its people when they approve, such as `principal in Role::"finance"`; goes with
    `approvals`."""
    timezone: str = "UTC"
    """IANA name, such as `Europe/Stockholm`; summer time is followed."""
    roster: tuple[Shift, ...] = Field(min_length=1)
    """Who is on duty when."""
    holidays: Annotated[tuple[DateText, ...], Field(max_length=1000)] = ()
    """Local dates without shifts, such as `2026-12-25`. A night in two windows loses the part on that date. No key:
    none."""
    service: DurationLaw
    """Time to work on one item: a review, or a step of the workflow."""
    approves: Probability = 1.0
    """Chance that a review approves."""
    bounce_back: Probability = 0.0
    """Chance that a review sends the item back to the level below it in the chain. Not drawn at the first level."""
    review: Review | None = None
    """How right its reviews are, and what tires and presses those who do them; instead of `approves`. No key: reviews
    approve by chance, and it is not told whether they should."""
    queue: Queue = Queue()
    """Where items wait for a person."""
    batch: Batch | None = None
    """Batches that items gather to before anybody takes them up. No key: who is free takes what comes."""
    cost_per_hour: MoneyText = Money(0, "")
    """Cost of an hour of work (busy time)."""


class Level(Part):
    """One desk of an escalation chain."""

    desk: Name
    """Who is asked."""
    timeout: Duration | None = None
    """Time from reaching the level without an answer until the next level is asked; the item leaves this desk."""


class Chain(Part):
    """Who is asked, in what order, when a policy escalates."""

    levels: tuple[Level, ...] = Field(min_length=1, max_length=20)
    """Desks in the order they are asked."""
    then: Name | None = None
    """Another chain that is asked when the last level times out."""
    on_exhausted: Literal["deny", "allow"] = "deny"
    """The answer when the last level times out and there is no `then`, or the rule's own `@timeout` runs out."""
    bounces: Annotated[int, Field(ge=0, le=100)] = 3
    """Times that reviews of one approval may send it back down; later bounces count as denials."""
