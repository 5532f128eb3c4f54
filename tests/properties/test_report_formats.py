"""A report says the same in every format: Markdown its page, CSV its figures, several runs each one's."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import windtunnel as wt
from models.load import LoadedScenario
from reports.digest import Digest
from reports.formats.figures import _UNITS, COLUMNS, figures_csv, unit_of
from reports.formats.page import escaped, page_markdown
from reports.intervals import Interval
from reports.json import plain
from reports.outcomes import Outcomes
from windtunnel.cli import exit_code

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
SHORT = {"horizon": "2d", "faults": []}


@pytest.fixture(scope="module")
def desk() -> LoadedScenario:
    return wt.load(SCENARIOS / "refund-desk", SHORT)


@pytest.fixture(scope="module")
def run(desk: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats") / "run"
    wt.simulate(desk, folder, replications=3, workers=1, findings=wt.verify(desk))
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats") / "other"
    wt.simulate(wt.load(SCENARIOS / "retry-storm"), folder, replications=5, workers=1)
    return folder


def out(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = exit_code(arguments)
    return code, capsys.readouterr().out


# --- Markdown ---------------------------------------------------------------------------------------------------------


class _Cells(HTMLParser):
    """The texts of table cells and headings, as a browser would show them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag in ("td", "th", "h2", "h3", "caption"):
            self._inside = tag
            self.found.append("")
        elif self._inside and tag in ("br", "small"):
            self.found[-1] += " "

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:[.,][^\W_]+)*%?", text)


def test_markdown_has_every_heading_and_every_cell_of_the_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["report", str(run)]) == 3
    html = (run / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    code, told = out(["report", str(run), "--format", "md"], capsys)
    assert code == 3, "the verdict, in every format"
    cells = _Cells()
    cells.feed(html)
    said = Counter(words(told))
    missing = Counter(word for text in cells.found for word in words(text)) - said
    assert not missing
    assert told.count("\n## ") == html.count("<h2")
    assert told.count("| --- |") >= html.count("<table") - 1
    assert "<" not in re.sub(r"\\<", "", told)


def test_every_row_of_a_table_has_as_many_cells(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = out(["report", str(run), "--format", "md"], capsys)[1]
    for table in re.findall(r"(?:^\|.*\|\n)+", told, flags=re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


@given(st.text())
def test_no_character_of_a_text_is_markup(text: str) -> None:
    told = escaped(text)
    assert "\n" not in told
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|#~!]", told.replace("\\\\", ""))
    assert page_markdown(f"<p>{text.replace('&', '').replace('<', '')}</p>").count("\n\n") <= 1


# --- CSV --------------------------------------------------------------------------------------------------------------


def triples(value: Any) -> list[tuple[float | None, ...]]:
    """Every interval of the JSON: estimate, low, high."""
    if isinstance(value, dict):
        own = [tuple(value[key] for key in ("estimate", "low", "high"))] if "estimate" in value else []
        return own + [found for inner in value.values() for found in triples(inner)]
    return [found for inner in value for found in triples(inner)] if isinstance(value, list) else []


def test_csv_has_every_figure_of_the_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = out(["report", str(run), "--format", "csv"], capsys)[1]
    outcomes = json.loads(out(["report", str(run), "--format", "json"], capsys)[1])["outcomes"]
    rows = list(csv.DictReader(io.StringIO(told)))
    assert tuple(rows[0]) == COLUMNS
    found = Counter(tuple(float(row[key]) if row[key] else None for key in ("value", "low", "high")) for row in rows)
    assert found == Counter(triples(outcomes))
    assert {row["name"] for row in rows if row["part"] == "objectives"} == {o["name"] for o in outcomes["objectives"]}


def parts_with_intervals() -> set[tuple[str, str]]:
    """Parts of outcomes with their measured fields."""
    return {
        (part, name)
        for outcomes in (Outcomes, Digest)
        for part, kind in get_type_hints(outcomes).items()
        for one in classes_of(kind)
        for name, hint in get_type_hints(one).items()
        if "Interval" in str(hint)
    }


def classes_of(kind: Any) -> Iterator[type]:
    """The data classes that a type hint holds, however deep."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind is not Interval:
            yield kind
            for hint in get_type_hints(kind).values():
                yield from classes_of(hint)
    else:
        for one in get_args(kind):
            yield from classes_of(one)


def test_every_figure_has_the_unit_that_the_report_tells_it_in() -> None:
    """By the calls that put figures into the report's tables, `Figure(desk.load, "share")`."""
    have = parts_with_intervals()
    assert set(_UNITS) <= set(have)
    shown = re.compile(r'(?:(?:Figure|measured)\(\s*\w+\.|", ")(\w+)"?, "(duration|share|money|count)"\)')
    files = [*(ROOT / "reports").glob("*.py"), *(ROOT / "reports" / "templates").rglob("*.jinja")]
    texts = [path.read_text() for path in files]
    used = {(figure, unit) for text in texts for figure, unit in shown.findall(text)}
    assert len(used) > 80
    told = {(figure, unit_of(part, figure)) for part, figure in have}
    assert used <= told
    once = {figure for figure, _ in used}
    assert {pair for pair in told if pair[0] in once and pair[1] != "count"} <= used


def test_csv_tells_units(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = out(["report", str(run), "--format", "csv"], capsys)[1]
    rows = {(row["part"], row["name"], row["figure"]): row["unit"] for row in csv.DictReader(io.StringIO(told))}
    assert rows["people", "care", "wait_p95"] == rows["objectives", "night-desk-answers", "interval"] == "us"
    assert rows["work", "refunds", "cost"] == rows["objectives", "affordable", "interval"] == "USD"
    assert rows["work", "refunds", "wrong"] == "share"
    assert rows["people", "care", "served"] == "count"


def test_what_is_not_kept_and_not_measured_is_no_figure(desk: LoadedScenario, tmp_path: Path) -> None:
    counted = wt.simulate(desk, tmp_path / "run", replications=2, workers=1, volume="summary")
    outcomes = wt.assess(counted)
    rows = list(csv.DictReader(io.StringIO(figures_csv([("=1+1", outcomes)]))))
    assert {row["run"] for row in rows} == {"'=1+1"}, "no spreadsheet computes it"
    assert Counter(triples(plain(outcomes))) == Counter(
        tuple(float(row[key]) if row[key] else None for key in ("value", "low", "high")) for row in rows
    )
    assert all(math.isfinite(float(row["value"])) for row in rows if row["value"])


# --- several runs, a study, PDF ---------------------------------------------------------------------------------------


def test_several_runs_have_the_worst_verdict_and_every_objective(
    run: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = exit_code(["report", str(other)])
    page = tmp_path / "both.html"
    assert (single, exit_code(["report", str(run), str(other), "--out", str(page)])) == (1, 1)
    text = page.read_text(encoding="utf-8")
    for folder in (run, other):
        for name in wt.open_run(folder).scenario.objectives:
            assert f">{name}</th>" in text
    capsys.readouterr()


def test_several_runs_are_told_as_json_and_csv(run: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = out(["report", str(run), str(run), "--format", "json"], capsys)
    value = json.loads(told)
    assert (code, value["schema"], value["verdict"]["result"]) == (3, "windtunnel.reports/1", "undecided")
    assert len(value["runs"]) == 2
    told = out(["report", str(run), str(run), "--format", "csv"], capsys)[1]
    assert {row["run"] for row in csv.DictReader(io.StringIO(told))} == {"refund-desk (1)", "refund-desk (2)"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--format", "sarif"], "several runs are told as"),
        (["--format", "text"], "several runs are told as"),
        ([], "name the file"),
        (["--study", "x"], "the page of one run"),
    ],
)
def test_what_several_runs_cannot_be_told_as(
    run: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["report", str(run), str(run), *given]) == 2
    assert message in capsys.readouterr().err


def test_a_study_is_told_in_the_report_of_its_scenario_alone(
    run: Path, other: Path, desk: LoadedScenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variants = {"base": {}, "one": {"desks.care.roster.0.staff": 1}}
    study = wt.compare(desk, variants, tmp_path / "study", replications=3, workers=1).folder
    page = tmp_path / "page.html"
    assert exit_code(["report", str(run), "--study", str(study), "--out", str(page)]) == 3
    text = page.read_text(encoding="utf-8")
    assert "What if: one against base" in text
    assert len(set(re.findall(r' id="([^"]+)"', text))) == len(re.findall(r' id="([^"]+)"', text)), "ids are unique"
    assert exit_code(["report", str(other), "--study", str(study)]) == 2
    assert "is a study of another scenario" in capsys.readouterr().err
    assert exit_code(["report", str(run), "--study", str(study), "--format", "csv"]) == 2


def test_without_a_browser_there_is_no_pdf(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert exit_code(["report", str(run), "--format", "pdf"]) == 2
    assert "a PDF needs a browser" in capsys.readouterr().err
    assert not (run / "report.pdf").exists()
