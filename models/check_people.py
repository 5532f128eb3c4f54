"""What desks must satisfy beyond their types."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.objectives import ReviewShare
from models.people import Review
from models.problems import Keys, no_time, repeated
from models.scenario import Desk, Scenario

HOLIDAYS_AHEAD = 10
"""Years from the start that holidays may lie ahead: verification looks at every day until the last is over."""


def check_holidays(scenario: Scenario) -> Iterator[Problem]:
    """Holidays that are named twice, or lie too far ahead."""
    last = scenario.start.year + HOLIDAYS_AHEAD
    for name, desk in scenario.desks.items():
        keys: Keys = ("desks", name, "holidays")
        for index in repeated(map(str, desk.holidays)):
            yield Problem((*keys, index), f"holiday {desk.holidays[index]} is named twice", "name it once")
        for index, holiday in enumerate(desk.holidays):
            if holiday.year > last:
                help = f"expected a day until the end of {last}, {HOLIDAYS_AHEAD} years from the start"
                yield Problem((*keys, index), f"holiday {holiday} is too far ahead", help)


def check_batches(scenario: Scenario) -> Iterator[Problem]:
    """Batches that are never full, or that nothing waits for."""
    for name, desk in scenario.desks.items():
        if desk.batch is None:
            continue
        keys: Keys = ("desks", name, "batch")
        yield from no_time((*keys, "wait"), desk.batch.wait)
        room = desk.queue.capacity
        if room is not None and desk.batch.size > room:
            message = f"a batch of {desk.batch.size} never gathers in a queue of {room}"
            yield Problem((*keys, "size"), message, f"expected at most the `capacity` of the queue, {room}")


def check_reviews(scenario: Scenario) -> Iterator[Problem]:
    """Reviews that nobody asks for, and keys of a review that do nothing."""
    asked = {level.desk for chain in scenario.chains.values() for level in chain.levels}
    for name, desk in scenario.desks.items():
        if desk.review is not None:
            yield from _asked(("desks", name, "review"), name, asked)
            yield from _review(("desks", name), desk, desk.review)
    for name, objective in scenario.objectives.items():
        if isinstance(objective, ReviewShare) and objective.desk in scenario.desks:
            yield from _asked(("objectives", name, "desk"), objective.desk, asked)


def _asked(keys: Keys, desk: str, asked: set[str]) -> Iterator[Problem]:
    if desk not in asked:
        yield Problem(keys, f"no chain asks desk {quoted(desk)}", "name it in a level of a chain")


def _review(keys: Keys, desk: Desk, review: Review) -> Iterator[Problem]:
    if desk.approves != 1.0:
        message = "`approves` and `review` both say how reviews end"
        yield Problem((*keys, "approves"), message, "drop `approves`", True)
    if review.fatigue is not None:
        yield from no_time((*keys, "review", "fatigue", "rest"), review.fatigue.rest)
    for key in ("fatigue", "load"):
        if getattr(review, key) is not None and review.floor >= max(review.sensitivity, review.specificity):
            message = f"`{key}` takes nothing: accuracy is not above its `floor`"
            yield Problem((*keys, "review", key), message, f"expected a `floor` below it, or no `{key}`", True)
