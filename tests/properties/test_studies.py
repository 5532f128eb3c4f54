"""A study gives the same answer whoever measures, in whichever order, and however often it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import windtunnel as wt
from models.diagnostics import InputError
from models.load import LoadedScenario
from reports.studies import study as studies
from reports.studies.compare import Compare, Comparison
from reports.studies.compare_sections import DIFFERS, charts
from reports.studies.study import Settings, answer_question
from sim.executors.base import Answered, Asked
from sim.executors.pool import InProcess

SCENARIO = Path(__file__).parents[2] / "scenarios" / "refund-desk"
SHORT = {"horizon": "1d", "warm-up": "2h", "faults": []}
QUESTION = Compare({"base": {}, "few": {"desks.care.roster.0.staff": 1}, "same": {}}, 6)


@pytest.fixture(scope="module")
def scenario() -> LoadedScenario:
    return wt.load(SCENARIO, SHORT)


@pytest.fixture(scope="module")
def whole(scenario: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return _answered(scenario, tmp_path_factory.mktemp("whole") / "study")


def _answered(scenario: LoadedScenario, out: Path, workers: int = 1) -> dict[str, bytes]:
    answer_question(scenario, QUESTION, Settings(7), out, workers=workers)
    return {file.name: file.read_bytes() for file in out.iterdir()}


class _Stopped(InProcess):
    """An executor that is interrupted after so many replications."""

    def __init__(self, after: int) -> None:
        self.after = after

    def run(self, asked: Iterable[Asked]) -> Iterator[Answered]:  # type: ignore[override]
        for done, answer in enumerate(super().run(asked)):
            if done == self.after:
                raise KeyboardInterrupt
            yield answer


def _stopping(after: int) -> Callable[..., object]:
    from contextlib import nullcontext

    return lambda *_: nullcontext(_Stopped(after))


def test_workers_do_not_matter(scenario: LoadedScenario, whole: dict[str, bytes], tmp_path: Path) -> None:
    assert _answered(scenario, tmp_path / "study", workers=2) == whole


@pytest.mark.parametrize("after", [1, 3, 9])
def test_a_study_that_was_stopped_goes_on_to_the_same_bytes(
    after: int, scenario: LoadedScenario, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    with monkeypatch.context() as patched:
        patched.setattr(studies, "executor", _stopping(after))
        with pytest.raises(KeyboardInterrupt, match=f"{after} measured replication"):
            _answered(scenario, out)
    assert not out.exists()
    measured: list[int] = []
    answer_question(scenario, QUESTION, Settings(7), out, workers=1, progress=lambda done, _: measured.append(done))
    assert measured == list(range(after + 1, 13))  # `same` is `base`: it is measured once
    assert {file.name: file.read_bytes() for file in out.iterdir()} == whole


def test_a_damaged_line_of_the_journal_is_measured_again(
    scenario: LoadedScenario, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    with monkeypatch.context() as patched:
        patched.setattr(studies, "executor", _stopping(3))
        with pytest.raises(KeyboardInterrupt):
            _answered(scenario, out)
    journal = tmp_path / ".study.unfinished" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2].replace(b"0", b"1", 1) + lines[3][:-9])
    assert _answered(scenario, out) == whole


def test_the_tables_tell_every_measure_and_the_answer_can_be_read_again(whole: dict[str, bytes]) -> None:
    result = json.loads(whole["result.json"])
    assert [variant["name"] for variant in result["variants"]] == ["base", "few", "same"]
    same = {contrast["word"] for contrast in result["variants"][2]["contrasts"]}
    assert same <= {"no difference", "undecided"}
    few = {contrast["measure"]: contrast["word"] for contrast in result["variants"][1]["contrasts"]}
    assert few["care-not-swamped"] == "worse"
    assert few["desks.care.load"] == "more"
    manifest = json.loads(whole["study.json"])
    assert manifest["schema"] == "windtunnel.study/1"
    assert manifest["replications"] == 12


def test_a_variant_that_is_wrong_leaves_nothing_behind(scenario: LoadedScenario, tmp_path: Path) -> None:
    question = Compare({"base": {}, "wrong": {"desks.caer.roster.0.staff": 1}}, 2)
    with pytest.raises(InputError, match=r"desks\.caer"):
        answer_question(scenario, question, Settings(7), tmp_path / "study", workers=1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_study_is_not_overwritten(scenario: LoadedScenario, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"schema": "windtunnel.run/2"}')
    with pytest.raises(InputError, match="holds no study"):
        answer_question(scenario, QUESTION, Settings(7), tmp_path / "run", workers=1)


def test_the_answer_is_typed(scenario: LoadedScenario, tmp_path: Path) -> None:
    answer = answer_question(scenario, Compare({"base": {}}, 2), Settings(7), tmp_path / "study", workers=1)
    assert isinstance(answer.result, Comparison)
    assert answer.result.variants[0].contrasts == ()


def test_the_chart_of_a_comparison_draws_the_objectives_that_differ(scenario: LoadedScenario, tmp_path: Path) -> None:
    found = answer_question(scenario, QUESTION, Settings(7), tmp_path / "study", workers=1).result
    words = {one.measure for of in found.variants for one in of.contrasts if one.word in DIFFERS}
    differ = [kind.name for kind in found.measures if kind.objective and kind.name in words]
    assert differ, "one person instead of five is felt"
    [chart] = charts(found)
    for kind in found.measures:
        assert (f">{kind.name}<" in chart.svg) == (kind.name in differ)
    same = replace(found, variants=(found.variants[0], found.variants[2]))
    assert charts(same) == ()
