"""Load spikes: cases on top of those of a stream, while a fault is there."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.chance import Draws, Purpose, uniforms_of_range
from sim.plan import Plan, RatePieces
from sim.plans.platform import SpikePlan
from sim.windows import windows

Times = npt.NDArray[np.int64]


def with_spikes(times: Times, work: int, plan: Plan, draws: Draws, most: int) -> Times:
    """The arrivals of a stream, then those of its spikes: the cases before keep their numbers, so their draws too.

    It ends early where there are more than `most`.
    """
    spikes = [spike_times(spike, plan, draws, most) for spike in plan.platform.spikes if spike.work == work]
    return np.concatenate([times, *spikes]) if spikes else times


def spike_times(spike: SpikePlan, plan: Plan, draws: Draws, most: int) -> Times:
    """Arrivals of a Poisson process at the stream's rate times `factor - 1`, thinned to the times of the fault."""
    times: list[int] = []
    for window in windows(spike, draws, plan.horizon):
        key = draws.key(Purpose.SPIKE, f"{spike.key}/{window.number}")
        end = min(window.end, plan.horizon)
        times += _poisson(key, spike.pieces, spike.factor - 1.0, window.begin, end, most)
        if len(times) > most:
            break
    return np.array(times, np.int64)


def _poisson(key: int, pieces: RatePieces, factor: float, begin: int, end: int, most: int) -> list[int]:
    """Arrivals in [begin, end): exponential gaps of a process of rate one, spent piece by piece of the rate."""
    found: list[int] = []
    number = 0
    left = _gap(key, number)
    bounds = [*pieces.times[1:], end]
    for start, stop, rate in zip(pieces.times, bounds, pieces.rates, strict=True):
        at, until, speed = float(max(start, begin)), min(stop, end), rate * factor
        while at < until and speed * (until - at) > left and len(found) <= most:
            at += left / speed
            found.append(min(int(at), end - 1))
            number += 1
            left = _gap(key, number)
        left -= speed * max(until - at, 0.0)
    return found


def _gap(key: int, number: int) -> float:
    return -math.log(1.0 - uniforms_of_range(key, number, number + 1)[0])
