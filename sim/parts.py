"""Parts of the engine that are joined to a replication once its places and steps are built, in this order.

A part hangs itself into what it needs by the hooks of `sim.hooks`, `Flow.begins` and `Tasks.watch`; where the scenario
has no use for it, it does nothing, so that it draws nothing and logs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sim.attacks import install_attacks
from sim.autoscaling import install_autoscaling
from sim.behaviours import install_behaviours
from sim.blocking import install_blocking
from sim.breakers import install_breakers
from sim.budgets import install_budgets
from sim.calls import install_calls
from sim.case_limits import install_case_limits
from sim.deadlines import install_deadlines
from sim.drifts import install_input_drifts
from sim.effects import install_effects
from sim.fallbacks import install_fallbacks
from sim.hedging import install_hedging
from sim.links import install_links
from sim.livelocks import install_livelocks
from sim.locks import install_review
from sim.messages import install_messages
from sim.monitors import install_monitors
from sim.policy_rollouts import install_policy_rollouts
from sim.quality import install_quality
from sim.queues import install_shedding
from sim.residency import install_residency
from sim.retry_after import install_retry_after
from sim.sagas import install_sagas
from sim.skew import install_skews
from sim.snapshots import install_snapshots
from sim.step_limits import install_step_limits
from sim.strain import install_strain
from sim.strikes import install_strikes
from sim.token_use import install_token_use
from sim.topics import install_topics
from sim.workflow_rollouts import install_workflow_rollouts

if TYPE_CHECKING:
    from sim.engine import Replication

PARTS: Final[tuple[Callable[[Replication], None], ...]] = (
    install_input_drifts,
    install_monitors,
    install_review,
    install_calls,
    install_behaviours,
    install_quality,  # before strikes: a slow agent is slow at each answer of a vote
    install_token_use,  # before strain: a slow endpoint is slow at each token
    install_strain,  # before links: the way to an endpoint is no slower for its load
    install_strikes,
    install_shedding,
    install_case_limits,
    install_autoscaling,
    install_links,
    install_effects,  # behind all that tells whether a call reaches its endpoint
    install_skews,  # behind effects: an answer that cannot be read is one
    install_topics,  # before residency: it looks at what is published
    install_residency,
    install_attacks,
    install_policy_rollouts,
    install_workflow_rollouts,
    install_breakers,  # behind all else that refuses attempts
    install_deadlines,
    install_budgets,  # behind all else that forbids a retry
    install_fallbacks,
    install_retry_after,
    install_step_limits,  # behind all else that begins a step
    install_blocking,
    install_hedging,
    install_sagas,
    install_messages,
    install_snapshots,
    install_livelocks,  # behind all else that begins a step
)
