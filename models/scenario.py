"""The scenario: one description of agents, people, workflows, policies, faults and objectives.

Every class here is one mapping of a scenario file. Keys are written in kebab-case (`warm-up`), attributes in
snake_case (`warm_up`). All are frozen and strict; cross-references between parts are checked in `models.check`. What
each key makes happen is told in the attribute's description, which also feeds the JSON Schema and `docs/scenario.md`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from models.declarations import Approvals, DataClass, Risk
from models.fleet import (
    ZERO_DURATION,
    AgentPool,
    Capability,
    Chain,
    DecisionPoint,
    Desk,
    Endpoint,
    HandOff,
    Level,
    Lock,
    Outages,
    Queue,
    Shift,
    Site,
)
from models.laws import AttributeLawText, DurationLaw, SuccessLaw
from models.part import (
    ATTRIBUTE_NAME,
    ENTITY_UID,
    NAME,
    START_YEARS,
    AttributeName,
    Count,
    EntityUid,
    Name,
    Part,
    Start,
)
from models.steps import Arm, ChoiceStep, DeskStep, End, Parallel, Retry, Step, Task, Wait, Workflow
from models.units import Duration, MoneyText, Probability, Rate

__all__ = [
    "ATTRIBUTE_NAME",
    "ENTITY_UID",
    "FORMAT_VERSION",
    "NAME",
    "START_YEARS",
    "ZERO_DURATION",
    "AgentPool",
    "Approvals",
    "Arm",
    "Arrivals",
    "AttributeName",
    "Capability",
    "CaseCost",
    "CaseShare",
    "CaseTime",
    "Chain",
    "ChoiceStep",
    "Count",
    "DataClass",
    "Deadlock",
    "DecisionPoint",
    "Desk",
    "DeskLoad",
    "DeskStep",
    "DeskWait",
    "Drift",
    "End",
    "Endpoint",
    "EntityUid",
    "EventCount",
    "Fault",
    "HandOff",
    "Level",
    "Lock",
    "Monitor",
    "Name",
    "Objective",
    "OutageFault",
    "Outages",
    "PageHinkley",
    "Parallel",
    "Part",
    "Partition",
    "Poisson",
    "Policies",
    "Queue",
    "Renewal",
    "Retry",
    "Risk",
    "Scenario",
    "Shift",
    "Site",
    "Start",
    "Step",
    "Task",
    "Trace",
    "Wait",
    "Weekly",
    "Work",
    "Workflow",
]

FORMAT_VERSION = 1


# --- work -------------------------------------------------------------------------------------------------------------


class Poisson(Part):
    """Independent arrivals at a constant rate."""

    kind: Literal["poisson"]
    rate: Rate
    """Mean rate."""


class Weekly(Part):
    """A Poisson process whose rate follows the calendar: `rate x by-hour x by-weekday`, both scaled to mean 1."""

    kind: Literal["weekly"]
    rate: Rate
    """Mean rate over a week."""
    timezone: str = "UTC"
    """IANA name of the zone whose clock the weights follow."""
    by_hour: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 24, min_length=24, max_length=24)
    """Weight of each hour of the day, local time."""
    by_weekday: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(1.0,) * 7, min_length=7, max_length=7)
    """Weight of each weekday, Monday first."""


class Renewal(Part):
    """Independent lognormal times between arrivals with a given coefficient of variation (0: evenly spaced)."""

    kind: Literal["renewal"]
    rate: Rate
    """Mean rate."""
    cv: Annotated[float, Field(ge=0.0, le=100.0)]
    """Standard deviation over mean of the times between arrivals."""


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
    """What happens to the cases."""
    arrivals: Arrivals
    """When cases arrive."""
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Rank in queues with `order: priority`; 0 is served first."""
    attributes: dict[AttributeName, AttributeLawText] = Field(default_factory=dict)
    """What is drawn for each case; policies and conditions see it as `context`."""


# --- what goes wrong --------------------------------------------------------------------------------------------------


class Partition(Part):
    """The named sites reach each other but no other site, and no other site reaches them. Calls across fail."""

    kind: Literal["partition"]
    sites: tuple[Name, ...] = Field(min_length=1)
    """The sites that are cut off from all others, not from each other."""
    at: Duration
    """Simulated time when it begins."""
    lasts: Duration
    """How long it lasts."""


class OutageFault(Part):
    """One scheduled outage of an endpoint."""

    kind: Literal["outage"]
    endpoint: Name
    """What fails."""
    at: Duration
    """Simulated time when it begins."""
    lasts: Duration
    """How long it lasts."""
    severity: Probability = 1.0
    """Share of calls that fail while it lasts."""


class Drift(Part):
    """A capability's success law changes at a moment and stays changed until a monitor rolls it back."""

    kind: Literal["drift"]
    agent: Name
    """The pool."""
    capability: Name
    """Its capability that changes."""
    at: Duration
    """Simulated time when it changes."""
    success: SuccessLaw
    """The law of success from then on."""


Fault = Annotated[Partition | OutageFault | Drift, Field(discriminator="kind")]


class PageHinkley(Part):
    """The Page-Hinkley test for a rise of the error rate (Page 1954; the form and defaults of river 0.26.1).

    With x_t = 1 for a wrong attempt: mean_t the running mean, S_t = alpha * S_(t-1) + (x_t - mean_t - delta); alarm
    when S_t - min S exceeds the threshold and at least `minimum` labels were seen.
    """

    kind: Literal["page-hinkley"]
    minimum: Count = 30
    """Labels seen before the first alarm."""
    delta: Annotated[float, Field(ge=0)] = 0.005
    """Rise of the error rate that is tolerated."""
    threshold: Annotated[float, Field(gt=0)] = 50.0
    """How far S may rise above its least value."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.9999
    """How slowly the past is forgotten; 1 never forgets."""


class Monitor(Part):
    """A drift detector on sampled, delayed labels of a capability's attempts."""

    agent: Name
    """The pool it watches."""
    capability: Name
    """Its capability that is watched."""
    detector: PageHinkley
    """The test that raises the alarm."""
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
    """How long a member waits; for `resolution: timeout`."""
    desk: Name | None = None
    """Who ends the deadlock; for `resolution: escalate`."""


# --- objectives -------------------------------------------------------------------------------------------------------


class _Objective(Part):
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Level of the two-sided Student interval over replications."""
    description: str = ""
    """What it is for, for readers."""


class CaseTime(_Objective):
    """A quantile of the time from arrival to completion."""

    kind: Literal["case-time"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Which quantile; 0.5 is the median."""
    at_most: Duration
    """Longest time that passes."""


class CaseShare(_Objective):
    """The share of ended cases with one of the outcomes, optionally within a time."""

    kind: Literal["case-share"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    outcomes: tuple[Literal["completed", "denied", "failed", "expired", "aborted"], ...] = ("completed",)
    """Outcomes that count."""
    within: Duration | None = None
    """Longest time from arrival to end that counts. No key: any."""
    wrong: bool | None = None
    """`true`: only cases with a wrong effect; `false`: only those without."""
    at_least: Probability | None = None
    """Least share that passes; this or `at-most`."""
    at_most: Probability | None = None
    """Greatest share that passes; this or `at-least`."""


class DeskWait(_Objective):
    """A quantile of the wait in a desk's queue, calendar time."""

    kind: Literal["desk-wait"]
    desk: Name
    """The desk."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Which quantile; 0.5 is the median."""
    at_most: Duration
    """Longest wait that passes."""


class DeskLoad(_Objective):
    """Busy time over staffed time of a desk."""

    kind: Literal["desk-load"]
    desk: Name
    """The desk."""
    at_most: Annotated[float, Field(gt=0)]
    """Greatest load that passes; 1 is always busy."""


class CaseCost(_Objective):
    """Mean cost of an ended case: calls, attempts and people."""

    kind: Literal["case-cost"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    at_most: MoneyText
    """Greatest mean that passes."""


class EventCount(_Objective):
    """The mean number of happenings in one replication."""

    kind: Literal["count"]
    of: Literal["deadlocks", "violations", "drift-alarms", "unanswered-escalations"]
    """What is counted. `violations` are steps that took effect though policy would have denied or escalated them: the
    decision point failed open, and the step then succeeded. `unanswered-escalations` are approvals that ran out of
    levels or of time."""
    at_most: Annotated[float, Field(ge=0)]
    """Greatest mean that passes."""


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
    invariants: str | None = Field(default=None, max_length=500)
    """Assertions about the policies (check P305), never deployed. No key: `invariants.cedar` of the folder, if any."""
    profile: Literal["windtunnel", "tiered", "advice"] = "windtunnel"
    """How the set spells escalation."""


class Scenario(Part):
    """A whole scenario file."""

    windtunnel: Literal[1]
    """Version of the scenario format."""
    name: Name
    """Names the run folder and the report."""
    description: str = Field(default="", max_length=5000)
    """What is tried out, for readers."""
    start: Start
    """The calendar moment of simulated time 0; rosters and weekly profiles follow it."""
    horizon: Duration
    """Length of one replication."""
    warm_up: Duration = 0
    """Cases that arrive before this are simulated but not measured."""
    replications: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Independent runs; intervals come from them."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """What all chance is drawn from: the same seed, the same run to the bit."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """ISO 4217 code of every amount in the file."""
    policies: Policies | None = None
    """The policies to verify and to deploy. No key: no step may have an action."""
    sites: dict[Name, Site] = Field(default_factory=dict)
    """Places, by name."""
    endpoints: dict[Name, Endpoint] = Field(default_factory=dict)
    """LLM and tool APIs, by name."""
    agents: dict[Name, AgentPool] = Field(default_factory=dict)
    """Agent pools, by name."""
    desks: dict[Name, Desk] = Field(default_factory=dict)
    """Queues of people, by name."""
    chains: dict[Name, Chain] = Field(default_factory=dict)
    """Escalation chains, by the names that policies escalate to."""
    locks: dict[Name, Lock] = Field(default_factory=dict)
    """What one case at a time may hold, by name."""
    decision_point: DecisionPoint = DecisionPoint()
    """Where policy decisions are made."""
    workflows: dict[Name, Workflow] = Field(min_length=1)
    """What happens to cases, by name."""
    work: dict[Name, Work] = Field(min_length=1)
    """Streams of cases, by name."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong on schedule."""
    monitors: dict[Name, Monitor] = Field(default_factory=dict)
    """Drift detectors, by name."""
    deadlock: Deadlock = Deadlock()
    """What happens when cases wait for each other."""
    objectives: dict[Name, Objective] = Field(default_factory=dict)
    """What must come out, by name."""
    risks: dict[Name, Risk] = Field(default_factory=dict)
    """Requests that need an approval, by name."""
    data: dict[Name, DataClass] = Field(default_factory=dict)
    """Classes of data that stay in regions, by name."""
    approvals: Approvals | None = None
    """How approving is itself a request. No key: approvals are no requests to these policies."""

    def dump(self) -> dict[str, Any]:
        """The scenario as plain JSON values under the file's own keys, the inverse of loading."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"windtunnel": 1}
