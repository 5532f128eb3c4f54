"""A property of policies, asked over one request environment or all of them: `windtunnel.query/1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment, Schema
from models.cedar.uids import parse_uid
from models.diagnostics import Diagnostic, InputError, input_error, listed, quoted, suggestion
from verify.findings import Proof, Witness
from verify.json import environment_json, proof_json, witness_json

if TYPE_CHECKING:
    from verify.properties import Property
    from verify.query import Budget, Effort

SCHEMA: Final = "windtunnel.query/1"

Verdict = Literal["holds", "violated", "undecided"]


@dataclass(frozen=True, slots=True)
class EnvironmentAnswer:
    """A property in one request environment. `reason` says why it is undecided; empty where it is not."""

    environment: RequestEnvironment
    verdict: Verdict
    witness: Witness | None = None
    """The smallest counterexample that was found, where the property is violated."""
    proof: Proof | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A property in every environment that was asked for. `scripts` maps a script's sha256 to its SMT-LIB text."""

    name: str
    """Of the property."""
    environments: tuple[EnvironmentAnswer, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know beside the verdict, as sentences."""
    scripts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def verdict(self) -> Verdict:
        """`violated` where the property is in some environment, else `undecided` where it is in some, else `holds`."""
        verdicts = {one.verdict for one in self.environments}
        return "violated" if "violated" in verdicts else "undecided" if "undecided" in verdicts else "holds"

    @property
    def witness(self) -> Witness | None:
        """The counterexample of the first environment that has one."""
        return next((one.witness for one in self.environments if one.witness), None)


def query(
    name: str,
    policies: PolicySet,
    other: PolicySet | None = None,
    *,
    policy: str | None = None,
    other_policy: str | None = None,
    principal_type: str | None = None,
    action: str | None = None,
    resource_type: str | None = None,
    effort: Effort = "normal",
) -> QueryResult:
    """Whether a property (`verify.properties.PROPERTIES`) holds in each request environment of the schema.

    Both sets stand under one schema. Properties of single policies are asked of `policy` and `other_policy`, by `@id`,
    or of the only policy of a set; without another set, `other_policy` is of the first. Types are full names, the
    action is a uid such as `Shop::Action::"view"`; what is not named is asked over all. Raises InputError on names that
    do not exist, ValueError on an unknown effort, and `verify.query.VerifierError` where solvers and Cedar contradict
    each other.
    """
    from verify.query import BUDGETS

    if effort not in BUDGETS:
        raise ValueError(f"unknown effort {effort!r}: expected one of {', '.join(BUDGETS)}")
    canonical, property = asked_property(name, other is not None, policy, other_policy)
    sides = (policies,) if property.sides == 1 else (policies, policies if other is None else other)
    alone: list[int] | None = None
    if property.of == "policy":
        named = zip(sides, (policy, other_policy), ("--policy", "--other-policy"), strict=False)
        alone = [_chosen(side, id, option) for side, id, option in named]
    environments = _environments(policies.schema, principal_type, action, resource_type)
    scripts: dict[str, str] = {}
    answers = tuple(_answer(property, sides, alone, one, BUDGETS[effort], scripts) for one in environments)
    kept = {one.proof.smt2_sha256 for one in answers if one.proof}
    scripts = {digest: text for digest, text in sorted(scripts.items()) if digest in kept}
    return QueryResult(canonical, answers, tuple(_notes(property, sides)), scripts)


def _notes(property: Property, sides: Sequence[PolicySet]) -> Iterator[str]:
    yield from dict.fromkeys(warning for side in sides for warning in side.warnings)
    if property.of == "set" and any(side.chains for side in sides):
        yield "A forbid with @escalate denies here, as Cedar itself decides."


def _answer(
    property: Property,
    sides: Sequence[PolicySet],
    alone: Sequence[int] | None,
    environment: RequestEnvironment,
    budget: Budget,
    scripts: dict[str, str],
) -> EnvironmentAnswer:
    """The property in one environment: of the policies of these indices, one a side, or of the whole sides."""
    from verify.encode import Encoder
    from verify.joint import Fitting, join, only
    from verify.query import Analysis, Found, Unknown

    schema = sides[0].schema
    fitting = Fitting(Encoder(schema, environment))
    among = [[index] for index in alone] if alone else [fitting.among(side) for side in sides]
    first, second = (*sides, sides[0])[:2]
    joint = join(first, second, only(schema, environment), (among[0], among[1] if len(sides) > 1 else ()))
    places = [tuple(side.at.values()) for side in (joint.old, joint.new)[: len(sides)]]
    analysis = Analysis(joint.policies, budget, scripts)
    arguments = [place[0] for place in places] if alone else places
    question = property.question(analysis, environment, *arguments)
    answer = analysis.ask(*question)
    if isinstance(answer, Unknown):
        return EnvironmentAnswer(environment, "undecided", reason=answer.reason)
    if isinstance(answer, Found):
        witness = analysis.shrunk(environment, answer.case, question.accepts)
        return EnvironmentAnswer(environment, "violated", witness, answer.proof)
    return EnvironmentAnswer(environment, "holds", proof=answer.proof)


# --- names ------------------------------------------------------------------------------------------------------------


def asked_property(
    name: str, other: bool = False, policy: str | None = None, other_policy: str | None = None
) -> tuple[str, Property]:
    """A property by its name, written with `-` or `_`, and the name as it is printed.

    `other` is whether there is another set. Raises InputError where there is no such property, or where what is given
    is more or less than what the property is about.
    """
    from verify.properties import PROPERTIES

    canonical = name.replace("_", "-")
    if canonical not in PROPERTIES:
        raise input_error(f"unknown property {quoted(name)}", "query", suggestion(canonical, PROPERTIES, "properties"))
    property = PROPERTIES[canonical]
    if property.of == "set" and (policy is not None or other_policy is not None):
        raise input_error(f"{quoted(canonical)} is about whole sets, and a policy is named", "query", "leave it out")
    if property.sides == 1 and (other or other_policy is not None):
        raise input_error(f"{quoted(canonical)} is about one, and another is given", "query", "leave out the other")
    if property.sides == 2 and not other and other_policy is None:
        option = "--other" if property.of == "set" else "--other-policy, of the same set or of --other"
        raise input_error(
            f"{quoted(canonical)} is about two, and one is given", "query", f"name the other with {option}"
        )
    return canonical, property


def _chosen(policies: PolicySet, id: str | None, option: str) -> int:
    """The policy that is meant, by index."""
    from verify.checks.common import reference

    names = [reference(policies, policy.index).name for policy in policies.policies]
    if id is None:
        if len(names) == 1:
            return 0
        if not names:
            raise input_error("the policy set is empty, and the property is about one policy", "query")
        raise input_error("several policies could be meant", "query", f"name one with {option}: {listed(names)}")
    if id not in names:
        raise input_error(f"there is no policy {quoted(id)}", "query", suggestion(id, names, "policies"))
    return names.index(id)


def _environments(
    schema: Schema, principal_type: str | None, action: str | None, resource_type: str | None
) -> tuple[RequestEnvironment, ...]:
    """The environments with these names. Each name is known on its own, and some environment has all of them."""
    every = schema.environments()
    wanted = {"principal": principal_type, "action": _uid(action), "resource": resource_type}
    options = {"principal": "principal type", "action": "action", "resource": "resource type"}
    faults = [
        Diagnostic(
            f"no request has the {options[part]} {quoted(name)}",
            "query",
            help=_members(schema, name) or suggestion(name, known, f"{options[part]}s"),
        )
        for part, name in wanted.items()
        if name is not None
        for known in [sorted({getattr(environment, part) for environment in every})]
        if name not in known
    ]
    if faults:
        raise InputError(*faults)
    chosen = tuple(e for e in every if all(name in (None, getattr(e, part)) for part, name in wanted.items()))
    if not chosen:
        apart = ", ".join(f"the {options[part]} {quoted(name)}" for part, name in wanted.items() if name is not None)
        message = f"no request has {apart} together" if apart else "the schema has no action that applies to anything"
        raise input_error(message, "query", _together(every, wanted))
    return chosen


def _members(schema: Schema, group: str) -> str:
    """What to name instead of a group of actions; empty where the name is of no group."""
    within, size = {group}, 0
    while len(within) > size:
        size = len(within)
        within |= {uid for uid, action in schema.actions.items() if within.intersection(action.parents)}
    members = [uid for uid in sorted(within) if uid in schema.actions and schema.actions[uid].principals]
    return f"it is a group; its actions: {listed(members)}" if members else ""


def _together(every: Sequence[RequestEnvironment], wanted: Mapping[str, str | None]) -> str:
    """What the action that is wanted applies to."""
    pairs = sorted((one.principal, one.resource) for one in every if one.action == wanted["action"])
    told = ", ".join(f"{quoted(principal)} on {quoted(resource)}" for principal, resource in pairs[:10])
    return f"the action applies to {told}{', ...' if len(pairs) > 10 else ''}" if pairs else ""


def _uid(action: str | None) -> str | None:
    """An action as schemas write it; what is no uid is left, and not found."""
    try:
        return None if action is None else str(parse_uid(action))
    except ValueError:
        return action


# --- JSON -------------------------------------------------------------------------------------------------------------


def to_json(result: QueryResult) -> dict[str, Any]:
    """The result as plain JSON values."""
    return {
        "schema": SCHEMA,
        "property": result.name,
        "verdict": result.verdict,
        "environments": [
            {
                **environment_json(one.environment),
                "verdict": one.verdict,
                "witness": witness_json(one.witness),
                "proof": proof_json(one.proof),
                "reason": one.reason,
            }
            for one in result.environments
        ],
        "witness": witness_json(result.witness),
    }
