"""What a scenario must satisfy beyond the types of its parts, so that what it says has one meaning.

Each check is a small generator of `Problem`s. References come first; a workflow's shape is looked at only where its
names exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Final

from models.check_attacks import check_attacks
from models.check_change import check_drifts, check_monitors
from models.check_faults import check_timed
from models.check_flows import check_behaviours, check_calls, check_consumed, check_messages, check_sub_workflows
from models.check_people import check_batches, check_holidays, check_reviews
from models.check_platform import check_links, check_points, check_topics
from models.check_presets import check_retries
from models.check_resilience import check_resilience
from models.check_rollouts import check_rollouts
from models.check_supply import (
    check_answers,
    check_bulkheads,
    check_endpoints,
    check_queues,
    check_scaling,
    check_tokens,
    check_work,
)
from models.declared import check_declared
from models.diagnostics import Problem, near, quoted
from models.laws import Law
from models.problems import Keys, no_time, or_near, repeated
from models.references import check_references
from models.rosters import is_staffed, zones
from models.scenario import (
    CaseCost,
    CaseShare,
    ChoiceStep,
    Compliance,
    DeskStep,
    Drift,
    Outages,
    Publish,
    Scenario,
    Step,
    Task,
    Throughput,
    Weekly,
    Workflow,
)
from models.units import Money, format_duration
from models.variants import BASE
from models.workflows import SHARE_ROUNDING, check_workflow

APPROVALS = "approvals"
"""The context attribute that the decision point fills with the chains that have approved."""


def check(scenario: Scenario) -> Iterator[Problem]:
    """Everything wrong with a scenario that its policies have no part in."""
    yield from check_references(scenario)
    for looks, _ in _CHECKS:
        yield from looks(scenario)
    yield from check_declared(scenario)


def check_untouched(scenario: Scenario, touched: Collection[Keys], names_lost: bool) -> Iterator[Problem]:
    """What is wrong with parts of a scenario that are as the file has them, and that rest on no part that is not.

    `touched` are the places that were repaired, `names_lost` whether names of parts may be missing.
    """
    parts = {_part(keys) for keys in touched}
    whole = {keys[0] for keys in touched}
    checks = [looks for looks, rests_on in _CHECKS if whole.isdisjoint(rests_on)]
    if not names_lost:
        yield from (p for p in check_references(scenario) if not any(p.keys[: len(keys)] == keys for keys in touched))
    for looks in checks:
        yield from (p for p in looks(scenario) if parts.isdisjoint({_part(p.keys), p.keys[:1]}))


def _part(keys: Keys) -> Keys:
    """The part of a scenario that a place is in: one member of those that have names, else a key with all it holds."""
    return keys[:1] if keys[0] in ("deadlock", "decision-point", "policies", "approvals") else keys[:2]


# --- steps ------------------------------------------------------------------------------------------------------------


def _step(scenario: Scenario, step: Step) -> Iterator[Problem]:
    if step.on_limit is not None and step.limit is None:
        yield Problem(
            ("on-limit",), "`on-limit` without a `limit`", "give the step a `limit`, or drop `on-limit`", True
        )
    for key, names in (("acquire", step.acquire), ("release", step.release)):
        for position in repeated(names):
            yield Problem((key, position), f"lock {quoted(names[position])} is named twice", "name it once")
    match step:
        case Task():
            yield from _decision(scenario, step)
            yield from _attempts(scenario, step)
        case ChoiceStep():
            yield from _arms(step)
        case DeskStep() | Publish():
            yield from no_time(("timeout",), step.timeout)


def _decision(scenario: Scenario, task: Task) -> Iterator[Problem]:
    """What a policy decision needs, and what needs one."""
    if task.action is None:
        useless = {"resource": task.resource, "context": task.context, "on-deny": task.on_deny}
        for key in (key for key, value in useless.items() if value):
            yield Problem((key,), f"`{key}` without an `action`", "nothing is asked of the policies at this step", True)
        return
    if task.resource is None:
        yield Problem((), "an `action` needs a `resource`", 'add the Cedar resource, such as `Ticket::"any"`', True)
    if scenario.policies is None:
        yield Problem(("action",), "an `action` needs policies", "add `policies: {path: ...}` to the scenario", True)
    agent = scenario.agents.get(task.agent)
    if agent is not None and agent.principal is None:
        message = f"agent {quoted(task.agent)} has no `principal`, so it cannot ask for an action"
        yield Problem(("action",), message, f"add `principal` to `agents.{task.agent}`", True)


def _attempts(scenario: Scenario, task: Task) -> Iterator[Problem]:
    yield from no_time(("timeout",), task.timeout)
    pool = scenario.agents.get(task.agent)
    capability = pool.capabilities.get(task.capability) if pool else None
    if capability is None:
        return
    if capability.hand_off is not None and task.on_hand_off is None:
        message = f"capability {quoted(task.capability)} hands cases off, and the step does not say where to"
        yield Problem(("capability",), message, "add `on-hand-off`", True)
    if capability.hand_off is None and task.on_hand_off is not None:
        message = f"capability {quoted(task.capability)} never hands off"
        help = f"add `hand-off` to `agents.{task.agent}.capabilities.{task.capability}`, or drop `on-hand-off`"
        yield Problem(("on-hand-off",), message, help, True)


def _arms(step: ChoiceStep) -> Iterator[Problem]:
    kinds = set()
    for position, arm in enumerate(step.arms):
        if (arm.when is None) == (arm.share is None):
            message = "an arm needs a `when` or a `share`" if arm.when is None else "an arm has `when` and `share`"
            yield Problem(("arms", position), message, "exactly one of the two")
        else:
            kinds.add("when" if arm.share is None else "share")
    if len(kinds) > 1:
        yield Problem(("arms",), "arms by condition and by share are mixed", "all `when`, or all `share`", True)
    total = sum(arm.share or 0.0 for arm in step.arms)
    if total > 1 + SHARE_ROUNDING:
        yield Problem(("arms",), f"the shares add up to {total:g}", "at most 1; the rest goes to `otherwise`", True)


def _locks(scenario: Scenario, name: str, workflow: Workflow) -> Iterator[Problem]:
    taken = {lock for step in workflow.steps.values() for lock in step.acquire}
    for step_name, step in workflow.steps.items():
        for position, lock in enumerate(step.release):
            if lock in scenario.locks and lock not in taken:
                keys: Keys = ("workflows", name, "steps", step_name, "release", position)
                yield Problem(keys, f"no step of {quoted(name)} takes lock {quoted(lock)}", "add it to an `acquire`")
    for work_name, work in scenario.work.items():
        for lock in sorted(taken & scenario.locks.keys()) if name in scenario.workflows_of(work) else ():
            key = scenario.locks[lock].key
            if key is not None and key not in work.attributes:
                message = f"work {quoted(work_name)} takes lock {quoted(lock)} but has no attribute {quoted(key)}"
                help = f"add the attribute to `work.{work_name}.attributes`{or_near(key, work.attributes)}"
                yield Problem(("locks", lock, "key"), message, help)


# --- people, work, platform -------------------------------------------------------------------------------------------


def _times(scenario: Scenario) -> Iterator[Problem]:
    yield from no_time(("horizon",), scenario.horizon)
    if scenario.horizon and scenario.warm_up >= scenario.horizon:
        help = f"expected less than the horizon, {format_duration(scenario.horizon)}"
        yield Problem(("warm-up",), "the warm-up leaves nothing to measure", help)
    for name, chain_ in scenario.chains.items():
        for position, level in enumerate(chain_.levels):
            yield from no_time(("chains", name, "levels", position, "timeout"), level.timeout)
    yield from no_time(("decision-point", "timeout"), scenario.decision_point.timeout)


def _desks(scenario: Scenario) -> Iterator[Problem]:
    for name, desk in scenario.desks.items():
        keys: Keys = ("desks", name)
        wrong = tuple(_zone((*keys, "timezone"), desk.timezone))
        yield from wrong
        if not wrong and scenario.horizon and not is_staffed(desk, scenario.start, scenario.horizon):
            end = f"the {format_duration(scenario.horizon)} from {scenario.start.isoformat()}"
            message = f"desk {quoted(name)} is never staffed"
            yield Problem((*keys, "roster"), message, f"no shift falls into {end}", True)


def _zone(keys: Keys, name: str) -> Iterator[Problem]:
    if name not in zones():
        close = near(name, zones())
        help = f"did you mean {quoted(close)}?" if close else "expected an IANA name, such as `Europe/Stockholm`"
        yield Problem(keys, f"unknown time zone {quoted(name)}", help)


def _arrivals(scenario: Scenario) -> Iterator[Problem]:
    for name, work in scenario.work.items():
        if isinstance(work.arrivals, Weekly):
            keys: Keys = ("work", name, "arrivals")
            yield from _zone((*keys, "timezone"), work.arrivals.timezone)
            for key, weights in (("by-hour", work.arrivals.by_hour), ("by-weekday", work.arrivals.by_weekday)):
                if not sum(weights) > 0:
                    yield Problem((*keys, key), "all weights are zero", "expected some weight above zero", True)


def _attributes(scenario: Scenario) -> Iterator[Problem]:
    for name, work in scenario.work.items():
        for problem in _clashes(work.attributes, ()):
            yield problem._replace(keys=("work", name, "attributes", *problem.keys))
        taken = [(workflow, scenario.workflows.get(workflow)) for workflow in scenario.workflows_of(work)]
        steps = [(workflow, *item) for workflow, whole in taken if whole for item in whole.steps.items()]
        for workflow, step_name, step in steps:
            keys: Keys = ("workflows", workflow, "steps", step_name, "context")
            for problem in _clashes(step.context if isinstance(step, Task) else (), work.attributes):
                yield problem._replace(keys=(*keys, *problem.keys))


def _clashes(names: Iterable[str], others: Iterable[str]) -> Iterator[Problem]:
    """Attributes that cannot stand in one record, with each other or with `others`; and the one that is not theirs."""
    mine, given = frozenset(names), frozenset(others)
    for name in names:
        above = {name[:dot] for dot, character in enumerate(name) if character == "."}
        below = {other for other in given if other.startswith(name + ".")}
        if name.split(".")[0] == APPROVALS:
            yield Problem(
                (name,), f"{quoted(APPROVALS)} is filled in by the decision point", "choose another name", True
            )
        elif name in given:
            yield Problem((name,), f"{quoted(name)} is an attribute of the case already", "choose another name", True)
        elif clash := sorted(above & (mine | given) | below):
            outer, inner = sorted((name, clash[0]), key=len)
            message = f"{quoted(outer)} cannot be a value and hold {quoted(inner)} too"
            yield Problem((name,), message, "choose another name for one of them", True)


# --- faults, objectives, money ----------------------------------------------------------------------------------------


def _faults(scenario: Scenario) -> Iterator[Problem]:
    named = [(position, fault.name) for position, fault in enumerate(scenario.faults) if fault.name is not None]
    for index in repeated(name for _, name in named):
        position, name = named[index]
        yield Problem(("faults", position, "name"), f"fault {quoted(name)} is named twice", "give each its own name")
    for position, fault in enumerate(scenario.faults):
        keys: Keys = ("faults", position)
        if fault.at is not None and fault.at >= scenario.horizon > 0:
            help = f"expected a time before the horizon, {format_duration(scenario.horizon)}"
            yield Problem((*keys, "at"), "the fault comes after the end of the run", help)
        if not isinstance(fault, Drift):
            for problem in check_timed(scenario, fault):
                yield problem._replace(keys=(*keys, *problem.keys))


def _deadlock(scenario: Scenario) -> Iterator[Problem]:
    resolution = scenario.deadlock.resolution
    needs = {"timeout": scenario.deadlock.timeout, "escalate": scenario.deadlock.desk}
    keys = {"timeout": "timeout", "escalate": "desk"}
    for name, value in needs.items():
        if resolution == name and value is None:
            yield Problem(("deadlock",), f"resolution `{name}` needs a `{keys[name]}`", f"add `{keys[name]}`", True)
        if resolution != name and value is not None:
            help = f"set `resolution: {name}`, or drop `{keys[name]}`"
            yield Problem(("deadlock", keys[name]), f"resolution `{resolution}` has no use for it", help, True)
    if resolution == "none" and scenario.deadlock.victim != "youngest":
        help = "set a `resolution`, or drop `victim`"
        yield Problem(("deadlock", "victim"), "resolution `none` ends no case", help, True)
    yield from no_time(("deadlock", "timeout"), scenario.deadlock.timeout)
    yield from no_time(("deadlock", "no-progress"), scenario.deadlock.no_progress)


def _objectives(scenario: Scenario) -> Iterator[Problem]:
    for name, objective in scenario.objectives.items():
        keys: Keys = ("objectives", name)
        if isinstance(objective, Compliance) and scenario.policies is None:
            yield Problem(keys, "no policies decide anything", "add `policies`, or drop the objective", True)
        if not isinstance(objective, CaseShare | Throughput):
            continue
        if isinstance(objective, CaseShare) and (objective.at_least is None) == (objective.at_most is None):
            yield Problem(keys, "a `case-share` needs one bound", "exactly one of `at-least` and `at-most`", True)
        if not objective.outcomes:
            yield Problem((*keys, "outcomes"), "no outcome is named", "name at least one outcome", True)
        for index in repeated(objective.outcomes):
            message = f"outcome {quoted(objective.outcomes[index])} is named twice"
            yield Problem((*keys, "outcomes", index), message, "name it once")


def _prices(scenario: Scenario) -> Iterator[Problem]:
    """One currency: costs are added up, and no rates of exchange are known."""
    for keys, money in chain(_endpoint_prices(scenario), _agent_costs(scenario), _other_money(scenario)):
        if money.currency not in ("", scenario.currency):
            help = f"give it in {scenario.currency}, or set `currency: {money.currency}`"
            yield Problem(keys, f"{quoted(str(money))} is not in {scenario.currency}", help)


def _endpoint_prices(scenario: Scenario) -> Iterator[tuple[Keys, Money]]:
    for name, endpoint in scenario.endpoints.items():
        yield ("endpoints", name, "price"), endpoint.price
        prices = endpoint.price_per_million
        if prices is not None:
            yield ("endpoints", name, "price-per-million", "input"), prices.input
            yield ("endpoints", name, "price-per-million", "output"), prices.output


def _agent_costs(scenario: Scenario) -> Iterator[tuple[Keys, Money]]:
    for name, pool in scenario.agents.items():
        for capability, what in pool.capabilities.items():
            yield ("agents", name, "capabilities", capability, "cost"), what.cost
            if what.guardrail is not None:
                yield ("agents", name, "capabilities", capability, "guardrail", "cost"), what.guardrail.cost


def _other_money(scenario: Scenario) -> Iterator[tuple[Keys, Money]]:
    for name, desk in scenario.desks.items():
        yield ("desks", name, "cost-per-hour"), desk.cost_per_hour
    for name, objective in scenario.objectives.items():
        if isinstance(objective, CaseCost):
            yield ("objectives", name, "at-most"), objective.at_most


def _outages(scenario: Scenario) -> Iterator[Problem]:
    for name, endpoint in scenario.endpoints.items():
        yield from _outage_law(("endpoints", name, "outages"), endpoint.outages)
    yield from _outage_law(("decision-point", "outages"), scenario.decision_point.outages)


def _outage_law(keys: Keys, outages: Outages | None) -> Iterator[Problem]:
    if outages is None:
        return
    low, high = outages.severity.support
    if low < 0 or high > 1:
        message = f"{quoted(str(outages.severity))} is not a law of shares"
        yield Problem((*keys, "severity"), message, "expected draws from 0 to 1, such as `values(0.25=0.8, 1=0.2)`")
    for key, law in (("between", outages.between), ("repair", outages.repair)):
        yield from _endless_zero((*keys, key), law)


def _endless_zero(keys: Keys, law: Law) -> Iterator[Problem]:
    """A time between outages that can be nothing would never let the clock go on."""
    if law.support[1] <= 0:
        yield Problem(keys, f"{quoted(keys[-1])} is always zero", "expected a law of durations above zero")


def _variants(scenario: Scenario) -> Iterator[Problem]:
    if BASE in scenario.variants:
        message = f"{quoted(BASE)} is the scenario as it stands"
        yield Problem(("variants", BASE), message, "choose another name", True)
    for name, variant in scenario.variants.items():
        for path in variant.set:
            if path.partition(".")[0] == "variants":
                keys: Keys = ("variants", name, "set", path)
                yield Problem(keys, "a variant has no variants", "change another field", True)


# --- all of them ------------------------------------------------------------------------------------------------------


def _workflows(scenario: Scenario) -> Iterator[Problem]:
    broken = {problem.keys[1] for problem in check_references(scenario) if problem.keys[0] == "workflows"}
    for name, workflow in scenario.workflows.items():
        if name not in broken:
            yield from check_workflow(name, workflow)
        for step_name, step in workflow.steps.items():
            for problem in _step(scenario, step):
                yield problem._replace(keys=("workflows", name, "steps", step_name, *problem.keys))
        yield from _locks(scenario, name, workflow)


_CHECKS: Final[tuple[tuple[Callable[[Scenario], Iterator[Problem]], tuple[str, ...]], ...]] = (
    (_workflows, ("agents", "policies", "locks", "workflows", "work")),
    (check_retries, ("agents",)),
    (_times, ("horizon", "warm-up")),
    (_desks, ("start", "horizon")),
    (_arrivals, ()),
    (check_work, ("horizon",)),
    (check_answers, ()),
    (check_queues, ()),
    (check_bulkheads, ("workflows",)),
    (check_endpoints, ()),
    (check_tokens, ("agents", "work")),
    (check_scaling, ("horizon",)),
    (_attributes, ("workflows", "work")),
    (_faults, ("horizon", "agents", "work")),
    (check_links, ()),
    (check_drifts, ("work",)),
    (check_monitors, ("desks", "work", "attacks", "policies")),
    (check_rollouts, ("horizon", "agents", "policies", "objectives")),
    (check_attacks, ("horizon", "agents", "policies")),
    (check_points, ("decision-point", "agents", "rollouts")),
    (check_topics, ("workflows",)),
    (_deadlock, ()),
    (check_calls, ("agents",)),
    (check_sub_workflows, ("workflows",)),
    (check_behaviours, ()),
    (check_messages, ("workflows", "work")),
    (check_consumed, ("topics", "workflows")),
    (check_resilience, ("agents",)),
    (check_batches, ()),
    (check_holidays, ("start",)),
    (check_reviews, ("desks", "chains")),
    (_objectives, ("policies",)),
    (_prices, ("currency",)),
    (_outages, ()),
    (_variants, ()),
)
"""The checks, each with the keys of the scenario that its answers for other parts rest on."""
