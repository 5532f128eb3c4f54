"""Where findings apply: the request environments that each speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from models.cedar.types import RequestEnvironment
from verify.checks.common import environment_text, reference
from verify.findings import Finding
from verify.query import Analysis


def with_environments(analysis: Analysis, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings with their environments: that of the witness; without one, those that the scope of the policy fits.

    A policy whose scope fits none is a finding about every environment. What is not about a policy of the set has the
    environments that its proof is about.
    """
    policies = analysis.policies
    every = policies.schema.environments()
    by_text = {environment_text(environment): environment for environment in every}
    indices = {reference(policies, policy.index): policy.index for policy in policies.policies}

    def found(finding: Finding) -> tuple[RequestEnvironment, ...]:
        if (shown := by_text.get(finding.environment)) is not None:
            return (shown,)
        subject = indices.get(finding.policies[0]) if finding.policies else None
        if subject is not None:
            return analysis.reach(subject) or every
        return finding.proof.environments if finding.proof else ()

    for finding in findings:
        yield finding if finding.environments else replace(finding, environments=found(finding))
