"""Who can stop what: every place where a person, a rule or a monitor can hold the fleet, from the scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from models.rosters import staffing
from models.steps import DeskStep
from reports import words
from reports.section import Row, Section

if TYPE_CHECKING:
    from models.fleet import Capability, Chain
    from models.monitors import Monitor
    from models.rollouts import Rollout
    from models.scenario import Scenario

_AT_ALARM: Final = {
    "alert": "tells, and stops nothing",
    "roll-back": "takes the last drift back",
    "route": "gives the steps to people at",
    "stop": "fails every attempt from then on",
    "quarantine": "takes the pool's compromised agents out",
}


def oversight(scenario: Scenario) -> Section:
    """Who can stop what, and when."""
    return Section(
        prose=True,
        anchor="oversight",
        label="Oversight",
        title="Who can stop what",
        caption=(
            "Every place where people, policies, guardrails or monitors can hold or stop what agents do, as the "
            "scenario has them; not queues, budgets and circuit breakers, which hold what is too much. How busy the "
            "people are, how long they take and how often they are right stands under People and Reviews."
        ),
        columns=("Who", "Stops or holds", "When", "If nobody acts"),
        rows=tuple(_rows(scenario)),
        nothing="Nothing in the scenario can stop an agent: there are no policies, people, guardrails or monitors, and "
        "no rollout is taken back.",
    )


def _rows(scenario: Scenario) -> Iterator[Row]:
    yield from (_chain(name, chain, scenario) for name, chain in scenario.chains.items())
    yield from _desks(scenario)
    yield from _hand_offs(scenario)
    yield from _guardrails(scenario)
    yield from (_monitor(name, monitor) for name, monitor in scenario.monitors.items())
    yield from (_rollout(name, one) for name, one in scenario.rollouts.items() if one.roll_back is not None)
    if scenario.policies is not None:
        point = scenario.decision_point
        unreachable = "the request is denied" if point.on_unreachable == "deny" else "the request goes through"
        yield Row(
            "policies", "", ("any action that no rule permits", "at every request", f"unreachable: {unreachable}")
        )
    if scenario.deadlock.resolution != "none":
        how = f"resolved by {scenario.deadlock.resolution}"
        yield Row("deadlock detection", "", ("cases that wait for each other", "when they block", how))


def _chain(name: str, chain: Chain, scenario: Scenario) -> Row:
    desks = ", then ".join(f"{level.desk}{_within(level.timeout)}" for level in chain.levels)
    people = words.listed([_people(scenario, level.desk) for level in chain.levels], 6)
    return Row(
        f"people of chain {name}",
        people,
        ("requests that a rule escalates to it", f"asked: {desks}", _unanswered(chain)),
    )


def _people(scenario: Scenario, desk: str) -> str:
    if desk not in scenario.desks:
        return desk
    most = max(staff for _, staff in staffing(scenario.desks[desk], scenario.start, scenario.horizon))
    return f"{desk}: {most} at most on duty"


def _within(timeout: int | None) -> str:
    return "" if timeout is None else f" for {words.duration(timeout)}"


def _unanswered(chain: Chain) -> str:
    if chain.then is not None:
        return f"the chain {chain.then} is asked"
    return f"the request is {'denied' if chain.on_exhausted == 'deny' else 'approved'}"


def _desks(scenario: Scenario) -> Iterator[Row]:
    """Desks that cases have to pass."""
    for desk in scenario.desks:
        steps = {
            f"{workflow}.{name}": step
            for workflow, one in scenario.workflows.items()
            for name, step in one.steps.items()
            if isinstance(step, DeskStep) and step.desk == desk
        }
        if steps:
            idle = dict.fromkeys(map(_not_worked_on, steps.values()))
            at = words.listed(list(steps), 6)
            yield Row(
                f"people of desk {desk}",
                _people(scenario, desk),
                (f"cases at {at}", "when a case comes there", "; or ".join(idle)),
            )


def _not_worked_on(step: DeskStep) -> str:
    if step.timeout is None and step.patience is None:
        return "the case waits"
    bound = " in time" if step.timeout is None else f" within {words.duration(step.timeout)}"
    return f"not done{bound}, " + (f"it goes on at {step.on_timeout}" if step.on_timeout else "the case expires")


def _capabilities(scenario: Scenario) -> Iterator[tuple[str, Capability]]:
    for name, pool in scenario.agents.items():
        yield from ((f"{name} {what}", capability) for what, capability in pool.capabilities.items())


def _hand_offs(scenario: Scenario) -> Iterator[Row]:
    """Agents that stop of their own accord. How well is an assumption of the scenario."""
    for name, capability in _capabilities(scenario):
        if (one := capability.hand_off) is not None:
            seen = f"in {words.share(one.recall)} of the cases that need a person"
            yield Row(f"agent {name}", "", ("cases that it gives to people", seen, "the agent goes on"))


def _guardrails(scenario: Scenario) -> Iterator[Row]:
    for name, capability in _capabilities(scenario):
        if (one := capability.guardrail) is not None:
            stops = f"{words.share(one.sensitivity)} of its wrong answers"
            yield Row(f"guardrail of {name}", "", (stops, "at every answer", "the rest goes on"))


def _monitor(name: str, monitor: Monitor) -> Row:
    does = _AT_ALARM[monitor.action] + (f" {monitor.to}" if monitor.action == "route" else "")
    watched = " ".join(filter(None, (monitor.agent, monitor.capability)))
    sample = f"{words.share(monitor.sample)} of labels, {monitor.detector.kind}"
    return Row(f"monitor {name}", sample, (does, f"alarm on {monitor.watches} of {watched}", "the fleet goes on"))


def _rollout(name: str, rollout: Rollout) -> Row:
    return Row(f"rollout {name}", "", (f"the new {rollout.of}", trigger(rollout), "the stages go on"))


def trigger(rollout: Rollout) -> str:
    """When a rollout is taken back."""
    back = rollout.roll_back
    if back is None:
        return "never"
    if back.objective is not None:
        return f"objective {back.objective} {back.when.replace('-', ' ')} after {back.cases} cases"
    return f"more than {words.share(back.errors or 0.0)} wrong of {back.labels} labels or more"
