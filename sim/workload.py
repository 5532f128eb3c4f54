"""The work of one replication, drawn before it runs: who arrives when, with which attributes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.chance import Draws, Purpose, uniforms, uniforms_of_range
from sim.mmpp import rate_pieces
from sim.plan import ArrivalKind, AttributePlan, LawPlan, Plan
from sim.rules import Decider, Rules
from sim.spikes import with_spikes
from sim.values import quantile, share

CASES_MAX = 5_000_000
"""Cases of one replication at most. A case of one step takes 214 bytes (measured), so they take a gigabyte and more."""
_BLOCK = 4096
_INT64_MAX = 2**63 - 1

Column = npt.NDArray[Any]
Times = npt.NDArray[np.int64]


class CaseLimitError(Exception):
    """A replication has more cases than it may."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Cases in order of arrival; those of one instant in order of their streams, then of their numbers there.

    `entity` is a case's number within its stream: draws are keyed by stream and entity, so another stream does not
    disturb them.
    """

    arrived: npt.NDArray[np.int64]
    work: Sequence[int]
    entity: Sequence[int]
    attributes: tuple[tuple[Column, ...], ...]
    """Of each stream and attribute, by entity."""
    decider: Decider


def materialise(plan: Plan, rules: Rules, draws: Draws) -> Workload:
    """Draw the arrivals and attributes of a replication. Raises CaseLimitError."""
    times = [
        _in_batches(with_spikes(_arrivals(number, plan, draws), number, plan, draws, CASES_MAX), number, plan, draws)
        for number in range(len(plan.works))
    ]
    total = sum(len(of_work) for of_work in times)
    if total > CASES_MAX:
        raise CaseLimitError
    attributes = tuple(_attributes(plan, draws, work, of_work) for work, of_work in enumerate(times))
    arrived = np.concatenate(times)
    work = np.repeat(np.arange(len(times)), [len(of_work) for of_work in times])
    entity = np.concatenate([np.arange(len(of_work)) for of_work in times])
    order = np.argsort(arrived, kind="stable")
    decider = Decider(plan, rules, attributes)
    return Workload(arrived[order], _packed(work[order]), _packed(entity[order]), attributes, decider)


def _packed(numbers: npt.NDArray[np.int64]) -> Sequence[int]:
    return array("q", numbers.astype(np.int64).tobytes())


# --- arrivals ---------------------------------------------------------------------------------------------------------


def _arrivals(work: int, plan: Plan, draws: Draws) -> Times:
    """Arrival times before the horizon, ascending."""
    arrivals, name = plan.works[work].arrivals, plan.names.works[work]
    if arrivals.kind == ArrivalKind.TRACE:
        return np.array([time for time in arrivals.times if time < plan.horizon], np.int64)
    key = draws.key(Purpose.ARRIVAL, name)
    if arrivals.kind == ArrivalKind.RENEWAL:
        return _renewals(key, arrivals.interval, plan.horizon)
    modulation = plan.supply.modulations[work]
    if modulation is not None:
        return _poisson(key, *rate_pieces(modulation, draws.key(Purpose.MODULATION, name), plan.horizon), plan.horizon)
    return _poisson(key, arrivals.pieces.times, arrivals.pieces.rates, plan.horizon)


def _in_batches(times: Times, work: int, plan: Plan, draws: Draws) -> Times:
    """A case for each that comes with an arrival; those of one arrival follow each other."""
    batch = plan.supply.batches[work]
    if batch is None:
        return times
    key = draws.key(Purpose.BATCH, plan.names.works[work])
    sizes = np.array(_whole_numbers(batch, uniforms_of_range(key, 0, len(times))), np.int64).clip(1, CASES_MAX + 1)
    _check(int(sizes.sum()))
    return np.repeat(times, sizes)


def _renewals(key: int, interval: LawPlan, horizon: int) -> Times:
    value = quantile(interval)
    times: list[int] = []
    reached, start = 0.0, 0
    while True:
        for u in uniforms_of_range(key, start, start + _BLOCK):
            reached += value(u)
            if reached >= horizon:
                return np.array(times, np.int64)
            times.append(int(reached))
        start += _BLOCK
        _check(len(times))


def _poisson(key: int, at: Sequence[float], rate: Sequence[float], horizon: int) -> Times:
    """Arrivals by inversion: a unit-rate process, mapped through the inverse of the cumulative rate, which is exact."""
    starts = np.array(at, np.float64)
    rates = np.array(rate, np.float64)
    reached = np.concatenate(([0.0], np.cumsum(rates * np.diff(np.append(starts, horizon)))))
    units = _unit_process(key, float(reached[-1]))
    piece = np.searchsorted(reached, units, side="right") - 1
    times = starts[piece] + (units - reached[piece]) / rates[piece]
    return np.minimum(times.astype(np.int64), horizon - 1)


def _unit_process(key: int, total: float) -> npt.NDArray[np.float64]:
    """Arrivals of a Poisson process of rate one before `total`."""
    log = math.log
    blocks: list[npt.NDArray[np.float64]] = []
    reached, start = 0.0, 0
    while reached < total:
        gaps = [-log(1.0 - u) for u in uniforms_of_range(key, start, start + _BLOCK)]
        gaps[0] += reached
        blocks.append(np.cumsum(gaps))  # one addition after the other, unlike np.sum
        reached = float(blocks[-1][-1])
        start += _BLOCK
        _check(start - _BLOCK)
    times = np.concatenate(blocks) if blocks else np.empty(0)
    return times[times < total]


def _check(count: int) -> None:
    if count > CASES_MAX:
        raise CaseLimitError


# --- attributes -------------------------------------------------------------------------------------------------------


def _attributes(plan: Plan, draws: Draws, work: int, times: Times) -> tuple[Column, ...]:
    columns = []
    count = len(times)
    for position, attribute in enumerate(plan.works[work].attributes):
        told = plan.supply.columns[work][position]
        if told is not None:
            columns.append(np.array(told[:count], object if attribute.weights else None))
            continue
        key = draws.key(Purpose.ATTRIBUTE, f"{plan.names.works[work]}/{plan.names.attributes[work][position]}")
        u = uniforms(key, np.arange(count, dtype=np.uint64), 0)
        column = _attribute(attribute, u, plan.names.texts[work][position])
        for drift in plan.change.inputs:
            if (drift.work, drift.position) == (work, position):  # the same draw under another law
                column = np.where(times >= drift.at, _attribute(drift.law, u, drift.texts), column)
        columns.append(column)
    return tuple(columns)


def _attribute(plan: AttributePlan, u: npt.NDArray[np.float64], texts: tuple[str, ...]) -> Column:
    if plan.weights:
        chosen = [texts[share(plan.weights, x)] for x in u.tolist()]
        return np.array(chosen, dtype=object)
    if plan.chance >= 0:
        return u < plan.chance
    return np.array(_whole_numbers(plan.law, u.tolist()), np.int64)


def _whole_numbers(law: LawPlan, us: list[float]) -> list[int]:
    """Numbers to the nearest whole one, halves up, within Cedar's 64 bits."""
    value = quantile(law)
    numbers = []
    for u in us:
        try:
            drawn = value(u)
        except OverflowError:
            drawn = float(_INT64_MAX)
        numbers.append(max(min(int((drawn + 0.5) // 1), _INT64_MAX), -_INT64_MAX))
    return numbers
