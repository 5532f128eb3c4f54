"""A run that keeps less tells the same of what it keeps, and says of the rest that it is not kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from models.units import DAY
from reports.html import render_html
from reports.json import report_json
from reports.kept import NotKept, NotKeptError
from reports.outcomes import Outcomes, assess
from reports.sections import sections
from reports.tables import read_tables
from reports.verdict import judge
from sim import case_table
from sim.audit import audit
from sim.counts import CountedLog
from sim.logs import Kind, Log
from sim.replay import replay
from sim.run import MANIFEST, Run, open_run
from sim.simulate import _grouped, resume, simulate
from sim.tables import KEPT

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = sorted(path.parent.name for path in SCENARIOS.glob("*/scenario.yaml"))


def shortened(name: str) -> LoadedScenario:
    loaded = load(SCENARIOS / name)
    horizon = min(loaded.scenario.horizon, max(2 * DAY, loaded.scenario.warm_up + DAY))
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"horizon": horizon}))


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    loaded, folder = shortened(request.param), tmp_path_factory.mktemp("volumes")
    whole = simulate(loaded, folder / "events", replications=2, workers=1)
    return whole, simulate(loaded, folder / "cases", replications=2, workers=1, volume="cases")


def test_what_is_kept_is_the_same_to_the_byte(pair: tuple[Run, Run]) -> None:
    whole, less = pair
    same = {f"{name}.parquet" for name in ("cases", "decisions", "samples")} | {"scenario.json"}
    assert {name: whole.manifest.tables[name] for name in same} == {name: less.manifest.tables[name] for name in same}
    assert whole.manifest.decisions == less.manifest.decisions
    assert set(less.manifest.tables) == same | {"counts.parquet"}
    assert {path.name for path in less.folder.iterdir()} == set(less.manifest.tables) | {MANIFEST}


def test_counts_are_those_of_the_events(pair: tuple[Run, Run]) -> None:
    whole, less = pair
    events, counts = whole.events(), less.counts()
    seen = Counter(zip(events["replication"], events["kind"], events["place"], strict=True))
    keys = zip(counts["replication"], counts["kind"], counts["place"], strict=True)
    assert dict(zip(keys, counts["count"], strict=True)) == seen
    assert read_tables(less).happenings == len(events)


def test_each_outcome_is_the_same_or_said_to_be_not_kept(pair: tuple[Run, Run]) -> None:
    whole, less = (assess(run) for run in pair)
    assert not whole.not_kept
    for field in fields(Outcomes):
        one, other = getattr(whole, field.name), getattr(less, field.name)
        if field.name in less.not_kept:
            assert isinstance(other, NotKept)
        elif field.name == "work":
            assert [_without_needless(work) for work in one] == [_without_needless(work) for work in other]
        elif field.name not in ("provenance", "objectives", "not_kept"):
            assert repr(one) == repr(other), f"{field.name}: by text, since nan is unlike itself"


def _without_needless(work: object) -> str:
    kept = {field.name: getattr(work, field.name) for field in fields(work) if field.name != "needless_hand_off"}  # type: ignore[arg-type]
    return repr(kept)


def test_an_objective_is_judged_the_same_or_is_undecided(pair: tuple[Run, Run]) -> None:
    whole, less = (assess(run) for run in pair)
    for one, other in zip(whole.objectives, less.objectives, strict=True):
        if other.open_because == "the run keeps no events":
            assert (other.verdict, other.at_most, other.unit) == ("undecided", one.at_most, one.unit)
            assert "keeps no events" in other.sentence
        else:
            assert repr(one) == repr(other)
    if any(one.kind == "count" for one in whole.objectives):
        assert any(one.kind == "count" and one.interval.known for one in less.objectives), "counts are kept"


def test_the_report_names_what_is_not_kept(pair: tuple[Run, Run]) -> None:
    less = pair[1]
    outcomes = assess(less)
    verdict = judge(None, outcomes)
    page = render_html(less.scenario, None, outcomes, verdict)
    assert "were counted and not kept (volume cases)" in page
    told = next(section for section in sections(outcomes) if section.anchor == "not-kept")
    assert all(name.replace("_", " ") in told.headlines[0] for name in outcomes.not_kept)
    plain = report_json(verdict, None, outcomes)["outcomes"]
    assert all(plain[name] is None for name in outcomes.not_kept)
    assert "workflows" in outcomes.not_kept, "a measure that reads events is not kept without being told so anywhere"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("desk") / "run"
    return simulate(shortened("refund-desk"), folder, replications=1, workers=1, volume="cases")


def test_nothing_can_be_read_from_what_is_not_kept(desk: Run) -> None:
    events = read_tables(desk).events
    for use in (len, bool, iter, lambda e: e["kind"], lambda e: e.iloc, lambda e: e.empty):
        with pytest.raises(NotKeptError, match="keeps no events"):
            use(events)
    assert read_tables(desk).of_kind("deadlock").empty, "that there was none is known by the counts"
    with pytest.raises(NotKeptError):
        read_tables(desk).of_kind("deadlock", "started")


def test_no_story_is_told_without_events(desk: Run) -> None:
    with pytest.raises(InputError, match="keeps no events: its volume is `cases`"):
        replay(desk, 0)
    with pytest.raises(InputError, match="keeps no events"):
        desk.events()


def test_an_audit_tells_that_no_events_were_kept(desk: Run, tmp_path: Path) -> None:
    found = audit(desk.folder)
    assert found.intact
    assert "no events were kept (volume cases)" in found.lines()[0]
    stray = desk.folder / "events.parquet"
    stray.write_bytes(b"")
    try:
        assert audit(desk.folder).faults == ("events.parquet: is no part of the run: its volume is cases",)
    finally:
        stray.unlink()


def test_a_run_cannot_pass_for_one_of_another_volume(desk: Run) -> None:
    manifest = desk.folder / MANIFEST
    text = manifest.read_text()
    try:
        manifest.write_text(text.replace('"volume": "cases"', '"volume": "events"'))
        with pytest.raises(InputError, match="missing"):
            open_run(desk.folder)
        manifest.write_text(text.replace('"volume": "cases"', '"volume": "little"'))
        with pytest.raises(InputError, match="volume"):
            open_run(desk.folder)
    finally:
        manifest.write_text(text)


def test_a_stopped_run_goes_on_in_its_volume_and_not_in_another(tmp_path: Path) -> None:
    loaded = load(SCENARIOS / "pool-exhaustion-fixed")
    whole = simulate(loaded, tmp_path / "whole", replications=3, workers=1, volume="cases")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    def stopped() -> None:
        with pytest.raises(KeyboardInterrupt):
            simulate(loaded, tmp_path / "run", replications=3, workers=1, volume="cases", progress=stop)

    stopped()
    assert resume(tmp_path / "run", workers=1).manifest == whole.manifest
    stopped()
    told: list[int] = []
    other = simulate(loaded, tmp_path / "run", replications=3, workers=1, progress=lambda done, _: told.append(done))
    assert (told, other.manifest.volume) == ([1, 2, 3], "events")
    assert {path.name for path in other.folder.iterdir()} == {f"{n}.parquet" for n in KEPT["events"]} | {
        MANIFEST,
        "scenario.json",
    }


@pytest.mark.parametrize("name", ["refund-desk", "model-upgrade"])
def test_the_run_does_not_depend_on_how_many_cases_are_told_at_a_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = shortened(name)
    whole = simulate(loaded, tmp_path / "whole", replications=2, workers=1)
    monkeypatch.setattr(case_table, "_BATCH", 37)
    parts = simulate(loaded, tmp_path / "parts", replications=2, workers=1)
    assert len(whole.cases()) > 3 * 37
    assert_frame_equal(whole.cases(), parts.cases())


def test_row_groups_do_not_depend_on_the_batches_of_a_part(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])

    def sizes(*batches: int) -> list[int]:
        file = tmp_path / "part.arrow"
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            start = 0
            for size in batches:
                rows = pa.array(range(start, start + size), pa.int64())
                writer.write_batch(pa.RecordBatch.from_arrays([rows], schema=schema))
                start += size
        with pa.OSFile(str(file)) as source:
            groups = list(_grouped(pa.ipc.open_file(source), 10))
        assert [n for group in groups for n in group.column("n").to_pylist()] == list(range(sum(batches)))
        return [group.num_rows for group in groups]

    assert sizes(25) == sizes(3, 9, 13) == sizes(*[1] * 25) == [10, 10, 5]
    assert sizes(20) == sizes(10, 0, 10) == [10, 10]
    assert sizes() == [0], "a part without rows has its row group, too"


def test_an_unknown_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of `events`, `cases`"):
        simulate(load(SCENARIOS / "refund-desk"), tmp_path / "run", volume="little")  # type: ignore[arg-type]


def test_events_are_counted_over_many_blocks() -> None:
    counted, kept = CountedLog(), Log()
    for n in range(100_000):
        for log in (counted, kept):
            kind = Kind.ARRIVED if n % 3 == 0 else Kind.ENTERED if n % 3 == 1 else Kind.VIOLATION
            log.event(n, kind, f"step:{n % 7}", n, detail="x" if n % 3 == 2 else "")
    seen: Counter[tuple[str, str]] = Counter()
    for batch in kept.event_batches(0, ()):
        seen.update(zip(batch.column("kind").to_pylist(), batch.column("place").to_pylist(), strict=True))
    table = counted.count_table(0)
    keys = zip(table.column("kind").to_pylist(), table.column("place").to_pylist(), strict=True)
    assert dict(zip(keys, table.column("count").to_pylist(), strict=True)) == seen
    assert table.column("kind").to_pylist() == sorted(table.column("kind").to_pylist())
