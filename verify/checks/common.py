"""What all policy checks do: ask in every environment, name policies, make findings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from models.cedar.policies import Policy, PolicySet
from models.cedar.source import tokens
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.catalogue import CATALOGUE
from verify.findings import Finding, Location, PolicyRef, Proof, Witness
from verify.proofs import joined as proofs_joined
from verify.query import REPLAYED, Accepts, Analysis, Case, Found, Impossible
from verify.term import Term

Parts = Callable[[RequestEnvironment], Sequence[Term]]
"""The conditions of a question in an environment."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What was found over several environments: a request, or proofs that there is none, or reasons not to know."""

    found: tuple[RequestEnvironment, Found] | None = None
    proofs: tuple[Proof, ...] = ()
    unknown: tuple[str, ...] = ()
    needed: frozenset[int] = frozenset()
    """Positions of the parts that the proofs rest on."""

    @property
    def impossible(self) -> bool:
        """Whether it is proved that there is no such request in any of the environments."""
        return self.found is None and not self.unknown


def seek(
    analysis: Analysis,
    environments: Iterable[RequestEnvironment],
    parts: Parts,
    accepts: Accepts,
    title: str,
    index: int | None = None,
) -> Sought:
    """Looks for a request in the environments: among old witnesses first, then by solving. Stops at the first.

    `index` is a policy that every such request is matched by, where there is one.
    """
    environments = tuple(environments)
    if (old := recalled(analysis, environments, accepts, index)) is not None:
        return old
    return solved(analysis, ((environment, parts(environment)) for environment in environments), accepts, title)


def recalled(
    analysis: Analysis, environments: Iterable[RequestEnvironment], accepts: Accepts, index: int | None = None
) -> Sought | None:
    """Looks for a request among old witnesses of the environments."""
    for environment in environments:
        if (old := analysis.recall(environment, accepts, index)) is not None:
            return Sought((environment, old))
    return None


def solved(
    analysis: Analysis,
    questions: Iterable[tuple[RequestEnvironment, Sequence[Term]]],
    accepts: Accepts,
    title: str,
) -> Sought:
    """Looks for a request that answers one of the questions, conditions in an environment each."""
    proofs: list[Proof] = []
    unknown: dict[str, None] = {}
    needed: set[int] = set()
    for environment, conditions in questions:
        answer = analysis.solve(environment, conditions, accepts, title)
        if isinstance(answer, Found):
            return Sought((environment, answer))
        if isinstance(answer, Impossible):
            proofs.append(replace(answer.proof, environments=(environment,)))
            needed |= answer.needed
        else:
            unknown[answer.reason] = None
    return Sought(None, tuple(proofs), tuple(unknown), frozenset(needed))


@dataclass(frozen=True, slots=True)
class Company:
    """Those of several policies that some request has along with one, and what is proved or not known of the others."""

    met: tuple[int, ...]
    left: tuple[int, ...]
    proofs: tuple[Proof, ...]
    unknown: tuple[str, ...]


def company(
    analysis: Analysis,
    index: int,
    others: Sequence[int],
    questions: Callable[[RequestEnvironment, Sequence[int]], Iterable[tuple[Sequence[Term], Sequence[Term]]]],
    shown_by: Callable[[Case], frozenset[int]],
    title: str,
) -> Company:
    """Which of the others come together with a policy in some request, and which in none.

    `questions` say when it comes together with one of some: what must hold, and of what one must. `shown_by` tells whom
    a concrete request brings together. Environment by environment: what is proved in one is not asked again when the
    next finds more. A request that is found is made to show as many as it can.
    """
    left = frozenset(others)
    proofs: list[Proof] = []
    unknown: dict[str, None] = {}

    def accepts(case: Case) -> bool:
        return not left.isdisjoint(shown_by(case))

    environments = analysis.touched(index)
    for environment in environments:
        left = left.difference(*map(shown_by, analysis.known(environment, index)))
    for environment in environments:
        while here := sorted(other for other in left if analysis.touches(other, environment)):
            for kept, wished in questions(environment, here):
                sought = solved(analysis, [(environment, (*kept, t.or_(*wished)))], accepts, title)
                if sought.found is not None:
                    left -= shown_by(sought.found[1].case)
                    left -= shown_by(analysis.enriched(environment, sought.found[1].case, kept, wished))
                    break
                proofs += sought.proofs
                unknown |= dict.fromkeys(sought.unknown)
            else:
                break
    met = tuple(sorted(frozenset(others) - left))
    return Company(met, tuple(sorted(left)), tuple(proofs), tuple(unknown))


def companions(cases: Iterable[frozenset[int]], candidates: Sequence[int]) -> tuple[int, ...]:
    """The candidates that are in all of these sets of policies."""
    common = frozenset(candidates).intersection(*cases)
    return tuple(one for one in candidates if one in common)


def joined(analysis: Analysis, proofs: Sequence[Proof]) -> Proof:
    """Several proofs as one, their scripts among those of the analysis."""
    return proofs_joined(analysis.scripts, proofs)


# --- covers -----------------------------------------------------------------------------------------------------------


def smallest_cover(
    candidates: Sequence[int],
    suffices: Callable[[Sequence[int]], bool],
    enough: Collection[int] | None = None,
    alone: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """A subset of the candidates that suffices while no smaller part of it does; one alone where one suffices.

    All candidates together suffice, and so do those of `enough`. Where a part is not known to suffice, these are the
    answer. Only those of `alone`, where it is given, may do so alone.
    """
    for one in candidates if alone is None else alone:
        if suffices([one]):
            return (one,)
    whole = tuple(one for one in candidates if enough is None or one in enough)
    cover = tuple(sorted(_needed(whole, [], suffices)))
    return cover if suffices(cover) else whole


def _needed(
    candidates: Sequence[int], kept: Sequence[int], suffices: Callable[[Sequence[int]], bool], changed: bool = False
) -> list[int]:
    """What must be added to `kept`, by halving (QuickXplain, Junker, AAAI 2004)."""
    if changed and suffices(kept):
        return []
    if len(candidates) <= 1:
        return list(candidates)
    middle = len(candidates) // 2
    first, second = candidates[:middle], candidates[middle:]
    of_second = _needed(second, [*kept, *first], suffices, True)
    of_first = _needed(first, [*kept, *of_second], suffices, bool(of_second))
    return [*of_first, *of_second]


# --- findings ---------------------------------------------------------------------------------------------------------


def reference(policies: PolicySet, index: int) -> PolicyRef:
    """How a finding names a policy: with its tier where another tier has the name too."""
    policy = policies.policies[index]
    shared = any(other.name == policy.name and other.index != index for other in policies.policies)
    name = f"{policy.tier}:{policy.name}" if shared else policy.name
    return PolicyRef(name, Location(policy.span.file, policy.span.line), mark(policy))


def mark(policy: Policy) -> str:
    """What tells a policy without a name from others, wherever it stands."""
    if policy.name != policy.id or policy.name in policy.annotations.values():
        return ""
    return hashlib.sha256("\x00".join(token.text for token in tokens(policy.text)).encode()).hexdigest()[:12]


def told(policy: Policy) -> str:
    """How a sentence names a policy."""
    return f"`{policy.name}` ({policy.span.file}:{policy.span.line})"


def told_all(policies: PolicySet, indices: Iterable[int]) -> str:
    """Several policies in a sentence."""
    names = [told(policies.policies[index]) for index in indices]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def environment_text(environment: RequestEnvironment) -> str:
    """An environment as findings write it."""
    return f"{environment.principal}, {environment.action}, {environment.resource}"


def finding(check: str, policies: PolicySet, indices: Sequence[int], verdict: str, message: str) -> Finding:
    """A finding about policies, the first of them its place, without evidence."""
    entry = CATALOGUE[check]
    references = tuple(reference(policies, index) for index in indices)
    return Finding(
        check=entry.id,
        name=entry.name,
        severity=entry.severity,
        verdict=verdict,  # type: ignore[arg-type]
        policies=references,
        message=message,
        location=references[0].location,
    )


def of_all(finding: Finding) -> Finding:
    """The finding, about every policy that it names alike."""
    return replace(finding, subjects=len(finding.policies))


def shown(
    analysis: Analysis, base: Finding, found: tuple[RequestEnvironment, Found], accepts: Accepts
) -> tuple[Finding, Witness]:
    """The finding with its witness. It is shrunk, but for one that is an example only and small already."""
    environment, answer = found
    as_it_is = base.verdict == "holds" and answer.proof == REPLAYED
    witness = answer.case.witness if as_it_is else analysis.shrunk(environment, answer.case, accepts)
    return replace(base, witness=witness, proof=answer.proof, environment=environment_text(environment)), witness


def undecided(check: str, policies: PolicySet, indices: Sequence[int], reasons: Iterable[str]) -> Finding:
    """The finding of a check that could not be decided."""
    message = undecided_for([reference(policies, index) for index in indices], reasons)
    return finding(check, policies, indices, "undecided", message)


def undecided_for(references: Iterable[PolicyRef], reasons: Iterable[str]) -> str:
    """A sentence about what could not be decided, and what is in the way: each thing once."""
    names = [f"`{one.name}` ({one.location.file}:{one.location.line})" for one in references if one.location.line]
    about = f" for {', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}" if names else ""
    return f"undecided{about}: {'; '.join(dict.fromkeys(reasons))}"
