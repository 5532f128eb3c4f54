"""How the change is rolled out and taken back, as far as the scenario has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports import words
from reports.board.oversight import trigger
from reports.section import Row, Section

if TYPE_CHECKING:
    from models.rollouts import Rollout
    from models.scenario import Scenario


def plan(scenario: Scenario) -> Section:
    """The rollouts that were simulated, stage by stage, with what takes each back."""
    return Section(
        prose=True,
        anchor="plan",
        label="Rollout plan",
        title="Rollout and rollback plan",
        caption=(
            "The rollouts that the scenario has and the run simulated, with the rule that takes each back. What is "
            "rolled out otherwise than here was not tested."
        ),
        columns=("Rollout", "What takes over", "Begins", "Stages", "Taken back when"),
        rows=tuple(_rows(scenario)),
        nothing=(
            "The scenario models no rollout: everything is there from the start, and nothing tells when it would be "
            "taken back. Add `rollouts` to try stages and a rule."
        ),
    )


def _rows(scenario: Scenario) -> Iterator[Row]:
    for name, rollout in scenario.rollouts.items():
        back = "there is nothing to take back" if rollout.mode == "shadow" else trigger(rollout)
        yield Row(name, rollout.mode, (_what(rollout), words.duration(rollout.at), _stages(rollout), back))


def _what(rollout: Rollout) -> str:
    match rollout.of:
        case "model":
            return f"another model of {rollout.agent} {rollout.capability}"
        case "policies":
            told = f"the policies of {rollout.path}"
            return f"nothing: {told} are asked beside those that decide" if rollout.mode == "shadow" else told
    return f"another workflow for {rollout.workflow}"


def _stages(rollout: Rollout) -> str:
    told = [f"{words.share(stage.share)} for {words.duration(stage.lasts)}" for stage in rollout.stages]
    return f"{', then '.join(told)}, then all" if told else "all at once"
