"""Markov-modulated Poisson arrivals: the rate over time that one replication draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.chance import uniforms_of_range
from sim.plans.supply import ModulationPlan
from sim.values import share

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 1024


def stationary(stays: Sequence[float], to: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The share of time in each state: the chain of states by the elimination of Grassmann, Taksar and Heyman (1985),
    which subtracts nothing, then weighted by the stays."""
    states = len(stays)
    rest = [list(row) for row in to]
    for last in range(states - 1, 0, -1):
        leaves = math.fsum(rest[last][:last])
        for i in range(last):
            rest[i][last] /= leaves
            for j in range(last):
                rest[i][j] += rest[i][last] * rest[last][j]
    visits = [1.0]
    for state in range(1, states):
        visits.append(math.fsum(visits[i] * rest[i][state] for i in range(state)))
    weights = [visit * stay for visit, stay in zip(visits, stays, strict=True)]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def rate_pieces(plan: ModulationPlan, key: int, horizon: int) -> tuple[list[float], list[float]]:
    """When the rate changes, from 0 on, and the rate from then on, until the horizon.

    Stay n is drawn at entity n: its length at index 0, the state after it at index 1. The state at the start is drawn
    at index 2 of entity 0.
    """
    state = _chosen(plan.start, uniforms_of_range(key, 0, 1, 2)[0])
    times: list[float] = []
    rates: list[float] = []
    reached, first = 0.0, 0
    while reached < horizon:
        lengths = uniforms_of_range(key, first, first + _BLOCK, 0)
        states = uniforms_of_range(key, first, first + _BLOCK, 1)
        for length, after in zip(lengths, states, strict=True):
            if reached >= horizon:
                break
            times.append(reached)
            rates.append(plan.rates[state])
            reached -= plan.stays[state] * math.log(1.0 - length)
            state = _chosen(plan.to[state], after)
        first += _BLOCK
    return times, rates


def _chosen(chances: tuple[float, ...], u: float) -> int:
    """The state that `u` selects; chances add up to 1 but for rounding, which falls to the last that can come."""
    position = share(chances, u)
    while position < 0 or not chances[position]:
        position = len(chances) - 1 if position < 0 else position - 1
    return position
