"""The checks of a scenario's requests, in the order of the catalogue: of its declarations, its agents and its steps."""

from __future__ import annotations

from collections.abc import Iterator

from models.load import LoadedScenario
from verify.checks.approving import barred, separation
from verify.checks.conditions import Conditions
from verify.checks.loops import gates
from verify.checks.privilege import excessive
from verify.checks.residency import resident
from verify.checks.risks import unguarded
from verify.checks.rounds import Asking
from verify.checks.steps import never_allowed
from verify.findings import Finding
from verify.query import Analysis


def scenario_findings(analysis: Analysis, loaded: LoadedScenario, checks: frozenset[str]) -> Iterator[Finding]:
    """Findings of the chosen checks on what a scenario declares, and on its agents and steps."""
    conditions = Conditions(analysis, loaded)
    if read := conditions.read:
        analysis = Analysis(analysis.policies, analysis.budget, analysis.scripts, analysis.asked, further=read)
        conditions = Conditions(analysis, loaded)
    asking = Asking(analysis)
    if "P203" in checks:
        yield from gates(asking, conditions)
    if "P205" in checks:
        yield from unguarded(asking, conditions)
    if "P206" in checks:
        yield from separation(asking, conditions)
    if "P207" in checks:
        yield from barred(asking, conditions)
    if "P301" in checks:
        yield from resident(loaded, asking, conditions)
    if "P302" in checks:
        yield from excessive(asking, loaded)
    if "P303" in checks:
        yield from never_allowed(asking, loaded)
