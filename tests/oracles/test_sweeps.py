"""Sweeps against queueing formulas, brute force and hand calculation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import windtunnel as wt
from models.load import LoadedScenario
from models.units import MINUTE
from reports.intervals import exact
from reports.studies.designs import Axis, along, parse_axes, points_of
from reports.studies.study import Lab
from reports.studies.sweep import Best, Swept, _effects, _selected, front, slopes
from reports.studies.sweep_sections import headlines
from windtunnel.cli import exit_code

DESK = """\
windtunnel: 1
name: desk
start: 2026-01-05T00:00:00Z
horizon: 9h
warm-up: 1h
seed: 3
replications: 12
desks:
  people:
    roster: [{days: daily, hours: "00:00-24:00", staff: 4}]
    service: exponential(mean=1m)
    cost-per-hour: 60 USD
workflows: {call: {start: talk, steps: {talk: {kind: desk, desk: people}}}}
work: {calls: {workflow: call, arrivals: {kind: poisson, rate: 3/min}}}
objectives:
  soon: {kind: desk-wait, desk: people, at-most: 1m}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> LoadedScenario:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "scenario.yaml").write_text(DESK)
    return wt.load(folder)


def erlang_wait(servers: int, load: float) -> float:
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1.0 - load / servers * (1.0 - blocked)) / (servers - load)


def test_every_point_is_erlangs(desk: LoadedScenario, tmp_path: Path) -> None:
    vary = {"desks.people.staff": [4, 5, 7], "work.calls.arrivals.rate": ["2/min", "3/min"]}
    found = wt.sweep(
        desk, vary, tmp_path / "study", workers=1, tornado="desks.people.wait.mean", best="desks.people.wait.mean"
    )
    assert isinstance(found.result, Swept)
    frame = found.points().set_index(["desks.people.staff", "work.calls.arrivals.rate"])
    for (servers, rate), row in frame.iterrows():
        truth = erlang_wait(int(servers), float(str(rate).split("/")[0])) * MINUTE
        spread = row["desks.people.wait.mean_high"] - row["desks.people.wait.mean_low"]
        assert abs(row["desks.people.wait.mean"] - truth) < spread
    selected = found.result.selected
    assert selected is not None
    assert (selected.best, selected.more) == ("desks.people.staff=7, work.calls.arrivals.rate=2/min", False)
    first, second = found.result.effects
    assert first.path == "desks.people.staff"
    assert first.interval.high < 0 < second.interval.low


@pytest.mark.parametrize(("indifference", "budget"), [(2 * MINUTE / 60, None), (None, 120)])
def test_the_best_is_found_by_either_procedure(
    desk: LoadedScenario, tmp_path: Path, indifference: float | None, budget: int | None
) -> None:
    found = wt.sweep(
        desk,
        {"desks.people.staff": [4, 5, 6, 8]},
        tmp_path / "study",
        workers=1,
        replications=2,
        best="desks.people.wait.mean",
        indifference=indifference,
        budget=budget,
    ).result.selected
    assert found.best == "desks.people.staff=8"
    if budget is not None:
        assert sum(found.replications.values()) == budget
        # Waits of four people spread most, those of eight hardly: what tells is spent near the best and on the noisy.
        assert found.chance > 0.9
    else:
        assert found.replications["desks.people.staff=4"] <= found.replications["desks.people.staff=8"]
        assert not found.capped


def test_what_is_not_known_yet_is_told_apart_from_what_fails(desk: LoadedScenario, tmp_path: Path) -> None:
    """With four people the wait is about its limit, with two the queue grows for ever, with seven nobody waits."""
    vary = {"desks.people.staff": [2, 4, 7], "work.calls.arrivals.rate": ["3/min", "3.05/min"]}
    found = cast("Swept", wt.sweep(desk, vary, tmp_path / "study", replications=4, best="soon", workers=1).result)
    verdicts = [next(one.verdict for one in point.figures if one.measure == "soon") for point in found.points]
    assert set(verdicts) == {"pass", "fail", "undecided"}
    told = " ".join(headlines(found))
    keep, unsure = verdicts.count("pass"), verdicts.count("undecided")
    assert f"{keep} of 6 points keep the one objective; of {unsure} it is not known yet." in told
    assert "(desks.people.staff=7, work.calls.arrivals.rate=3/min)" in told


def test_the_same_sweep_is_the_same_bytes_with_two_workers(desk: LoadedScenario, tmp_path: Path) -> None:
    ask: dict[str, Any] = {"replications": 3, "best": "desks.people.wait.mean", "budget": 30}
    for workers in (1, 2):
        wt.sweep(desk, {"desks.people.staff": [4, 6]}, tmp_path / str(workers), workers=workers, **ask)
    one, two = ({f.name: f.read_bytes() for f in (tmp_path / str(n)).iterdir()} for n in (1, 2))
    assert one == two


# --- the front --------------------------------------------------------------------------------------------------------


def _front(figures: list[list[list[float]]], better: str = "less") -> list[str]:
    """The front of points with two measures, the first to be had low; each has its figures by replication."""
    infos = {"a": SimpleNamespace(better="less"), "b": SimpleNamespace(better=better)}
    variants = [SimpleNamespace(infos=infos, figures=dict(zip("ab", one, strict=True))) for one in figures]
    lab = cast("Lab", SimpleNamespace(sample=lambda variant, name, _: exact(variant.figures[name])))
    return list(front(lab, cast("Any", variants), ["a", "b"], range(3), 0.95))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    places = _front([[[float(x)] * 6, [float(y)] * 6] for x, y in points])
    for place, (x, y) in zip(places, points, strict=True):
        dominated = any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)
        assert place == ("off" if dominated else "front")  # figures without noise leave no `perhaps`


def test_what_is_bettered_by_chance_alone_may_be_on_the_front() -> None:
    noise = np.random.default_rng(1).normal(size=8)
    level = [0.0] * 8
    assert _front([[list(noise), level], [list(noise[::-1] + 0.01), level]]) == ["front", "perhaps"]
    assert _front([[list(noise), level], [list(noise + 0.01), level]]) == ["front", "off"]  # the same noise: surely


def test_what_nothing_is_known_of_betters_nothing() -> None:
    unknown = [math.nan] * 3
    level = [1.0] * 3
    assert _front([[level, level], [level, unknown]], "less") == ["front", "perhaps"]
    assert _front([[level, level], [level, unknown]], "more") == ["front", "perhaps"]


def test_the_best_is_no_point_that_nothing_is_known_of() -> None:
    figures = {"known": [0.5, 0.6, 0.7], "unknown": [math.nan] * 3}
    lab = cast("Lab", SimpleNamespace(sample=lambda variant, _, __: exact(figures[variant.name])))
    variants = cast("Any", [SimpleNamespace(name=name) for name in figures])
    asked = cast("Any", SimpleNamespace(replications=3, confidence=0.95))
    for more in (True, False):
        found = _selected(lab, variants, Best("share", more), asked)
        assert (found.best, found.left) == ("known", ("unknown",))


# --- effects and designs ----------------------------------------------------------------------------------------------


def test_effects_of_a_linear_measure_are_its_slopes() -> None:
    axes = parse_axes(["a=0..10", "b=2m..12m"])
    ids = list(points_of(axes, "latin-hypercube", 20, 7))
    figures = np.array(
        [[3 * along(axes[0], one["a"]) - 5 * along(axes[1], one["b"]) + r for r in range(4)] for one in ids]
    )
    assert slopes(axes[0], axes, ids, figures) == pytest.approx([3.0] * 4)
    assert slopes(axes[1], axes, ids, figures) == pytest.approx([-5.0] * 4)


def test_too_few_points_tell_no_slopes() -> None:
    """Two points of three ranges: endless many slopes go through them."""
    axes = parse_axes(["a=0..10", "b=0..10", "c=0..10"])
    ids = list(points_of(axes, "latin-hypercube", 2, 7))
    figures = np.array([[1.0, 1.1, 1.2], [2.0, 2.1, 2.2]])
    assert np.isnan(slopes(axes[0], axes, ids, figures)).all()
    assert np.isfinite(slopes(axes[0], axes[:1], ids, figures)).all()


def test_effects_that_are_not_known_come_last() -> None:
    """Where the middle of one field has nothing to measure, only its own ends are known."""
    axes = parse_axes(["a=1,2", "b=1,2,3", "c=1,2"])
    ids = list(points_of(axes, "grid", 12, 0))
    figures = [[math.nan if one["b"] == 2 else one["a"] + 0.1 * one["b"]] * 5 for one in ids]
    lab = cast("Lab", SimpleNamespace(sample=lambda variant, _, __: exact(figures[variant])))
    asked = cast("Any", SimpleNamespace(replications=5, confidence=0.95, axes=axes, design="grid"))
    found = _effects(lab, cast("Any", range(12)), ids, "m", asked)
    assert [one.path for one in found] == ["b", "a", "c"]
    assert found[0].interval.estimate == pytest.approx(0.2)
    assert not found[1].interval.known


def test_a_grid_is_every_combination_and_ranges_have_their_levels() -> None:
    axes = parse_axes(["a=1,2", "b=10m..30m:3", "c=2..8:4"])
    points = list(points_of(axes, "grid", 24, 0))
    assert len(points) == 24
    assert {one["b"] for one in points} == {"10m", "20m", "30m"}
    assert {one["c"] for one in points} == {2, 4, 6, 8}
    assert points[0] == {"a": 1, "b": "10m", "c": 2}


@pytest.mark.parametrize("design", ["latin-hypercube", "sobol"])
def test_designs_fill_their_ranges_evenly_and_are_the_same_again(design: Any) -> None:
    axes = parse_axes(["a=1..8", "b=0.0..1.0", "c=10/h..50/h", "d=[x, y],[z]", "e=1 USD..2 USD"])
    points = list(points_of(axes, design, 64, 5))
    assert points == list(points_of(axes, design, 64, 5))
    assert [sum(one["a"] == n for one in points) for n in range(1, 9)] == [8] * 8
    assert all(sum(k / 4 <= one["b"] < (k + 1) / 4 for one in points) == 16 for k in range(4))
    assert all(along(Axis("c", (), "0.001/s", "1/s"), one["c"]) + 0.01 >= 10 / 3600 for one in points)
    assert {json.dumps(one["d"]) for one in points} == {'["x", "y"]', '["z"]'}
    assert points != list(points_of(axes, design, 64, 6))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--vary", "desks.people.stafff=1,2"], "did you mean `desks.people.staff`?"),
        (["--vary", "desks.people.hours=1,2"], "--vary desks.people.hours=1: there is no `desks.people.hours`"),
        (["--vary", "desks.people.staff=1,2", "--tornado", "soone"], "--tornado: there is no measure `soone`"),
        (["--vary", "desks.poeple.staff=1,2"], "did you mean `desks.people.staff`?"),
        (["--vary", "desks.people.staff=one,two"], "expected a whole number"),
        (["--vary", "desks.people.staff"], "not a field with values"),
        (["--vary", "desks.people.staff=3,3"], "a value stands twice"),
        (["--vary", "desks.people.staff=3..1", "--design", "sobol", "--points", "4"], "the range is empty"),
        (["--vary", "horizon=1h..many", "--design", "sobol", "--points", "4"], "not a range"),
        (["--vary", "desks.people.staff=1..4"], "a grid needs values, not a range"),
        (["--vary", "desks.people.staff=1..4", "--design", "sobol", "--points", "5"], "did you mean 4?"),
        (["--vary", "desks.people.staff=1..4", "--design", "latin-hypercube"], "needs a number of points"),
        (["--vary", "desks.people.staff=1,2", "--vary", "desks.people.staff=3"], "varies twice"),
        (["--vary", "desks.people.staff=1,2", "--best", "soone"], "did you mean `soon`?"),
        (["--vary", "desks.people.staff=1,2", "--best", "desks.people.load"], "neither more nor less"),
        (["--vary", "desks.people.staff=1,2", "--indifference", "3s"], "no `--best` is"),
        (["--vary", "desks.people.staff=1,2", "--best", "soon", "--indifference", "3"], "is not a duration"),
        (["--vary", "seed=1,2"], "`seed` changes nothing here"),
        (["--vary", "desks.people.staff=1,2", "--pareto", "desks.people.load"], "neither more nor less"),
        (["--vary", "desks.people.staff=1,2,3", "--best", "soon", "--budget", "5"], "6 or more"),
        (
            ["--vary", "desks.people.staff=1,2", "--replications", "1"],
            "intervals and differences come from replications",
        ),
        (["--vary", "desks.people.staff=1..1000:1000", "--vary", "horizon=2h..3h:1000"], "give `--yes` to begin it"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_simulated(
    desk: LoadedScenario, arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    assert exit_code(["sweep", str(desk.path), "--out", str(out), "--workers", "1", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
