"""The plan: a scenario as dense tables of integers and floats, ready to run.

Parts are numbered in the order of the file. `compile_plan` is the only reader of a scenario; the engine sees numbers,
and names only for the log. -1 stands for `none` in every reference and bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sim.plans.change import ChangePlan
from sim.plans.flows import FlowsPlan
from sim.plans.people import PeoplePlan
from sim.plans.platform import PlatformPlan
from sim.plans.resilience import ResiliencePlan
from sim.plans.summary import SummaryPlan
from sim.plans.supply import LinePlan, SupplyPlan

FOREVER = 1 << 60
"""A time no run reaches, and `no limit` of a count: sums with it stay below 2^63."""


UNLIMITED = 1 << 25
"""Attempts where there is no limit: more than a run has happenings, so none comes to it."""


class StepKind(IntEnum):
    TASK = 0
    DESK = 1
    CHOICE = 2
    PARALLEL = 3
    WAIT = 4
    END = 5
    SUB_WORKFLOW = 6
    SEND = 7
    RECEIVE = 8
    PUBLISH = 12


class Exit(IntEnum):
    """Ways out of a step. A choice's arms are `ARM`, `ARM + 1`, ..."""

    NEXT = 0
    FAILURE = 1
    DENY = 2
    HAND_OFF = 3
    EXPIRED = 4
    ARM = 5


class Outcome(IntEnum):
    """How a case ends."""

    COMPLETED = 0
    DENIED = 1
    FAILED = 2
    EXPIRED = 3
    ABORTED = 4
    IN_FLIGHT = 5
    STUCK = 6
    CANCELLED = 7


OPEN = frozenset({Outcome.IN_FLIGHT, Outcome.STUCK})
"""Outcomes of cases that have not ended."""
OUTCOME_NAMES = tuple(outcome.name.lower().replace("_", "-") for outcome in Outcome)


def ends(outcome: Outcome) -> int:
    """The target that ends the case; targets of 0 and above are steps."""
    return ~int(outcome)


class ArrivalKind(IntEnum):
    PROCESS = 0
    RENEWAL = 1
    TRACE = 2
    MODULATED = 3


class Resolution(IntEnum):
    NONE = 0
    TIMEOUT = 1
    ABORT = 2
    ESCALATE = 3


class Victim(IntEnum):
    YOUNGEST = 0
    OLDEST = 1
    LEAST_WORK = 2


class Jitter(IntEnum):
    NONE = 0
    EQUAL = 1
    FULL = 2
    ADDED = 3


LAW_KINDS = ("constant", "uniform", "exponential", "lognormal", "weibull", "quantiles", "values")


@dataclass(frozen=True, slots=True)
class LawPlan:
    """A law: position of its kind in LAW_KINDS and its parameters as `models.laws` orders them."""

    kind: int
    parameters: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SuccessPlan:
    """A case's chance of success: `chance`, or where that is -1 its quantiles at even steps of u from 0 to 1."""

    chance: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StationPlan:
    """A place with servers and a queue. `room` is how many may wait. `line` is the queue where it is neither in order
    of arrival nor by priority, or gives up waiting jobs when it is full. `blocks` tells that who finds it full waits
    outside. `caps` tells how many servers attempts at some steps may hold together."""

    servers: int
    room: int
    by_priority: bool
    cost_per_hour: int
    line: LinePlan | None = None
    blocks: bool = False
    caps: tuple[tuple[frozenset[int], int], ...] = ()


@dataclass(frozen=True, slots=True)
class PoolPlan:
    station: StationPlan
    site: int


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """`gap` is the microseconds between calls at the limiting rate, 0 for no limit; `burst` in calls over it."""

    station: StationPlan
    site: int
    latency: LawPlan
    gap: float
    burst: int
    price: int


@dataclass(frozen=True, slots=True)
class CapabilityPlan:
    pool: int
    service: LawPlan
    endpoint: int
    calls: int
    success: SuccessPlan
    changes: bool
    """Whether it drifts or is monitored."""
    detected: float
    hands_off: bool
    needed: float
    recall: float
    false_alarm: float
    cost: int


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """`staffing` is (time, staff from then on), the first at 0."""

    station: StationPlan
    site: int
    staffing: tuple[tuple[int, int], ...]
    service: LawPlan
    approves: float
    bounce_back: float


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """`levels` is (desk, timeout); desk -1 never answers."""

    levels: tuple[tuple[int, int], ...]
    then: int
    exhausted_grants: bool
    bounces: int


@dataclass(frozen=True, slots=True)
class PointPlan:
    """The decision point."""

    site: int
    latency: LawPlan
    timeout: int
    fails_open: bool


@dataclass(frozen=True, slots=True)
class RetryPlan:
    attempts: int
    backoff: int
    factor: float
    max_backoff: int
    jitter: int


NO_RETRY = RetryPlan(1, 0, 1.0, 0, 0)


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of one workflow. Fields that its kind does not use are empty.

    `exits` holds a target for each Exit: a step from 0 on, or the end of the case (`ends`). `counted` tells that a case
    may come here more than once, so visits are counted. `request` is the number of the policy question, -1 for none.
    `shares` are the arms' chances; for conditions it is empty and the arm is found before the run.
    """

    kind: int
    exits: tuple[int, ...]
    acquire: tuple[int, ...] = ()
    release: tuple[int, ...] = ()
    limit: int = -1
    on_limit: int = ends(Outcome.FAILED)
    counted: bool = True
    capability: int = -1
    request: int = -1
    timeout: int = -1
    patience: LawPlan | None = None
    retry: RetryPlan = NO_RETRY
    desk: int = -1
    service: LawPlan | None = None
    shares: tuple[float, ...] = ()
    branches: tuple[int, ...] = ()
    join: int = -1
    callees: tuple[int, ...] = ()
    """The steps that stand for the agents an attempt calls."""
    case_limit: int = -1
    """Task steps that a case may go through in the step's workflow."""
    called: bool = False
    """Whether it is such a step: its token is a called agent's, and the caller waits for it."""
    undo: int = -1
    """The first step of what undoes it, -1 for none."""


@dataclass(frozen=True, slots=True)
class RatePieces:
    """A piecewise constant rate: from each time on, the rate in arrivals per microsecond; the first time is 0."""

    times: tuple[int, ...]
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ArrivalPlan:
    """`pieces` for a Poisson process, `interval` for a renewal process, `times` for a trace; the states of a
    modulated process are in `SupplyPlan.modulations`."""

    kind: int
    pieces: RatePieces
    interval: LawPlan
    times: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AttributePlan:
    """A case attribute: texts with weights, or a chance of `true` (-1 for none), or a whole number by a law."""

    weights: tuple[float, ...]
    chance: float
    law: LawPlan


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """`level` is the position of its priority among all; -1 where each case has its own."""

    start: int
    level: int
    arrivals: ArrivalPlan
    attributes: tuple[AttributePlan, ...]


@dataclass(frozen=True, slots=True)
class OutagesPlan:
    """Random outages of an endpoint, or of the decision point (-1)."""

    endpoint: int
    between: LawPlan
    repair: LawPlan
    severity: LawPlan


@dataclass(frozen=True, slots=True)
class DeadlockPlan:
    resolution: int
    timeout: int
    desk: int
    victim: int
    no_progress: int


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers are called: for the log, and as words of the keys of draws."""

    sites: tuple[str, ...]
    endpoints: tuple[str, ...]
    pools: tuple[str, ...]
    capabilities: tuple[str, ...]
    """`pool.capability`."""
    desks: tuple[str, ...]
    chains: tuple[str, ...]
    locks: tuple[str, ...]
    lock_keys: tuple[str, ...]
    """The attribute that tells a lock's instances apart; empty for a lock without a key."""
    steps: tuple[str, ...]
    """`workflow.step`."""
    works: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    """Of each work."""
    texts: tuple[tuple[tuple[str, ...], ...], ...]
    """Of each work and attribute: the texts its weights belong to."""
    monitors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled scenario. Times are microseconds, money millionths of the currency."""

    horizon: int
    warm_up: int
    levels: int
    """Distinct priorities of work."""
    endpoints: tuple[EndpointPlan, ...]
    pools: tuple[PoolPlan, ...]
    capabilities: tuple[CapabilityPlan, ...]
    desks: tuple[DeskPlan, ...]
    chains: tuple[ChainPlan, ...]
    point: PointPlan
    steps: tuple[StepPlan, ...]
    works: tuple[WorkPlan, ...]
    random_outages: tuple[OutagesPlan, ...]
    deadlock: DeadlockPlan
    names: Names
    resilience: ResiliencePlan
    supply: SupplyPlan
    flows: FlowsPlan
    platform: PlatformPlan
    change: ChangePlan
    people: PeoplePlan
    summary: SummaryPlan
