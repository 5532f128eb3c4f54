"""The report as one HTML file: no script, nothing fetched, readable without its styles, the same bytes every time."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from models.diagnostics import input_error
from models.units import DAY
from reports import words
from reports.assess import Assessed, assess_run
from reports.board.page import RUN_ALONE, Beside, board
from reports.charts import RING_SHOWN, Chart, drift_chart, objectives_chart, queues_chart, ring_chart
from reports.digest import Digest, digest_sections
from reports.fingerprints import fingerprints
from reports.flow_charts import escalation_chart
from reports.intervals import FEW_HITS
from reports.kept import kept
from reports.limits import not_kept, not_measured
from reports.locks import longer_lock
from reports.outcomes import Outcomes
from reports.ring import headline, member_sentence
from reports.section import cell_texts
from reports.sections import sections
from reports.verdict import FailOn, Verdict, judge, told_as, unnamed
from reports.witness import flat, story
from verify.findings import Finding, Findings

if TYPE_CHECKING:
    from models.scenario import Scenario
    from reports.series import QueueCourse
    from reports.statements import Statement
    from sim.run import Run

TEMPLATES: Final = Path(__file__).parent / "templates"

STORIES: Final = 40
"""Findings told at length; the rest is counted and stands in `findings.json`."""

RULES: Final = 20
"""Rows of decisions by rule; the rest is counted and stands in the decision table."""

QUEUE_ROWS: Final = 31
"""Rows of the table beside the chart of queues, at most."""

WITNESS_MAX: Final = 20_000
"""Characters of a witness shown; a longer one is cut, and says so."""

_CODE: Final = re.compile(r"`([^`]+)`")

_DECIDERS: Final = {"folded": "simplification", "none": "an earlier witness"}
_CHECKERS: Final = {
    "cedarpy": "replayed by cedarpy",
    "cvc5": "proved again by cvc5",
    "none": "not checked a second way",
}
"""What the fields of `verify.findings.Proof` say, in words."""

_SYMBOLS: Final = {
    "pass": "✓", "fail": "✗", "undecided": "?", "holds": "✓", "violated": "✗", "warning": "!", "info": "i",
}  # fmt: skip
_ORDER: Final = ("violated", "warning", "info", "undecided", "holds")
_WEIGHT: Final = {"violated": 0, "undecided": 1, "holds": 2, "error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Story:
    """One finding as the report tells it. `fields` are the witness's request, one row each."""

    anchor: str
    finding: Finding
    fingerprint: str
    """What a waiver or a baseline knows it by."""
    waived: str
    """The waiver's reason and approver; empty where it is not waived."""
    fields: tuple[tuple[str, str], ...]
    witness_json: str


@dataclass(frozen=True, slots=True)
class Held:
    """How often a check held, and how its proofs were checked."""

    check: str
    name: str
    count: int
    layers: str


def write_html(
    path: Path,
    run: Run,
    findings: Findings | None,
    *,
    fail_on: FailOn = "error",
    outcomes: Assessed | None = None,
) -> Path:
    """Write the report of a run and return its path. `outcomes` spares assessing the run again.

    Raises `InputError` where it cannot be written.
    """
    assessed = outcomes if outcomes is not None else assess_run(run)
    return write_page(path, page_of(run, findings, assessed, judge(findings, assessed, fail_on=fail_on)))


def page_of(
    run: Run, findings: Findings | None, outcomes: Assessed, verdict: Verdict, beside: Beside = RUN_ALONE
) -> str:
    """The report of a run."""
    if isinstance(outcomes, Digest):
        return render_digest(run.scenario, findings, outcomes, verdict, beside)
    return render_html(run.scenario, findings, outcomes, verdict, beside)


def write_page(path: Path, page: str) -> Path:
    """Write a page beside its place and move it there, so that no half-written one looks whole. Raises `InputError`
    where it cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(page, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise input_error(f"cannot be written: {error.strerror}", str(path), "choose another place") from None
    finally:
        with suppress(OSError):
            partial.unlink()
    return path


def render_html(
    scenario: Scenario, findings: Findings | None, outcomes: Outcomes, verdict: Verdict, beside: Beside = RUN_ALONE
) -> str:
    """The report's HTML."""
    drifts = _drift_charts(outcomes)
    made = outcomes.provenance
    left_out = not_measured(scenario, findings, outcomes)
    return environment(made.currency).get_template("report.html.jinja").render(
        **_common(scenario, findings, outcomes, verdict, beside),
        queues_chart=_queues_chart(outcomes),
        escalation_chart=None if "escalation" in outcomes.not_kept else escalation_chart(outcomes.escalation),
        queue_rows=_queue_rows(kept(outcomes.queues, ())),
        drift_charts=drifts,
        ring_charts=_ring_charts(outcomes),
        deadlock_headline=_deadlock_headline(outcomes),
        rules=outcomes.compliance.by_rule[:RULES],
        rules_left=outcomes.compliance.by_rule[RULES:],
        sections=sections(outcomes),
        not_measured=left_out,
        board=board(scenario, findings, outcomes, left_out, beside.statements),
    )  # fmt: skip


def render_digest(
    scenario: Scenario, findings: Findings | None, digest: Digest, verdict: Verdict, beside: Beside = RUN_ALONE
) -> str:
    """The report's HTML of a run that keeps counts alone."""
    made = digest.provenance
    left_out = not_kept(digest, scenario, findings)
    return environment(made.currency).get_template("digest.html.jinja").render(
        **_common(scenario, findings, digest, verdict, beside),
        sections=digest_sections(digest),
        not_measured=left_out,
        board=board(scenario, findings, digest, left_out, beside.statements),
    )  # fmt: skip


def _common(
    scenario: Scenario, findings: Findings | None, outcomes: Assessed, verdict: Verdict, beside: Beside
) -> dict[str, Any]:
    """What the report of every run tells."""
    made = outcomes.provenance
    stories = _stories(findings, scenario.name, beside.statements) if findings else []
    return {
        "page_title": f"{verdict.result.capitalize()}: {made.title}",
        "scenario": scenario,
        "made": made,
        "few_hits": words.number(FEW_HITS),
        "outcomes": outcomes,
        "verdict": verdict,
        "findings": findings,
        "beside": beside,
        "excepted": {one.name for one in beside.statements if one.waived and one.rule == "objective"},
        "stories": stories[:STORIES],
        "untold": max(0, len(stories) - STORIES),
        "held": _held(findings) if findings else (),
        "layers": _layers(findings) if findings else (),
        "objectives_chart": objectives_chart(outcomes.objectives, made.currency),
    }


def environment(currency: str) -> Environment:
    """What every page is written with: texts escaped, nothing left undefined, figures in one style."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "duration": words.duration,
        "number": words.number,
        "share": words.share,
        "limit": lambda o: words.limit(o.at_most, o.at_least, o.unit, currency),
        "estimate": lambda interval, unit: words.estimate(interval, unit, currency),
        "span": lambda interval, unit: words.span(interval, unit, currency),
        "below": lambda interval, unit: words.below(interval, unit, currency),
        "symbol": _SYMBOLS.__getitem__,
        "member": member_sentence,
        "listed": words.listed,
        "coded": _coded,
        "dotted": _dotted,
        "unnamed": unnamed,
        "told_as": told_as,
        "layer": _layer,
        "as_story": story,
        "kept": kept,
        "cell_texts": lambda cell: cell_texts(cell, currency),
    }
    environment.globals |= {"count": words.count, "style": Markup(_style()), "drawn": _drawn}  # noqa: S704 - our own file
    return environment


def _finalize(value: Any) -> Any:
    return words.printable(value, keep="\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def _coded(text: str) -> Markup:
    """A sentence with its `names` as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(words.printable(text)))))  # noqa: S704 - escaped before


def _dotted(name: str) -> Markup:
    """A name that may go on in the next line after a dot."""
    return Markup(escape(words.printable(name)).replace(".", Markup(".<wbr>")))  # noqa: S704 - escaped before


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _drawn(chart: Chart) -> Markup:
    """A chart's SVG. Its texts are escaped by the XML writer that made it."""
    return Markup(chart.svg)  # noqa: S704


def _queues_chart(outcomes: Outcomes) -> Chart | None:
    """The queues with the faults meanwhile; none where some of it is not kept."""
    if not {"queues", "faults", "locks", "people"}.isdisjoint(outcomes.not_kept):
        return None
    longer = longer_lock(outcomes.locks, outcomes.people)
    return queues_chart(outcomes.queues, outcomes.faults, outcomes.provenance.replications, longer)


def _drift_charts(outcomes: Outcomes) -> list[Chart]:
    charts = []
    for number, course in enumerate(kept(outcomes.harm, ()), 1):
        drifts = [d for d in kept(outcomes.drift, ()) if (d.agent, d.capability) == (course.agent, course.capability)]
        charts.append(drift_chart(course, drifts, f"drift-{number}"))
    return charts


def _deadlock_headline(outcomes: Outcomes) -> str:
    return headline(outcomes.deadlock) if "deadlock" not in outcomes.not_kept and outcomes.deadlock.found else ""


def _ring_charts(outcomes: Outcomes) -> list[Chart]:
    if "deadlock" in outcomes.not_kept:
        return []
    numbered = enumerate(outcomes.deadlock.rings, 1)
    drawn = [(number, ring) for number, ring in numbered if 0 < len(ring.members) <= RING_SHOWN and not ring.knot]
    return [ring_chart(ring, f"ring-{number}") for number, ring in drawn]


def _queue_rows(queues: Sequence[QueueCourse]) -> list[tuple[str, list[float]]]:
    """The chart of queues as rows: the peak of the mean queue at each desk, by day or by several."""
    if not queues:
        return []
    last = max(queue.time[-1] for queue in queues) // DAY
    days = -(-(last + 1) // QUEUE_ROWS)
    rows = []
    for first in range(0, last + 1, days):
        span = range(first * DAY, (first + days) * DAY)
        peaks = [max((m for t, m in zip(q.time, q.mean, strict=True) if t in span), default=math.nan) for q in queues]
        rows.append((f"{first + 1}" if days == 1 else f"{first + 1} to {min(first + days, last + 1)}", peaks))
    return rows


def _stories(findings: Findings, scope: str, said: Iterable[Statement]) -> list[Story]:
    waived = {one.fingerprint: one.waived for one in said}
    every = zip(fingerprints(findings.findings, scope), findings.findings, strict=True)
    told = [(known_by, one) for known_by, one in every if one.verdict != "holds"]
    told.sort(key=lambda pair: (_WEIGHT[pair[1].verdict], _WEIGHT[pair[1].severity], pair[1].check))
    seen: Counter[str] = Counter()
    stories = []
    for known_by, one in told:
        seen[one.id] += 1
        anchor = f"finding-{one.id}" + (f"-{seen[one.id]}" if seen[one.id] > 1 else "")
        stories.append(Story(anchor, one, known_by, waived.get(known_by, ""), _fields(one), _witness_json(one)))
    return stories


def _fields(finding: Finding) -> tuple[tuple[str, str], ...]:
    witness = finding.witness
    if witness is None:
        return ()
    rows = [("principal", witness.principal), ("action", witness.action), ("resource", witness.resource)]
    rows += [(f"context.{name}", text) for name, text in flat(witness.context)]
    if witness.approvals:
        rows.append(("approved by", words.listed(witness.approvals)))
    return tuple((name, text if len(text) <= 500 else text[:500] + " ...") for name, text in rows)


def _witness_json(finding: Finding) -> str:
    witness = finding.witness
    if witness is None:
        return ""
    whole = {
        "principal": witness.principal,
        "action": witness.action,
        "resource": witness.resource,
        "context": dict(witness.context),
        "entities": [dict(entity) for entity in witness.entities],
        "approvals": list(witness.approvals),
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    return text if len(text) <= WITNESS_MAX else text[:WITNESS_MAX] + "\n... cut; findings.json has all of it"


def _held(findings: Findings) -> tuple[Held, ...]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings.findings:
        if finding.verdict == "holds":
            groups.setdefault((finding.check, finding.name), []).append(finding)
    return tuple(Held(*key, len(group), _proved_by(group)) for key, group in sorted(groups.items()))


def _proved_by(group: Sequence[Finding]) -> str:
    ways = Counter(_layer(finding) for finding in group)
    return ", ".join(f"{way} ({number})" if len(ways) > 1 else way for way, number in sorted(ways.items()))


def _layer(finding: Finding) -> str:
    """Who decided a finding, and who checked that."""
    proof = finding.proof
    if proof is None or not proof.solver:
        return "no solver needed"
    deciders = " and ".join(_DECIDERS.get(part, part) for part in proof.solver.split(", "))
    checkers = " and ".join(_CHECKERS.get(part, f"checked by {part}") for part in proof.checked_by.split(", "))
    return f"{deciders}, {checkers}"


def _layers(findings: Findings) -> tuple[tuple[str, str, int], ...]:
    counts = Counter((told_as(finding), _layer(finding)) for finding in findings.findings)
    ordered = sorted(counts.items(), key=lambda item: (_ORDER.index(item[0][0]), item[0][1]))
    return tuple((verdict, layer, number) for (verdict, layer), number in ordered)
