"""Change: drifts, detectors, rollouts, compromised agents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.plan import AttributePlan, LawPlan, SuccessPlan

DETECTOR_KINDS = ("page-hinkley", "adwin", "cusum", "ddm", "psi", "ks")


class Change(IntEnum):
    """What a drift changes."""

    QUALITY = 0
    LATENCY = 1
    COST = 2
    FORMAT = 3
    CONTRACT = 4


class Trial(IntEnum):
    """What an objective that a rollout is judged by measures."""

    SHARE = 0
    TIME = 1
    COST = 2


class Watch(IntEnum):
    """What a label is."""

    ERRORS = 0
    LATENCY = 1
    FORMAT = 2
    COST = 3
    ATTRIBUTE = 4
    REFUSALS = 5


class Action(IntEnum):
    """What an alarm does."""

    ALERT = 0
    ROLL_BACK = 1
    ROUTE = 2
    STOP = 3
    QUARANTINE = 4


@dataclass(frozen=True, slots=True)
class InputDriftPlan:
    """Cases of a stream that arrive from `at` on have another law for the attribute at `position`; `texts` are those it
    chooses among, and `told` the attribute and the law in words."""

    work: int
    position: int
    at: int
    law: AttributePlan
    texts: tuple[str, ...]
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """`success` is the new law of a drift of quality; `value` the factor or the share of the others."""

    capability: int
    at: int
    what: int
    success: SuccessPlan | None
    value: float
    name: str


@dataclass(frozen=True, slots=True)
class DetectorPlan:
    """Position of its kind in DETECTOR_KINDS, and its parameters in the order of the class of `sim.detectors`."""

    kind: int
    parameters: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MonitorPlan:
    """`capability` is -1 where the requests of the whole pool are watched. `desk` is where ROUTE leads, -1 for other
    actions."""

    pool: int
    capability: int
    watches: int
    detector: DetectorPlan
    sample: float
    delay: LawPlan
    action: int
    desk: int
    columns: tuple[int, ...] = ()
    """Of an ATTRIBUTE: its position among those of each stream, -1 where the stream has none."""
    counts_until: int = -1
    """When its labels so far are told; -1 where nobody asks."""


@dataclass(frozen=True, slots=True)
class RollBackPlan:
    errors: float
    labels: int
    sample: float
    delay: LawPlan


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """An objective that a rollout is judged by, over `work` (-1: all streams).

    `kind` is a Trial; `outcomes`, `wrong` (-1: either), `least` and `most` are of a SHARE, `quantile` of a TIME;
    `within` is the time of either (-1: none); `most` the limit of a COST, in millionths. A limit that is not set is -1.
    """

    objective: str
    kind: int
    work: int
    cases: int
    may: bool
    """Whether it is enough that it may fail."""
    within: int = -1
    outcomes: tuple[int, ...] = ()
    wrong: int = -1
    least: float = -1.0
    most: float = -1.0
    quantile: float = 0.0


@dataclass(frozen=True, slots=True)
class StagesPlan:
    """`shares` is (begin, share of the cases that arrive from then on), the last for good with share 1."""

    name: str
    shares: tuple[tuple[int, float], ...]
    trial: TrialPlan | None = None


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """A rollout of a model. `stages` is as in `StagesPlan`. `success` is None where the law stays."""

    name: str
    capability: int
    success: SuccessPlan | None
    latency: float
    cost: float
    unreadable: float
    stages: tuple[tuple[int, float], ...]
    roll_back: RollBackPlan | None
    trial: TrialPlan | None
    works: tuple[int, ...]
    """Streams whose cases come to the capability."""


@dataclass(frozen=True, slots=True)
class PolicyRolloutPlan:
    """`shadow` where the new policies decide nothing."""

    stages: StagesPlan
    shadow: bool


@dataclass(frozen=True, slots=True)
class WorkflowRolloutPlan:
    """`works` are the streams whose cases begin at the step `start` instead of their own."""

    stages: StagesPlan
    works: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """What policy says of one request of an attack: allow, deny or escalate, and the rules that say so."""

    action: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """`slots` are those of the compromised agent; `refused` is -1 where nothing takes it out."""

    name: str
    pool: int
    slots: int
    begin: int
    end: int
    every: LawPlan
    answers: tuple[AnswerPlan, ...]
    refused: int
    within: int


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What a scenario says of it, empty by default."""

    drifts: tuple[DriftPlan, ...] = ()
    monitors: tuple[MonitorPlan, ...] = ()
    rollouts: tuple[RolloutPlan, ...] = ()
    attacks: tuple[AttackPlan, ...] = ()
    policies: tuple[PolicyRolloutPlan, ...] = ()
    """One at most."""
    workflows: tuple[WorkflowRolloutPlan, ...] = ()
    inputs: tuple[InputDriftPlan, ...] = ()
    """In the order in which they begin."""
