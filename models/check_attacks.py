"""What attacks must satisfy."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time, repeated, unknown
from models.scenario import Scenario
from models.units import format_duration


def check_attacks(scenario: Scenario) -> Iterator[Problem]:
    """An attack asks policies in somebody's name, while the run lasts."""
    for name, attack in scenario.attacks.items():
        keys: Keys = ("attacks", name)
        yield from unknown((*keys, "agent"), attack.agent, scenario.agents, "agent")
        yield from no_time((*keys, "lasts"), attack.lasts)
        if scenario.policies is None:
            yield Problem(keys, "an attack needs policies", "add `policies: {path: ...}` to the scenario", True)
        pool = scenario.agents.get(attack.agent)
        if pool is not None and pool.principal is None:
            message = f"agent {quoted(attack.agent)} has no `principal`, so it cannot ask for an action"
            yield Problem((*keys, "agent"), message, f"add `principal` to `agents.{attack.agent}`", True)
        if attack.at >= scenario.horizon > 0:
            help = f"expected a time before the horizon, {format_duration(scenario.horizon)}"
            yield Problem((*keys, "at"), "the attack comes after the end of the run", help)
        for index in repeated(attack.actions):
            message = f"action {quoted(attack.actions[index])} is named twice"
            yield Problem((*keys, "actions", index), message, "name it once")
