"""What loading gives: values, places, digests, and files beside the scenario."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from models.diagnostics import InputError
from models.json_schema import scenario_schema
from models.load import LoadedScenario, load
from models.reading import read_document
from models.scenario import Scenario, Task

ROOT = Path(__file__).parents[2]
SCENARIO = """\
windtunnel: 1
name: demo
start: 2026-01-05T00:00:00+01:00
horizon: 2d
policies: {path: rules}
agents:
  line-1:
    principal: Agent::"one"
    capabilities: {triage: {success: "beta(alpha=2, beta=1)"}}
workflows:
  incident:
    start: triage
    steps:
      triage:
        kind: task
        agent: line-1
        capability: triage
        action: Action::"triage"
        resource: Queue::"incidents"
work:
  incidents:
    workflow: incident
    arrivals: {kind: trace, file: ../arrivals.csv, column: at, speed: 2}
    attributes: {cost: 100}
"""
POLICY = 'permit (principal, action == Action::"triage", resource) when { context.cost < 500 };\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "demo" / "rules").mkdir(parents=True)
    (tmp_path / "demo" / "scenario.yaml").write_text(SCENARIO)
    (tmp_path / "demo" / "rules" / "a.cedar").write_text(POLICY)
    (tmp_path / "arrivals.csv").write_text("at\n0\n10\n")
    return tmp_path / "demo"


def test_a_folder_and_its_file_load_the_same(folder: Path) -> None:
    one, other = load(folder), load(folder / "scenario.yaml")
    assert (one.scenario, one.digest, one.path) == (other.scenario, other.digest, other.path)


def test_values_come_in_base_units(folder: Path) -> None:
    loaded = load(folder)
    assert loaded.scenario.horizon == 2 * 86_400_000_000
    assert loaded.scenario.agents["line-1"].capabilities["triage"].success.alpha == 2
    assert isinstance(loaded.scenario.workflows["incident"].steps["triage"], Task)
    assert loaded.traces == {"incidents": (0, 5_000_000)}
    assert loaded.policies is not None
    assert len(loaded.policies.policies) == 1


def test_inputs_are_named_from_the_scenarios_folder(folder: Path) -> None:
    assert sorted(load(folder).inputs) == ["../arrivals.csv", "rules/a.cedar"]


def test_a_key_is_located_or_the_nearest_above_it(folder: Path) -> None:
    loaded = load(folder)
    steps = ("workflows", "incident", "steps", "triage")
    assert str(loaded.locate(*steps)) == "scenario.yaml:14:7"
    assert str(loaded.locate(*steps, "on-failure")) == "scenario.yaml:14:7"
    assert str(loaded.locate("work", "incidents", "attributes", "cost")) == "scenario.yaml:24:18"
    assert str(loaded.locate("nowhere")) == "scenario.yaml:1:1"


def test_the_digest_follows_meaning_and_inputs_not_layout(folder: Path) -> None:
    def changed(name: str, old: str, new: str) -> str:
        path = folder / name
        before = path.read_text()
        path.write_text(before.replace(old, new))
        digest = load(folder).digest
        path.write_text(before)
        return digest

    first = load(folder).digest
    assert changed("scenario.yaml", "horizon: 2d", "horizon: 48h  # two days") == first
    assert changed("scenario.yaml", "horizon: 2d", "horizon: 3d") != first
    assert changed("rules/a.cedar", "500", "501") != first
    assert changed("../arrivals.csv", "10", "11") != first
    assert load(folder).digest == first


def test_plain_attributes_are_laws_of_their_type(folder: Path) -> None:
    """The policies see `true` as a Bool and `DE` as a String: the conditions and requests of a scenario are typed."""
    text = SCENARIO.replace("{cost: 100}", "{cost: 100, urgent: true, country: NO}")
    (folder / "scenario.yaml").write_text(text)
    (folder / "rules" / "a.cedar").write_text(POLICY.replace("500", '500 && context.urgent && context.country == "NO"'))
    (folder / "rules" / "a.cedarschema").write_text(
        "entity Agent, Queue; action triage appliesTo {principal: Agent, resource: Queue, "
        "context: {cost: Long, urgent: Bool, country: String}};"
    )
    scenario = load(folder).scenario
    assert Scenario.model_validate_json(json.dumps(scenario.dump())) == scenario
    Draft202012Validator(scenario_schema()).validate(read_document(folder / "scenario.yaml").value)
    (folder / "scenario.yaml").write_text(text.replace("urgent: true", "urgent: DE"))
    with pytest.raises(InputError, match=r"`urgent` is String, and .* takes Bool"):
        load(folder)


def test_dumping_and_reading_gives_the_same_scenario(folder: Path) -> None:
    scenario = load(folder).scenario
    assert Scenario.model_validate_json(json.dumps(scenario.dump())) == scenario


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*/scenario.yaml")), ids=lambda p: p.parent.name)
def test_shipped_scenarios_load_and_dump(path: Path) -> None:
    loaded = load(path)
    assert isinstance(loaded, LoadedScenario)
    without = loaded.scenario.model_copy(update={"variants": {}})
    assert Scenario.model_validate_json(json.dumps(loaded.scenario.dump())) == without, "variants are other scenarios"


def test_symbolic_links_are_followed(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert load(link).digest == load(folder).digest


def test_a_fault_in_the_file_answers_without_the_heavy_libraries(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO.replace("horizon", "horizn"))
    code = (
        "import sys; from pathlib import Path; from models.load import load\n"
        "try:\n    load(Path(sys.argv[1]))\nexcept Exception as error:\n    print(error)\n"
        "print({'numpy', 'pandas', 'scipy', 'z3', 'cvc5', 'networkx'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.startswith(str(folder)), "the fault is told"
    assert done.stdout.endswith("set()\n"), "the wait is the import of the models, nothing else"
