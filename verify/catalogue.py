"""The checks that exist: ids, names, severities, questions. Ids are fixed; add, never renumber.

A violated `error` fails a verdict: the policy or chain cannot do what it was written for, or two owners contradict
each other. A `warning` is a rule that says less than it seems to, while decisions are as its author wants them.
`docs/checks.md` has a section for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verify.findings import Severity


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the catalogue."""

    id: str
    name: str
    severity: Severity
    question: str


_CHECKS = (
    Check("P101", "never-matches", "error", "Can the policy match any request that its schema admits?"),
    Check("P102", "always-matches", "warning", "Do the policy's conditions ever keep it from matching in its scope?"),
    Check("P103", "may-error", "error", "Can evaluating the policy err, so that it is skipped?"),
    Check("P104", "redundant", "warning", "Does the policy say anything that others of its effect do not?"),
    Check("P105", "overridden", "error", "Is there a request that the permit matches and no forbid denies outright?"),
    Check("P106", "conflict", "error", "Do policies of different owners decide one request oppositely?"),
    Check("P107", "undecided-request", "info", "Which requests does no policy speak to?"),
    Check("P108", "misspelt-annotation", "warning", "Is every annotation near a known one spelt as it is read?"),
    Check("P109", "unknown-name", "warning", "Do the owners and entities that the policy names exist?"),
    Check("P201", "unreachable-escalation", "error", "Can the escalating forbid ever be the reason for a decision?"),
    Check("P202", "dead-end-escalation", "error", "Does every approval that is asked for lead out of denial?"),
    Check("P203", "escalation-loop", "error", "Does asking for approval come to an end?"),
    Check(
        "P204", "ambiguous-escalation", "warning", "Do rules that match together agree on chain, time-out, severity?"
    ),
    Check("P205", "unguarded-risk", "error", "Can a declared high-risk request be allowed with no approval?"),
    Check("P206", "separation-of-duty", "error", "Can the asker, or one person twice, approve?"),
    Check("P207", "approver-barred", "error", "May each approving desk perform the approval under the same policies?"),
    Check("P301", "residency", "error", "Can data of a class reach a principal or site outside its regions?"),
    Check("P302", "over-privilege", "warning", "Is an agent permitted what no step uses, or what its parent is not?"),
    Check("P303", "step-never-allowed", "error", "Is there a step whose action its agent may never take?"),
    Check("P305", "invariant", "error", "Does every assertion about the policies hold?"),
    Check("D401", "newly-allowed", "info", "Is nothing allowed that was denied?"),
    Check("D402", "newly-denied", "info", "Is nothing denied that was allowed or escalated?"),
    Check("D403", "newly-escalated", "info", "Is nothing escalated that was denied or allowed?"),
    Check("D404", "no-longer-escalated", "info", "Is nothing allowed unasked that was escalated?"),
    Check("D405", "equivalent", "info", "Is every request decided as before?"),
    Check(
        "D406",
        "escalated-differently",
        "info",
        "Does every escalated request ask the same chains within the same bounds?",
    ),
    Check("E501", "unknown-desk", "error", "Does every desk and chain that is named exist?"),
    Check("E502", "chain-cycle", "error", "Does every chain end?"),
    Check("E503", "unstaffed-window", "error", "Is someone on duty while a request waits, at every time of the week?"),
    Check("E506", "unreachable-level", "error", "Can every level of the chain be asked?"),
    Check("E507", "terminal-auto-approve", "warning", "Is a request that nobody answers denied?"),
)

CATALOGUE: Mapping[str, Check] = {check.id: check for check in _CHECKS}
"""Checks by id, in the order of their page."""

SPELLING = frozenset({"P108", "P109"})
"""The policy checks that ask no solver."""

CHANGES = frozenset(check for check in CATALOGUE if check.startswith("D"))
"""The checks of a change of policies: `diff` asks them, `verify` does not."""
