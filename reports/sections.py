"""Sections of the report that are one table: a title, what it shows, rows, and what the terminal says of it.

A measure gets its section by a function over the outcomes, listed in SECTIONS in the order of the report.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from reports.accounts import costs, places, rules, sites, workflows
from reports.change_sections import arms, attacks, noticed_attacks, policy_rollouts, rollouts, workflow_rollouts
from reports.desks import batches, reviews
from reports.flow_sections import compensation, livelocks, messages, sub_workflows
from reports.kept import NotKeptError
from reports.section import Figure, Row, Section
from reports.validity import validity_section
from reports.words import count, duration, listed, share

if TYPE_CHECKING:
    from reports.outcomes import Outcomes
    from reports.recovery import RecoveryOutcome


def faults(outcomes: Outcomes) -> Section:
    """Faults that end, and the way back from them."""
    return Section(
        anchor="faults",
        label="Faults",
        title="Faults and recovery",
        caption=(
            "Faults in one replication, means with 95% intervals. Recovery is the time from the end of a fault until "
            "no more items wait in all queues together than before it."
        ),
        columns=("Fault", "Times", "Lasting", "Failed attempts meanwhile", "Share of all failed", "Recovery"),
        rows=tuple(
            Row(
                fault.kind,
                fault.place,
                (
                    Figure(fault.windows, "count"),
                    Figure(fault.lasting, "duration"),
                    Figure(fault.failed, "count"),
                    Figure(fault.failed_share, "share"),
                    Figure(fault.recovery, "duration"),
                ),
            )
            for fault in outcomes.resilience
        ),
        nothing="No fault happened.",
    )


def recovery(outcomes: Outcomes) -> Section | None:
    """Whether goodput comes back after faults."""
    if not outcomes.recovery:
        return None
    return Section(
        anchor="recovery",
        label="Goodput",
        title="Goodput around faults",
        caption=(
            "Of the cases that arrive, the share that is completed, right and not late: before each fault, while it "
            "lasts, and in the last tenth of the run; means with 95% intervals. Cases that had not ended count as not "
            "well in the figure, and both ways in the interval. It is back where it has been 90% of what it was before "
            "for three windows of a 200th of the run. A fault that is over while goodput stays away is a metastable "
            "failure."
        ),
        columns=("Fault", "Before", "Meanwhile", "At the end of the run", "Back after", "Never back"),
        rows=tuple(
            Row(
                fault.kind,
                fault.place,
                (
                    Figure(fault.before, "share"),
                    Figure(fault.during, "share"),
                    Figure(fault.at_the_end, "share"),
                    Figure(fault.recovery, "duration"),
                    f"in {fault.down} of {fault.replications}" if fault.replications else "not measured",
                ),
            )
            for fault in outcomes.recovery
        ),
        nothing="",
        headlines=tuple(_metastable(fault) for fault in outcomes.recovery if fault.down),
    )


def _metastable(fault: RecoveryOutcome) -> str:
    seen = f"in {fault.down} of {count(fault.replications, 'replication')}"
    away = f"{share(fault.at_the_end.estimate)} of the cases end well, {share(fault.before.estimate)} did before"
    return (
        f"Metastable: {seen}, goodput was not back at the end of the run, {duration(fault.rest)} after {fault.kind} at "
        f"{fault.place} was over: {away}."
    )


def retries(outcomes: Outcomes) -> Section | None:
    """Attempts held back, taken over, and done for nobody."""
    if not outcomes.retries:
        return None
    return Section(
        anchor="retries",
        label="Retries",
        title="Retries and work for nobody",
        caption=(
            "Counts of one replication, means with 95% intervals. Denied: retries that a budget or a deadline did not "
            "allow. Refused: attempts that an open circuit breaker turned away. For nobody: busy time spent on work "
            "whose caller had given up, as a share of all busy time; of an endpoint the time itself."
        ),
        columns=("Place", "Attempts served", "Denied", "Refused", "Taken over", "Given up", "For nobody"),
        rows=tuple(
            Row(
                place.place,
                "",
                (
                    Figure(place.started, "count"),
                    Figure(place.denied, "count"),
                    Figure(place.refused, "count"),
                    Figure(place.fallbacks, "count"),
                    Figure(place.orphaned, "count"),
                    Figure(place.wasted, "share" if place.place.startswith("agent:") else "duration"),
                ),
            )
            for place in outcomes.retries
        ),
        nothing="",
    )


def breakers(outcomes: Outcomes) -> Section | None:
    """Circuit breakers."""
    if not outcomes.breakers:
        return None
    return Section(
        anchor="breakers",
        label="Breakers",
        title="Circuit breakers",
        caption=(
            "How often each opened in one replication, and the share of the run that it was open or half-open, means "
            "with 95% intervals."
        ),
        columns=("Breaker", "Opened", "Not closed"),
        rows=tuple(
            Row(breaker.breaker, "", (Figure(breaker.opened, "count"), Figure(breaker.open, "share")))
            for breaker in outcomes.breakers
        ),
        nothing="",
    )


def votes(outcomes: Outcomes) -> Section | None:
    """Votes, and what correlation within a case leaves of their benefit."""
    if not outcomes.votes:
        return None
    return Section(
        anchor="votes",
        label="Votes",
        title="Votes",
        caption=(
            "Attempts that gave several answers, of which the majority stood, means with 95% intervals. The last "
            "column is what the majority would be worth if answers on one case were independent; what lies "
            "between the two is correlation."
        ),
        columns=("Agents", "Votes", "Right answers", "Right majorities", "If independent"),
        rows=tuple(
            Row(
                vote.place,
                f"of {vote.answers} answers",
                (
                    Figure(vote.votes, "count"),
                    Figure(vote.right, "share"),
                    Figure(vote.majorities, "share"),
                    Figure(vote.independent, "share"),
                ),
            )
            for vote in outcomes.votes
        ),
        nothing="",
    )


def checks(outcomes: Outcomes) -> Section | None:
    """Answers that checks stopped."""
    if not outcomes.checks:
        return None
    return Section(
        anchor="checks",
        label="Checks of answers",
        title="Checks of answers",
        caption=(
            "Answers that the agent's own check or a guardrail stopped in one replication, means with 95% intervals. "
            "Right answers stopped are false alarms; they cost a retry."
        ),
        columns=("Check", "Wrong answers stopped", "Right answers stopped"),
        rows=tuple(
            Row(check.kind, check.place, (Figure(check.wrong, "count"), Figure(check.right, "count")))
            for check in outcomes.checks
        ),
        nothing="",
    )


def points(outcomes: Outcomes) -> Section | None:
    """Answers that decision points of sites kept."""
    if not outcomes.points:
        return None
    return Section(
        anchor="points",
        label="Decision points",
        title="Decision points of sites",
        caption=(
            "Answers from the caches of decision points in one replication, means with 95% intervals. Stale ones were "
            "given past their time, while the central decision point did not answer, or by a copy that the policies in "
            "force had not come to. Shares are of the questions about "
            "cases that agents of the site asked."
        ),
        columns=("Decision point", "Kept answers", "Share", "Stale answers", "Share", "Oldest answer"),
        rows=tuple(
            Row(
                point.place,
                "",
                (
                    Figure(point.kept, "count"),
                    Figure(point.kept_share, "share"),
                    Figure(point.stale, "count"),
                    Figure(point.stale_share, "share"),
                    duration(point.oldest) if point.oldest >= 0 else "none",
                ),
            )
            for point in outcomes.points
        ),
        nothing="",
    )


def breaches(outcomes: Outcomes) -> Section | None:
    """Data that was handled outside its regions."""
    if not outcomes.breaches:
        return None
    return Section(
        anchor="breaches",
        label="Data regions",
        title="Data outside its regions",
        caption=(
            "Attempts, endpoint calls, work and reviews in one replication by somebody in a region where the class of "
            "data may not be, means with 95% intervals."
        ),
        columns=("Data", "Breaches"),
        rows=tuple(Row(breach.what, breach.place, (Figure(breach.breaches, "count"),)) for breach in outcomes.breaches),
        nothing="",
        headlines=tuple(f"{breach.place} handled {breach.what} outside its regions." for breach in outcomes.breaches),
    )


def tokens(outcomes: Outcomes) -> Section | None:
    """Tokens that cases use."""
    if not outcomes.tokens:
        return None
    return Section(
        anchor="tokens",
        label="Tokens",
        title="Tokens",
        caption="Tokens of endpoint calls for each case, means with 95% intervals. Failed attempts count.",
        columns=("Work", "In", "Out"),
        rows=tuple(
            Row(work.work, "", (Figure(work.tokens_in, "count"), Figure(work.tokens_out, "count")))
            for work in outcomes.tokens
        ),
        nothing="",
    )


def effects(outcomes: Outcomes) -> Section | None:
    """The table of effects; none where no step says whether its effects have a key."""
    if not outcomes.effects:
        return None
    return Section(
        anchor="effects",
        label="Effects",
        title="Effects done twice",
        caption="Effects of steps in one replication, mean and 95% interval: a retry repeats what an attempt did that "
        "failed too late, unless a key tells",
        columns=("Step", "Cases", "Done again", "Kept from it by the key"),
        rows=tuple(
            Row(
                effect.step,
                "with an idempotency key" if effect.keyed else "without a key",
                tuple(Figure(cell, "count") for cell in (effect.cases, effect.repeated, effect.suppressed)),
            )
            for effect in outcomes.effects
        ),
        nothing="",
    )


def limits(outcomes: Outcomes) -> Section | None:
    """Deadlines and withdrawals of cases."""
    if not outcomes.limits:
        return None
    return Section(
        anchor="limits",
        label="Deadlines",
        title="Deadlines and withdrawals",
        caption="Shares of cases that were late, and that were taken back before they ended, means with 95% intervals.",
        columns=("Work", "Late", "Withdrawn"),
        rows=tuple(
            Row(work.work, "", (Figure(work.late, "share"), Figure(work.withdrawn, "share")))
            for work in outcomes.limits
        ),
        nothing="",
    )


def scaling(outcomes: Outcomes) -> Section | None:
    """Pools that scale."""
    if not outcomes.scaling:
        return None
    return Section(
        anchor="scaling",
        label="Autoscaling",
        title="Autoscaling",
        caption="Times pools were scaled in one replication, and their replicas over time, means with 95% intervals.",
        columns=("Agents", "Scaled up", "Scaled down", "Replicas"),
        rows=tuple(
            Row(scaled.place, "", tuple(Figure(each, "count") for each in (scaled.ups, scaled.downs, scaled.replicas)))
            for scaled in outcomes.scaling
        ),
        nothing="",
    )


def topics(outcomes: Outcomes) -> Section | None:
    """Topics, and what became of their messages."""
    if not outcomes.topics:
        return None
    return Section(
        anchor="topics",
        label="Topics",
        title="Topics",
        caption=(
            "Messages in one replication, means with 95% intervals. Every message that was published is acknowledged, "
            "a dead letter, or left at the horizon. Copies were sent again by publishers that did not hear that the "
            "topic had the message. Held back is the time that all publishers together waited for room, or for a "
            "partition to end."
        ),
        columns=(
            "Topic",
            "Published",
            "Of these copies",
            "Turned away",
            "Acknowledged",
            "Delivered again",
            "Dead letters",
            "Left",
            "Oldest left",
            "Until acknowledged",
            "Held back",
        ),
        rows=tuple(
            Row(
                topic.topic,
                "",
                (
                    *(
                        Figure(each, "count")
                        for each in (
                            topic.published,
                            topic.copies,
                            topic.rejected,
                            topic.acknowledged,
                            topic.redelivered,
                            topic.dead,
                            topic.left,
                        )
                    ),
                    *(Figure(each, "duration") for each in (topic.oldest, topic.took, topic.held)),
                ),
            )
            for topic in outcomes.topics
        ),
        nothing="",
        headlines=tuple(
            f"Topic {topic.topic}: {topic.published.estimate:.4g} messages in one replication, "
            f"{topic.dead.estimate:.4g} dead letters, {topic.redelivered.estimate:.4g} deliveries again."
            for topic in outcomes.topics
        ),
    )


def not_kept(outcomes: Outcomes) -> Section | None:
    """What the volume of the run leaves out."""
    if not outcomes.not_kept:
        return None
    names = listed([name.replace("_", " ") for name in outcomes.not_kept], len(outcomes.not_kept))
    told = f"The run keeps no events (volume {outcomes.provenance.volume}), so nothing is told of: {names}."
    return Section("not-kept", "Not kept", "What is not kept", "", (), (), f"{told} {_KEEP}", (told,))


_KEEP: Final = "With volume events the same seed gives the same run with all of it."


def validity(outcomes: Outcomes) -> Section | None:
    """Whether the run is long enough."""
    return validity_section(outcomes.validity)


SECTIONS: Final[tuple[Callable[[Outcomes], Section | None], ...]] = (
    faults,
    recovery,
    retries,
    breakers,
    votes,
    checks,
    effects,
    compensation,
    sub_workflows,
    messages,
    livelocks,
    tokens,
    limits,
    scaling,
    points,
    topics,
    breaches,
    rollouts,
    policy_rollouts,
    workflow_rollouts,
    arms,
    attacks,
    noticed_attacks,
    reviews,
    batches,
    rules,
    costs,
    places,
    workflows,
    sites,
    validity,
    not_kept,
)
"""The sections in their order; None where the scenario has no use for one."""


def sections(outcomes: Outcomes) -> tuple[Section, ...]:
    """The sections of a run's report."""
    told: list[Section] = []
    for tell in SECTIONS:
        with suppress(NotKeptError):  # `not_kept` names what is left out
            if (section := tell(outcomes)) is not None:
                told.append(section)
    return tuple(told)
