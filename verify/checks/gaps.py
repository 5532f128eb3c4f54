"""P107: the requests that no policy speaks to. They are denied by default, which nobody may have meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.catalogue import CATALOGUE
from verify.checks.common import Sought, environment_text, joined, seek, shown
from verify.checks.elements import first_matched
from verify.checks.rounds import Asking
from verify.findings import Finding, Location, PolicyRef, Verdict
from verify.query import Analysis, Case

NAMED_MAX = 3
"""Request environments that a message names. An assumption: what a reader takes in; the finding refers to all."""


def unspoken(analysis: Analysis) -> Iterator[Finding]:
    """P107 of a set: a finding for each of what can be said of request environments, none where there are none.

    No policy can match there; some requests are matched by none; each is matched by some; it is not known.
    """
    asking = Asking(analysis)
    silent: list[RequestEnvironment] = []
    partly: list[tuple[RequestEnvironment, Sought]] = []
    spoken: list[tuple[RequestEnvironment, Sought]] = []
    unknown: list[tuple[RequestEnvironment, Sought]] = []
    for environment in analysis.policies.schema.environments():
        if all(analysis.matches(environment, index) is t.FALSE for index in analysis.fitting(environment)):
            silent.append(environment)
            continue
        sought = _unmatched(asking, environment)
        (partly if sought.found else spoken if sought.impossible else unknown).append((environment, sought))
    if silent:
        message = f"No policy can match any request of {_named(silent)}: all of them are denied by default."
        yield _about(analysis.policies, silent, "violated", message)
    if partly:
        yield _partly(analysis, partly)
    if spoken:
        environments = [environment for environment, _ in spoken]
        message = f"Every request of {_named(environments)} is matched by some policy."
        proofs = [proof for _, sought in spoken for proof in sought.proofs]
        base = _about(analysis.policies, environments, "holds", message)
        yield replace(base, proof=joined(analysis, proofs))
    if unknown:
        reasons = dict.fromkeys(reason for _, sought in unknown for reason in sought.unknown)
        message = f"undecided: {'; '.join(reasons)}"
        yield _about(analysis.policies, [environment for environment, _ in unknown], "undecided", message)


def _unmatched(asking: Asking, environment: RequestEnvironment) -> Sought:
    """A request that no policy matches when nobody has approved."""
    analysis = asking.analysis
    matches = asking.first_matches(environment)
    parts = [t.not_(matches(index)) for index in analysis.fitting(environment)]
    return seek(analysis, [environment], lambda _: parts, lambda case: _is_unmatched(analysis.policies, case), "P107")


def _is_unmatched(policies: PolicySet, case: Case) -> bool:
    return first_matched(policies, case) == frozenset()


def _partly(analysis: Analysis, partly: Sequence[tuple[RequestEnvironment, Sought]]) -> Finding:
    policies = analysis.policies
    found = partly[0][1].found
    assert found is not None
    environments = [environment for environment, _ in partly]
    message = f"Some requests of {_named(environments)} are matched by no policy, so they are denied by default."
    base = _about(policies, environments, "violated", message)
    return shown(analysis, base, found, lambda case: _is_unmatched(policies, case))[0]


def _named(environments: Sequence[RequestEnvironment]) -> str:
    """The environments in a sentence."""
    names = "; ".join(f"({environment_text(environment)})" for environment in environments[:NAMED_MAX])
    more = f" and {len(environments) - NAMED_MAX} more" if len(environments) > NAMED_MAX else ""
    return f"{names}{more}"


def _about(policies: PolicySet, environments: Sequence[RequestEnvironment], verdict: Verdict, message: str) -> Finding:
    """A finding about request environments, which have no place of their own: it stands at the set's first file."""
    entry = CATALOGUE["P107"]
    place = Location(policies.policies[0].span.file if policies.policies else "", 0)
    references = tuple(PolicyRef(environment_text(environment), place) for environment in environments)
    return Finding(
        entry.id,
        entry.name,
        entry.severity,
        verdict,
        references,
        message,
        place,
        environments=tuple(environments),
        subjects=len(references),
    )
