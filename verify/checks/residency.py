"""P301: can data of a class reach a principal or a site outside its regions?

Of the policies: is a request that handles the class and leaves its regions ever allowed, with or without approvals? Of
the sites: is everything that handles the class in its regions? A step handles a class that it names, or that its
request may be of; so do the people whom that request may be put to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from models.cedar.types import RequestEnvironment
from models.declared import Handler, desks_of, handlers
from models.declared import handler as handler_of
from models.load import LoadedScenario
from models.scenario import DeskStep, Publish, Task
from verify import term as t
from verify.checks.additions import added
from verify.checks.common import joined
from verify.checks.conditions import Conditions, Keys
from verify.checks.elements import Element, about, allowing, undecided, with_policies
from verify.checks.requests import Kind, allowed_in_the_end, by_rounds, is_allowed_in_the_end
from verify.checks.rounds import Asking, chain_of, decisions, escalating
from verify.checks.steps import step_requests
from verify.findings import Finding
from verify.term import Term


def resident(loaded: LoadedScenario, asking: Asking | None, conditions: Conditions | None) -> Iterator[Finding]:
    """P301 of every declared class of data: of the policies, where they are asked, and of the sites."""
    for name, kind in loaded.scenario.data.items():
        if asking is not None and conditions is not None and kind.when is not None:
            yield _by_policies(asking, conditions, name)
        yield from _by_sites(loaded, asking, conditions, name)


# --- requests ---------------------------------------------------------------------------------------------------------


def _by_policies(asking: Asking, conditions: Conditions, name: str) -> Finding:
    policies = asking.analysis.policies
    when: Keys = ("data", name, "when")
    within: Keys = ("data", name, "within")
    element = Element(conditions.loaded, name, ("data", name))
    leaving = Kind(
        asking,
        f"P301 {name}",
        conditions.environments(*when),
        lambda e: [conditions.perhaps(e, *when), t.not_(conditions.surely(e, *within))],
        lambda case: when in conditions.possible(case) and within not in conditions.holding(case),
    )

    chains = policies.chains
    sought = allowed_in_the_end(leaving, chains)
    if sought.found:
        base, case = leaving.shown(
            about("P301", [element], "violated", ""), sought, lambda case: is_allowed_in_the_end(policies, case, chains)
        )
        *asked, last = decisions(policies, case)
        granted = sorted({chain for decision in asked for chain in decision.chains})
        once = f"once {_names(granted)} approved, " if granted else ""
        message = f"Data of the class {element.told} may leave its regions: {once}{allowing(policies, last)}."
        witness = replace(case.witness, approvals=tuple(granted))
        told = replace(base, message=message, witness=witness, suggestion=added(leaving, conditions, when, within))
        return with_policies(told, policies, last.determining)
    if sought.unknown:
        return undecided("P301", [element], sought.unknown)
    message = f"No request that takes data of the class {element.told} out of its regions is ever allowed."
    return replace(about("P301", [element], "holds", message), proof=joined(asking.analysis, sought.proofs))


# --- sites ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Handling:
    """Somebody who handles data of a class at a step: at it, or asked for an approval of it."""

    step: Element
    handler: Handler
    asked: bool


@dataclass(frozen=True)
class _Step:
    """A step, and the requests of it that are of a class of data; None where it makes none."""

    element: Element
    step: Task | DeskStep | Publish
    requests: Kind | None


def _by_sites(
    loaded: LoadedScenario, asking: Asking | None, conditions: Conditions | None, name: str
) -> Iterator[Finding]:
    """A finding for each part of the scenario that handles a class outside its regions; else one that none does."""
    element = Element(loaded, name, ("data", name))
    regions = loaded.scenario.data[name].regions
    by_part: dict[tuple[str, str], list[_Handling]] = {}
    unsure: dict[str, None] = {}
    for one in _steps(loaded, asking, conditions, name):
        handles, unknown = _handles(one, conditions, name)
        handlings = _handlings(loaded, one, unsure) if handles else ()
        unsure |= dict.fromkeys(unknown)
        for handling in handlings:
            by_part.setdefault(handling.handler.part, []).append(handling)
    outside = [some for some in by_part.values() if some[0].handler.region not in regions]
    yield from (_outside(element, some) for some in outside)
    if unsure:
        yield undecided("P301", [element], unsure)
    elif by_part and not outside:
        parts = [Element(loaded, part[1], part) for part in by_part]
        message = f"Whoever handles data of the class {element.told} is in {_names(regions, 'or')}."
        yield about("P301", [element, *parts], "holds", message)


def _steps(loaded: LoadedScenario, asking: Asking | None, conditions: Conditions | None, name: str) -> Iterator[_Step]:
    """Every step that works on a case, with its requests that are of a class, or all where it names the class."""
    asked = {(one.workflow, one.step): one for one in step_requests(loaded)}
    when = ("data", name, "when")
    for workflow, what in loaded.scenario.workflows.items():
        for step_name, step in what.steps.items():
            if not isinstance(step, Task | DeskStep | Publish):
                continue
            element = Element(loaded, f"{workflow}.{step_name}", ("workflows", workflow, "steps", step_name))
            request = asked.get((workflow, step_name))
            kind = request.kind(asking, f"P301 {name}") if asking is not None and request is not None else None
            if kind is not None and name not in step.data and conditions is not None and when in conditions:
                kind = _of_class(kind, conditions, when)
            yield _Step(element, step, kind)


def _of_class(kind: Kind, conditions: Conditions, when: Keys) -> Kind:
    def parts(environment: RequestEnvironment) -> list[Term]:
        return [*kind.parts(environment), conditions.perhaps(environment, *when)]

    return replace(kind, parts=parts, accepts=lambda case: kind.accepts(case) and when in conditions.possible(case))


def _handles(one: _Step, conditions: Conditions | None, name: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a step handles a class: it names it, or some request of it is of the class; else why that is unknown."""
    if name in one.step.data:
        return True, ()
    if one.requests is None or conditions is None or ("data", name, "when") not in conditions:
        return False, ()
    sought = one.requests.seek(lambda _: [], lambda _: True)
    return sought.found is not None, sought.unknown


def _handlings(loaded: LoadedScenario, one: _Step, unsure: dict[str, None]) -> Iterator[_Handling]:
    """Who handles the data of a step: those who work on it, and those whom its request may be put to."""
    for handler in handlers(loaded.scenario, one.step):
        yield _Handling(one.element, handler, False)
    chains = one.requests.policies.chains if one.requests is not None else ()
    asked = [chain for chain in chains if one.requests is not None and _may_ask(one.requests, chain, unsure)]
    for desk in desks_of(loaded.scenario, asked):
        if found := handler_of(loaded.scenario, "desks", desk):
            yield _Handling(one.element, found, True)


def _may_ask(kind: Kind, chain: str, unsure: dict[str, None]) -> bool:
    """Whether a request of a kind may be put to a chain, in any round."""
    policies = kind.policies
    rules = [index for index in escalating(policies) if chain_of(policies, index) == chain]
    sought = by_rounds(
        kind,
        lambda rounds, number: [t.or_(*(rounds[number].asks(policies, index) for index in rules))],
        lambda case: any(chain in decision.chains for decision in decisions(policies, case)),
    )
    unsure |= dict.fromkeys(sought.unknown)
    return sought.found is not None


def _outside(element: Element, handlings: list[_Handling]) -> Finding:
    handler = handlings[0].handler
    part = Element(element.loaded, handler.part[1], handler.part)
    steps = {one.step.name: one.step for one in handlings}
    how = "handles" if any(not one.asked for one in handlings) else "may be asked to approve"
    what = f"data of the class {element.told} at {' and '.join(step.told for step in steps.values())}"
    about_all = [element, part, *steps.values()]
    if handler.region is None:
        lacking = "which is at no site" if handler.site is None else f"whose site `{handler.site}` is in no region"
        return undecided("P301", about_all, [f"{handler.told}, {lacking} that is told, {how} {what}"])
    regions = _names(element.loaded.scenario.data[element.name].regions, "or")
    message = f"{handler.told.replace('the', 'The', 1)} {how} {what}, and is in `{handler.region}`, not in {regions}."
    return about("P301", about_all, "violated", message)


def _names(names: Iterable[str], joint: str = "and") -> str:
    return f" {joint} ".join(f"`{name}`" for name in names)
