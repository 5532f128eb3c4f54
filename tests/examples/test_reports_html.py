"""The HTML report: well-formed, self-contained, byte for byte the same, accessible, inert to hostile text."""

from __future__ import annotations

import dataclasses
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import html5lib
import pytest

from models.diagnostics import InputError
from reports.charts import RING_SHOWN, ring_chart
from reports.deadlock import Member, Ring
from reports.html import STORIES, render_html, write_html
from reports.intervals import Interval
from reports.outcomes import Outcomes, assess
from reports.svg import drawing, inline
from reports.verdict import judge
from sim.run import Run, open_run
from verify.findings import Finding, Findings, Location, PolicyRef, Proof, Witness
from windtunnel import api

ROOT = Path(__file__).parents[2]
X = "{http://www.w3.org/1999/xhtml}"
HOSTILE = "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(1)>{{ 7*7 }}$x^2$\x1b[31m\u202e\u8a71"
WHERE = Location("policies/a.cedar", 3)


def finding(name: str, verdict: Any = "violated", severity: Any = "error", check: str = "P201") -> Finding:
    witness = Witness(f'Agent::"{name}"', 'Action::"a"', 'R::"r"', {name: {"deep": [1, name]}}, (), (name,))
    proof = Proof("z3", "cedarpy" if verdict == "violated" else "cvc5", "ab" * 32)
    told = witness if verdict == "violated" else None
    return Finding(
        check,
        "unreachable-escalation",
        severity,
        verdict,
        (PolicyRef(name, WHERE),),
        f"{name} is so",
        WHERE,
        told,
        proof,
    )


FINDINGS = Findings(
    (
        finding("one"), finding("two", "undecided"), finding("three", "holds"), finding("four", severity="warning"),
        finding("five", "holds", check="P101"),
    ),
    {},
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: api.simulate(api.load(ROOT / "scenarios" / name), folder / name, replications=3, workers=1)
        for name in ("incident-desk", "refund-desk")
    }


@pytest.fixture(scope="module")
def outcomes(runs: dict[str, Run]) -> dict[str, Outcomes]:
    return {name: assess(run) for name, run in runs.items()}


@pytest.fixture(scope="module", params=["incident-desk", "refund-desk"])
def page(request: pytest.FixtureRequest, runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> str:
    return rendered(runs[request.param], FINDINGS, outcomes[request.param])


def rendered(run: Run, findings: Findings | None, assessed: Outcomes) -> str:
    return render_html(run.scenario, findings, assessed, judge(findings, assessed))


def tree(page: str) -> ET.Element:
    parsed: ET.Element = html5lib.HTMLParser(strict=True).parse(page)
    return parsed


def elements(page: str, tag: str) -> Iterator[ET.Element]:
    return tree(page).iter(X + tag)


def test_it_is_well_formed_and_small(page: str) -> None:
    assert tree(page) is not None  # strict: any parse error raises
    assert len(page.encode()) < 2_000_000


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    root = tree(page)
    assert not [e.tag for e in root.iter() if str(e.tag).rpartition("}")[2] in {"script", "link", "iframe", "object"}]
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not str(name).startswith("on"), (element.tag, name)
            if str(name).rpartition("}")[2] in {"href", "src"}:
                assert value.startswith("#"), value
    assert not re.search(r"url\((?!#)|@import", page)


def test_ids_are_unique_and_references_resolve(page: str) -> None:
    counts = Counter(e.get("id") for e in tree(page).iter() if e.get("id"))
    assert [i for i, n in counts.items() if n > 1] == []
    for reference in re.findall(r'(?:href="#|url\(#)([^")]+)', page):
        assert reference in counts, reference
    for element in tree(page).iter():
        for name in (element.get("aria-labelledby") or "").split():
            assert name in counts, name


def test_headings_landmarks_and_language(page: str) -> None:
    root = tree(page)
    assert root.get("lang") == "en"
    assert len(list(root.iter(X + "h1"))) == 1
    levels = [int(str(e.tag)[-1]) for e in root.iter() if re.fullmatch(r"h[1-6]", str(e.tag).removeprefix(X))]
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels
    for tag in ("main", "header", "footer", "nav", "title"):
        assert len(list(root.iter(X + tag))) == 1, tag
    skip = next(root.iter(X + "a"))
    assert skip.get("href") == "#main"


def test_every_table_has_a_caption_and_scoped_headings(page: str) -> None:
    tables = list(elements(page, "table"))
    assert tables
    for table in tables:
        assert len(table.findall(f"{X}caption")) == 1
        assert "".join(table.find(f"{X}caption").itertext()).strip()  # type: ignore[union-attr]
        assert all(th.get("scope") in {"col", "row", "rowgroup"} for th in table.iter(X + "th"))


def test_every_table_and_chart_scrolls_in_a_region_that_keys_reach(page: str) -> None:
    regions = [e for e in tree(page).iter() if "scroll" in (e.get("class") or "").split()]
    wide = [e for e in tree(page).iter() if str(e.tag).rpartition("}")[2] in {"table", "svg"}]
    assert len(wide) == len([e for r in regions for e in r if str(e.tag).rpartition("}")[2] in {"table", "svg"}])
    for region in regions:
        assert (region.get("tabindex"), region.get("role")) == ("0", "region")
        assert (region.get("aria-label") or "").strip()


def test_more_beyond_an_edge_is_hinted_and_a_printed_witness_is_joined() -> None:
    screen, _, printed = (ROOT / "reports" / "templates" / "style.css").read_text().partition("@media print")
    scroll = re.search(r"\n\.scroll \{(.*?)\n\}", screen, re.DOTALL)
    assert scroll
    assert "overflow-x: auto" in scroll[1]
    assert scroll[1].count("no-repeat scroll") == scroll[1].count("no-repeat local") == 2  # a shadow, and its cover
    assert re.search(r"\.witness pre \{ white-space: normal", printed)


def test_every_chart_is_told_in_words_with_a_table_beside(page: str) -> None:
    figures = list(elements(page, "figure"))
    assert figures
    for figure in figures:
        assert "".join(figure.find(f"{X}figcaption").itertext()).strip()  # type: ignore[union-attr]
        svg = next(e for e in figure.iter() if str(e.tag).endswith("svg"))
        assert svg.get("role") == "img"
        told = {str(e.tag).rpartition("}")[2]: e.text for e in svg}
        assert told["title"]
        assert told["desc"]
    for section in elements(page, "section"):
        if list(section.iter(X + "figure")):
            assert list(section.iter(X + "table"))


def test_verdicts_are_words_beside_their_symbols(page: str) -> None:
    for mark in elements(page, "span"):
        if (mark.get("class") or "").startswith("mark"):
            assert "".join(mark.itertext()).split()[1] in {
                "pass",
                "fail",
                "undecided",
                "holds",
                "violated",
                "warning",
                "info",
            }


def test_a_violated_warning_is_marked_as_a_warning(page: str) -> None:
    articles = {"".join(a.itertext()).split("is so")[0].split()[-1]: a for a in elements(page, "article")}
    marks = {
        name: [m.get("class") for m in article.iter(X + "span") if (m.get("class") or "").startswith("mark")]
        for name, article in articles.items()
    }
    assert (articles["one"].get("class"), marks["one"]) == ("violated", ["mark violated"])
    assert (articles["four"].get("class"), marks["four"]) == ("warning", ["mark warning"])
    assert "warning, violated" in " ".join("".join(articles["four"].itertext()).split())


def test_the_same_run_gives_the_same_bytes(runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs["incident-desk"]
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.folder, moved)
    first = write_html(tmp_path / "a.html", run, FINDINGS).read_bytes()
    second = write_html(tmp_path / "b.html", open_run(moved), FINDINGS).read_bytes()
    assert first == second
    assert str(tmp_path).encode() not in first
    assert str(ROOT).encode() not in first
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_first_screen_has_the_verdict_and_its_reasons(runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> None:
    assessed = outcomes["incident-desk"]
    verdict = judge(FINDINGS, assessed)
    page = rendered(runs["incident-desk"], FINDINGS, assessed)
    head = page[: page.index("</header>")]
    assert "Fail" in head
    parsed = html5lib.parse(head)
    shown = ["".join(li.itertext()) for li in parsed.iter(X + "li")]
    assert [reason.replace("`", "") for reason in verdict.reasons] == shown[: len(verdict.reasons)]


def test_findings_deadlocks_and_provenance_are_told(runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> None:
    run, assessed = runs["incident-desk"], outcomes["incident-desk"]
    page = rendered(run, FINDINGS, assessed)
    text = " ".join("".join(tree(page).itertext()).split())
    for word in ("one is so", "policies/a.cedar:3", "lock:service", "lock:record", run.manifest.scenario_digest):
        assert word in text, word
    assert assessed.deadlock.found
    for objective in assessed.objectives:
        assert objective.sentence in text
    assert "three is so" not in text  # what holds is counted, not told
    assert "z3, proved again by cvc5" in text


def test_hostile_texts_are_inert(runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> None:
    assessed = outcomes["incident-desk"]
    ring = assessed.deadlock.rings[0]
    members = tuple(dataclasses.replace(m, step=HOSTILE, waits=HOSTILE, holds=(HOSTILE,)) for m in ring.members)
    spoilt = dataclasses.replace(
        assessed,
        deadlock=dataclasses.replace(assessed.deadlock, rings=(dataclasses.replace(ring, members=members),)),
        provenance=dataclasses.replace(assessed.provenance, description=HOSTILE, inputs={HOSTILE: HOSTILE}),
    )
    findings = Findings((finding(HOSTILE), finding(HOSTILE, "undecided"), finding(HOSTILE, "holds")), {})
    page = rendered(runs["incident-desk"], findings, spoilt)
    parsed = html5lib.HTMLParser(strict=True).parse(page)
    names = {str(e.tag).rpartition("}")[2] for e in parsed.iter()}
    assert not names & {"script", "img"}
    assert "{{ 7*7 }}" in page
    assert "\x1b" not in page


def test_very_many_findings_are_counted(runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> None:
    many = Findings(tuple(finding(f"p{n}") for n in range(2_000)), {})
    page = rendered(runs["refund-desk"], many, outcomes["refund-desk"])
    assert len(list(elements(page, "article"))) == STORIES
    assert f"{2_000 - STORIES:,} more findings" in page
    assert len(page.encode()) < 2_000_000


def test_findings_alike_keep_ids_apart(runs: dict[str, Run], outcomes: dict[str, Outcomes]) -> None:
    twice = Findings((finding("same"), finding("same")), {})
    page = rendered(runs["refund-desk"], twice, outcomes["refund-desk"])
    test_ids_are_unique_and_references_resolve(page)


def test_colours_keep_their_contrast_in_both_schemes() -> None:
    style = (ROOT / "reports" / "templates" / "style.css").read_text()
    schemes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6})", block)) for block in style.split(":root {")[1:]]
    assert len(schemes) == 3  # light, dark, print
    for scheme in schemes:
        for ink in ("ink", "muted", "accent", "good", "bad", "open"):
            for paper in ("paper", "panel"):
                assert _contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper, scheme)
        assert _contrast(scheme["ink"], scheme["band"]) >= 4.5


def _contrast(a: str, b: str) -> float:
    """WCAG 2.2 contrast ratio."""
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_contrast_check_can_say_no() -> None:
    assert _contrast("#777777", "#ffffff") < 4.5 < _contrast("#767676", "#ffffff")


def test_a_drawing_keeps_markup_in_texts_inert() -> None:
    with drawing(2, 1) as figure:
        figure.text(0.1, 0.5, "<b>& $x$")
        svg = inline(figure, "k", "<title> & more", 'a "desc"')
    root = ET.fromstring(svg)
    assert root.find("title").text == "<title> & more"  # type: ignore[union-attr]
    assert "<b>& $x$" in "".join(root.itertext())


def test_rings_of_any_size_are_drawn_without_a_warning() -> None:
    for number in (2, 3, 5, RING_SHOWN):
        members = tuple(Member(n, "workflow." + "s" * 60, (), "lock:x[" + "v" * 200 + "]") for n in range(number))
        chart = ring_chart(Ring(1, 0, 0, members), "r")
        assert chart.svg.count("waits for") >= number


def test_an_unwritable_place_is_an_input_error(runs: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_html(tmp_path / "no" / "such" / "folder.html", runs["refund-desk"], None)


def test_locks_have_a_table(page: str, outcomes: dict[str, Outcomes]) -> None:
    locks = outcomes["incident-desk"].locks
    assert len(locks) == 2
    if "incident" in page.partition("</h1>")[0]:
        for lock in locks:
            assert f'<th scope="row">{lock.name} <small>' in page
    else:
        assert 'aria-label="Locks"' not in page


@pytest.mark.parametrize(
    ("queue", "headline"),
    [
        (1000.0, "The longest queue is for the lock service, 1,000 waiting; of the desks it is at "),
        (0.0, "The longest queue is at "),
    ],
)
def test_the_longest_queue_may_be_one_for_a_lock(
    runs: dict[str, Run], outcomes: dict[str, Outcomes], queue: float, headline: str
) -> None:
    assessed = outcomes["incident-desk"]
    lock = dataclasses.replace(assessed.locks[0], longest_queue=Interval(queue, queue, queue, 0.95, 3))
    page = rendered(runs["incident-desk"], None, dataclasses.replace(assessed, locks=(lock,)))
    assert f"<figcaption>{headline}" in page
