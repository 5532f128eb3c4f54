"""A replication that cannot be run does not sink the others, is no replication of zeros, and lets nothing pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.assess import Assessed, assess_run
from reports.html import write_html
from reports.tables import read_tables
from reports.verdict import judge
from sim.audit import audit
from sim.run import Run, open_run
from sim.simulate import resume, run_alone, simulate
from sim.tables import Volume
from windtunnel.cli import app

TEXT = """\
windtunnel: 1
name: own
start: 2026-01-05T00:00:00Z
horizon: 2h
replications: 6
seed: 3
agents:
  pool:
    replicas: 3
    capabilities:
      work: {behaviour: same, service: exponential(mean=20s)}
workflows:
  flow:
    start: work
    steps:
      work: {kind: task, agent: pool, capability: work}
work:
  w: {workflow: flow, arrivals: {kind: poisson, rate: 50/h}, attributes: {size: "uniform(low=0, high=1000000000)"}}
objectives:
  done: {kind: throughput, outcomes: [completed], at-least: 20/h}
  fast: {kind: case-time, quantile: 0.9, at-most: 10m}
  slow: {kind: case-time, quantile: 0.9, at-most: 1s}
"""
FILE = """\
import os
from windtunnel import behaviour

@behaviour("same")
def same(env, attempt):
    if attempt.attributes["size"] == {size!r}:
        {fault}
    yield env.timeout(attempt.service())
"""
RAISES = "raise ValueError('not this one')"
POISONED = 2


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> LoadedScenario:
    folder = tmp_path_factory.mktemp("own")
    (folder / "scenario.yaml").write_text(TEXT)
    return load(folder)


@pytest.fixture(scope="module")
def sound(scenario: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("sound")
    (folder / "own.py").write_text(FILE.format(size=-1, fault=RAISES))
    return simulate(scenario, folder / "run", workers=1, behaviours=folder / "own.py")


def poisonous(sound: Run, folder: Path, fault: str) -> Path:
    """Behaviours that fail on one case of one replication."""
    size = sound.cases().query(f"replication == {POISONED}")["attr.size"].iloc[7]
    (folder / "own.py").write_text(FILE.format(size=int(size), fault=fault))
    return folder / "own.py"


def samples(outcomes: Assessed) -> dict[str, tuple[float, ...]]:
    return {objective.name: tuple(objective.sample.high) for objective in outcomes.objectives}


def verdicts(outcomes: Assessed) -> dict[str, str]:
    return {objective.name: objective.verdict for objective in outcomes.objectives}


@pytest.mark.parametrize(("fault", "workers"), [(RAISES, 1), (RAISES, 2), ("os._exit(3)", 2)])
def test_the_others_are_told_as_if_it_had_never_been_asked_for(
    scenario: LoadedScenario, sound: Run, tmp_path: Path, fault: str, workers: int
) -> None:
    run = simulate(scenario, tmp_path / "run", workers=workers, behaviours=poisonous(sound, tmp_path, fault))
    assert [one.replication for one in run.manifest.poisoned] == [POISONED]
    assert audit(run.folder).intact
    found, whole = assess_run(run), assess_run(sound)
    assert found.provenance.replications == 5
    for name, sample in samples(whole).items():
        assert samples(found)[name] == (*sample[:POISONED], *sample[POISONED + 1 :])
    assert found.work[0].cases == whole.work[0].cases - int(
        sound.cases().query(f"replication == {POISONED}")["measured"].sum()
    )
    rows = sound.events().query(f"replication != {POISONED}").reset_index(drop=True)
    assert run.events().equals(rows), "the rows of the others keep their numbers"


@pytest.mark.parametrize("volume", ["events", "cases", "summary"])
def test_nothing_passes_and_what_fails_still_fails(
    scenario: LoadedScenario, sound: Run, tmp_path: Path, volume: Volume
) -> None:
    file = poisonous(sound, tmp_path, RAISES)
    run = simulate(scenario, tmp_path / "run", workers=1, behaviours=file, volume=volume)
    outcomes = assess_run(run)
    assert {o.name: o.verdict for o in assess_run(sound).objectives} == {"done": "pass", "fast": "pass", "slow": "fail"}
    assert {o.name: o.verdict for o in outcomes.objectives} == {
        "done": "undecided",
        "fast": "undecided",
        "slow": "fail",
    }
    because = {o.open_because for o in outcomes.objectives if o.verdict == "undecided"}
    assert because == {f"replication {POISONED} could not be run, and is not in these figures"}
    first = judge(None, outcomes).reasons[0]
    option = "" if volume == "events" else f" --volume {volume}"
    told = f"`windtunnel simulate SCENARIO --behaviours FILE{option} --seed 3 --only {POISONED}` runs it alone."
    assert first.startswith(f"Replication {POISONED} of seed 3 could not be run: behaviour ")
    assert "ValueError: not this one" in first
    assert first.endswith(told)


def test_a_scenario_without_objectives_does_not_pass_either(sound: Run, tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(TEXT[: TEXT.index("objectives:")])
    run = simulate(load(tmp_path), tmp_path / "run", workers=1, behaviours=poisonous(sound, tmp_path, RAISES))
    assert judge(None, assess_run(run)).result == "undecided"


def test_terminal_json_and_report_say_it_first(scenario: LoadedScenario, sound: Run, tmp_path: Path) -> None:
    file = poisonous(sound, tmp_path, RAISES)
    words = ["simulate", str(scenario.path), "--behaviours", str(file), "--seed", "3"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "run"), "--workers", "1"])
    assert done.exit_code == 1, "`slow` is missed"
    lines = " ".join(done.output.split())
    assert lines.index(f"Replication {POISONED} of seed 3 could not be run") < lines.index("slow is missed")
    assert "5 replications (1 more could not be run) of 2" in lines
    told = json.loads(CliRunner().invoke(app, [*words, "--out", str(tmp_path / "j"), "--format", "json"]).output)
    assert told["verdict"]["reasons"][0].startswith(f"Replication {POISONED} of seed 3")
    assert told["verdict"]["open"][0]["replication"] == str(POISONED)
    (one,) = told["outcomes"]["provenance"]["poisoned"]
    assert (one["replication"], one["seed"]) == (POISONED, 3)
    page = write_html(tmp_path / "page.html", open_run(tmp_path / "run"), None).read_text()
    assert page.index(f"Replication {POISONED} of seed 3") < page.index('id="objectives"')
    assert "5 replications (and 1 that could not be run)" in page


def test_the_command_that_is_told_runs_it_alone(scenario: LoadedScenario, sound: Run, tmp_path: Path) -> None:
    file = poisonous(sound, tmp_path, RAISES)
    words = ["simulate", str(scenario.path), "--behaviours", str(file), "--seed", "3", "--only"]
    refused = CliRunner().invoke(app, [*words, str(POISONED)])
    assert "ValueError: not this one" in str(refused.exception)
    assert CliRunner().invoke(app, [*words, "1"]).output == "replication 1 runs to its end\n"
    assert CliRunner().invoke(app, [*words, "1", "--out", "x"]).exit_code == 2
    with pytest.raises(InputError, match="not this one"):
        run_alone(scenario, POISONED, behaviours=file)


def test_one_that_fails_everywhere_is_a_fault_of_the_file_and_writes_no_run(
    scenario: LoadedScenario, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(FILE.format(size=-1, fault="pass").replace("    if", "    1 / 0\n    if"))
    with pytest.raises(InputError, match=r"replication 0: .*ZeroDivisionError"):
        simulate(scenario, tmp_path / "run", workers=2, behaviours=tmp_path / "own.py")
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


def test_a_resumed_run_tries_it_again_and_is_the_same(scenario: LoadedScenario, sound: Run, tmp_path: Path) -> None:
    file = poisonous(sound, tmp_path, RAISES)
    whole = simulate(scenario, tmp_path / "whole", workers=1, behaviours=file)

    def stop(done: int, total: int) -> None:
        if done == POISONED + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(scenario, tmp_path / "run", workers=1, behaviours=file, progress=stop)
    run = resume(tmp_path / "run", workers=1, behaviours=file)
    for path in sorted(whole.folder.iterdir()):
        assert (run.folder / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "poisoned",
    [
        [{"replication": 6, "why": ""}],
        [{"replication": -1, "why": ""}],
        [{"replication": 2, "why": ""}] * 2,
        [{"replication": n, "why": ""} for n in range(6)],
        [{"replication": 2}],
        7,
    ],
)
def test_a_manifest_is_not_trusted(sound: Run, tmp_path: Path, poisoned: object) -> None:
    manifest = json.loads((sound.folder / "run.json").read_text())
    for file in sound.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "run.json").write_text(json.dumps(manifest | {"poisoned": poisoned}))
    with pytest.raises(InputError, match=r"run\.json"):
        open_run(tmp_path)


def test_rows_of_a_replication_that_could_not_be_run_are_refused(sound: Run, tmp_path: Path) -> None:
    """A replication cannot be dropped by calling it poisoned."""
    manifest = json.loads((sound.folder / "run.json").read_text())
    for file in sound.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    one = [{"replication": POISONED, "why": "it missed"}]
    (tmp_path / "run.json").write_text(json.dumps(manifest | {"poisoned": one}))
    with pytest.raises(InputError, match="rows of replications that the run has not"):
        assess_run(open_run(tmp_path))


def test_a_reader_that_knows_nothing_of_it_would_count_zeros(
    scenario: LoadedScenario, sound: Run, tmp_path: Path
) -> None:
    run = simulate(scenario, tmp_path / "run", workers=1, behaviours=poisonous(sound, tmp_path, RAISES))
    assert [read_tables(run).number(n) for n in range(5)] == [0, 1, 3, 4, 5]
    naive = replace(run, manifest=run.manifest.model_copy(update={"poisoned": ()}))
    assert samples(assess_run(naive))["done"][POISONED] == 0
    assert 0 not in samples(assess_run(run))["done"]
