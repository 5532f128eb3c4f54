"""What a scenario declares for verification, checked: `risks`, `data`, `approvals`, the `people` of desks, `parent`s.

Names are checked in `models.references`. Conditions are judged by Cedar, each as the `when` of a policy under the
set's own schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from models.diagnostics import Problem, listed, quoted, suggestion
from models.problems import Keys
from models.resilience import Fallback
from models.scenario import AgentPool, Desk, DeskStep, Endpoint, Publish, Scenario, Task, Topic
from models.steps import AgentCall

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet
    from models.cedar.types import Schema


# --- without the policies ---------------------------------------------------------------------------------------------


def check_declared(scenario: Scenario) -> Iterator[Problem]:
    """Declarations that say too little to be checked, or that nothing comes of. Unknown names are passed over."""
    yield from _risks(scenario)
    yield from _data(scenario)
    yield from _places(scenario)
    yield from _parents(scenario)
    yield from _approvals(scenario)


def _needs_policies(scenario: Scenario, keys: Keys) -> Iterator[Problem]:
    if scenario.policies is None:
        help = "add `policies: {path: ...}` to the scenario"
        yield Problem(keys, f"{quoted(keys[-1])} needs policies", help, True)


def _risks(scenario: Scenario) -> Iterator[Problem]:
    if scenario.risks:
        yield from _needs_policies(scenario, ("risks",))
    for name, risk in scenario.risks.items():
        if not risk.actions and risk.when is None:
            help = "add `actions`, or a `when`"
            yield Problem(("risks", name), "the risk does not say which requests it is about", help, True)


def _data(scenario: Scenario) -> Iterator[Problem]:
    handled = {name for _, step in worked_steps(scenario) for name in step.data}
    for name, kind in scenario.data.items():
        keys: Keys = ("data", name)
        if (kind.when is None) != (kind.within is None):
            given, missing = ("when", "within") if kind.within is None else ("within", "when")
            yield Problem((*keys, given), f"`{given}` without `{missing}`", f"add `{missing}`, or drop `{given}`", True)
        elif kind.when is None and kind.actions:
            yield Problem((*keys, "actions"), "`actions` without `when`", "add `when` and `within`, or drop it", True)
        elif kind.when is not None:
            yield from _needs_policies(scenario, (*keys, "when"))
        elif name not in handled:
            help = "name it in the `data` of a step, or say which requests handle it: `when` and `within`"
            yield Problem(keys, f"nothing handles data of the class {quoted(name)}", help, True)


def worked_steps(scenario: Scenario) -> Iterator[tuple[Keys, Task | DeskStep | Publish]]:
    """The steps that handle data, where somebody works on the case or a topic takes a message, by their keys."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task | DeskStep | Publish):
                yield ("workflows", name, "steps", step_name), step


def _places(scenario: Scenario) -> Iterator[Problem]:
    """Where a step handles a class of data must be told: its agents or people and the endpoint called, or the topic."""
    for keys, step in worked_steps(scenario):
        for position, name in enumerate(step.data):
            for handler in handlers(scenario, step):
                if handler.region is None and (handler.site is None or handler.site in scenario.sites):
                    message = f"in which region {handler.told} handles {quoted(name)} is not told"
                    part = ".".join(handler.part) if handler.site is None else f"sites.{handler.site}"
                    help = f"add `{'site' if handler.site is None else 'region'}` to `{part}`"
                    yield Problem((*keys, "data", position), message, help)


class Handler(NamedTuple):
    """Who handles the data of a step: the keys of the agent pool, endpoint, desk or topic, and where it is."""

    part: tuple[str, str]
    site: str | None
    region: str | None

    @property
    def told(self) -> str:
        """How a sentence names it."""
        return f"the {self.part[0].removesuffix('s')} {quoted(self.part[1])}"


def handlers(scenario: Scenario, step: Task | DeskStep | Publish) -> Iterator[Handler]:
    """Who handles the data of a step: the people of the desk, or the topic, or the agents, those they call or
    that take over, and their endpoints."""
    if isinstance(step, DeskStep):
        parts = [("desks", step.desk)]
    elif isinstance(step, Publish):
        parts = [("topics", step.topic)]
    else:
        parts = []
        working: tuple[Task | AgentCall | Fallback, ...] = (step, *step.calls_agents, *step.fallbacks)
        for at in working:
            pool = scenario.agents.get(at.agent)
            called = pool.capabilities.get(at.capability) if pool else None
            parts.append(("agents", at.agent))
            if called is not None and called.endpoint is not None and called.calls:
                parts.append(("endpoints", called.endpoint))
    yield from filter(None, (handler(scenario, *part) for part in parts))


def handler(scenario: Scenario, kind: str, name: str) -> Handler | None:
    """Where a desk, an agent pool, an endpoint or a topic is; None where the scenario has none of the name."""
    known: Mapping[str, AgentPool | Desk | Endpoint | Topic] = getattr(scenario, kind)
    if name not in known:
        return None
    site = known[name].site
    place = scenario.sites.get(site) if site is not None else None
    return Handler((kind, name), site, place.region if place else None)


def _parents(scenario: Scenario) -> Iterator[Problem]:
    for name, pool in scenario.agents.items():
        if pool.parent not in scenario.agents:
            continue
        keys: Keys = ("agents", name, "parent")
        yield from _needs_policies(scenario, keys)
        for one in (name, pool.parent):
            if scenario.agents[one].principal is None:
                message = f"agent {quoted(one)} has no `principal`, so policies cannot tell what it may do"
                yield Problem(keys, message, f"add `principal` to `agents.{one}`")
        if name in _ancestors(scenario, name):
            yield Problem(keys, f"agent {quoted(name)} is its own ancestor", "a parent stands above its children")


def _ancestors(scenario: Scenario, name: str) -> set[str]:
    found: set[str] = set()
    above = scenario.agents[name].parent or ""
    while above in scenario.agents and above not in found:
        found.add(above)
        above = scenario.agents[above].parent or ""
    return found


def _approvals(scenario: Scenario) -> Iterator[Problem]:
    if scenario.approvals is not None:
        yield from _needs_policies(scenario, ("approvals",))
        return
    for name, desk in scenario.desks.items():
        if desk.people is not None:
            help = "add `approvals: {action: ...}`, or drop `people`"
            yield Problem(("desks", name, "people"), "`people` without `approvals`", help, True)


# --- under the policies -----------------------------------------------------------------------------------------------


class Declared(NamedTuple):
    """A condition on requests for some actions (none named: for all), and the keys that lead to it."""

    keys: Keys
    actions: tuple[str, ...]
    text: str

    @property
    def scope(self) -> str:
        """The scope of a policy that is about these requests."""
        action = f"action in [{', '.join(self.actions)}]" if self.actions else "action"
        return f"(principal, {action}, resource)"

    @property
    def policy(self) -> str:
        """The condition as a permit that matches where it holds, and errors where it errors."""
        # On a line of its own, so that a comment at its end swallows nothing.
        return f"permit {self.scope} when {{\n{self.text}\n}};"


def declared(scenario: Scenario) -> Iterator[Declared]:
    """Every condition on requests that a scenario declares."""
    for name, risk in scenario.risks.items():
        yield Declared(("risks", name, "when"), risk.actions, risk.when or "true")
    for name, kind in scenario.data.items():
        if kind.when is not None and kind.within is not None:
            yield Declared(("data", name, "when"), kind.actions, kind.when)
            yield Declared(("data", name, "within"), kind.actions, kind.within)
    if scenario.approvals is None:
        return
    action = (scenario.approvals.action,)
    told = (("by-asker", scenario.approvals.by_asker), ("again", scenario.approvals.again))
    for key, text in told:
        if text is not None:
            yield Declared(("approvals", key), action, text)
    for name, desk in scenario.desks.items():
        if desk.people is not None:
            yield Declared(("desks", name, "people"), action, desk.people)


def check_declared_requests(scenario: Scenario, policies: PolicySet) -> Iterator[Problem]:
    """Actions and conditions of declarations that the schema does not admit."""
    named = tuple(_actions(scenario))
    conditions = tuple(declared(scenario))
    if not (named or conditions):
        return
    if policies.schema_inferred:
        keys = named[0][0] if named else conditions[0].keys
        message = "what is declared of requests needs a schema, and the policies come without one"
        yield Problem(keys, message, "put a `*.cedarschema` beside the policies", True)
        return
    faults = tuple(problem for keys, action in named for problem in _action(keys, action, policies.schema))
    yield from faults
    wrong = {action for keys, action in named if any(_action(keys, action, policies.schema))}
    for condition in conditions:
        if wrong.isdisjoint(condition.actions):
            for message, help in _condition(condition, policies):
                yield Problem(condition.keys, message, help)


def _actions(scenario: Scenario) -> Iterator[tuple[Keys, str]]:
    for part, members in (("risks", scenario.risks), ("data", scenario.data)):
        for name, member in members.items():
            for position, action in enumerate(member.actions):
                yield (part, name, "actions", position), action
    if scenario.approvals is not None:
        yield ("approvals", "action"), scenario.approvals.action


def _action(keys: Keys, text: str, schema: Schema) -> Iterator[Problem]:
    from models.cedar.uids import parse_uid

    uid = str(parse_uid(text))
    if uid not in schema.actions:
        help = suggestion(uid, sorted(schema.actions), "actions")
        yield Problem(keys, f"the schema has no action {quoted(uid)}", help)
    elif keys[:1] == ("approvals",) and not schema.actions[uid].principals:
        applicable = sorted(name for name, action in schema.actions.items() if action.principals)
        yield Problem(keys, f"{quoted(uid)} is a group of actions", f"known actions: {listed(applicable)}")


def _condition(condition: Declared, policies: PolicySet) -> Iterator[tuple[str, str]]:
    import cedarpy

    from models.cedar.faults import too_deep, validation_help, validation_message
    from models.cedar.source import Source

    expected = "a Cedar condition over the request, such as `context.amount > 500`"
    if deep := too_deep(Source("", condition.policy)):
        yield f"not a condition: {deep[0].message}", expected
        return
    try:
        tree = cedarpy.policies_to_pst(condition.policy)
    except ValueError as error:
        yield f"not a condition: {error}", expected
        return
    found = tuple(tree.static_policies.values())
    if tree.templates or len(found) != 1 or len(found[0].clauses) != 1:
        yield "not a condition: it ends before its text does", expected
        return
    result = cedarpy.validate_policies(condition.policy, policies.schema_text)
    for message in sorted({validation_message(error.error) for error in result.errors}):
        yield f"the condition does not fit the schema: {message}", validation_help(message, policies.schema)


# --- whom chains ask --------------------------------------------------------------------------------------------------


def desks_of(scenario: Scenario, chains: Iterable[str]) -> tuple[str, ...]:
    """The desks that may be asked where these chains are, by their levels and the chains that they lead to."""
    desks: set[str] = set()
    seen: set[str] = set()
    pending = [*chains]
    while pending:
        name = pending.pop()
        if name not in seen and name in scenario.chains:
            seen.add(name)
            pending += filter(None, [scenario.chains[name].then])
            desks.update(level.desk for level in scenario.chains[name].levels)
    return tuple(name for name in scenario.desks if name in desks)
