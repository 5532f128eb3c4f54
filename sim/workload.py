"""The work of one replication: who arrives when, with which attributes. It is drawn before the run as a whole, or in
blocks as the run goes, which gives the same cases."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.blocks import BLOCK, BlockedCases, Lazy
from sim.by_case import ByCase
from sim.chance import Draws, Purpose, uniforms, uniforms_of_range
from sim.mmpp import rate_pieces
from sim.plan import ArrivalKind, AttributePlan, LawPlan, Plan
from sim.plans.platform import SpikePlan
from sim.rules import Decider, Rules
from sim.spikes import spike_times, with_spikes
from sim.values import quantile, share

CASES_MAX = 5_000_000
"""Cases of one replication at most. A case of one step takes 214 bytes (measured), so they take a gigabyte and more."""
BLOCKED_CASES_MAX = 1_000_000_000
"""Cases of one replication that come by blocks, at most: they take no memory, but time."""
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


@dataclass(frozen=True, slots=True)
class BlockedWorkload:
    """The same of cases that come by blocks: those of blocks that are gone are not known."""

    arrived: ByCase
    work: ByCase
    entity: ByCase
    attributes: tuple[tuple[Lazy, ...], ...]
    decider: Decider


AnyWorkload = Workload | BlockedWorkload


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


# --- cases that come by blocks ----------------------------------------------------------------------------------------


def blocked(plan: Plan, rules: Rules, draws: Draws, cases: BlockedCases) -> BlockedWorkload:
    """The workload of a replication whose cases come by blocks: nothing of it is as long as the run."""
    attributes = tuple(_lazy_attributes(plan, draws, work) for work in range(len(plan.works)))
    decider = Decider(plan, rules, attributes)
    return BlockedWorkload(cases.arrived, cases.work, cases.entity, attributes, decider)


def arrivals(plan: Plan, draws: Draws) -> Iterator[list[tuple[int, int, int]]]:
    """The cases that `materialise` draws, in its order, a block at a time: time, work, entity.

    Raises CaseLimitError.
    """
    merged = merge(*(cases for work in range(len(plan.works)) for cases in _numbered(work, plan, draws)))
    count = 0
    while block := list(islice(merged, BLOCK)):
        count += len(block)
        if count > BLOCKED_CASES_MAX:
            raise CaseLimitError
        yield block


def _numbered(work: int, plan: Plan, draws: Draws) -> Iterator[Iterator[tuple[int, int, int]]]:
    """The ascending parts of a stream, their cases numbered through."""
    first = 0
    spiked = any(spike.work == work for spike in plan.platform.spikes)
    counts = [sum(map(len, blocks)) for blocks in _numbered_blocks(work, plan, draws)] if spiked else [0]
    for blocks, count in zip(_numbered_blocks(work, plan, draws), counts, strict=True):
        yield _tuples(blocks, work, first)
        first += count


def _numbered_blocks(work: int, plan: Plan, draws: Draws) -> list[Iterator[Times]]:
    """Arrivals of a stream's process and of each of its spikes, with the cases that come with them. Batches are drawn
    by the numbers of their arrivals, so where there are both, arrivals are counted before."""
    spikes = [spike for spike in plan.platform.spikes if spike.work == work]
    parts = [partial(_process, work, plan, draws), *(partial(_spiked, spike, plan, draws) for spike in spikes)]
    index = 0
    found = []
    for part in parts:
        found.append(_batched(part(), work, plan, draws, index))
        index += sum(map(len, part())) if spikes and plan.supply.batches[work] else 0
    return found


def _spiked(spike: SpikePlan, plan: Plan, draws: Draws) -> Iterator[Times]:
    yield spike_times(spike, plan, draws, CASES_MAX)


def _batched(blocks: Iterable[Times], work: int, plan: Plan, draws: Draws, index: int) -> Iterator[Times]:
    for block in blocks:
        yield _in_batches(block, work, plan, draws, index)
        index += len(block)


def _tuples(blocks: Iterable[Times], work: int, entity: int) -> Iterator[tuple[int, int, int]]:
    for block in blocks:
        yield from ((time, work, number) for number, time in enumerate(block.tolist(), entity))
        entity += len(block)


# --- arrivals ---------------------------------------------------------------------------------------------------------


def _arrivals(work: int, plan: Plan, draws: Draws) -> Times:
    """Arrival times before the horizon, ascending. Raises CaseLimitError."""
    blocks: list[Times] = [np.empty(0, np.int64)]
    count = 0
    for block in _process(work, plan, draws):
        blocks.append(block)
        count += len(block)
        _check(count)
    return np.concatenate(blocks)


def _process(work: int, plan: Plan, draws: Draws) -> Iterator[Times]:
    """Arrival times before the horizon, ascending, in blocks."""
    arrivals, name = plan.works[work].arrivals, plan.names.works[work]
    if arrivals.kind == ArrivalKind.TRACE:
        return iter((np.array([time for time in arrivals.times if time < plan.horizon], np.int64),))
    key = draws.key(Purpose.ARRIVAL, name)
    if arrivals.kind == ArrivalKind.RENEWAL:
        return _renewals(key, arrivals.interval, plan.horizon)
    modulation = plan.supply.modulations[work]
    if modulation is not None:
        return _poisson(key, *rate_pieces(modulation, draws.key(Purpose.MODULATION, name), plan.horizon), plan.horizon)
    return _poisson(key, arrivals.pieces.times, arrivals.pieces.rates, plan.horizon)


def _in_batches(times: Times, work: int, plan: Plan, draws: Draws, index: int = 0) -> Times:
    """A case for each that comes with an arrival, the first of which has this number; those of one follow each
    other."""
    batch = plan.supply.batches[work]
    if batch is None:
        return times
    key = draws.key(Purpose.BATCH, plan.names.works[work])
    us = uniforms_of_range(key, index, index + len(times))
    sizes = np.array(_whole_numbers(batch, us), np.int64).clip(1, CASES_MAX + 1)
    _check(int(sizes.sum()))
    return np.repeat(times, sizes)


def _renewals(key: int, interval: LawPlan, horizon: int) -> Iterator[Times]:
    value = quantile(interval)
    reached, start = 0.0, 0
    while True:
        times: list[int] = []
        for u in uniforms_of_range(key, start, start + _BLOCK):
            reached += value(u)
            if reached >= horizon:
                yield np.array(times, np.int64)
                return
            times.append(int(reached))
        yield np.array(times, np.int64)
        start += _BLOCK


def _poisson(key: int, at: Sequence[float], rate: Sequence[float], horizon: int) -> Iterator[Times]:
    """Arrivals by inversion: a unit-rate process, mapped through the inverse of the cumulative rate, which is exact."""
    starts = np.array(at, np.float64)
    rates = np.array(rate, np.float64)
    reached = np.concatenate(([0.0], np.cumsum(rates * np.diff(np.append(starts, horizon)))))
    for units in _unit_process(key, float(reached[-1])):
        piece = np.searchsorted(reached, units, side="right") - 1
        times = starts[piece] + (units - reached[piece]) / rates[piece]
        yield np.minimum(times.astype(np.int64), horizon - 1)


def _unit_process(key: int, total: float) -> Iterator[npt.NDArray[np.float64]]:
    """Arrivals of a Poisson process of rate one before `total`."""
    log = math.log
    reached, start = 0.0, 0
    while reached < total:
        gaps = [-log(1.0 - u) for u in uniforms_of_range(key, start, start + _BLOCK)]
        gaps[0] += reached
        times = np.cumsum(gaps)  # one addition after the other, unlike np.sum
        reached = float(times[-1])
        start += _BLOCK
        yield times[times < total]


def _check(count: int) -> None:
    if count > CASES_MAX:
        raise CaseLimitError


# --- attributes -------------------------------------------------------------------------------------------------------


def _attributes(plan: Plan, draws: Draws, work: int, times: Times) -> tuple[Column, ...]:
    positions = range(len(plan.works[work].attributes))
    return tuple(
        _column(plan, draws, (work, position), 0, len(times), lambda at: times >= at) for position in positions
    )


def _lazy_attributes(plan: Plan, draws: Draws, work: int) -> tuple[Lazy, ...]:
    """The columns by blocks: draws are functions of the entity, so a block is drawn whenever it is asked for."""
    drifts = {drift.at for drift in plan.change.inputs if drift.work == work}
    spans = {at: _since(work, plan, draws, at) for at in drifts}

    def make(position: int, start: int, end: int) -> Column:
        entities = np.arange(start, end)

        def late(at: int) -> npt.NDArray[np.bool_]:
            inside = [(entities >= first) & (entities < last) for first, last in spans[at]]
            some: npt.NDArray[np.bool_] = np.logical_or.reduce(inside)
            return some

        return _column(plan, draws, (work, position), start, end, late)

    return tuple(Lazy(partial(make, position)) for position in range(len(plan.works[work].attributes)))


def _since(work: int, plan: Plan, draws: Draws, at: int) -> list[tuple[int, int]]:
    """The entities of a stream that arrive from a moment on: a range of each of its parts."""
    spans = []
    first = 0
    for blocks in _numbered_blocks(work, plan, draws):
        before = count = 0
        for block in blocks:
            before += int(np.searchsorted(block, at))
            count += len(block)
        spans.append((first + before, first + count))
        first += count
    return spans


def _column(
    plan: Plan,
    draws: Draws,
    of: tuple[int, int],
    start: int,
    end: int,
    late: Callable[[int], npt.NDArray[np.bool_]],
) -> Column:
    """An attribute, by work and position, of the entities from start to end - 1. `late(at)` tells which of them arrive
    from a moment on."""
    work, position = of
    attribute = plan.works[work].attributes[position]
    told = plan.supply.columns[work][position]
    if told is not None:
        return np.array(told[start:end], object if attribute.weights else None)
    key = draws.key(Purpose.ATTRIBUTE, f"{plan.names.works[work]}/{plan.names.attributes[work][position]}")
    u = uniforms(key, np.arange(start, end, dtype=np.uint64), 0)
    column = _attribute(attribute, u, plan.names.texts[work][position])
    for drift in plan.change.inputs:
        if (drift.work, drift.position) == of:  # the same draw under another law
            column = np.where(late(drift.at), _attribute(drift.law, u, drift.texts), column)
    return column


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
