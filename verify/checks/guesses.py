"""What an inferred schema cannot say rightly is not concluded from: such findings are undecided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from models.cedar.policies import PolicySet
from verify.checks.common import reference, undecided_for
from verify.findings import Finding
from verify.query import guessed


def without_guesses(policies: PolicySet, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, those undecided that a guess about a policy's attributes decides.

    A policy that reads an attribute of conflicting types is not encoded: what is proved holds whatever it does. What a
    request shows may be no more than the guess, and so may anything that is said to hold of the policy.
    """
    reasons = {
        reference(policies, index): guessed(conflict) for conflict in policies.conflicts for index in conflict.policies
    }
    for finding in findings:
        about = dict.fromkeys(reasons[policy] for policy in finding.policies if policy in reasons)
        if about and (finding.verdict == "holds" or finding.witness is not None):
            message = undecided_for((policy for policy in finding.policies if policy in reasons), about)
            yield replace(finding, verdict="undecided", message=message, witness=None, proof=None, environment="")
        else:
            yield finding
