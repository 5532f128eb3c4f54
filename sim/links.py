"""Ways between sites: which are cut at this moment, and what it costs to send over those that are not.

A way is directed, from one site to another. A round trip is a way there and the way back, and takes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Cut(NamedTuple):
    """Ways that a partition cuts: from `sites` to `towards`; where that is empty, all into and out of `sites`."""

    sites: frozenset[int]
    towards: frozenset[int] = frozenset()

    def blocks(self, a: int, b: int) -> bool:
        """Whether nothing gets from a to b."""
        if self.towards:
            return a in self.sites and b in self.towards
        return (a in self.sites) != (b in self.sites)


class Cuts:
    """The partitions in force. A part without a site (-1) is reached from everywhere, and a site from itself."""

    def __init__(self) -> None:
        self._cuts: list[Cut] = []

    def add(self, cut: Cut) -> None:
        self._cuts.append(cut)

    def remove(self, cut: Cut) -> None:
        self._cuts.remove(cut)

    def reaches(self, a: int, b: int) -> bool:
        """Whether what is sent from a arrives at b."""
        if not self._cuts or a < 0 or b < 0 or a == b:
            return True
        return not any(cut.blocks(a, b) for cut in self._cuts)

    def connected(self, a: int, b: int) -> bool:
        """Whether a question from a comes to b and the answer comes back."""
        return not self._cuts or (self.reaches(a, b) and self.reaches(b, a))


@dataclass(slots=True)
class Way:
    """One direction of a link: its number, and what the faults in force make of it."""

    link: int
    losses: list[float] = field(default_factory=list)
    """Share of what is sent that is lost, of the link itself and of each fault in force."""
    factors: list[float] = field(default_factory=list)
    """What each slowdown in force makes of the latency."""

    @property
    def loss(self) -> float:
        """Each cause loses its share of what the others let through: 1 - (1-p)(1-q)..."""
        kept = 1.0
        for loss in self.losses:
            kept *= 1.0 - loss
        return 1.0 - kept

    def slowed(self, latency: int) -> int:
        """The latency as the slowdowns in force make it, to the nearest microsecond."""
        if not self.factors:
            return latency
        factor = 1.0
        for one in self.factors:
            factor *= one
        return int(latency * factor + 0.5)


def flaps(begin: int, end: int, down: int, up: int) -> Iterator[tuple[int, int]]:
    """The times within [begin, end) when a flapping partition cuts: `down` long, with `up` between."""
    while begin < end:
        yield begin, min(begin + down, end)
        begin += down + up
