"""Supply: work, queues, scaling, endpoints, the quality of answers: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.laws import Law
from models.scenario import Modulated, Work
from sim.compile_values import law_plan
from sim.mmpp import stationary
from sim.plans.supply import ModulationPlan, SupplyPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import LawPlan, Names


def compile_supply(loaded: LoadedScenario, _: Names) -> SupplyPlan:
    """This part of the plan."""
    works = loaded.scenario.work.values()
    return SupplyPlan(
        modulations=tuple(_modulation(work) for work in works),
        batches=tuple(_batch(work.batch) for work in works),
    )


def _modulation(work: Work) -> ModulationPlan | None:
    arrivals = work.arrivals
    if not isinstance(arrivals, Modulated):
        return None
    states = len(arrivals.rates)
    in_turn = tuple(tuple(float(after == (state + 1) % states) for after in range(states)) for state in range(states))
    to = arrivals.to or in_turn
    stays = tuple(float(stay) for stay in arrivals.stays)
    return ModulationPlan(tuple(rate / 1e6 for rate in arrivals.rates), stays, stationary(stays, to), to)


def _batch(law: Law) -> LawPlan | None:
    return None if law.kind == "constant" and law.parameters[0] < 1.5 else law_plan(law)
