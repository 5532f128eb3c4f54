"""The scenario: one description of agents, people, workflows, policies, faults and objectives.

Every class is one mapping of a scenario file; here is the whole, its parts stand by subject in the modules imported
here. Keys are written in kebab-case (`warm-up`), attributes in snake_case (`warm_up`). All are frozen and strict;
cross-references between parts are checked in `models.check`. What each key makes happen is told in the attribute's
description, which also feeds the JSON Schema and `docs/scenario.md`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from models.attacks import Attack
from models.declarations import Approvals, DataClass, Risk
from models.faults import (
    Absence,
    Crash,
    Drift,
    Fault,
    Flapping,
    Hang,
    LoadSpike,
    Loss,
    OutageFault,
    Partition,
    Slowdown,
    TimedFault,
)
from models.fleet import (
    ZERO_DURATION,
    AgentPool,
    AgentQueue,
    Autoscale,
    Capability,
    Chain,
    DecisionPoint,
    Degradation,
    Desk,
    Endpoint,
    Guardrail,
    HandOff,
    Level,
    Outages,
    Queue,
    SelfCheck,
    Shift,
    Site,
    TokenPrices,
    Tokens,
    TokenTimes,
    Vote,
)
from models.locks import Deadlock, Lock
from models.monitors import Monitor, PageHinkley
from models.objectives import (
    CaseCost,
    CaseShare,
    CaseTime,
    Compliance,
    DeskLoad,
    DeskWait,
    EventCount,
    Objective,
    Recovery,
    ReviewShare,
    Throughput,
)
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
from models.platform import Link, SitePoint, Topic
from models.resilience import Breaker, Budget
from models.retries import Retry
from models.rollouts import Rollout
from models.steps import (
    Arm,
    ChoiceStep,
    DeskStep,
    End,
    Parallel,
    Publish,
    Receive,
    Send,
    Step,
    SubWorkflow,
    Task,
    Wait,
    Workflow,
)
from models.units import Duration
from models.variants import VARIANTS_MAX, Variant
from models.work import Arrivals, Modulated, Poisson, Renewal, Trace, Weekly, Work

__all__ = [
    "ATTRIBUTE_NAME",
    "ENTITY_UID",
    "FORMAT_VERSION",
    "NAME",
    "START_YEARS",
    "ZERO_DURATION",
    "Absence",
    "AgentPool",
    "AgentQueue",
    "Approvals",
    "Arm",
    "Arrivals",
    "Attack",
    "AttributeName",
    "Autoscale",
    "Capability",
    "CaseCost",
    "CaseShare",
    "CaseTime",
    "Chain",
    "ChoiceStep",
    "Compliance",
    "Count",
    "Crash",
    "DataClass",
    "Deadlock",
    "DecisionPoint",
    "Degradation",
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
    "Flapping",
    "Guardrail",
    "HandOff",
    "Hang",
    "Level",
    "Link",
    "LoadSpike",
    "Lock",
    "Loss",
    "Modulated",
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
    "Publish",
    "Queue",
    "Receive",
    "Recovery",
    "Renewal",
    "Retry",
    "ReviewShare",
    "Risk",
    "Rollout",
    "Scenario",
    "SelfCheck",
    "Send",
    "Shift",
    "Site",
    "SitePoint",
    "Slowdown",
    "Start",
    "Step",
    "SubWorkflow",
    "Task",
    "Throughput",
    "TimedFault",
    "TokenPrices",
    "TokenTimes",
    "Tokens",
    "Topic",
    "Trace",
    "Vote",
    "Wait",
    "Weekly",
    "Work",
    "Workflow",
]

FORMAT_VERSION = 1


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


_Path = Annotated[str, Field(min_length=1, max_length=500)]
_Source = Annotated[str, Field(min_length=1, max_length=1000)]


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
    links: dict[Name, Link] = Field(default_factory=dict)
    """Ways between sites, by name."""
    topics: dict[Name, Topic] = Field(default_factory=dict)
    """Queues of messages, by name."""
    endpoints: dict[Name, Endpoint] = Field(default_factory=dict)
    """LLM and tool APIs, by name."""
    agents: dict[Name, AgentPool] = Field(default_factory=dict)
    """Agent pools, by name."""
    desks: dict[Name, Desk] = Field(default_factory=dict)
    """Queues of people, by name."""
    budgets: dict[Name, Budget] = Field(default_factory=dict)
    """Retry budgets, by name."""
    breakers: dict[Name, Breaker] = Field(default_factory=dict)
    """Circuit breakers, by name."""
    chains: dict[Name, Chain] = Field(default_factory=dict)
    """Escalation chains, by the names that policies escalate to."""
    locks: dict[Name, Lock] = Field(default_factory=dict)
    """What one case at a time may hold, by name."""
    decision_point: DecisionPoint = DecisionPoint()
    """Where policy decisions are made."""
    decision_points: dict[Name, SitePoint] = Field(default_factory=dict)
    """Decision points of sites, by name."""
    workflows: dict[Name, Workflow] = Field(min_length=1)
    """What happens to cases, by name."""
    work: dict[Name, Work] = Field(min_length=1)
    """Streams of cases, by name."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong, on schedule or by chance."""
    monitors: dict[Name, Monitor] = Field(default_factory=dict)
    """Drift detectors, by name."""
    rollouts: dict[Name, Rollout] = Field(default_factory=dict)
    """What takes over in stages, by name."""
    attacks: dict[Name, Attack] = Field(default_factory=dict)
    """Compromised agents, by name."""
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
    sources: Annotated[dict[_Path, _Source], Field(max_length=1000)] = Field(default_factory=dict)
    """Where numbers are from, by path: `desks.care.service: Ticket system, March 2026`. A path speaks for all below it,
    the longest one counts. The report tells the source of every number, and which have none."""
    variants: Annotated[dict[Name, Variant], Field(max_length=VARIANTS_MAX)] = Field(default_factory=dict)
    """What is tried out instead, by name. `base` is the scenario as it stands."""

    def workflows_of(self, work: Work) -> tuple[str, ...]:
        """The workflows that cases of a stream take: its own, one that is rolled out in its place, their sub-workflows,
        those that consume what these publish, and so on."""
        new = (
            rollout.to.workflow
            for rollout in self.rollouts.values()
            if rollout.workflow == work.workflow and rollout.to
        )
        found = dict.fromkeys([work.workflow, *(name for name in new if name is not None)])
        waiting = list(found)
        while waiting:
            name = waiting.pop()
            more = [name for name in (*self.consumers_of(name), *self.within(name)) if name not in found]
            found |= dict.fromkeys(more)
            waiting += more
        return tuple(found)

    def consumers_of(self, workflow: str) -> tuple[str, ...]:
        """The workflows that consume what a workflow publishes itself. Names that do not exist lead nowhere."""
        steps = self.workflows[workflow].steps.values() if workflow in self.workflows else ()
        named = (self.topics.get(step.topic) for step in steps if isinstance(step, Publish))
        consumers = (topic.consumers.workflow for topic in named if topic is not None)
        return tuple(dict.fromkeys(name for name in consumers if name in self.workflows))

    def within(self, workflow: str) -> tuple[str, ...]:
        """The workflows that are steps of a workflow itself. Names that do not exist lead nowhere."""
        steps = self.workflows[workflow].steps.values() if workflow in self.workflows else ()
        named = (step.workflow for step in steps if isinstance(step, SubWorkflow))
        return tuple(dict.fromkeys(name for name in named if name in self.workflows))

    def dump(self) -> dict[str, Any]:
        """The scenario as plain JSON values under the file's own keys, the inverse of loading. Its variants are other
        scenarios: they are left out."""
        left_out = {"variants"}
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=left_out) | {"windtunnel": 1}
