"""The checks that have nothing to ask of a scenario, and why. Needs no solver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from models.cedar.policies import PolicySet
from models.declared import desks_of, worked_steps
from models.load import LoadedScenario
from models.scenario import Scenario, Task

CHECKS = ("P205", "P206", "P207", "P301", "P302", "P303")
"""The policy checks that only a scenario gives something to ask of."""


def not_asked(policies: PolicySet | None, loaded: LoadedScenario | None) -> Mapping[str, str]:
    """Of the checks that need a scenario: those that have nothing to ask, or not all there is, and why."""
    if loaded is None:
        return dict.fromkeys(CHECKS, "no scenario: the policies alone do not say what it asks of")
    scenario = loaded.scenario
    found: dict[str, str] = {}
    if not scenario.risks:
        found["P205"] = "the scenario declares no `risks`"
    found |= dict(_approvals(scenario, policies.chains if policies else ()))
    if not scenario.data:
        found["P301"] = "the scenario declares no classes of `data`"
    if policies is None or not any(pool.principal for pool in scenario.agents.values()):
        found["P302"] = "no agent asks the policies"
    busy = {workflow for work in scenario.work.values() for workflow in scenario.workflows_of(work)}
    asking = (keys[1] for keys, step in worked_steps(scenario) if isinstance(step, Task) and step.action)
    if policies is None or busy.isdisjoint(asking):
        found["P303"] = "no step that cases come by asks the policies"
    return found


def _approvals(scenario: Scenario, chains: Iterable[str]) -> Iterator[tuple[str, str]]:
    approvals = scenario.approvals
    if approvals is None:
        yield from ((check, "the scenario does not say how `approvals` are requests") for check in ("P206", "P207"))
        return
    told = {"by-asker": approvals.by_asker, "again": approvals.again}
    if unsaid := [f"`{name}`" for name, condition in told.items() if condition is None]:
        yield "P206", f"`approvals` does not say {' and '.join(unsaid)}"
    desks = desks_of(scenario, chains)
    if not desks:
        yield "P207", "no policy asks a desk of the scenario"
    elif silent := [f"`{name}`" for name in desks if scenario.desks[name].people is None]:
        yield "P207", f"who approves is not told, by `people`, of {', '.join(silent)}"
