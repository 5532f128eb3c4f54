"""What was tested: the parts of the scenario, as far as a reader must know them to judge what the report is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from models.faults import struck
from reports import words
from reports.section import Row, Section

if TYPE_CHECKING:
    from models.fleet import AgentPool
    from models.scenario import Scenario
    from reports.provenance import Provenance

NAMES_MAX: Final = 12
"""Names told in a cell; the rest is counted."""


def scope(scenario: Scenario, made: Provenance) -> Section:
    """The system under test, part by part."""
    return Section(
        prose=True,
        anchor="scope",
        label="Scope",
        title="What was tested",
        caption=(
            "The system as the scenario describes it, not as it runs anywhere: what is not in this table was not "
            "tested. Digests and versions stand in the appendix."
        ),
        columns=("Part", "How many", "What"),
        rows=tuple(_rows(scenario, made)),
        nothing="",
    )


def _rows(scenario: Scenario, made: Provenance) -> Iterator[Row]:
    yield Row("scenario", "", ("1", f"{made.title}, sha256 {made.scenario_digest[:12]}"))
    policies = sorted(name for name in made.inputs if name.endswith(".cedar"))
    yield _row("policies", "files of Cedar", policies, "none: nothing is decided by policy")
    yield _row("agents", "pools", [_pool(name, pool) for name, pool in scenario.agents.items()])
    models = {c.endpoint for pool in scenario.agents.values() for c in pool.capabilities.values() if c.endpoint}
    yield _row(
        "models and tools", "endpoints", [f"{n}{'' if n in models else ' (not called)'}" for n in scenario.endpoints]
    )
    yield _row("people", "desks", list(scenario.desks))
    yield _row("escalation", "chains", [_chain(scenario, name) for name in scenario.chains])
    yield _row("workflows", "", [f"{n} ({words.count(len(w.steps), 'step')})" for n, w in scenario.workflows.items()])
    yield _row("work", "streams", [f"{name} into {work.workflow}" for name, work in scenario.work.items()])
    yield _row("topology", "sites", list(scenario.sites), "one place: no site is told apart")
    yield _row("faults", "tried", [f"{fault.kind} of {struck(fault)}" for fault in scenario.faults], "none is tried")
    yield _row("attacks", "compromised agents", list(scenario.attacks), "none is tried")
    yield _row("data", "classes with regions", list(scenario.data), "none is declared")


def _row(head: str, small: str, names: list[str], none: str = "none") -> Row:
    return Row(head, small, (str(len(names)), words.listed(names, NAMES_MAX) if names else none))


def _pool(name: str, pool: AgentPool) -> str:
    return f"{name} ({words.count(pool.replicas, 'replica')}: {words.listed(list(pool.capabilities), 6)})"


def _chain(scenario: Scenario, name: str) -> str:
    return f"{name} ({', then '.join(level.desk for level in scenario.chains[name].levels)})"
