"""What steps that wait for others must satisfy: agents that agents call."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time, unknown_capability
from models.scenario import Scenario, Task
from models.workflows import undoing


def check_called(scenario: Scenario, keys: Keys, task: Task) -> Iterator[Problem]:
    """Names of agents that a task's attempts call."""
    for position, call in enumerate(task.calls_agents):
        yield from unknown_capability(scenario, (*keys, "calls-agents", position), call.agent, call.capability)


def check_calls(scenario: Scenario) -> Iterator[Problem]:
    """Calls of agents: that they end, and with an answer."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            for position, call in enumerate(step.calls_agents if isinstance(step, Task) else ()):
                keys: Keys = ("workflows", name, "steps", step_name, "calls-agents", position)
                yield from no_time((*keys, "timeout"), call.timeout)
                pool = scenario.agents.get(call.agent)
                capability = pool.capabilities.get(call.capability) if pool is not None else None
                if capability is not None and capability.hand_off is not None:
                    message = f"a called agent cannot hand the case to people, as {quoted(call.capability)} does"
                    yield Problem((*keys, "capability"), message, "call one without `hand-off`, or make it a step")


def check_consumed(scenario: Scenario) -> Iterator[Problem]:
    """Workflows of consumers: what a delivery has done is never undone."""
    for name, topic in scenario.topics.items():
        workflow = scenario.workflows.get(topic.consumers.workflow)
        for step in undoing(workflow) if workflow is not None else ():
            keys: Keys = ("workflows", topic.consumers.workflow, "steps", step, "compensate")
            message = f"deliveries of topic {quoted(name)} go through this workflow, and they are not undone"
            yield Problem(keys, message, "drop `compensate`: a delivery that fails is delivered again")
