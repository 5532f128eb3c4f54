"""The requests a scenario makes of its policies, held against the schema; and the conditions of its choices.

Cedar judges the conditions: each is validated as the `when` of a policy whose context holds the case's attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from models.check import APPROVALS
from models.declared import check_declared_requests
from models.diagnostics import Problem, near, quoted, suggestion
from models.laws import AttributeLaw, Chance, Choice
from models.problems import Keys
from models.scenario import ChoiceStep, Scenario, Task, Work

if TYPE_CHECKING:
    from models.cedar.columns import Condition
    from models.cedar.policies import PolicySet
    from models.cedar.types import Action, RecordType, Schema, Type
    from models.repair import Readable

Record = dict[str, "Type | Record"]
"""What a case's context holds: types, nested as the dots of the attributes say."""


def check_asked(
    read: Readable, policies: PolicySet | None, rollouts: Mapping[str, PolicySet] | None = None
) -> Iterator[Problem]:
    """What is wrong with the conditions and the requests of a scenario, under its policies where it has any, and the
    requests under those of its `rollouts`.

    Of one with repaired parts: of those parts that are as the file has them, and rest on none that is not.
    """
    repaired = {keys[0] for keys in read.touched}
    if repaired.isdisjoint({"work"}):
        yield from _untouched(check_conditions(read.scenario), read)
    if policies is None or "policies" in repaired:
        return
    if repaired.isdisjoint({"agents", "work"}):
        yield from _untouched(check_requests(read.scenario, policies), read)
        for name, new in (rollouts or {}).items():
            for problem in _untouched(check_requests(read.scenario, new), read):
                where = ".".join(map(str, problem.keys))
                yield Problem(("rollouts", name, "path"), f"{where}: {problem.message}", problem.help)
    yield from _untouched(check_declared_requests(read.scenario, policies), read)


def _untouched(problems: Iterable[Problem], read: Readable) -> Iterator[Problem]:
    """The problems of steps and of other parts in which nothing is repaired."""
    parts = {keys[: _DEPTHS.get(str(keys[0]), 2)] for keys in read.touched}
    yield from (p for p in problems if not any(p.keys[: len(part)] == part for part in parts))


_DEPTHS = {"approvals": 1, "workflows": 4}
"""How many keys lead to a part that is judged on its own: `workflows.NAME.steps.STEP`, but `risks.NAME`."""


# --- conditions -------------------------------------------------------------------------------------------------------


def check_conditions(scenario: Scenario) -> Iterator[Problem]:
    """Conditions of arms that Cedar does not read, or that read what no case has."""
    for name, workflow in scenario.workflows.items():
        works = {key: work for key, work in scenario.work.items() if name in scenario.workflows_of(work)}
        for step_name, step in workflow.steps.items():
            for position, arm in enumerate(step.arms) if isinstance(step, ChoiceStep) else ():
                if arm.when is not None:
                    keys: Keys = ("workflows", name, "steps", step_name, "arms", position, "when")
                    for message, help in _condition(arm.when, works):
                        yield Problem(keys, message, help)


def _condition(text: str, works: Mapping[str, Work]) -> Iterator[tuple[str, str]]:
    from models.cedar.columns import condition  # numpy and cedarpy, only for scenarios with conditions

    try:
        parsed = condition(text)
    except ValueError as error:
        yield f"not a condition: {error}", 'a Cedar condition over the case, such as `context.priority == "high"`'
        return
    unknown = tuple(_unknown_paths(parsed, works))
    yield from unknown
    if not unknown:
        for name, work in works.items():
            yield from _mistyped(text, name, work)


def _unknown_paths(parsed: Condition, works: Mapping[str, Work]) -> Iterator[tuple[str, str]]:
    """Attributes that no stream of work has; such a condition never holds, even behind a `has`."""
    known = {attribute for work in works.values() for attribute in work.attributes}
    for path in map(".".join, parsed.paths) if works else ():
        if path and path not in known and not any(name.startswith(path + ".") for name in known):
            yield f"no case has the attribute {quoted(path)}", suggestion(path, sorted(known), "attributes")


def _mistyped(text: str, name: str, work: Work) -> Iterator[tuple[str, str]]:
    import cedarpy

    context = cedar_type(record(work.attributes, {}))
    schema = f'entity Any; action "any" appliesTo {{ principal: Any, resource: Any, context: {context} }};'
    result = cedarpy.validate_policies(f"permit (principal, action, resource) when {{\n{text}\n}};", schema)
    for message in sorted({error.error for error in result.errors}):
        plain = message.removeprefix("for policy `policy0`, ").replace(' in context for Action::"any"', "")
        yield f"the condition does not fit the cases of {quoted(name)}: {plain}", f"their attributes are {context}"


def record(attributes: Mapping[str, AttributeLaw], constants: Mapping[str, bool | int | str]) -> Record:
    """The context of a request: case attributes and a step's constants, dots made into records."""
    found: Record = {}
    for name, value in (*attributes.items(), *constants.items()):
        *outer, last = name.split(".")
        inner = found
        for part in outer:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):  # a clash, which is reported on its own
                break
            inner = below
        else:
            inner[last] = _type_of(value)
    return found


def _type_of(value: AttributeLaw | bool | int | str) -> Type:
    from models.cedar.types import BoolType, LongType, StringType

    if isinstance(value, bool | Chance):
        return BoolType()
    return StringType() if isinstance(value, str | Choice) else LongType()


def cedar_type(value: Type | Record) -> str:
    """A type as Cedar writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}": {cedar_type(inner)}' for name, inner in value.items()) + "}"
    return _NAMES.get(type(value).__name__, str(getattr(value, "name", "another type")))


_NAMES = {"BoolType": "Bool", "LongType": "Long", "StringType": "String", "RecordType": "a record", "SetType": "a set"}


# --- requests ---------------------------------------------------------------------------------------------------------


def check_requests(scenario: Scenario, policies: PolicySet) -> Iterator[Problem]:
    """Requests that the schema does not admit. An inferred schema admits what it was inferred from, so says nothing."""
    if policies.schema_inferred:
        return
    seen = set()
    for name, workflow in scenario.workflows.items():
        works = {key: work for key, work in scenario.work.items() if name in scenario.workflows_of(work)}
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task) and step.action is not None:
                keys: Keys = ("workflows", name, "steps", step_name)
                for problem in _request(scenario, policies.schema, step, works, keys):
                    if problem not in seen:
                        seen.add(problem)
                        yield problem


def _request(
    scenario: Scenario, schema: Schema, task: Task, works: Mapping[str, Work], keys: Keys
) -> Iterator[Problem]:
    from models.cedar.uids import parse_uid

    uid = str(parse_uid(task.action or ""))
    action = schema.actions.get(uid)
    if action is None or not action.principals:
        known = sorted(known for known, what in schema.actions.items() if what.principals)
        message = (
            f"the schema has no action {quoted(uid)}" if action is None else f"{quoted(uid)} is a group of actions"
        )
        yield Problem((*keys, "action"), message, suggestion(uid, known, "actions"))
        return
    pool = scenario.agents.get(task.agent)
    if pool is not None and pool.principal is not None:
        yield from _entity(("agents", task.agent, "principal"), pool.principal, action.principals, action, schema)
    if task.resource is not None:
        yield from _entity((*keys, "resource"), task.resource, action.resources, action, schema)
    for work_name, work in works.items():
        yield from _context(action, task, work_name, work, keys)


def _entity(keys: Keys, text: str, types: tuple[str, ...], action: Action, schema: Schema) -> Iterator[Problem]:
    from models.cedar.uids import parse_uid

    uid = parse_uid(text)
    if uid.type not in types:
        what = "does not apply to" if uid.type in schema.entity_types else "applies to no type"
        message = f"{quoted(action.uid)} {what} {quoted(uid.type)}"
        yield Problem(keys, message, suggestion(uid.type, sorted(types), "types for it"))
        return
    ids = schema.entity_types[uid.type].ids
    if ids is not None and uid.id not in ids:
        yield Problem(keys, f"{quoted(uid.type)} has no entity {quoted(uid.id)}", suggestion(uid.id, ids, "entities"))


def _context(action: Action, task: Task, work_name: str, work: Work, keys: Keys) -> Iterator[Problem]:
    supplied = record(work.attributes, task.context)
    for path, expected, given in _mismatches(action.context, supplied, ()):
        if path == (APPROVALS,):
            continue
        name = ".".join(path)
        if given is None:
            kind = cedar_type(expected).removeprefix("a ")
            article = "an" if kind[0] in "aeiou" else "a"
            message = f"{quoted(action.uid)} needs the context attribute {quoted(name)}, {article} {kind}"
            yield Problem(
                (*keys, "action"), message, _supplying(name, expected, work_name, (*work.attributes, *task.context))
            )
        else:
            message = f"{quoted(name)} is {cedar_type(given)}, and {quoted(action.uid)} takes {cedar_type(expected)}"
            yield Problem(_place_of(name, task, work_name, keys), message, _giving(expected))


def _supplying(name: str, expected: Type, work_name: str, given: tuple[str, ...]) -> str:
    """How a request gets an attribute that it lacks. A scenario gives booleans, numbers, texts and records of them."""
    from models.cedar.types import BoolType, LongType, RecordType, StringType

    where = f"to `work.{work_name}.attributes`, or to the step's `context`"
    if isinstance(expected, RecordType) and expected.attributes:
        return f"add its attributes, such as `{name}.{next(iter(expected.attributes))}`, {where}"
    if isinstance(expected, BoolType | LongType | StringType):
        close = near(name, given)
        return f"add it {where}" + (f"; did you mean {quoted(close)}?" if close else "")
    return _UNGIVEN


_UNGIVEN = "no scenario can give one: make it optional in the schema, or leave the step's `action` out"


def _giving(expected: Type) -> str:
    """How a scenario gives values of a type, where it can."""
    from models.cedar.types import BoolType, LongType, RecordType, StringType

    if isinstance(expected, RecordType):
        return "dots in the names of attributes give a record: `net.zone` is `zone` in `net`"
    if isinstance(expected, BoolType | LongType | StringType):
        return "a text or `choice(...)` gives a String, `true` or `chance(...)` a Bool, a law of numbers a Long"
    return f"{_UNGIVEN}; then drop it here"


def _place_of(name: str, task: Task, work_name: str, keys: Keys) -> Keys:
    """Where an attribute is given: as it stands, or the first one below it."""
    for part in task.context:
        if part == name or part.startswith(name + "."):
            return (*keys, "context", part)
    return ("work", work_name, "attributes", name)


def _mismatches(
    expected: RecordType, given: Record, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Type, Type | Record | None]]:
    """Attributes that are needed and not given, or given with another type. Others given are not sent."""
    from models.cedar.types import RecordType

    for name, attribute in expected.attributes.items():
        value = given.get(name)
        here = (*path, name)
        if value is None:
            if attribute.required:
                yield here, attribute.type, None
        elif isinstance(value, dict) and isinstance(attribute.type, RecordType):
            yield from _mismatches(attribute.type, value, here)
        elif value != attribute.type:
            yield here, attribute.type, value
