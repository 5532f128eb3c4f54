"""What rollouts must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time, repeated
from models.rollouts import NewModel
from models.scenario import Scenario
from models.units import format_duration


def check_rollouts(scenario: Scenario) -> Iterator[Problem]:
    """Stages grow, something changes, and a capability has one rollout."""
    for name, rollout in scenario.rollouts.items():
        keys: Keys = ("rollouts", name)
        if rollout.at >= scenario.horizon > 0:
            help = f"expected a time before the horizon, {format_duration(scenario.horizon)}"
            yield Problem((*keys, "at"), "the rollout comes after the end of the run", help)
        if rollout.to == NewModel():
            yield Problem(
                (*keys, "to"), "the new model is as the old one", "tell what differs, such as `success`", True
            )
        for position, stage in enumerate(rollout.stages):
            yield from no_time((*keys, "stages", position, "lasts"), stage.lasts)
        for position, (before, after) in enumerate(pairwise(rollout.stages)):
            if not before.share < after.share:
                message = "the stage's share does not grow"
                yield Problem((*keys, "stages", position + 1, "share"), message, f"expected more than {before.share:g}")
    names = list(scenario.rollouts)
    places = [f"{rollout.agent} {rollout.capability}" for rollout in scenario.rollouts.values()]
    for index in repeated(places):
        message = f"{quoted(places[index])} has a rollout already"
        yield Problem(("rollouts", names[index]), message, "a capability has one rollout", True)
