"""Replications that could not be run: how the others are numbered, and what is said of the run that lacks them.

A run tells the replications that there are, numbered anew without a gap, for a missing one is no replication in which
nothing happened. Those that are missing may be just the ones that would miss an objective: none passes without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from models.diagnostics import input_error
from reports.words import count, listed

if TYPE_CHECKING:
    from sim.run import Manifest, Run

MOST_TOLD: Final = 3
"""Poisoned replications told one by one; the rest is counted and stands in the JSON."""


@dataclass(frozen=True, slots=True)
class PoisonOutcome:
    """A replication that could not be run, each time it was tried."""

    replication: int
    seed: int
    why: str
    command: str
    """What runs it alone."""


def assess_poisoned(run: Run) -> tuple[PoisonOutcome, ...]:
    """The replications of a run that could not be run."""
    manifest = run.manifest
    own = any(c.behaviour for agent in run.scenario.agents.values() for c in agent.capabilities.values())
    options = " --behaviours FILE" * own + f" --volume {manifest.volume}" * (manifest.volume != "events")
    command = f"windtunnel simulate SCENARIO{options} --seed {manifest.seed} --only"
    return tuple(
        PoisonOutcome(one.replication, manifest.seed, one.why, f"{command} {one.replication}")
        for one in manifest.poisoned
    )


def numbers(manifest: Manifest) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The replications that there are, by their own numbers."""
    return np.delete(np.arange(manifest.replications), [one.replication for one in manifest.poisoned])


def renumbered(run: Run, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table of a run with the numbers of the replications that there are, from 0 without a gap.

    Raises InputError where it has rows of others: a run folder is not trusted.
    """
    there = numbers(run.manifest)
    own = frame["replication"].to_numpy()
    if not np.isin(own, there).all():
        what = f"table `{name}` has rows of replications that the run has not"
        raise input_error(what, str(run.folder), "simulate again; `windtunnel audit` says what was changed")
    if not run.manifest.poisoned:
        return frame
    return frame.assign(replication=np.searchsorted(there, own))


def lacking(manifest: Manifest) -> str:
    """Why nothing passes in a run that lacks replications; empty where it lacks none."""
    missing = [str(one.replication) for one in manifest.poisoned]
    if not missing:
        return ""
    if len(missing) == 1:
        return f"replication {missing[0]} could not be run, and is not in these figures"
    return f"replications {listed(missing)} could not be run, and are not in these figures"


def reasons(poisoned: Sequence[PoisonOutcome]) -> tuple[str, ...]:
    """What is said first of a run that lacks replications."""
    told = tuple(
        f"Replication {one.replication} of seed {one.seed} could not be run: {one.why.rstrip('.')}. "
        f"`{one.command}` runs it alone."
        for one in poisoned[:MOST_TOLD]
    )
    left = len(poisoned) - MOST_TOLD
    return told if left <= 0 else (*told, f"{count(left, 'more replication')} could not be run.")
