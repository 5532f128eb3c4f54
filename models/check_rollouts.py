"""What rollouts must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from models.diagnostics import Problem, quoted
from models.objectives import CaseCost, CaseShare, CaseTime
from models.problems import Keys, no_time, repeated, unknown, unknown_capability
from models.rollouts import RollBack, Rollout, Successor
from models.scenario import Scenario
from models.units import format_duration

_NEEDS: Final = {"model": ("agent", "capability", "to"), "policies": ("path",), "workflow": ("workflow", "to")}
"""The keys that each kind of rollout is told by."""


def check_rollouts(scenario: Scenario) -> Iterator[Problem]:
    """Each has the keys of its kind, stages grow, something changes, and it changes in one rollout only."""
    for name, rollout in scenario.rollouts.items():
        keys: Keys = ("rollouts", name)
        yield from _keys(keys, rollout)
        yield from _stages(scenario, keys, rollout)
        if rollout.roll_back is not None:
            yield from _roll_back(scenario, (*keys, "roll-back"), rollout, rollout.roll_back)
        if rollout.of == "model":
            yield from _model(scenario, keys, rollout)
        if rollout.of == "workflow":
            yield from _workflow(scenario, keys, rollout)
        if rollout.of == "policies" and scenario.policies is None:
            yield Problem(
                keys, "a rollout of policies needs policies", "add `policies: {path: ...}` to the scenario", True
            )
    yield from _one_each(scenario)


def _keys(keys: Keys, rollout: Rollout) -> Iterator[Problem]:
    for key in _NEEDS[rollout.of]:
        if getattr(rollout, key) is None:
            yield Problem(keys, f"a rollout of {_what(rollout)} needs {quoted(key)}", f"add {quoted(key)}", True)
    foreign = {key: None for needed in _NEEDS.values() for key in needed if key not in _NEEDS[rollout.of]}
    given = [key for key in foreign if getattr(rollout, key) is not None]
    if rollout.of != "policies" and rollout.mode != "canary":
        given.append("mode")
    for key in given:
        message = f"a rollout of {_what(rollout)} has no use for {quoted(key)}"
        yield Problem((*keys, key), message, f"drop it, or change `of: {rollout.of}`", True)


def _roll_back(scenario: Scenario, keys: Keys, rollout: Rollout, rule: RollBack) -> Iterator[Problem]:
    """One of the two rules, whole."""
    pair = ("errors", "labels") if rule.objective is None and rule.cases is None else ("objective", "cases")
    for key in pair:
        if getattr(rule, key) is None:
            yield Problem(
                keys, f"the rule needs {quoted(key)}", "`errors` and `labels`, or `objective` and `cases`", True
            )
    for key in _OF_LABELS if pair[0] == "objective" else ("when",):
        if getattr(rule, key) != RollBack.model_fields[key].default:
            yield Problem((*keys, key), f"{quoted(key)} does not go with {quoted(pair[0])}", "drop it", True)
    if pair[0] == "errors" and rollout.of != "model":
        message = "labels are of a new model's answers, and this rollout has none"
        yield Problem(keys, message, "judge an `objective`, or change `of`", True)
    if rollout.mode == "shadow":
        yield Problem(
            keys, "a shadow decides nothing that could be taken back", "drop it, or change `mode: shadow`", True
        )
    if rule.objective is not None:
        yield from unknown((*keys, "objective"), rule.objective, scenario.objectives, "objective")
        judged = scenario.objectives.get(rule.objective)
        if judged is not None and not isinstance(judged, CaseShare | CaseTime | CaseCost):
            message = f"objective {quoted(rule.objective)} is not measured over cases"
            yield Problem((*keys, "objective"), message, "expected a `case-share`, `case-time` or `case-cost`")


_OF_LABELS: Final = ("errors", "labels", "sample", "delay")


def _what(rollout: Rollout) -> str:
    return {"model": "a model", "policies": "policies", "workflow": "a workflow"}[rollout.of]


def _stages(scenario: Scenario, keys: Keys, rollout: Rollout) -> Iterator[Problem]:
    if rollout.at >= scenario.horizon > 0:
        help = f"expected a time before the horizon, {format_duration(scenario.horizon)}"
        yield Problem((*keys, "at"), "the rollout comes after the end of the run", help)
    for position, stage in enumerate(rollout.stages):
        yield from no_time((*keys, "stages", position, "lasts"), stage.lasts)
    for position, (before, after) in enumerate(pairwise(rollout.stages)):
        if not before.share < after.share:
            message = "the stage's share does not grow"
            yield Problem((*keys, "stages", position + 1, "share"), message, f"expected more than {before.share:g}")


def _model(scenario: Scenario, keys: Keys, rollout: Rollout) -> Iterator[Problem]:
    if rollout.agent is not None and rollout.capability is not None:
        yield from unknown_capability(scenario, keys, rollout.agent, rollout.capability)
    if rollout.to is not None and rollout.to.workflow is not None:
        yield Problem((*keys, "to", "workflow"), "a new model is no workflow", "drop it, or set `of: workflow`", True)
    if rollout.to == Successor():
        yield Problem((*keys, "to"), "the new model is as the old one", "tell what differs, such as `success`", True)


def _workflow(scenario: Scenario, keys: Keys, rollout: Rollout) -> Iterator[Problem]:
    yield from unknown((*keys, "workflow"), rollout.workflow, scenario.workflows, "workflow")
    new = rollout.to
    if new is None:
        return
    for key in ("success", "latency", "cost", "unreadable"):
        if getattr(new, key) != Successor.model_fields[key].default:
            yield Problem((*keys, "to", key), f"a workflow has no {quoted(key)}", "drop it, or set `of: model`", True)
    if new.workflow is None:
        yield Problem((*keys, "to"), "the new workflow is not named", "add `workflow`", True)
        return
    yield from unknown((*keys, "to", "workflow"), new.workflow, scenario.workflows, "workflow")
    if new.workflow == rollout.workflow:
        yield Problem((*keys, "to", "workflow"), "the new workflow is the old one", "name another")
    if not any(work.workflow == rollout.workflow for work in scenario.work.values()):
        message = f"no stream of work has the workflow {quoted(rollout.workflow or '')}"
        yield Problem((*keys, "workflow"), message, "expected the workflow of some `work`")


def _one_each(scenario: Scenario) -> Iterator[Problem]:
    names = list(scenario.rollouts)
    places = [
        rollout.of if rollout.of == "policies" else rollout.workflow or f"{rollout.agent} {rollout.capability}"
        for rollout in scenario.rollouts.values()
    ]
    for index in repeated(places):
        if places[index] == "policies":
            message, help = "there is a rollout of policies already", "a scenario has one"
        else:
            what = "workflow" if scenario.rollouts[names[index]].of == "workflow" else "capability"
            message, help = f"{quoted(places[index])} has a rollout already", f"a {what} has one rollout"
        yield Problem(("rollouts", names[index]), message, help, True)
