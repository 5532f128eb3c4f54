"""What steps that wait for others must satisfy: agents that agents call, workflows within workflows."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time, or_near, unknown_capability
from models.scenario import Receive, Scenario, Send, SubWorkflow, Task
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
        taken = [topic.consumers.workflow] if topic.consumers.workflow in scenario.workflows else []
        for workflow in taken:
            taken += [inner for inner in scenario.within(workflow) if inner not in taken]
            for step in undoing(scenario.workflows[workflow]):
                keys: Keys = ("workflows", workflow, "steps", step, "compensate")
                message = f"deliveries of topic {quoted(name)} go through this workflow, and they are not undone"
                yield Problem(keys, message, "drop `compensate`: a delivery that fails is delivered again")


def check_sub_workflows(scenario: Scenario) -> Iterator[Problem]:
    """Workflows within workflows: that none is within itself."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, SubWorkflow):
                way = _way(scenario, step.workflow, name)
                if way is not None:
                    keys: Keys = ("workflows", name, "steps", step_name, "workflow")
                    ring = " -> ".join(map(quoted, (name, *way)))
                    message = f"workflow {quoted(name)} comes to itself: {ring}"
                    yield Problem(keys, message, "make a loop of steps with a `limit` instead")


def _way(scenario: Scenario, start: str, goal: str) -> tuple[str, ...] | None:
    """A way from one workflow to another by sub-workflows."""
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    for name in (waiting := [start]):
        if name == goal:
            return ways[name]
        fresh = [inner for inner in scenario.within(name) if inner not in ways]
        ways |= {inner: (*ways[name], inner) for inner in fresh}
        waiting += fresh
    return None


def check_messages(scenario: Scenario) -> Iterator[Problem]:
    """Messages between cases: that each is sent and received, with a key on both sides or on neither."""
    steps = [(("workflows", name, "steps", at), step) for name, at, step in _messages(scenario)]
    sent = {step.message: step for _, step in steps if isinstance(step, Send)}
    received = {step.message: step for _, step in steps if isinstance(step, Receive)}
    for keys, step in steps:
        others, does = (received, "receives") if isinstance(step, Send) else (sent, "sends")
        if step.message not in others:
            message = f"no step {does} the message {quoted(step.message)}"
            yield Problem((*keys, "message"), message, f"add one{or_near(step.message, others)}")
        elif isinstance(step, Receive) and (step.key is None) != (sent[step.message].key is None):
            message = f"the message {quoted(step.message)} has a `key` on one side only"
            yield Problem(keys, message, "give both steps a `key`, or neither", True)
        if isinstance(step, Receive):
            yield from no_time((*keys, "timeout"), step.timeout)
            if step.on_timeout is not None and step.timeout is None:
                yield Problem((*keys, "on-timeout"), "`on-timeout` without a `timeout`", "add a `timeout`", True)
        else:
            yield from no_time((*keys, "lasts"), step.lasts)
        yield from _message_key(scenario, keys, step)


def _messages(scenario: Scenario) -> Iterator[tuple[str, str, Send | Receive]]:
    for name, workflow in scenario.workflows.items():
        yield from ((name, at, step) for at, step in workflow.steps.items() if isinstance(step, Send | Receive))


def _message_key(scenario: Scenario, keys: Keys, step: Send | Receive) -> Iterator[Problem]:
    for name, work in scenario.work.items():
        if step.key is not None and keys[1] in scenario.workflows_of(work) and step.key not in work.attributes:
            message = f"work {quoted(name)} comes here and has no attribute {quoted(step.key)}"
            help = f"add the attribute to `work.{name}.attributes`{or_near(step.key, work.attributes)}"
            yield Problem((*keys, "key"), message, help)


def check_behaviours(scenario: Scenario) -> Iterator[Problem]:
    """What a program of the user's own cannot be joined with."""
    for name, pool in scenario.agents.items():
        for capability, what in pool.capabilities.items():
            if what.behaviour is None:
                continue
            keys: Keys = ("agents", name, "capabilities", capability)
            if what.vote is not None:
                message = "a behaviour gives one answer, so there is nothing to vote on"
                yield Problem((*keys, "vote"), message, "drop `vote`, or let the behaviour vote", True)
            if pool.abandoned != "cancel":
                message = f"an abandoned attempt goes on in {quoted(name)}, and a behaviour ends with its caller"
                yield Problem((*keys, "behaviour"), message, "drop the pool's `abandoned`, or the `behaviour`")
