"""Whether a value meets a condition in a share of all runs, by two of Wald's sequential tests at once.

One test asks whether the share is surely above what is wanted, the other whether it is surely below; where neither is
shown the answer is open. Sobel and Wald, A sequential decision procedure for choosing one of three hypotheses, Ann.
Math. Statist. 20 (1949). A run of which it is not known whether it meets the condition speaks for neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.intervals import Interval
from reports.measures import Value
from reports.statistics.proportions import clopper_pearson
from reports.statistics.sequential import Sprt

Said = Literal["met", "not met", "about", "open"]


@dataclass(frozen=True, slots=True)
class ShareTests:
    """The tests of a share against `wanted`, each with an error of at most `error`."""

    wanted: float
    error: float

    @property
    def above(self) -> Sprt:
        """Says `high` of a share of at most what is wanted as seldom as promised. The other end is halfway to 1."""
        return self._sprt(self.wanted, (1.0 + self.wanted) / 2.0)

    @property
    def below(self) -> Sprt:
        """Says `low` of a share of at least what is wanted as seldom as promised. The other end is as far below as that
        of `above` is above, or halfway to 0."""
        return self._sprt(max(self.wanted - (1.0 - self.wanted) / 2.0, self.wanted / 2.0), self.wanted)

    def _sprt(self, low: float, high: float) -> Sprt:
        # Wald's bounds keep errors of alpha / (1 - beta) for sure: these keep `error` itself.
        inner = self.error / (1.0 + self.error)
        return Sprt(low, high, inner, inner)

    @property
    def fewest(self) -> int:
        """The fewest runs that can show that the share is above what is wanted: all of them hit."""
        return math.ceil(self.above.bounds[1] / self.above.steps[0] - 1e-12)

    def say(self, surely: Sequence[bool], maybe: Sequence[bool]) -> tuple[Said, int]:
        """What runs say, in order, and after how many of them. `about`: the share is near what is wanted."""
        above = below = None
        hits = can_hit = 0
        for count, (sure, may) in enumerate(zip(surely, maybe, strict=True), start=1):
            hits += sure
            can_hit += may
            above = above or self.above.decision(hits, count)
            below = below or self.below.decision(can_hit, count)
            if above == "high":
                return "met", count
            if below == "low":
                return "not met", count
            if above and below:
                return "about", count
        return "open", len(surely)


def meets(
    values: Iterable[Value | None], at_most: float | None, at_least: float | None
) -> tuple[list[bool], list[bool]]:
    """Of each run, whether it surely meets a limit, and whether it may."""
    surely, maybe = [], []
    for value in values:
        if value is None or math.isnan(value.low):
            surely.append(False)
            maybe.append(True)
            continue
        well = _within(value.high if at_least is None else value.low, at_most, at_least)
        surely.append(well and not value.obstacle)
        maybe.append(_within(value.low if at_least is None else value.high, at_most, at_least))
    return surely, maybe


def _within(figure: float, at_most: float | None, at_least: float | None) -> bool:
    return (at_most is None or figure <= at_most) and (at_least is None or figure >= at_least)


def share_of(surely: Sequence[bool], maybe: Sequence[bool], level: float) -> Interval:
    """The share of runs that meet the condition, to show beside the answer: exact for this number of runs."""
    low, _ = clopper_pearson(sum(surely), len(surely), level)
    _, high = clopper_pearson(sum(maybe), len(maybe), level)
    return Interval(sum(surely) / len(surely), low, high, level, len(surely))
