"""Decision points of sites: copies of the central one, or caches of its answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sim.values import microseconds

if TYPE_CHECKING:
    from sim.plan import Plan
    from sim.plans.platform import PointPlan
    from sim.rules import Attributes, Verdict
    from sim.tokens import Token

A = TypeVar("A")


class Found(NamedTuple, Generic[A]):
    """An answer that was kept, and how long."""

    answer: A
    age: int


class Cache(Generic[A]):
    """Answers by question. The one used longest ago gives way to a new one where there are `room` already."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[object, tuple[A, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, question: object, now: int) -> Found[A] | None:
        """The answer that is kept to a question, of whatever age."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        self._kept.move_to_end(question)
        return Found(kept[0], now - kept[1])

    def keep(self, question: object, answer: A, now: int) -> None:
        """Keep an answer instead of the one before, as fresh as `now`."""
        self._kept[question] = (answer, now)
        self._kept.move_to_end(question)
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)


class Point(NamedTuple):
    """The decision point of a site. Without a cache it is a copy of the central one."""

    plan: PointPlan
    cache: Cache[Verdict] | None
    latency: Callable[[float], int]


class Points:
    """The decision points beside the central one, by the site of those who ask."""

    def __init__(self, plan: Plan, attributes: Attributes) -> None:
        self._attributes = attributes
        self._of_site: dict[int, Point] = {}
        for point in plan.platform.points:
            cache = Cache["Verdict"](point.entries) if point.entries else None
            self._of_site[point.site] = Point(point, cache, microseconds(point.latency))

    def near(self, site: int) -> Point | None:
        """The point at a site; None where the central one is asked."""
        return self._of_site.get(site)

    def question(self, token: Token) -> tuple[object, ...]:
        """What a token asks: the step's question with the case's attributes. Equal questions have equal answers as long
        as the policies are the same."""
        values = (column[token.entity] for column in self._attributes[token.work])
        return (token.plan.request, token.work, *values)
