"""A variant is the scenario whose file says so; what is wrong with it is told at its own place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import windtunnel as wt
from models.diagnostics import InputError
from models.load import load
from sim.simulate import resume, simulate
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario

VARIANTS = """
variants:
  longer:
    description: a day more
    set: {horizon: 3d}
  calm:
    set:
      work.requests.arrivals.rate: 20/h
      replications: 5
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    new_scenario(folder)
    return folder


def add(desk: Path, text: str) -> None:
    with (desk / "scenario.yaml").open("a") as file:
        file.write(text)


def faults_of(desk: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as refused:
        load(desk)
    return [(fault.source.strip(), fault.message, fault.help) for fault in refused.value.diagnostics]


def test_a_variant_is_the_file_edited_by_hand(desk: Path) -> None:
    file = desk / "scenario.yaml"
    text = file.read_text()
    add(desk, VARIANTS)
    found = load(desk, variant="longer")
    file.write_text(text.replace("horizon: 2d", "horizon: 3d", 1))
    edited = load(desk)
    assert (found.digest, found.scenario.dump()) == (edited.digest, edited.scenario.dump())


def test_a_variant_is_its_changes_from_outside(desk: Path) -> None:
    add(desk, VARIANTS)
    changes = {"work.requests.arrivals.rate": "20/h", "replications": 5}
    one, other = load(desk, variant="calm"), load(desk, changes)
    assert (one.digest, one.changes) == (other.digest, other.changes) == (other.digest, changes)
    both = load(desk, {"replications": 7}, variant="calm")  # what is set from outside comes last
    assert both.scenario.replications == 7
    assert both.changes == {**changes, "replications": 7}


def test_variants_change_no_run(desk: Path) -> None:
    before = load(desk).digest
    add(desk, VARIANTS)
    assert load(desk).digest == before
    assert load(desk, variant="base").digest == before


def test_every_fault_of_every_variant_is_told_at_its_place(desk: Path) -> None:
    add(
        desk,
        """
variants:
  one: {set: {horizn: 3d, warm-up: long}}
  two: {set: {policies.path: polices}}
  three: {set: {work.requests.workflow: aproval}}
""",
    )
    assert faults_of(desk) == [
        ("one: {set: {horizn: 3d, warm-up: long}}", "there is no `horizn`", "did you mean `horizon`?"),
        (
            "one: {set: {horizn: 3d, warm-up: long}}",
            "`long` is not a duration",
            "expected a number with a unit (us, ms, s, m, h, d, w), such as `15m`, `1h30m` or `40ms`",
        ),
        ("two: {set: {policies.path: polices}}", "no such file or folder: `polices`", "did you mean `policies`?"),
        ("three: {set: {work.requests.workflow: aproval}}", "unknown workflow `aproval`", "known workflows: `request`"),
    ]


def test_a_fault_of_the_base_is_told_once(desk: Path) -> None:
    file = desk / "scenario.yaml"
    file.write_text(file.read_text().replace("horizon: 2d", "horizon: long", 1) + VARIANTS)
    assert [message for _, message, _ in faults_of(desk)] == ["`long` is not a duration"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants: {base: {set: {horizon: 3d}}}", "`base` is the scenario as it stands"),
        ("variants: {one: {}}", "missing key `set`"),
        ("variants: {one: {set: {}}}", "`set` is empty"),
        ("variants: {one: {set: {variants.two.set: {horizon: 3d}}}}", "a variant has no variants"),
    ],
)
def test_what_is_no_variant_is_refused(desk: Path, text: str, message: str) -> None:
    add(desk, f"\n{text}\n")
    assert any(message in told for _, told, _ in faults_of(desk))


def test_commands_take_a_variant_and_know_the_near_name(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(desk, VARIANTS)
    common = ["simulate", str(desk), "--out", str(tmp_path / "run"), "--replications", "1", "--workers", "1"]
    assert exit_code([*common, "--variant", "clam"]) == 2
    assert "there is no variant `clam`\n  help: did you mean `calm`?" in capsys.readouterr().err
    assert exit_code([*common, "--variant", "calm"]) == 3
    from sim.run import open_run

    assert open_run(tmp_path / "run").manifest.scenario_digest == load(desk, variant="calm").digest


def test_a_run_and_its_report_say_which_variant_it_is(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(desk, VARIANTS)
    common = ["run", str(desk), "--replications", "2", "--workers", "1", "--set", "horizon=6h", "--set", "warm-up=1h"]
    exit_code([*common, "--out", str(tmp_path / "base")])
    assert "variant" not in (tmp_path / "base" / "run.json").read_text()
    assert exit_code([*common, "--variant", "calm", "--out", str(tmp_path / "calm")]) in (0, 1, 3)
    title = "desk, variant calm, with horizon, warm-up set anew"
    assert title in capsys.readouterr().out
    assert f"<h1>{title}</h1>" in (tmp_path / "calm" / "report.html").read_text()
    manifest = json.loads((tmp_path / "calm" / "run.json").read_text())
    assert manifest["variant"] == "calm, with horizon, warm-up set anew"


def test_a_stopped_run_of_a_variant_goes_on_as_that_variant(desk: Path, tmp_path: Path) -> None:
    add(desk, VARIANTS)
    loaded = load(desk, {"horizon": "6h", "warm-up": "1h"}, variant="calm")
    whole = simulate(loaded, tmp_path / "whole", replications=3, workers=1)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(loaded, tmp_path / "part", replications=3, workers=1, progress=stop)
    part = resume(tmp_path / "part", workers=1)
    assert part.manifest == whole.manifest
    assert (part.folder / "run.json").read_bytes() == (whole.folder / "run.json").read_bytes()


def test_policies_that_variants_share_are_read_once(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import models.cedar.load as reading

    add(desk, "variants:\n" + "".join(f"  v{n}: {{set: {{replications: {n + 1}}}}}\n" for n in range(100)))
    read: list[object] = []
    real = reading.load_policies

    def counted(*given: Any, **named: Any) -> Any:
        read.append(given)
        return real(*given, **named)

    monkeypatch.setattr(reading, "load_policies", counted)
    assert len(load(desk).scenario.variants) == 100
    assert len(read) == 1
    add(desk, "  v100: {set: {replications: 9}}\n")
    with pytest.raises(InputError, match="too long"):
        load(desk)


def test_compare_tells_every_variant(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(desk, VARIANTS)
    out = ["--out", str(tmp_path / "study"), "--replications", "3", "--workers", "1"]
    assert exit_code(["compare", str(desk), *out]) == 0
    text = capsys.readouterr().out
    assert "longer against base" in text
    assert "calm against base" in text
    assert exit_code(["report", str(tmp_path / "study"), "--format", "text"]) == 0
    assert capsys.readouterr().out.splitlines()[:-2] == text.splitlines()[:-3]
    assert (tmp_path / "study" / "report.html").is_file()


def test_compare_without_variants_says_so(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", str(desk)]) == 2
    assert "has no variants" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["base", "--replications", "4"], "nothing to compare `base` with"),
        (["base", "base"], "nothing to compare `base` with"),
        (["--replications", "1"], "expected 2 replications or more, got 1"),
    ],
)
def test_compare_needs_two_variants_and_two_replications(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "scenarios" / "refund-desk"
    assert exit_code(["compare", str(shipped), *given, "--out", str(tmp_path / "study")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("field", ["seed", "replications"])
def test_a_variant_that_sets_what_is_the_studys_is_refused(field: str, tmp_path: Path) -> None:
    """Replication n has the same seed in every variant: such a variant would differ by nothing, and read as equal."""
    scenario = wt.load(Path(__file__).parents[2] / "scenarios" / "refund-desk")
    with pytest.raises(InputError, match="the variant `other` changes nothing here"):
        wt.compare(scenario, {"base": {}, "other": {field: 7}}, tmp_path / "study", replications=2)
