"""What monitors look for: which drifts, rollouts and attacks change what they watch, and when the first does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.faults import Drift
from models.monitors import Monitor
from models.steps import Task

if TYPE_CHECKING:
    from models.scenario import Scenario

_SHOWN_IN: Final = {
    "quality": "errors",
    "latency": "latency",
    "cost": "cost",
    "format": "format",
    "contract": "format",
}
"""What a monitor of the capability watches that looks for a drift of each kind."""


def looks_for(scenario: Scenario, monitor: Monitor, drift: Drift) -> bool:
    """Whether the monitor watches what the drift changes."""
    if drift.of == "input":
        reached = comes_to(scenario, drift.work or "", monitor.agent, monitor.capability)
        return monitor.attribute == drift.attribute and reached
    where = (monitor.agent, monitor.capability) == (drift.agent, drift.capability)
    return where and monitor.watches == _SHOWN_IN[drift.of]


def comes_to(scenario: Scenario, work: str, agent: str, capability: str) -> bool:
    """Whether cases of a stream come to a capability, at a step or by a call of another agent."""
    flows = [scenario.workflows[name] for name in scenario.workflows_of(scenario.work[work])]
    steps = [step for flow in flows for step in flow.steps.values() if isinstance(step, Task)]
    own = {(step.agent, step.capability) for step in steps}
    called = {(call.agent, call.capability) for step in steps for call in step.calls_agents}
    return (agent, capability) in own | called


def first_change(scenario: Scenario, monitor: Monitor) -> int:
    """When what the monitor watches changes first, us; the horizon where it never does."""
    faults = [fault for fault in scenario.faults if isinstance(fault, Drift)]
    moments = [drift.at for drift in faults if looks_for(scenario, monitor, drift)]
    if monitor.watches == "refusals":
        moments += [attack.at for attack in scenario.attacks.values() if attack.agent == monitor.agent]
    elif monitor.watches != "attribute":
        where = (monitor.agent, monitor.capability)
        moments += [r.at for r in scenario.rollouts.values() if r.of == "model" and (r.agent, r.capability) == where]
    return min([*moments, scenario.horizon])
