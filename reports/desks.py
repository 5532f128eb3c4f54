"""Sections of the report on how people do their work: how right their reviews are, and the batches it gathers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.section import Cell, Figure, Row, Section
from reports.words import duration

if TYPE_CHECKING:
    from reports.outcomes import Outcomes
    from reports.reviews import ReviewOutcome


def reviews(outcomes: Outcomes) -> Section | None:
    """How right reviews are."""
    if not outcomes.reviews:
        return None
    return Section(
        anchor="reviews",
        label="Reviews",
        title="Reviews",
        caption=(
            "Reviews that granted or refused in one replication, means with 95% intervals. Right ones granted what "
            "ought to be granted, and refused the rest. A stamp grants without a look."
        ),
        columns=("Desk", "Reviews", "Right", "Stamped", "Wrong approvals", "Wrong refusals", "Approvals at a glance"),
        rows=tuple(_reviewed(desk) for desk in outcomes.reviews),
        nothing="",
        headlines=tuple(
            f"Desk {d.desk} granted {d.wrong_approvals.estimate:.4g} approvals in one replication that it ought not."
            for d in outcomes.reviews
            if d.judged
        ),
    )


def _reviewed(desk: ReviewOutcome) -> Row:
    judged: tuple[Cell, ...] = ("not told",) * 4
    if desk.judged:
        judged = (
            Figure(desk.accuracy, "share"),
            Figure(desk.stamped, "share"),
            Figure(desk.wrong_approvals, "count"),
            Figure(desk.wrong_refusals, "count"),
        )
    small = f"a glance is under {duration(desk.glance)}"
    return Row(desk.desk, small, (Figure(desk.reviews, "count"), *judged, Figure(desk.glances, "share")))


def batches(outcomes: Outcomes) -> Section | None:
    """Batches of people's work."""
    if not outcomes.batches:
        return None
    return Section(
        anchor="batches",
        label="Batches",
        title="Batches of work",
        caption=(
            "Batches that work at desks gathered to in one replication, means with 95% intervals. Those that were not "
            "full were begun because their first item had waited long enough."
        ),
        columns=("Desk", "Batches", "Items of a batch", "Full"),
        rows=tuple(
            Row(d.desk, "", (Figure(d.batches, "count"), Figure(d.items, "count"), Figure(d.full, "share")))
            for d in outcomes.batches
        ),
        nothing="",
    )
