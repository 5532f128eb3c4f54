"""Sections of the report that are one table, and the table of what a `count` counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from models.objectives import EventCount
from reports.html import environment
from reports.intervals import Interval
from reports.objectives import COUNTS
from reports.section import Figure, Row, Section
from reports.sections import SECTIONS
from reports.validity import Validity
from sim.logs import KIND_NAMES

if TYPE_CHECKING:
    from reports.outcomes import Outcomes


class _Quiet:
    """Outcomes of a run in which nothing happened."""

    validity = Validity(0, (), ())

    def __getattr__(self, _: str) -> tuple[()]:
        return ()


def _rendered(*sections: Section) -> str:
    return environment("USD").get_template("sections/tables.html.jinja").render(sections=sections)


def test_every_count_of_an_objective_counts_events_that_exist() -> None:
    assert set(COUNTS) == set(get_args(EventCount.model_fields["of"].annotation))
    assert {kind for kinds in COUNTS.values() for kind in kinds} <= set(KIND_NAMES) - {""}


def test_a_section_shows_its_rows_and_escapes_what_stands_in_them() -> None:
    interval = Interval(2.0, 1.0, 3.0, 0.95, 5)
    rows = (Row("<b>pool</b>", "x", ("as <i> said", Figure(interval, "count"))),)
    page = _rendered(
        Section("pools", "Pools", "Pools at work", "What they did.", ("Pool", "Word", "Times"), rows, "None.")
    )
    assert "&lt;b&gt;pool&lt;/b&gt; <small>x</small>" in page
    assert "as &lt;i&gt; said" in page
    assert '<td class="n">2 <small>' in page
    assert "None." not in page


def test_a_section_without_rows_says_so() -> None:
    for tell in SECTIONS:
        section = tell(cast("Outcomes", _Quiet()))
        if section is not None:
            assert not section.rows
            assert section.nothing in _rendered(section)


def test_sections_have_anchors_of_their_own() -> None:
    told = [tell(cast("Outcomes", _Quiet())) for tell in SECTIONS]
    anchors = [section.anchor for section in told if section is not None]
    assert len(set(anchors)) == len(anchors)
