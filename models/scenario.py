"""The scenario: one description of agents, people, workflows, policies, faults and objectives.

Every class here is one mapping of a scenario file. Keys are written in kebab-case (`warm-up`), attributes in
snake_case (`warm_up`). All are frozen and strict; cross-references between parts are checked in `models.check`. What
each key makes happen is told in the attribute's description, which also feeds the JSON Schema and `docs/scenario.md`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from models.diagnostics import quoted
from models.laws import AttributeLawText, DurationLaw, NumberLaw, SuccessLaw, parse_duration_law, parse_number_law
from models.units import DAY, SECOND, DaysText, Duration, HoursText, Money, MoneyText, Probability, Rate, value_error

FORMAT_VERSION = 1

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
ATTRIBUTE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,7}$"
ENTITY_UID = r'^([A-Za-z_][A-Za-z0-9_]*::)+"[^"\\]{0,200}"$'

Name = Annotated[str, Field(pattern=NAME)]
AttributeName = Annotated[str, Field(pattern=ATTRIBUTE_NAME)]
"""A case attribute. Dots nest records: `input.amount` is `context.input.amount` in a policy."""
EntityUid = Annotated[str, Field(pattern=ENTITY_UID, examples=['Agent::"triage"'])]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

ZERO_DURATION = parse_duration_law("0s")


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Part(BaseModel):
    """A frozen, strict mapping with kebab-case keys and no unknown ones."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=_kebab,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


START_YEARS = range(1970, 2200)
"""Years a scenario may start in: what the time zone database and calendar arithmetic cover with room to spare."""


def _start(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise value_error(f"{quoted(value)} is not a start", "a time with a zone, such as `2026-01-05T00:00:00Z`")
    if moment.year not in START_YEARS:
        expected = f"a year from {START_YEARS[0]} to {START_YEARS[-1]}"
        raise value_error(f"{quoted(value)} is out of range", expected)
    return moment


Start = Annotated[
    datetime,
    PlainValidator(_start),
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema({"title": "time", "type": "string", "examples": ["2026-01-05T00:00:00Z"]}),
]


# --- platform ---------------------------------------------------------------------------------------------------------


class Site(Part):
    """A place that agents, endpoints, desks and the decision point run at. A partition cuts sites off from others."""

    description: str = ""


class Outages(Part):
    """Times when calls fail. Failed calls take their usual latency."""

    between: DurationLaw
    """Time from the end of one outage (or the start of the run) to the next."""
    repair: DurationLaw
    """How long an outage lasts."""
    severity: NumberLaw = Field(default=parse_number_law("1"))
    """Share of calls that fail while it lasts, drawn once for each outage, from 0 to 1."""


class Endpoint(Part):
    """An LLM or tool API that agents call."""

    site: Name | None = None
    latency: DurationLaw
    concurrency: Count | None = None
    """Calls in flight at most; further ones wait in arrival order. No key: no limit."""
    rate: Rate | None = None
    """Calls accepted at most, spread evenly; a call over the rate fails at once (`rate-limited`)."""
    burst: Count = 1
    """Calls over the even spread that `rate` still accepts."""
    price: MoneyText = Money(0, "")
    """Price of one call, paid whether it fails or not."""
    outages: Outages | None = None


class DecisionPoint(Part):
    """Where policy decisions are made. A partition between it and the asking agent makes it unreachable."""

    site: Name | None = None
    latency: DurationLaw = Field(default=ZERO_DURATION)
    timeout: Duration = SECOND
    """How long the asking agent waits before it takes the point for unreachable."""
    on_unreachable: Literal["deny", "allow"] = "deny"
    """`deny` fails closed; `allow` fails open, and effects that policy would not have allowed are counted."""
    outages: Outages | None = None


class Queue(Part):
    """Where work waits. A place with all its servers busy and its queue full rejects."""

    capacity: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Items that may wait. No key: no limit."""
    order: Literal["fifo", "priority"] = "fifo"
    """`priority` serves the lowest `priority` number of the work first, equals in arrival order, without preemption."""


# --- agents and people ------------------------------------------------------------------------------------------------


class HandOff(Part):
    """An agent giving a case to a person of its own accord, rightly or wrongly."""

    needed: Probability
    """Share of cases that truly need a person (latent, drawn once for each case)."""
    recall: Probability
    """Chance that the agent hands over a case that needs it."""
    false_alarm: Probability
    """Chance that it hands over a case that does not."""


class Capability(Part):
    """One thing an agent pool can do. An attempt holds one slot: own service time, then its endpoint calls in turn."""

    service: DurationLaw = Field(default=ZERO_DURATION)
    endpoint: Name | None = None
    calls: Annotated[int, Field(ge=0, le=1000)] = 1
    """Endpoint calls of one attempt; the attempt fails at the first call that fails."""
    success: SuccessLaw = Field(default=1, validate_default=True)
    """Chance that an attempt is right. `beta(...)` is drawn once for each case: attempts on one case are correlated."""
    detected: Probability = 1.0
    """Chance that a wrong attempt is noticed, so fails and may be retried. Unnoticed ones go on as wrong effects."""
    hand_off: HandOff | None = None
    cost: MoneyText = Money(0, "")
    """Cost of one attempt besides endpoint prices."""


class AgentPool(Part):
    """Identical agents behind one queue."""

    site: Name | None = None
    replicas: Count = 1
    concurrency: Count = 1
    """Slots of one replica: the pool works on `replicas x concurrency` attempts at a time."""
    queue: Queue = Queue()
    principal: EntityUid | None = None
    """Who its requests to the decision point come from."""
    capabilities: dict[Name, Capability] = Field(min_length=1)


class Shift(Part):
    """`staff` people on duty in a daily window of some weekdays, local time."""

    days: DaysText
    hours: HoursText
    staff: Count


class Desk(Part):
    """A queue of people. Shifts add up where they overlap; a person who is busy when a shift ends finishes first."""

    site: Name | None = None
    timezone: str = "UTC"
    """IANA name, such as `Europe/Stockholm`; summer time is followed."""
    roster: tuple[Shift, ...] = Field(min_length=1)
    service: DurationLaw
    """Time to work on one item: a review, or a step of the workflow."""
    approves: Probability = 1.0
    """Chance that a review approves."""
    bounce_back: Probability = 0.0
    """Chance that a review sends the item back to the level below it in the chain. Not drawn at the first level."""
    queue: Queue = Queue()
    cost_per_hour: MoneyText = Money(0, "")
    """Cost of an hour of work (busy time)."""


class Level(Part):
    """One desk of an escalation chain."""

    desk: Name
    timeout: Duration | None = None
    """Time from reaching the level without an answer until the next level is asked; the item leaves this desk."""


class Chain(Part):
    """Who is asked, in what order, when a policy escalates."""

    levels: tuple[Level, ...] = Field(min_length=1, max_length=20)
    then: Name | None = None
    """Another chain that is asked when the last level times out."""
    on_exhausted: Literal["deny", "allow"] = "deny"
    """The answer when the last level times out and there is no `then`, or the rule's own `@timeout` runs out."""
    bounces: Annotated[int, Field(ge=0, le=100)] = 3
    """Times that reviews of one approval may send it back down; later bounces count as denials."""


class Lock(Part):
    """Something one case at a time may hold."""

    key: AttributeName | None = None
    """Case attribute that tells the instances apart: one lock for each value. No key: one lock for all."""


# --- workflows --------------------------------------------------------------------------------------------------------


class Retry(Part):
    """Attempt n waits `backoff * factor^(n-1)`, capped and jittered, before attempt n+1."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    """Attempts at most, the first included."""
    backoff: Duration = SECOND
    factor: Annotated[float, Field(ge=1.0, le=10.0)] = 2.0
    max_backoff: Duration = DAY
    jitter: Literal["none", "equal", "full"] = "none"
    """`full`: uniform in (0, wait); `equal`: half the wait plus uniform in (0, half the wait)."""


class _Step(Part):
    acquire: tuple[Name, ...] = ()
    """Locks taken before the step begins, in this order, each held until released or the case (or branch) ends."""
    release: tuple[Name, ...] = ()
    """Locks given back when the step is done."""
    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Times one case may enter the step. A cycle needs a limit on one of its steps."""
    on_limit: Name | None = None
    """Step to go to instead when the limit is reached. No key: the case ends `failed`."""


class Task(_Step):
    """Work by an agent, guarded by a policy decision if it has an action."""

    kind: Literal["task"]
    agent: Name
    capability: Name
    action: EntityUid | None = None
    """The Cedar action asked of the decision point before the first attempt. No key: no decision."""
    resource: EntityUid | None = None
    """The Cedar resource of that request; mandatory with an action."""
    context: dict[AttributeName, bool | int | str] = {}
    """Constants put into the request's context beside the case attributes."""
    timeout: Duration | None = None
    """Longest time of one attempt, queue and service together; then it fails and its slot is free."""
    patience: DurationLaw | None = None
    """Longest wait in the pool's queue; then the case leaves the step as on failure, with no further attempt."""
    retry: Retry = Retry()
    next: Name | None = None
    on_failure: Name | None = None
    """Step after the last failed attempt. No key: the case ends `failed`."""
    on_deny: Name | None = None
    """Step after a denial. No key: the case ends `denied`."""
    on_hand_off: Name | None = None
    """Step after the agent handed the case to a person. Mandatory where the capability hands off."""


class DeskStep(_Step):
    """Work by people at a desk."""

    kind: Literal["desk"]
    desk: Name
    service: DurationLaw | None = None
    """Time of the work here, instead of the desk's own."""
    timeout: Duration | None = None
    """Longest time from joining the desk's queue to the end of the work."""
    patience: DurationLaw | None = None
    """Longest wait in the desk's queue."""
    next: Name | None = None
    on_timeout: Name | None = None
    """Step after a timeout, lost patience or a full queue. No key: the case ends `expired`."""


class Arm(Part):
    """One way out of a choice: by a condition or by a share."""

    when: str | None = Field(default=None, max_length=2000)
    """A Cedar condition over the case attributes, such as `context.priority == "high"`."""
    share: Probability | None = None
    """Chance of this way out."""
    next: Name


class ChoiceStep(_Step):
    """An exclusive branch: the first arm that holds. Arms are all conditions or all shares."""

    kind: Literal["choice"]
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=50)
    otherwise: Name | None = None
    """Step when no arm holds. No key: the case ends `completed`."""


class Parallel(_Step):
    """Branches that run at the same time and meet at `join`. A branch that ends the case otherwise stops the others."""

    kind: Literal["parallel"]
    branches: tuple[Name, ...] = Field(min_length=2, max_length=20)
    join: Name


class Wait(_Step):
    """A timer."""

    kind: Literal["wait"]
    duration: DurationLaw
    next: Name | None = None


class End(_Step):
    """The end of the case with a named outcome."""

    kind: Literal["end"]
    outcome: Literal["completed", "denied", "failed"] = "completed"


Step = Annotated[Task | DeskStep | ChoiceStep | Parallel | Wait | End, Field(discriminator="kind")]


class Workflow(Part):
    """Steps by name. Each names the next; a step without `next` ends the case `completed`."""

    start: Name
    steps: dict[Name, Step] = Field(min_length=1, max_length=500)


# --- work -------------------------------------------------------------------------------------------------------------


class Poisson(Part):
    kind: Literal["poisson"]
    rate: Rate


class Weekly(Part):
    """A Poisson process whose rate follows the calendar: `rate x by-hour x by-weekday`, both scaled to mean 1."""

    kind: Literal["weekly"]
    rate: Rate
    """Mean rate over a week."""
    timezone: str = "UTC"
    by_hour: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 24, min_length=24, max_length=24)
    """Weight of each hour of the day, local time."""
    by_weekday: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 7, min_length=7, max_length=7)
    """Weight of each weekday, Monday first."""


class Renewal(Part):
    """Independent lognormal times between arrivals with a given coefficient of variation (0: evenly spaced)."""

    kind: Literal["renewal"]
    rate: Rate
    cv: Annotated[float, Field(ge=0.0, le=100.0)]


class Trace(Part):
    """Arrivals at the times of a CSV file, the first row at the start of the run."""

    kind: Literal["trace"]
    file: str = Field(min_length=1, max_length=500)
    """Path from the scenario file."""
    column: str = Field(min_length=1, max_length=200)
    """The column with the arrival times: ISO 8601, or seconds as a number. Rows must be in ascending order."""
    speed: Annotated[float, Field(gt=0)] = 1.0
    """2 replays twice as fast."""


Arrivals = Annotated[Poisson | Weekly | Renewal | Trace, Field(discriminator="kind")]


class Work(Part):
    """A stream of cases."""

    workflow: Name
    arrivals: Arrivals
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Rank in queues with `order: priority`; 0 is served first."""
    attributes: dict[AttributeName, AttributeLawText] = {}


# --- what goes wrong --------------------------------------------------------------------------------------------------


class Partition(Part):
    """The named sites reach each other but no other site, and no other site reaches them. Calls across fail."""

    kind: Literal["partition"]
    sites: tuple[Name, ...] = Field(min_length=1)
    at: Duration
    lasts: Duration


class OutageFault(Part):
    """One scheduled outage of an endpoint."""

    kind: Literal["outage"]
    endpoint: Name
    at: Duration
    lasts: Duration
    severity: Probability = 1.0


class Drift(Part):
    """A capability's success law changes at a moment and stays changed until a monitor rolls it back."""

    kind: Literal["drift"]
    agent: Name
    capability: Name
    at: Duration
    success: SuccessLaw


Fault = Annotated[Partition | OutageFault | Drift, Field(discriminator="kind")]


class PageHinkley(Part):
    """The Page-Hinkley test for a rise of the error rate (Page 1954; the form and defaults of river 0.26.1).

    With x_t = 1 for a wrong attempt: mean_t the running mean, S_t = alpha * S_(t-1) + (x_t - mean_t - delta); alarm
    when S_t - min S exceeds the threshold and at least `minimum` labels were seen.
    """

    kind: Literal["page-hinkley"]
    minimum: Count = 30
    delta: Annotated[float, Field(ge=0)] = 0.005
    threshold: Annotated[float, Field(gt=0)] = 50.0
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.9999


class Monitor(Part):
    """A drift detector on sampled, delayed labels of a capability's attempts."""

    agent: Name
    capability: Name
    detector: PageHinkley
    sample: Probability = 1.0
    """Share of attempts that get a label."""
    delay: DurationLaw = Field(default=ZERO_DURATION)
    """Time from the attempt to its label."""
    action: Literal["alert", "roll-back"] = "alert"
    """`roll-back` restores the success law from before the drift."""


class Deadlock(Part):
    """What happens when a case waits for a lock in a ring."""

    resolution: Literal["none", "timeout", "abort", "escalate"] = "none"
    """`none`: it stays; `timeout`: a member gives up after `timeout`; `abort`: the youngest member is ended at once;
    `escalate`: a person at `desk` ends the youngest member."""
    timeout: Duration | None = None
    desk: Name | None = None


# --- objectives -------------------------------------------------------------------------------------------------------


class _Objective(Part):
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Level of the two-sided Student interval over replications."""
    description: str = ""


class CaseTime(_Objective):
    """A quantile of the time from arrival to completion."""

    kind: Literal["case-time"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    at_most: Duration


class CaseShare(_Objective):
    """The share of ended cases with one of the outcomes, optionally within a time."""

    kind: Literal["case-share"]
    work: Name | None = None
    outcomes: tuple[Literal["completed", "denied", "failed", "expired", "aborted"], ...] = ("completed",)
    within: Duration | None = None
    wrong: bool | None = None
    """`true`: only cases with a wrong effect; `false`: only those without."""
    at_least: Probability | None = None
    at_most: Probability | None = None


class DeskWait(_Objective):
    """A quantile of the wait in a desk's queue, calendar time."""

    kind: Literal["desk-wait"]
    desk: Name
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    at_most: Duration


class DeskLoad(_Objective):
    """Busy time over staffed time of a desk."""

    kind: Literal["desk-load"]
    desk: Name
    at_most: Annotated[float, Field(gt=0)]


class CaseCost(_Objective):
    """Mean cost of an ended case: calls, attempts and people."""

    kind: Literal["case-cost"]
    work: Name | None = None
    at_most: MoneyText


class EventCount(_Objective):
    """The mean number of happenings in one replication."""

    kind: Literal["count"]
    of: Literal["deadlocks", "violations", "drift-alarms", "unanswered-escalations"]
    at_most: Annotated[float, Field(ge=0)]


Objective = Annotated[CaseTime | CaseShare | DeskWait | DeskLoad | CaseCost | EventCount, Field(discriminator="kind")]


# --- the whole --------------------------------------------------------------------------------------------------------


class Policies(Part):
    """The Cedar policy set to deploy."""

    path: str = Field(min_length=1, max_length=500)
    """A `.cedar` file or a folder of them, from the scenario file."""
    schema_: str | None = Field(default=None, alias="schema", max_length=500)
    """Cedar or JSON schema. No key: a `*.cedarschema` or `schema.json` in the folder, else one is inferred."""
    entities: str | None = Field(default=None, max_length=500)
    """Cedar entities in JSON. No key: `entities.json` in the folder, else none."""
    profile: Literal["windtunnel", "tiered"] = "windtunnel"
    """How the set spells escalation."""


class Scenario(Part):
    """A whole scenario file."""

    windtunnel: Literal[1]
    """Version of the scenario format."""
    name: Name
    description: str = Field(default="", max_length=5000)
    start: Start
    """The calendar moment of simulated time 0; rosters and weekly profiles follow it."""
    horizon: Duration
    """Length of one replication."""
    warm_up: Duration = 0
    """Cases that arrive before this are simulated but not measured."""
    replications: Annotated[int, Field(ge=1, le=100_000)] = 20
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    policies: Policies | None = None
    sites: dict[Name, Site] = {}
    endpoints: dict[Name, Endpoint] = {}
    agents: dict[Name, AgentPool] = {}
    desks: dict[Name, Desk] = {}
    chains: dict[Name, Chain] = {}
    locks: dict[Name, Lock] = {}
    decision_point: DecisionPoint = DecisionPoint()
    workflows: dict[Name, Workflow] = Field(min_length=1)
    work: dict[Name, Work] = Field(min_length=1)
    faults: tuple[Fault, ...] = ()
    monitors: dict[Name, Monitor] = {}
    deadlock: Deadlock = Deadlock()
    objectives: dict[Name, Objective] = {}

    def dump(self) -> dict[str, Any]:
        """The scenario as plain JSON values under the file's own keys, the inverse of loading."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"windtunnel": 1}
