"""What policies and conditions say about the cases of a replication, found before it runs by vectors.

Decisions and conditions depend on a case's attributes and on constants only, never on time, so the engine looks them
up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from models.scenario import ChoiceStep, Scenario, Task
from sim.blocks import BLOCK, SHIFT, Lazy
from sim.plan import Plan

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet
    from models.load import LoadedScenario

Column = npt.NDArray[Any]
Attributes = tuple[tuple[Column, ...], ...] | tuple[tuple[Lazy, ...], ...]
"""Of each stream and attribute the values by entity, whole or in blocks."""
K = TypeVar("K")
V = TypeVar("V")
_KEPT: Final = 128
"""Answers that are kept, each to a question for a block of cases; others are found again."""

APPROVALS = "approvals"
"""The context attribute that carries the approvals, where the schema's action has it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a task step asks of the decision point, besides the case's attributes."""

    principal: str
    action: str
    resource: str
    constants: tuple[tuple[str, bool | int | str], ...]
    sees_approvals: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Policies and conditions of a scenario. Questions are numbered as `StepPlan.request`, conditions by step.

    `new` has the policies that are rolled out, without conditions. Where these decide, not only look on, both sets have
    the `path` that the decision log names them by.
    """

    policies: PolicySet | None
    questions: tuple[Question, ...]
    conditions: tuple[tuple[str, ...], ...]
    path: str = ""
    new: Rules | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """To a worker process as text and numbers: cedarpy's syntax trees do not travel, so it parses them again."""
        bare: Any = {"syntax": None}
        policies = self.policies and replace(
            self.policies, policies=tuple(replace(policy, **bare) for policy in self.policies.policies)
        )
        return _restored, (policies, self.questions, self.conditions, self.path, self.new)


def _restored(
    policies: PolicySet | None,
    questions: tuple[Question, ...],
    conditions: tuple[tuple[str, ...], ...],
    path: str,
    new: Rules | None,
) -> Rules:
    if policies is not None:
        import cedarpy

        syntax = cedarpy.policies_to_pst(policies.text).static_policies
        parsed = tuple(replace(policy, syntax=syntax[policy.id]) for policy in policies.policies)
        policies = replace(policies, policies=parsed)
    return Rules(policies, questions, conditions, path, new)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policy says of one request: `timeout` bounds the answer of the chains, -1 for no bound."""

    outcome: str
    chains: tuple[str, ...]
    timeout: int
    reason: str


def compile_rules(loaded: LoadedScenario) -> Rules:
    """The rules of a checked scenario."""
    scenario, policies = loaded.scenario, loaded.policies
    steps = [step for workflow in scenario.workflows.values() for step in workflow.steps.values()]
    tasks = [step for step in steps if isinstance(step, Task) and step.action is not None and policies is not None]
    conditions = (
        tuple(arm.when for arm in step.arms if arm.when is not None) if isinstance(step, ChoiceStep) else ()
        for step in steps
    )
    own, new = scenario.policies, None
    path = ""
    for name, rollout in scenario.rollouts.items():  # one at most is of policies
        if rollout.path is not None:
            decides = rollout.mode == "canary"
            new = Rules(*_asked(scenario, loaded.rollouts[name], tasks), (), rollout.path if decides else "")
            path = own.path if own is not None and decides else ""
    return Rules(*_asked(scenario, policies, tasks), tuple(conditions), path, new)


def _asked(
    scenario: Scenario, policies: PolicySet | None, tasks: Sequence[Task]
) -> tuple[PolicySet | None, tuple[Question, ...]]:
    return _portable(policies), tuple(_question(scenario, policies, task) for task in tasks)


def _portable(policies: PolicySet | None) -> PolicySet | None:
    """The set without invariants and cedarpy's handles, which cannot go to a worker: vectors need neither."""
    bare: Any = {"handle": None, "matcher": None, "store": None, "invariants": None}
    return policies and replace(policies, **bare)


def _question(scenario: Scenario, policies: PolicySet | None, task: Task) -> Question:
    # A checked scenario has all three where a task has an action.
    principal, action, resource = (x or "" for x in (scenario.agents[task.agent].principal, task.action, task.resource))
    sees = policies is not None and _sees_approvals(policies, action)
    return Question(principal, action, resource, tuple(task.context.items()), sees)


def _sees_approvals(policies: PolicySet, action: str) -> bool:
    from models.cedar.types import SetType, StringType

    declared = policies.schema.actions.get(action)
    attribute = declared.context.attributes.get(APPROVALS) if declared else None
    return attribute is not None and attribute.type == SetType(StringType())


class Decider:
    """Answers for the cases of one replication. Vectors are evaluated when a question first comes up, then kept."""

    def __init__(self, plan: Plan, rules: Rules, attributes: Attributes) -> None:
        self._rules = rules
        self.path = rules.path
        """What the decision log calls the policies; empty where it need not say."""
        self.new = Decider(plan, rules.new, attributes) if rules.new is not None else None
        """Answers by the policies that are rolled out."""
        self._names = plan.names.attributes
        self._attributes = attributes
        self._in_blocks = any(isinstance(column, Lazy) for columns in attributes for column in columns)
        self._width = len(rules.policies.policies) if rules.policies is not None else 0
        self._patterns: dict[tuple[int, int, frozenset[str], int], bytes] = {}
        self._verdicts: dict[tuple[bytes, frozenset[str]], Verdict] = {}
        self._arms: dict[tuple[int, int, int], list[int]] = {}

    def action(self, question: int) -> str:
        return self._rules.questions[question].action

    def verdict(self, work: int, question: int, entity: int, granted: frozenset[str]) -> Verdict:
        """What policy says when a case of this stream asks, and these chains have approved."""
        seen = granted if self._rules.questions[question].sees_approvals else frozenset[str]()
        block, within = self._place(work, entity)
        patterns = self._patterns.get((work, question, seen, block))
        if patterns is None:
            patterns = self._match(work, question, seen, block)
            self._keep(self._patterns, (work, question, seen, block), patterns)
        width = self._width
        pattern = patterns[within * width : (within + 1) * width]
        verdict = self._verdicts.get((pattern, granted))
        if verdict is None:
            verdict = self._verdicts[pattern, granted] = self._decide(pattern, granted)
        return verdict

    def _place(self, work: int, entity: int) -> tuple[int, int]:
        """The block of an entity and its number in it. Without attributes one row does for all; columns that are there
        as a whole are one block."""
        columns = self._attributes[work]
        if not columns:
            return 0, 0
        return (entity >> SHIFT, entity & (BLOCK - 1)) if isinstance(columns[0], Lazy) else (0, entity)

    def _match(self, work: int, number: int, seen: frozenset[str], block: int) -> bytes:
        """For each case of a block, which policies match: one byte each."""
        from models.cedar.columns import Requests, evaluate

        policies, question = self._rules.policies, self._rules.questions[number]
        assert policies is not None
        context, count = self._context(work, block)
        context |= dict(question.constants)
        if question.sees_approvals:
            context[APPROVALS] = seen
        requests = Requests(count, question.principal, question.action, question.resource, context)
        return np.ascontiguousarray(evaluate(policies, requests).matched.T).tobytes()

    def _keep(self, answers: dict[K, V], key: K, answer: V) -> None:
        """Keep the answers to a question for a block. Of columns that come in blocks, the ones kept longest go where
        there are many."""
        if self._in_blocks and len(answers) >= _KEPT:
            del answers[next(iter(answers))]
        answers[key] = answer

    def _decide(self, pattern: bytes, granted: frozenset[str]) -> Verdict:
        from models.cedar.decision import decide

        policies = self._rules.policies
        assert policies is not None
        decision = decide(policies, {i for i, bit in enumerate(pattern) if bit}, granted)
        names = sorted({policies.policies[i].name for i in decision.determining})
        timeout = -1 if decision.timeout is None else decision.timeout
        return Verdict(decision.outcome, decision.chains, timeout, ",".join(names) or decision.kind)

    def arm(self, work: int, step: int, entity: int) -> int:
        """The first arm of a choice whose condition holds for the case, or -1."""
        block, within = self._place(work, entity)
        arms = self._arms.get((work, step, block))
        if arms is None:
            arms = self._choose(work, step, block)
            self._keep(self._arms, (work, step, block), arms)
        return arms[within]

    def _choose(self, work: int, step: int, block: int) -> list[int]:
        from models.cedar.columns import Requests, condition

        nobody = 'Agent::""'
        context, count = self._context(work, block)
        requests = Requests(count, nobody, 'Action::""', nobody, context)
        chosen = np.full(count, -1)
        for position, text in enumerate(self._rules.conditions[step]):
            holds = condition(text).holds(requests)
            chosen[(chosen == -1) & holds] = position
        found: list[int] = chosen.tolist()
        return found

    def _context(self, work: int, block: int) -> tuple[dict[str | tuple[str, ...], Any], int]:
        """The attributes of a block's cases, and how many there are."""
        columns = [column.block(block) if isinstance(column, Lazy) else column for column in self._attributes[work]]
        return {**dict(zip(self._names[work], columns, strict=True))}, len(columns[0]) if columns else 1
