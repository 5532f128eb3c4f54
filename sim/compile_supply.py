"""Supply: work, queues, scaling, endpoints, the quality of answers: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.curves import Curve
from models.laws import Law
from models.scenario import (
    AgentPool,
    Capability,
    ChoiceStep,
    Degradation,
    Drift,
    Endpoint,
    Modulated,
    Step,
    Task,
    TokenPrices,
    TokenTimes,
    Work,
    Workflow,
)
from models.workflows import exits
from sim.compile_steps import fallback_steps
from sim.compile_values import law_plan, place, success_plan
from sim.mmpp import stationary
from sim.plans.supply import (
    HedgePlan,
    LimitPlan,
    LinePlan,
    ModulationPlan,
    Order,
    Points,
    QualityPlan,
    ScalePlan,
    StrainPlan,
    SupplyPlan,
    TokenPlan,
    UsePlan,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.load import LoadedScenario
    from models.scenario import Scenario
    from sim.plan import LawPlan, Names


def compile_supply(loaded: LoadedScenario, names: Names) -> SupplyPlan:
    """This part of the plan."""
    works = loaded.scenario.work.values()
    return SupplyPlan(
        modulations=tuple(_modulation(work) for work in works),
        batches=tuple(_batch(work.batch) for work in works),
        senders=frozenset(_senders(loaded.scenario, names)),
        priorities=tuple(place(tuple(work.attributes), work.priority_from) for work in works),
        levels=priorities(loaded.scenario),
        columns=tuple(
            tuple(loaded.columns.get(name, {}).get(attribute) for attribute in work.attributes)
            for name, work in loaded.scenario.work.items()
        ),
        limits=tuple(_limits(work) for work in works),
        scales=tuple(_scales(loaded.scenario)),
        hedges=tuple(
            HedgePlan(names.capabilities.index(f"{name}.{what}"), capability.hedge.after, capability.hedge.most)
            for name, pool in loaded.scenario.agents.items()
            for what, capability in pool.capabilities.items()
            if capability.hedge
        ),
        uses=tuple(_uses(loaded.scenario, names)),
        waits=tuple(
            (number, -1 if endpoint.retry_after == "told" else endpoint.retry_after)
            for number, endpoint in enumerate(loaded.scenario.endpoints.values())
            if endpoint.retry_after is not None
        ),
        tokens=tuple(
            _tokens(number, endpoint)
            for number, endpoint in enumerate(loaded.scenario.endpoints.values())
            if endpoint.per_token or endpoint.token_rate or endpoint.price_per_million
        ),
        strains=tuple(
            _strain(number, endpoint)
            for number, endpoint in enumerate(loaded.scenario.endpoints.values())
            if endpoint.load_latency or endpoint.degradation
        ),
        quality=tuple(
            _quality(names.capabilities.index(f"{name}.{what}"), capability)
            for name, pool in loaded.scenario.agents.items()
            for what, capability in pool.capabilities.items()
            if capability.vote or capability.self_check or capability.guardrail
        ),
    )


def _senders(scenario: Scenario, names: Names) -> Iterator[int]:
    """Tasks that a case leaves for a pool that may keep it out, by way of choices at most; and their fallbacks."""
    blocking = {name for name, pool in scenario.agents.items() if pool.queue.when_full == "block"}
    found = set()
    for name, workflow in scenario.workflows.items() if blocking else ():
        for step_name, step in workflow.steps.items():
            ahead = _next_tasks(workflow, step) if isinstance(step, Task) else ()
            if any(task.agent in blocking for task in ahead):
                found.add(names.steps.index(f"{name}.{step_name}"))
    yield from found
    yield from (fallback for fallback, main in fallback_steps(scenario, names) if main in found)


def _next_tasks(workflow: Workflow, step: Step) -> Iterator[Task]:
    """The tasks that come at once after a step: choices take no time."""
    left, seen = [way.target for way in exits(step)], set()
    while left:
        name = left.pop()
        after = workflow.steps[name]
        if after.on_limit is not None and name not in seen:
            left.append(after.on_limit)
        if isinstance(after, Task):
            yield after
        elif isinstance(after, ChoiceStep) and name not in seen:
            left += [way.target for way in exits(after)]
        seen.add(name)


def priorities(scenario: Scenario) -> tuple[int, ...]:
    """The priorities that cases may have, ascending."""
    found = set()
    for name, work in scenario.work.items():
        if work.priority_from is None:
            found.add(work.priority)
            continue
        drifts = (fault for fault in scenario.faults if isinstance(fault, Drift) and fault.work == name)
        later = [drift.to for drift in drifts if drift.attribute == work.priority_from]
        for law in (work.attributes[work.priority_from], *later):
            if isinstance(law, Law):
                low, high = law.support
                found |= set(range(_priority(low), _priority(high) + 1))
    return tuple(sorted(found))


def _priority(value: float) -> int:
    return int(min(max(value, 0.0), 100.0) + 0.5)


def _modulation(work: Work) -> ModulationPlan | None:
    arrivals = work.arrivals
    if not isinstance(arrivals, Modulated):
        return None
    states = len(arrivals.rates)
    in_turn = tuple(tuple(float(after == (state + 1) % states) for after in range(states)) for state in range(states))
    to = arrivals.to or in_turn
    stays = tuple(float(stay) for stay in arrivals.stays)
    return ModulationPlan(tuple(rate / 1e6 for rate in arrivals.rates), stays, stationary(stays, to), to)


def _batch(law: Law) -> LawPlan | None:
    return None if law.kind == "constant" and law.parameters[0] < 1.5 else law_plan(law)


def _quality(number: int, capability: Capability) -> QualityPlan:
    check, guardrail = capability.self_check, capability.guardrail
    return QualityPlan(
        capability=number,
        answers=capability.vote.of if capability.vote else 1,
        service=law_plan(capability.service),
        notices=success_plan(check.sensitivity) if check else None,
        self_alarm=1.0 - check.specificity if check else 0.0,
        stops=guardrail.sensitivity if guardrail else -1.0,
        alarm=1.0 - guardrail.specificity if guardrail else 0.0,
        price=guardrail.cost.micros if guardrail else 0,
    )


def cap_plans(pool: AgentPool, scenario: Scenario, names: Names) -> tuple[tuple[frozenset[int], int], ...]:
    """The bulkheads of a pool: steps, and the slots that they may hold together."""
    mains = tuple(fallback_steps(scenario, names)) if pool.bulkheads else ()
    found = []
    for name, slots in pool.bulkheads.items():
        step = names.steps.index(name)
        found.append((frozenset({step, *(fallback for fallback, main in mains if main == step)}), slots))
    return tuple(found)


def line_plan(pool: AgentPool) -> LinePlan | None:
    """The line of a queue that a station does not keep by itself."""
    queue = pool.queue
    sheds = queue.when_full == "shed-lowest"
    if queue.order in ("fifo", "priority") and not sheds and not pool.bulkheads:
        return None
    return LinePlan(Order[queue.order.upper().replace("-", "_")], queue.lifo_above or 0, sheds)


def _strain(number: int, endpoint: Endpoint) -> StrainPlan:
    degradation = endpoint.degradation or Degradation()
    curves = (endpoint.load_latency, degradation.latency, degradation.success)
    return StrainPlan(number, *(_points(curve) for curve in curves))


def _points(curve: Curve | None) -> Points:
    return () if curve is None else curve.points


def _uses(scenario: Scenario, names: Names) -> Iterator[UsePlan]:
    for name, pool in scenario.agents.items():
        for what, capability in pool.capabilities.items():
            if capability.tokens is not None:
                number = names.capabilities.index(f"{name}.{what}")
                tokens = capability.tokens
                told = [
                    tuple(place(attributes, source) for attributes in names.attributes)
                    for source in (tokens.input_from, tokens.output_from)
                ]
                yield UsePlan(number, law_plan(tokens.input), law_plan(tokens.output), *told)


def _tokens(number: int, endpoint: Endpoint) -> TokenPlan:
    times, prices = endpoint.per_token or TokenTimes(), endpoint.price_per_million or TokenPrices()
    rate = endpoint.token_rate
    burst = endpoint.token_burst or max(int(60 * (rate or 0.0) + 0.5), 1)
    gap = 0.0 if rate is None else 1e6 / rate
    return TokenPlan(number, times.input, times.output, prices.input.micros, prices.output.micros, gap, burst)


def _limits(work: Work) -> LimitPlan | None:
    if work.deadline is None and work.withdrawal is None:
        return None
    deadline, withdrawal = (None if law is None else law_plan(law) for law in (work.deadline, work.withdrawal))
    return LimitPlan(deadline, work.on_deadline == "cancel", withdrawal)


def _scales(scenario: Scenario) -> Iterator[ScalePlan]:
    for number, pool in enumerate(scenario.agents.values()):
        scale = pool.autoscale
        if scale is not None:
            bounds = (scale.least, scale.most, scale.target)
            times = (scale.every, scale.start_up, scale.cool_down)
            yield ScalePlan(number, pool.replicas, pool.concurrency, *bounds, *times, scale.tolerance)
