"""What a run was made of, enough to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.poisoned import PoisonOutcome, assess_poisoned
from reports.series import sample_every

if TYPE_CHECKING:
    import pandas as pd

    from sim.run import Run


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run was made of, enough to make it again. Digests are sha256 in hex; times are microseconds."""

    scenario: str
    variant: str | None
    """The variant of the scenario that was run; null: the scenario as it stands, or as it was set from outside."""
    description: str
    scenario_digest: str
    inputs: Mapping[str, str]
    """Digest of each input file, by its name relative to the scenario."""
    tables: Mapping[str, str]
    """Digest of each file of the run folder: the tables, the scenario, and the findings where there are any."""
    roots: tuple[str, ...]
    """Last hash of the decision log's chain in each replication."""
    versions: Mapping[str, str]
    engine: str
    seed: int
    replications: int
    """Those that the figures are of: all that could be run."""
    poisoned: tuple[PoisonOutcome, ...]
    """Those that could not be run."""
    start: str
    horizon: int
    warm_up: int
    sample_every: int
    currency: str
    volume: str
    """What was kept of each replication."""
    events: int
    """Events that happened, kept or not."""

    @property
    def title(self) -> str:
        """The scenario, and its variant."""
        return self.scenario if self.variant is None else f"{self.scenario}, variant {self.variant}"


def provenance(run: Run, samples: pd.DataFrame, events: int) -> Provenance:
    """The provenance of a run, with its table of samples and the number of its events."""
    scenario, manifest = run.scenario, run.manifest
    return Provenance(
        scenario=scenario.name,
        variant=manifest.variant,
        description=scenario.description,
        scenario_digest=manifest.scenario_digest,
        inputs=manifest.inputs,
        tables=manifest.files,
        roots=tuple(manifest.roots),
        versions=manifest.versions,
        engine=manifest.engine,
        seed=manifest.seed,
        replications=manifest.replications - len(manifest.poisoned),
        poisoned=assess_poisoned(run),
        start=scenario.start.isoformat(),
        horizon=scenario.horizon,
        warm_up=scenario.warm_up,
        sample_every=sample_every(samples),
        currency=scenario.currency,
        volume=run.manifest.volume,
        events=events,
    )
