"""A recovery map says what a fluid says: with n attempts a server that is behind gets n times the load, and catches up
where that is less than it manages. The map of scenarios/retry-storm has both regions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from scipy.stats import binom

import windtunnel as wt
from models.load import LoadedScenario
from reports.intervals import bounded
from reports.studies import study as studies
from reports.studies.designs import Axis
from reports.studies.recovery_map import Mapped, RecoveryMap, chance, fewest, told
from sim.executors.base import Answered, Asked
from sim.executors.pool import InProcess
from windtunnel.cli import exit_code

STORM = Path(__file__).parents[2] / "scenarios" / "retry-storm"
RATE = "work.questions.arrivals.rate"
ATTEMPTS = "workflows.question.steps.answer.retry.attempts"
SHORT = {"horizon": "140m", "warm-up": "5m", "faults.0.at": "20m"}
"""Three of its windows are longer than a question lasts, so that it is known of the last ones too."""
MANAGES = 13 / 8.6
"""Answers a second: 13 at a time, 8.6 s each (the mean of the log-normal law)."""


@pytest.fixture(scope="module")
def storm() -> LoadedScenario:
    return wt.load(STORM, SHORT)


def mapped(scenario: LoadedScenario, out: Path, rates: str, attempts: str = "1,3", workers: int = 1) -> Mapped:
    found = wt.recovery_map(scenario, f"{RATE}={rates}", f"{ATTEMPTS}={attempts}", out, workers=workers)
    assert isinstance(found.result, Mapped)
    return found.result


def test_it_comes_back_where_the_server_manages_all_attempts_of_the_load(storm: LoadedScenario, tmp_path: Path) -> None:
    found = mapped(storm, tmp_path / "map", "0.3/s,1/s")
    for cell in found.cells:
        offered = float(cell.load.removesuffix("/s")) * cell.retry
        assert cell.answer == ("comes back" if offered < MANAGES else "stays down")
        assert (cell.back, cell.down) == ((9, 0) if offered < MANAGES else (0, 9))
        assert cell.verdict == ("pass" if offered < MANAGES else "fail")
        assert cell.time.known == (offered < MANAGES)
    assert [cell.answer for cell in found.rows()[1]] == ["comes back", "stays down"]


def test_a_server_that_cancels_has_no_region_where_it_stays_down(tmp_path: Path) -> None:
    """The check above can say no: the same map of the cured server is another."""
    cured = wt.load(STORM, {**SHORT, "endpoints.model-server.abandoned": "cancel"})
    assert {cell.answer for cell in mapped(cured, tmp_path / "map", "1/s").cells} == {"comes back"}


@pytest.mark.long
def test_the_edge_of_the_map_in_the_readme(tmp_path: Path) -> None:
    found = mapped(wt.load(STORM), tmp_path / "map", "0.5/s,0.75/s", "2,3", workers=2)
    answers = [[cell.answer[0] for cell in row] for row in found.rows()]
    assert answers == [["c", "s"], ["u", "s"]]
    edge = found.cells[2]
    assert (edge.back, edge.down, edge.replications) == (21, 19, 40)  # 1.5 a second, and the server manages 1.51


# --- how sure it is ---------------------------------------------------------------------------------------------------


def wrongly_told(level: float, first: int, last: int, share: float = 0.5) -> float:
    """The chance that a cell is told though neither is likelier, by all counts at both looks."""
    wrong = 0.0
    for early in range(first + 1):
        weight = binom.pmf(early, first, share)
        if told(chance(early, first - early, first, level)) != "undecided":
            wrong += weight
            continue
        for late in range(last - first + 1):
            back = early + late
            if told(chance(back, last - back, last, level)) != "undecided":
                wrong += weight * binom.pmf(late, last - first, share)
    return float(wrong)


@pytest.mark.parametrize("cells", [1, 4, 12])
def test_all_cells_together_are_told_wrongly_as_seldom_as_promised(cells: int) -> None:
    question = RecoveryMap("back", Axis("a", tuple(range(cells))), Axis("b", (1,)))
    assert cells * wrongly_told(question.level, fewest(question.level), 40) <= 0.05
    without_sharing = fewest(0.95)
    assert cells * wrongly_told(0.95, without_sharing, 40) > 0.05  # one level for every look at every cell is wrong


def test_the_fewest_replications_are_those_that_tell_when_all_agree() -> None:
    for level in (0.9, 0.95, 0.99, 0.9979, 0.99994):
        least = fewest(level)
        assert told(chance(least, 0, least, level)) == "comes back"
        assert told(chance(0, least, least, level)) == "stays down"
        assert told(chance(least - 1, 0, least - 1, level)) == "undecided"


def test_replications_that_ended_too_soon_count_as_neither() -> None:
    assert told(chance(12, 0, 24, 0.95)) == "undecided"
    assert told(chance(0, 12, 24, 0.95)) == "undecided"
    open_ones = chance(12, 8, 24, 0.95)
    known = chance(12, 12, 24, 0.95)
    assert open_ones.low == known.low
    assert open_ones.high > known.high
    assert math.isnan(chance(0, 0, 0, 0.95).estimate)


# --- what it rests on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "attempts"), [("0.3/s", 3), ("1/s", 1), ("1/s", 3)])
def test_measures_are_the_figures_of_a_run(rate: str, attempts: int, tmp_path: Path) -> None:
    scenario = wt.load(STORM, {**SHORT, RATE: rate, ATTEMPTS: attempts})
    outcomes = wt.assess(wt.simulate(scenario, tmp_path / "run", replications=3, workers=1))
    [rush] = outcomes.recovery  # type: ignore[union-attr]
    names = ["back-after-the-rush.back", "back-after-the-rush.time"]
    rows = {}
    for volume in ("events", "summary"):
        found = wt.compare(
            scenario,
            {"base": {}, "other": {ATTEMPTS: attempts + 1}},
            tmp_path / volume,
            replications=3,
            measures=names,
            volume=volume,
            workers=1,
        )
        frame = found.measures()
        rows[volume] = frame[(frame["variant"] == "base") & frame["measure"].isin(names)].reset_index(drop=True)
    assert rows["events"].equals(rows["summary"])
    back, time = (rows["events"][rows["events"]["measure"] == name] for name in names)
    assert (back["high"] == 0.0).sum() == rush.down
    assert bounded(time["low"], time["high"]).measured == rush.replications == 3
    assert rush.recovery.estimate == pytest.approx(time["high"].mean()) or rush.recovery.at_least


class _Stopped(InProcess):
    def run(self, asked: Iterable[Asked]) -> Iterator[Answered]:  # type: ignore[override]
        for done, answer in enumerate(super().run(asked)):
            if done == 5:
                raise KeyboardInterrupt
            yield answer


def test_a_map_that_was_stopped_goes_on_to_the_same_bytes(
    storm: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped(storm, tmp_path / "whole", "0.2/s", "1")
    with monkeypatch.context() as patched:
        patched.setattr(studies, "executor", lambda *_: nullcontext(_Stopped()))
        with pytest.raises(KeyboardInterrupt, match="5 measured replications"):
            mapped(storm, tmp_path / "again", "0.2/s", "1")
    assert exit_code(["resume", str(tmp_path / "again"), "--workers", "1"]) == 0
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_the_map_is_told_on_a_page_in_the_terminal_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map"
    short = [part for path, value in SHORT.items() for part in ("--set", f"{path}={value}")]
    asked = ["--load", f"{RATE}=0.2/s", "--retry", f"{ATTEMPTS}=1", "--out", str(out), "--workers", "1"]
    assert exit_code(["recovery-map", str(STORM), *asked, *short]) == 0
    text = capsys.readouterr().out
    assert "where goodput comes back after rush" in text
    assert "With retry.attempts of 1 it comes back at 0.2/s." in text
    page = (out / "report.html").read_text()
    drawn = page[page.index("<svg") : page.index("</svg>")]
    assert ">comes back<" in drawn  # the words are text, not colour alone
    assert exit_code(["report", str(out), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "windtunnel.recovery-map/1"
    assert found["answer"]["cells"][0]["answer"] == "comes back"


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "retry", "more", "told"),
    [
        (f"{RATE}=1/s", "attempts", (), ["--retry attempts: not a field with values"]),
        (f"{RATE}=", f"{ATTEMPTS}=1,1", (), ["not a field with values", "a value stands twice"]),
        (f"{RATE}=1/s..2/s", f"{ATTEMPTS}=1,1", (), ["--load: a map needs values", "a value stands twice"]),
        (
            "work.question.arrivals.rate=1/s",
            f"{ATTEMPTS}=1",
            (),
            ["--load work.question.arrivals.rate=1/s: ", "did you mean"],
        ),
        (f"{RATE}=fast", f"{ATTEMPTS}=0,1", (), [f"--load {RATE}=fast: `fast`", f"--retry {ATTEMPTS}=0"]),
        (f"{RATE}=1/s", f"{RATE}=2/s", (), ["is both load and retry setting"]),
        (f"{RATE}=1/s", f"{ATTEMPTS}=1", ("--objective", "back-after"), ["did you mean `back-after-the-rush`?"]),
        (f"{RATE}=1/s", f"{ATTEMPTS}=1", ("--replications-max", "5"), ["expected 7 replications or more"]),
        (f"{RATE}=1/s", f"{ATTEMPTS}={','.join(map(str, range(1, 402)))}", (), ["400 cells at most, this has 401"]),
    ],
)
def test_what_is_wrong_is_said(
    load: str, retry: str, more: tuple[str, ...], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--load", load, "--retry", retry, "--out", str(tmp_path / "map"), "--workers", "1"]
    assert exit_code(["recovery-map", str(STORM), *asked, *more]) == 2
    said = capsys.readouterr().err
    for part in told:
        assert part in said
    assert not (tmp_path / "map").exists()


def test_a_scenario_without_such_an_objective_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refunds = STORM.parent / "refund-desk"
    asked = ["--load", "horizon=1d", "--retry", "seed=1", "--out", str(tmp_path / "map")]
    assert exit_code(["recovery-map", str(refunds), *asked]) == 2
    assert "the scenario has no objective of recovery" in capsys.readouterr().err
