"""Supply: work, queues, scaling, endpoints, the quality of answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.plan import LawPlan, SuccessPlan


@dataclass(frozen=True, slots=True)
class ModulationPlan:
    """States of a modulated Poisson process: rates in arrivals per microsecond, mean stays in microseconds, the chances
    of the state at the start and of the state after each."""

    rates: tuple[float, ...]
    stays: tuple[float, ...]
    start: tuple[float, ...]
    to: tuple[tuple[float, ...], ...]


class Order(IntEnum):
    """Who of those that wait is served first."""

    FIFO = 0
    PRIORITY = 1
    LIFO = 2
    ADAPTIVE_LIFO = 3


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A waiting line that a station's own queues cannot be: `above` is the length from which adaptive LIFO takes the
    newest, and `sheds` tells whether a full one gives up its lowest priority."""

    order: int
    above: int
    sheds: bool


@dataclass(frozen=True, slots=True)
class QualityPlan:
    """How the answers of a capability come about and are checked before they count.

    Chances of false alarms are 0 and `notices` and `stops` are none (-1) where there is no such check.
    """

    capability: int
    answers: int
    service: LawPlan
    notices: SuccessPlan | None
    self_alarm: float
    stops: float
    alarm: float
    price: int


Points = tuple[tuple[float, float], ...]
"""A curve: (share, factor), ascending; empty for none."""


@dataclass(frozen=True, slots=True)
class StrainPlan:
    """How an endpoint's calls are slower by its load, and slower and worse by the severity of an outage."""

    endpoint: int
    load: Points
    slower: Points
    worse: Points


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """After which time a request of a capability is made again, and how many times at most."""

    capability: int
    after: int
    most: int


@dataclass(frozen=True, slots=True)
class UsePlan:
    """The laws of the tokens of a capability's calls."""

    capability: int
    into: LawPlan
    out: LawPlan
    into_from: tuple[int, ...]
    """Of each work, the position of the attribute that tells the tokens instead; -1 for none."""
    out_from: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """What tokens mean to an endpoint: microseconds of each, millionths of the currency for a million of them,
    microseconds between tokens at the limiting rate (0 for no limit), and tokens at a time."""

    endpoint: int
    time_in: int
    time_out: int
    price_in: int
    price_out: int
    gap: float
    burst: int


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """When a case should have ended and when it is taken back, from its arrival; whether a late one is ended."""

    deadline: LawPlan | None
    cancels: bool
    withdrawal: LawPlan | None


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """How a pool scales; `replicas` at the start, of `slots` each."""

    pool: int
    replicas: int
    slots: int
    least: int
    most: int
    target: float
    every: int
    start_up: int
    cool_down: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class SupplyPlan:
    """What a scenario says of it, empty by default."""

    modulations: tuple[ModulationPlan | None, ...] = ()
    """Of each work, where it has one."""
    batches: tuple[LawPlan | None, ...] = ()
    """Of each work, the law of cases that come with one arrival; None where it is always one."""
    senders: frozenset[int] = frozenset()
    """Task steps from which a case may come at once to a pool that keeps it out when it is full."""
    priorities: tuple[int, ...] = ()
    """Of each work, the position of the attribute that is its cases' priority; -1 where all have the same."""
    levels: tuple[int, ...] = ()
    """The priorities that cases may have, ascending: the first is level 0."""
    columns: tuple[tuple[tuple[bool | int | str, ...] | None, ...], ...] = ()
    """Of each work and attribute, its values by case where a trace tells them."""
    limits: tuple[LimitPlan | None, ...] = ()
    """Of each work, where it has one."""
    scales: tuple[ScalePlan, ...] = ()
    """Of the pools that scale."""
    hedges: tuple[HedgePlan, ...] = ()
    """Of the capabilities that hedge."""
    uses: tuple[UsePlan, ...] = ()
    """Of the capabilities that tell their tokens."""
    waits: tuple[tuple[int, int], ...] = ()
    """(endpoint, time) of those that tell whom they refuse how long to wait; -1 for the time until they accept."""
    tokens: tuple[TokenPlan, ...] = ()
    """Of the endpoints that tokens mean something to."""
    strains: tuple[StrainPlan, ...] = ()
    """Of the endpoints that load or outages tell on."""
    quality: tuple[QualityPlan, ...] = ()
    """Of the capabilities that vote or check."""
