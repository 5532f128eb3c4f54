"""What always holds of a policy set and of the escalation chains it asks, and what does not, with witnesses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from models.cedar.policies import PolicySet
from models.check_presets import endless_retries
from verify.catalogue import CATALOGUE, CHANGES, SPELLING
from verify.checked import listed, solving
from verify.checks.silence import not_asked
from verify.findings import Finding, Findings
from verify.json import environment_json

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from verify.query import Effort


def verify(
    policies: PolicySet | None,
    loaded: LoadedScenario | None = None,
    *,
    effort: Effort = "normal",
    checks: Collection[str] | None = None,
) -> Findings:
    """Every check of the catalogue, or the ones named, on a policy set and on a scenario's chains.

    Policy checks hold for every request and entity store that the set's schema admits and that has every entity it
    refers to, chain checks for every week.
    The same input gives the same findings, witnesses and scripts. Raises ValueError on an unknown check or effort, and
    `verify.query.VerifierError` where solvers and Cedar contradict each other.
    """
    chosen = _chosen(checks)
    if policies is not None:
        _check_effort(effort)
    findings: list[Finding] = []
    scripts: dict[str, str] = {}
    asked: Mapping[str, int] = {}
    if policies is not None and any(check.startswith("P") for check in chosen - SPELLING):
        from verify.checks.guesses import without_guesses
        from verify.checks.places import with_environments
        from verify.checks.policies import policy_findings
        from verify.query import BUDGETS, Analysis

        analysis = Analysis(policies, BUDGETS[effort])
        findings += without_guesses(policies, policy_findings(analysis, chosen))
        if loaded is not None:
            from verify.checks.scenario import scenario_findings

            findings += without_guesses(policies, scenario_findings(analysis, loaded, chosen))
        findings = [*with_environments(analysis, findings)]
        scripts, asked = analysis.scripts, analysis.answered
    if policies is not None and not chosen.isdisjoint(SPELLING):
        from verify.checks.names import name_findings

        findings += name_findings(policies, _agents_and_resources(loaded))
    if loaded is not None and any(check.startswith("E") for check in chosen):
        from verify.checks.chains import chain_findings

        findings += chain_findings(loaded, policies)
    kept = tuple(finding for finding in findings if finding.check in chosen)
    if policies is not None:
        from verify.explain import explained

        kept = explained(policies, kept)
    named = {finding.proof.smt2_sha256 for finding in kept if finding.proof}
    return Findings(
        kept,
        {**_checked(policies, loaded, chosen, kept, effort), **({"questions": asked} if asked else {})},
        {digest: text for digest, text in sorted(scripts.items()) if digest in named},
    )


def _check_effort(effort: str) -> None:
    from verify.query import BUDGETS

    if effort not in BUDGETS:
        raise ValueError(f"unknown effort {effort!r}: expected one of {', '.join(BUDGETS)}")


def _agents_and_resources(loaded: LoadedScenario | None) -> Iterator[str]:
    """The entities that a scenario names, as uid texts."""
    if loaded is None:
        return
    yield from (pool.principal for pool in loaded.scenario.agents.values() if pool.principal is not None)
    for workflow in loaded.scenario.workflows.values():
        yield from (uid for step in workflow.steps.values() if (uid := getattr(step, "resource", None)) is not None)


def _chosen(checks: Collection[str] | None) -> frozenset[str]:
    known = [check for check in CATALOGUE if check not in CHANGES]
    chosen = frozenset(known if checks is None else checks)
    if unknown := sorted(chosen.difference(known)):
        raise ValueError(f"unknown checks {', '.join(unknown)}: verification has {', '.join(known)}")
    return chosen


def _checked(
    policies: PolicySet | None,
    loaded: LoadedScenario | None,
    chosen: frozenset[str],
    findings: Collection[Finding],
    effort: Effort,
) -> Mapping[str, Any]:
    """What was looked at, how hard, and with what."""
    counts = Counter[tuple[str, str]]((finding.check, finding.verdict) for finding in findings)
    verdicts = ("violated", "holds", "undecided")
    about: dict[str, Any] = {
        "checks": {
            check: {verdict: counts[check, verdict] for verdict in verdicts} for check in CATALOGUE if check in chosen
        }
    }
    if silent := {check: why for check, why in not_asked(policies, loaded).items() if check in chosen}:
        about["not_asked"] = silent
    if loaded is not None:
        about["scenario"] = loaded.scenario.name
        about["chains"] = sorted(loaded.scenario.chains)
    if policies is not None:
        about |= _policies_checked(policies, effort)
    if loaded is not None and (notes := list(endless_retries(loaded.scenario))):
        about["warnings"] = [*about.get("warnings", ()), *notes]
    return about


def _policies_checked(policies: PolicySet, effort: Effort) -> Mapping[str, Any]:
    return {
        "policies": listed(policies),
        "profile": policies.profile,
        "schema_inferred": policies.schema_inferred,
        "environments": [environment_json(environment) for environment in policies.schema.environments()],
        **solving(effort),
        "warnings": list(policies.warnings),
    }
