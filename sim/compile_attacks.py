"""Attacks become plans: what policy says of their requests is constant, so it is asked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.scenario import Attack
from sim.compile_values import law_plan
from sim.plans.change import AnswerPlan, AttackPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def attack_plan(loaded: LoadedScenario, names: Names, name: str) -> AttackPlan:
    """The plan of one attack of a checked scenario."""
    attack = loaded.scenario.attacks[name]
    rule = attack.quarantine
    return AttackPlan(
        name,
        names.pools.index(attack.agent),
        loaded.scenario.agents[attack.agent].concurrency,
        attack.at,
        attack.at + attack.lasts,
        law_plan(attack.every),
        tuple(_answer(loaded, attack, action) for action in attack.actions),
        rule.refused if rule else -1,
        rule.within if rule else 0,
    )


def _answer(loaded: LoadedScenario, attack: Attack, action: str) -> AnswerPlan:
    """The decision, by the evaluator that the cases' requests go through."""
    from models.cedar.columns import Requests, evaluate
    from models.cedar.decision import decide

    policies, principal = loaded.policies, loaded.scenario.agents[attack.agent].principal
    assert policies is not None
    assert principal is not None
    context: dict[str | tuple[str, ...], Any] = dict(attack.context.items())
    matched = evaluate(policies, Requests(1, principal, action, attack.resource, context)).matched[:, 0]
    decision = decide(policies, {number for number, bit in enumerate(matched.tolist()) if bit})
    rules = sorted({policies.policies[number].name for number in decision.determining})
    return AnswerPlan(action, decision.outcome, ",".join(rules) or decision.kind)
