"""Waivers in the report: what is excepted from the verdict, why, by whom and until when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from reports.section import Row, Section

if TYPE_CHECKING:
    from reports.statements import Statement


def waived(statements: Iterable[Statement]) -> Section:
    """What is waived, and waivers that are out of date or waive nothing."""
    return Section(
        prose=True,
        anchor="waivers",
        label="Waivers",
        title="Waivers",
        caption=(
            "Reviewed exceptions. What is waived is no pass: it is as it was found, and the verdict does not rest on "
            "it until the waiver expires."
        ),
        columns=("Of", "State", "What is waived", "Why, by whom, until when"),
        rows=tuple(_rows(statements)),
        nothing="No waiver was named for this report: nothing is excepted from its verdict.",
    )


def _rows(statements: Iterable[Statement]) -> Iterator[Row]:
    for one in statements:
        if one.waived:
            yield Row(f"{one.rule} {one.name}", one.fingerprint, ("waived", one.message, one.waived))
        elif one.rule == "waiver":
            yield Row("waiver", one.name, ("not in force" if one.stands else "unused", one.message, one.detail))
