"""Workflows: the steps that a case goes through, and where each leads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from models.laws import DurationLaw
from models.part import OR_WORD, VALUE, WORD, AttributeName, EntityUid, Name, Part
from models.platform import Durability
from models.presets import Framework
from models.resilience import Fallback
from models.retries import Retry
from models.units import Duration, Probability


class _Step(Part):
    acquire: tuple[Name, ...] = ()
    """Locks taken before the step begins, in this order, each held until released or the case (or branch) ends."""
    release: tuple[Name, ...] = ()
    """Locks given back when the step is done."""
    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Times one case may enter the step. A cycle needs a limit on one of its steps."""
    on_limit: Name | None = None
    """Step to go to instead when the limit is reached. No key: the case ends `failed`."""


class _Work(_Step):
    data: tuple[Name, ...] = ()
    """Classes of data that the step handles: whoever works on it, and the endpoint called, must be in their regions."""


class AgentCall(Part):
    """A call of another agent from within an attempt. It blocks: the caller keeps its slot until the answer."""

    agent: Name
    """The pool that is called; it may be the caller's own."""
    capability: Name
    """The pool's capability that it takes; one that hands no case to people."""
    timeout: Duration | None = None
    """Longest time of one attempt of the called agent, queue and service together."""
    retry: Retry = Retry()
    """What happens after a failed attempt of the called agent. After the last one the caller's attempt fails."""


class Task(_Work):
    """Work by an agent, guarded by a policy decision if it has an action."""

    kind: Literal["task"]
    agent: Name
    """The pool that works on it."""
    capability: Name
    """The pool's capability that it takes."""
    action: EntityUid | None = None
    """The Cedar action asked of the decision point before the first attempt. No key: no decision."""
    resource: EntityUid | None = None
    """The Cedar resource of that request; mandatory with an action."""
    context: dict[AttributeName, bool | int | str] = Field(default_factory=dict)
    """Constants put into the request's context beside the case attributes."""
    timeout: Duration | None = None
    """Longest time of one attempt, queue and service together; then it fails and its slot is free."""
    patience: DurationLaw | None = None
    """Longest wait in the pool's queue; then the case leaves the step as on failure, with no further attempt."""
    retry: Annotated[Annotated[Retry, Tag(VALUE)] | Annotated[Literal["framework"], Tag(WORD)], OR_WORD] = Retry()
    """What happens after a failed attempt. `framework`: what the workflow's `framework` does by default."""
    calls_agents: Annotated[tuple[AgentCall, ...], Field(max_length=20)] = ()
    """Agents that an attempt calls one after the other, after its own work and endpoint calls. It keeps its slot
    meanwhile, so agents that call each other through one pool can stall (see `deadlock`)."""
    deadline: Duration | None = None
    """Longest time of all attempts of one visit together, those of fallbacks included, from the first one on: the one
    under way fails (`deadline`), none follows, and a retry that would not begin before is not waited for. No key:
    none."""
    budget: Name | None = None
    """The budget that pays for its retries. No key: none is needed."""
    breaker: Name | None = None
    """The circuit breaker before its own attempts, not before those of fallbacks. No key: none."""
    fallbacks: Annotated[tuple[Fallback, ...], Field(max_length=5)] = ()
    """Agents that take over one after the other when its attempts have failed. When the last has failed, the case
    leaves by `on-failure`, which may lead to people."""
    idempotency_key: bool | None = None
    """Whether a key of case and step lets the outside world tell an effect that it has seen already. `true`: a case
    takes effect once; `false`: retries and loops repeat the effect, which is counted. No key: effects are not looked
    at."""
    compensate: Name | None = None
    """First step of what undoes this one (a saga): where the case ends other than completed, what undoes its finished
    steps is done first, the last finished first. No key: nothing is undone."""
    next: Name | None = None
    """Step after success. No key: the case ends `completed`."""
    on_failure: Name | None = None
    """Step after the last failed attempt. No key: the case ends `failed`."""
    on_deny: Name | None = None
    """Step after a denial. No key: the case ends `denied`."""
    on_hand_off: Name | None = None
    """Step after the agent handed the case to a person. Mandatory where the capability hands off."""


class DeskStep(_Work):
    """Work by people at a desk."""

    kind: Literal["desk"]
    desk: Name
    """The desk that works on it."""
    service: DurationLaw | None = None
    """Time of the work here, instead of the desk's own."""
    timeout: Duration | None = None
    """Longest time from joining the desk's queue to the end of the work."""
    patience: DurationLaw | None = None
    """Longest wait in the desk's queue."""
    next: Name | None = None
    """Step after the work. No key: the case ends `completed`."""
    on_timeout: Name | None = None
    """Step after a timeout, lost patience or a full queue. No key: the case ends `expired`."""


class Publish(_Work):
    """A message to a topic. The case goes on once the topic has confirmed that it holds the message; what becomes of it
    there is not the case's concern. A message that is not confirmed is sent again, so the topic may hold it twice."""

    kind: Literal["publish"]
    topic: Name
    """The topic that it is put into."""
    site: Name | None = None
    """Where it is sent from, so that it takes the link to the topic's site. No key: it is sent from there."""
    timeout: Duration | None = None
    """Longest time until the topic confirms. No key: a case waits as long as it takes."""
    next: Name | None = None
    """Step after the topic has confirmed. No key: the case ends `completed`."""
    on_failure: Name | None = None
    """Step after the topic turned the message away, or a timeout. No key: the case ends `failed`."""


class Arm(Part):
    """One way out of a choice: by a condition or by a share."""

    when: str | None = Field(default=None, max_length=2000)
    """A Cedar condition over the case attributes, such as `context.priority == "high"`."""
    share: Probability | None = None
    """Chance of this way out."""
    next: Name
    """Step that this way leads to."""


class ChoiceStep(_Step):
    """An exclusive branch: the first arm that holds. Arms are all conditions or all shares."""

    kind: Literal["choice"]
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=50)
    """The ways out, tried in order."""
    otherwise: Name | None = None
    """Step when no arm holds. No key: the case ends `completed`."""


class Parallel(_Step):
    """Branches that run at the same time and meet at `join`. A branch that ends the case otherwise stops the others."""

    kind: Literal["parallel"]
    branches: tuple[Name, ...] = Field(min_length=2, max_length=20)
    """First steps of the branches."""
    join: Name
    """Step where the branches meet; it runs once, when all have come."""


class Wait(_Step):
    """A timer."""

    kind: Literal["wait"]
    duration: DurationLaw
    """How long the case waits."""
    next: Name | None = None
    """Step after the wait. No key: the case ends `completed`."""


class End(_Step):
    """The end of the case with a named outcome."""

    kind: Literal["end"]
    outcome: Literal["completed", "denied", "failed"] = "completed"
    """How the case ends."""


class SubWorkflow(_Step):
    """Another workflow that the case goes through here, as if its steps stood here. It ends where a case would."""

    kind: Literal["sub-workflow"]
    workflow: Name
    """The workflow; it may have sub-workflows of its own, but never comes back to this one."""
    next: Name | None = None
    """Step after it has ended `completed`. No key: the case ends `completed`."""
    on_failure: Name | None = None
    """Step after it has ended `failed`. No key: the case ends `failed`."""
    on_deny: Name | None = None
    """Step after it has ended `denied`. No key: the case ends `denied`."""
    on_timeout: Name | None = None
    """Step after it has ended `expired`, by a desk's time-out. No key: the case ends `expired`."""


class Send(_Step):
    """A message to another case, or to another branch. Whoever waits longest for it gets it; where nobody waits, it is
    kept for the first that comes. The case goes on at once."""

    kind: Literal["send"]
    message: Name
    """What the message is called. Some step must receive it."""
    key: AttributeName | None = None
    """Case attribute whose value tells whom the message is for: those with the same value of theirs. No key: for
    anybody who receives messages of this name."""
    lasts: Duration | None = None
    """How long it is kept. No key: until somebody receives it."""
    next: Name | None = None
    """Step after sending. No key: the case ends `completed`."""


class Receive(_Step):
    """Waits for a message of another case, or of another branch. One message goes to one receiver."""

    kind: Literal["receive"]
    message: Name
    """What the message is called. Some step must send it."""
    key: AttributeName | None = None
    """Case attribute whose value tells which messages are for it. No key: any of this name, which then have none."""
    timeout: Duration | None = None
    """Longest wait. No key: it waits as long as it takes."""
    next: Name | None = None
    """Step after the message has come. No key: the case ends `completed`."""
    on_timeout: Name | None = None
    """Step after the timeout. No key: the case ends `expired`."""


Step = Annotated[
    Task | DeskStep | Publish | ChoiceStep | Parallel | Wait | SubWorkflow | Send | Receive | End,
    Field(discriminator="kind"),
]


class Workflow(Part):
    """Steps by name. Each names the next; a step without `next` ends the case `completed`."""

    framework: Framework | None = None
    """The agent framework whose defaults are meant by `retry: framework` and, without a `limit`, whose limit of steps
    holds. What each does by default, and where that was read: docs/presets.md."""
    limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Task steps that a case may go through, one after the other; of parallel branches the longest counts, as
    supersteps do. A case that comes to one more ends `failed`. No key: the framework's limit, if it has one."""
    durability: Durability | None = None
    """What is left of a case when the agent that works on it crashes. No key: all but the attempt, which fails."""
    start: Name
    """The first step."""
    steps: dict[Name, Step] = Field(min_length=1, max_length=500)
    """The steps, by name."""
