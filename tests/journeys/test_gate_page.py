"""The page of a change, and the change in the report of a run: both from the gate's JSON, which is never trusted."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import html5lib
import pytest

import windtunnel as wt
from models.diagnostics import InputError
from reports.flow_charts import Move, escalation_chart, moves_chart
from reports.gate.chapter import change_of, parsed_gate
from reports.gate.page import render_gate
from reports.intervals import Interval
from repository import FLOOD, fleet
from windtunnel.cli import exit_code

HOSTILE = "<script>alert(1)</script>\"'<img src=x>{{ 7*7 }}`$x$\x1b[31m\u202e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged change: `gate.json`, `gate.html`, and `run`, a run of its head."""
    made = tmp_path_factory.mktemp("change")
    repository = fleet(made / "repository")
    repository.branch("flood", policies=FLOOD)
    repository.git("checkout", "-q", "flood")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository.root)
        words = ["gate", "--base", "main", "--workers", "1", "--replications", "3", "--page", str(made / "gate.html")]
        assert exit_code([*words, "--write", f"markdown={made / 'gate.md'}"]) == 1
        judged = wt.gate("main", folder=repository.root, workers=1, replications=3)
        (made / "gate.json").write_text(_json(judged), encoding="utf-8")
        scenario = wt.load("fleet/desk")
        wt.simulate(scenario, made / "run", replications=2, workers=1, findings=wt.verify(scenario))
    return made


def _json(judged: Any) -> str:
    from reports.gate.json import to_json

    return json.dumps(to_json(judged), allow_nan=False)


@pytest.fixture(scope="module")
def values(folder: Path) -> Any:
    return json.loads((folder / "gate.json").read_text())


def rendered(values: Any) -> str:
    return render_gate(parsed_gate(json.dumps(values).encode(), "gate.json"))


def checked(page: str) -> str:
    """A page that is well-formed, whose ids are unique and whose references resolve."""
    parsed = html5lib.HTMLParser(strict=True).parse(page)
    elements = list(parsed.iter())
    ids = [one.attrib["id"] for one in elements if "id" in one.attrib]
    assert len(ids) == len(set(ids))
    for one in elements:
        for name in ("aria-labelledby", "href"):
            for to in one.attrib.get(name, "").split():
                assert to.removeprefix("#") in ids
    names = {str(one.tag).rpartition("}")[2] for one in elements}
    assert not names & {"script", "img"}
    return page


def test_the_page_tells_the_verdict_then_decisions_and_the_operational_effect(folder: Path, values: Any) -> None:
    page = checked((folder / "gate.html").read_text())
    assert "wt-" not in page and str(folder) not in page  # noqa: PT018 - neither place of this machine
    verdict, effect, decision = (page.index(text) for text in ("</span> Fail", "This change sends", "newly-escalated"))
    assert verdict < min(effect, decision)
    for reason in values["verdict"]["reasons"]:
        assert re.sub(r"[`<>]|</?code>", "", reason) in re.sub(r"[`]|</?code>", "", page)
    assert "finance gets" in page
    assert "head against base" in page
    assert rendered(values) == page, "the page is that of the JSON"


def test_several_targets_are_told_apart(values: Any) -> None:
    """Each has one place in the contents, and its headings name it."""
    several = copy.deepcopy(values)
    [one] = several["targets"]
    several["targets"].append({**copy.deepcopy(one), "path": "other/desk", "name": "other/desk"})
    page = checked(rendered(several))
    contents = re.findall(r'<li><a href="#([^"]+)">([^<]+)</a></li>', page)
    assert contents == [("change-1", "fleet/desk"), ("change-2", "other/desk"), ("method", "Method")]
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert len(headings) == len(set(headings))


def test_the_report_of_a_run_tells_the_change_of_its_scenario(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    words = ["report", str(folder / "run"), "--gate", str(folder / "gate.json")]
    exit_code([*words, "--out", str(out)])
    page = checked(out.read_text())
    assert page.index('id="policies"') < page.index('id="change-1"') < page.index('id="people"')
    assert "This change sends" in page
    exit_code([*words, "--format", "md", "--out", str(tmp_path / "report.md")])
    assert "This change sends" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--gate", "none.json"), "no such file"),
        (("--gate", "gate.md"), "is not the JSON of a gate"),
        (("--gate", "gate.json", "--format", "csv"), "html, md or pdf"),
        (("run", "--gate", "gate.json"), "of one run"),
    ],
)
def test_what_cannot_be_told_in_a_report(
    folder: Path,
    words: tuple[str, ...],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert exit_code(["report", "run", *words]) == 2
    assert fault in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--page=no/gate.html", "--write=junit=no/gate.xml"])
def test_a_place_that_is_none_is_told_before_anything_is_judged(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # no checkout: that would be told next
    assert exit_code(["gate", "--base", "main", option]) == 2
    assert "there is no folder `no`" in capsys.readouterr().err


def test_a_change_of_another_scenario_is_not_told(values: Any) -> None:
    with pytest.raises(InputError, match="judges no change of the scenario `other`"):
        change_of(parsed_gate(json.dumps(values).encode(), "gate.json"), "other", "gate.json")


def texts(values: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in JSON values, as what it is in and its key."""
    for key, value in list(values.items() if isinstance(values, dict) else enumerate(values)):
        yield values, key
        if isinstance(value, dict | list):
            yield from texts(value)


def test_hostile_texts_are_inert(values: Any) -> None:
    spoilt = copy.deepcopy(values)
    free = {
        "ref",
        "reasons",
        "path",
        "files",
        "notes",
        "message",
        "detail",
        "waived",
        "name",
        "words",
        "rule",
        "target",
    }
    free |= {"fingerprint", "scenario", "measure", "currency", "open_because"}
    for within, key in texts(spoilt):
        named = key in free or (isinstance(within, list) and isinstance(within[key], str))
        if named and isinstance(within[key], str) and within[key] not in ("compare",):
            within[key] += HOSTILE
    page = checked(rendered(spoilt))
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7*7 }}" in page


@pytest.mark.parametrize("seed", range(4))
def test_any_value_may_be_something_else(values: Any, seed: int) -> None:
    """A page or a fault that is told, whatever stands in the file."""
    chosen = random.Random(seed)
    places = sum(1 for _ in texts(copy.deepcopy(values)))
    for number in chosen.sample(range(places), 25):
        spoilt = copy.deepcopy(values)
        within, key = list(texts(spoilt))[number]
        within[key] = chosen.choice([None, [], {}, "x", -1, 1e300, True, [[]]])
        with suppress(InputError):
            checked(rendered(spoilt))


# --- charts -----------------------------------------------------------------------------------------------------------


def interval(value: float) -> Interval:
    return Interval(value, value, value, 0.95, 3)


def test_the_chart_of_moves_says_what_is_sure() -> None:
    one = Move("finance", interval(0.1), interval(0.7), sure=True)
    other = Move("care", interval(0.2), interval(0.9), sure=False)
    drawn = moves_chart("k", [one, other])
    assert drawn is not None
    assert drawn.title == "finance gets 70% of the cases, before the change 10%"
    drawn = moves_chart("k", [other])
    assert drawn is not None
    assert drawn.title == "No desk is known to get another share of the cases"
    assert moves_chart("k", []) is None
    assert escalation_chart([]) is None
