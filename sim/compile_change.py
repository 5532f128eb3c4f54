"""Change: drifts, detectors, rollouts, compromised agents: from the scenario into the plan."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from models.monitors import DDM, KS, PSI, Adwin, Cusum, Detector, PageHinkley
from models.objectives import CaseCost, CaseShare, CaseTime, FalseAlarms
from models.rollouts import RollBack, Rollout
from models.scenario import Drift, Scenario
from models.watching import comes_to, first_change
from sim.compile_attacks import attack_plan
from sim.compile_values import attribute_plan, bound, law_plan, law_texts, place, success_plan
from sim.plan import Outcome
from sim.plans.change import (
    DETECTOR_KINDS,
    Action,
    Change,
    ChangePlan,
    DetectorPlan,
    DriftPlan,
    InputDriftPlan,
    MonitorPlan,
    PolicyRolloutPlan,
    RollBackPlan,
    RolloutPlan,
    StagesPlan,
    Trial,
    TrialPlan,
    Watch,
    WorkflowRolloutPlan,
)

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_change(loaded: LoadedScenario, names: Names) -> ChangePlan:
    """This part of the plan."""
    scenario = loaded.scenario
    return ChangePlan(
        tuple(_drifts(scenario, names)),
        tuple(_monitors(scenario, names)),
        tuple(_rollouts(scenario, names)),
        tuple(attack_plan(loaded, names, name) for name in scenario.attacks),
        tuple(_policy_rollouts(scenario, names)),
        tuple(_workflow_rollouts(scenario, names)),
        tuple(sorted(_input_drifts(scenario, names), key=lambda drift: drift.at)),
    )


def _drifts(scenario: Scenario, names: Names) -> Iterator[DriftPlan]:
    for fault in scenario.faults:
        if isinstance(fault, Drift) and fault.of != "input":
            yield DriftPlan(
                names.capabilities.index(f"{fault.agent}.{fault.capability}"),
                fault.at,
                Change[fault.of.upper()],
                success_plan(fault.success) if fault.success else None,
                fault.factor or fault.share or 0.0,
                fault.name or "",
            )


def _input_drifts(scenario: Scenario, names: Names) -> Iterator[InputDriftPlan]:
    for fault in scenario.faults:
        if isinstance(fault, Drift) and fault.work is not None and fault.attribute is not None and fault.to is not None:
            work = names.works.index(fault.work)
            yield InputDriftPlan(
                work,
                names.attributes[work].index(fault.attribute),
                fault.at,
                attribute_plan(fault.to),
                law_texts(fault.to),
                fault.name or "",
                f"{fault.attribute}: {fault.to}",
            )


def _monitors(scenario: Scenario, names: Names) -> Iterator[MonitorPlan]:
    asked = {goal.monitor for goal in scenario.objectives.values() if isinstance(goal, FalseAlarms)}
    for name, monitor in scenario.monitors.items():
        yield MonitorPlan(
            names.pools.index(monitor.agent),
            place(names.capabilities, f"{monitor.agent}.{monitor.capability}"),
            Watch[monitor.watches.upper()],
            DetectorPlan(DETECTOR_KINDS.index(monitor.detector.kind), _parameters(monitor.detector)),
            monitor.sample,
            law_plan(monitor.delay),
            Action[monitor.action.upper().replace("-", "_")],
            place(names.desks, monitor.to),
            tuple(place(attributes, monitor.attribute) for attributes in names.attributes),
            first_change(scenario, monitor) if name in asked else -1,
        )


def _parameters(detector: Detector) -> tuple[float, ...]:
    match detector:
        case PageHinkley():
            return (detector.minimum, detector.delta, detector.threshold, detector.alpha)
        case Adwin():
            return (detector.delta, detector.clock)
        case Cusum():
            return (detector.p0, detector.p1, detector.threshold)
        case DDM():
            return (detector.minimum, detector.drift)
        case PSI():
            return (detector.reference, detector.window, detector.bins, detector.threshold)
        case KS():
            return (detector.reference, detector.window, detector.alpha)


def _rollouts(scenario: Scenario, names: Names) -> Iterator[RolloutPlan]:
    for name, rollout in scenario.rollouts.items():
        new = rollout.to
        if rollout.of != "model" or new is None:
            continue
        pool, capability = rollout.agent or "", rollout.capability or ""
        yield RolloutPlan(
            name,
            names.capabilities.index(f"{pool}.{capability}"),
            success_plan(new.success) if new.success else None,
            new.latency,
            new.cost,
            new.unreadable,
            tuple(_stages(rollout)),
            _roll_back(rollout.roll_back) if rollout.roll_back else None,
            _trial(scenario, names, rollout),
            tuple(n for n, work in enumerate(names.works) if comes_to(scenario, work, pool, capability)),
        )


def _policy_rollouts(scenario: Scenario, names: Names) -> Iterator[PolicyRolloutPlan]:
    for name, rollout in scenario.rollouts.items():
        if rollout.of == "policies":
            stages = StagesPlan(name, tuple(_stages(rollout)), _trial(scenario, names, rollout))
            yield PolicyRolloutPlan(stages, rollout.mode == "shadow")


def _workflow_rollouts(scenario: Scenario, names: Names) -> Iterator[WorkflowRolloutPlan]:
    for name, rollout in scenario.rollouts.items():
        if rollout.of == "workflow" and rollout.to is not None and rollout.to.workflow is not None:
            new = rollout.to.workflow
            stages = StagesPlan(name, tuple(_stages(rollout)), _trial(scenario, names, rollout))
            works = [n for n, work in enumerate(scenario.work.values()) if work.workflow == rollout.workflow]
            start = names.steps.index(f"{new}.{scenario.workflows[new].start}")
            yield WorkflowRolloutPlan(stages, tuple(works), start)


def _stages(rollout: Rollout) -> Iterator[tuple[int, float]]:
    begin = rollout.at
    for stage in rollout.stages:
        yield begin, stage.share
        begin += stage.lasts
    yield begin, 1.0


def _roll_back(rule: RollBack) -> RollBackPlan | None:
    if rule.errors is None or rule.labels is None:
        return None
    return RollBackPlan(rule.errors, rule.labels, rule.sample, law_plan(rule.delay))


def _trial(scenario: Scenario, names: Names, rollout: Rollout) -> TrialPlan | None:
    rule = rollout.roll_back
    if rule is None or rule.objective is None or rule.cases is None:
        return None
    judged = scenario.objectives[rule.objective]
    plan = partial(TrialPlan, rule.objective, cases=rule.cases, may=rule.when == "may-fail")
    match judged:
        case CaseShare():
            return plan(
                kind=Trial.SHARE,
                work=place(names.works, judged.work),
                within=bound(judged.within),
                outcomes=tuple(Outcome[outcome.upper()] for outcome in judged.outcomes),
                wrong=bound(judged.wrong),
                least=-1.0 if judged.at_least is None else judged.at_least,
                most=-1.0 if judged.at_most is None else judged.at_most,
            )
        case CaseTime():
            work = place(names.works, judged.work)
            return plan(kind=Trial.TIME, work=work, within=judged.at_most, quantile=judged.quantile)
        case CaseCost():
            return plan(kind=Trial.COST, work=place(names.works, judged.work), most=float(judged.at_most.micros))
    return None  # pragma: no cover - a checked scenario names one of these
