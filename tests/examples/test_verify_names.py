"""P108 and P109: what is misspelt is a finding of its own, said once; what is merely unknown is left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from models.cedar.load import load_policies, policy_set
from models.load import load
from verify.findings import Finding
from verify.verify import verify

SCHEMA = """
entity Team;
entity Agent in [Team];
entity Thing;
action look, act appliesTo { principal: [Agent], resource: [Thing], context: { n: Long } };
"""
PERMIT = '@id("base") @owner("procurement") permit(principal, action, resource);\n'
ENTITIES = [
    {"uid": {"type": "Team", "id": "buyers"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Agent", "id": "scout"}, "attrs": {}, "parents": [{"type": "Team", "id": "buyers"}]},
]


def of(text: str, check: str, profile: str = "windtunnel") -> dict[str, Finding]:
    policies = policy_set(text, SCHEMA, ENTITIES, profile=profile, file="rules.cedar")  # type: ignore[arg-type]
    return {f.policies[0].name: f for f in verify(policies, checks=[check]).findings if f.check == check}


@pytest.mark.parametrize(
    ("annotation", "meant", "effect"),
    [
        ('@escalat("finance")', "escalate", "denies outright and nobody is asked"),
        ('@escalation("finance")', "escalate", "denies outright"),
        ('@Escalate("finance")', "escalate", "denies outright"),
        ('@escalate("a") @timout("5m")', "timeout", "sets no bound on the answer"),
        ('@escalate("a") @severty("high")', "severity", "has no severity"),
        ('@ownr("risk")', "owner", "has no owner"),
        ('@overides("procurement")', "overrides", "goes before no other"),
    ],
)
def test_a_misspelt_annotation_tells_the_near_name_its_line_and_the_effect(
    annotation: str, meant: str, effect: str
) -> None:
    text = PERMIT + f'@id("ask")\n{annotation}\nforbid(principal, action, resource) when {{ context.n > 5 }};'
    found = of(text, "P108")
    assert (found["ask"].verdict, found["ask"].severity, found["base"].verdict) == ("violated", "warning", "holds")
    assert f"did you mean `@{meant}`?" in found["ask"].message
    assert effect in found["ask"].message
    assert (found["ask"].location.file, found["ask"].location.line) == ("rules.cedar", 3)


def test_what_the_tiers_make_of_a_misspelt_annotation() -> None:
    text = '@id("ask") @tier("soft") @escalat("finance") @approval_timeout("60") forbid(principal, action, resource);'
    message = of(text, "P108", "tiered")["ask"].message
    assert "the rule asks the chain `human`" in message
    assert "did you mean `@approval_timeout_s`?" in message


def test_all_of_a_policy_is_one_finding_with_an_id_that_stays() -> None:
    text = '@id("ask") @escalat("a") @timout("5m") forbid(principal, action, resource);'
    (finding,) = of(text, "P108").values()
    assert "`@escalat`" in finding.message
    assert "`@timout`" in finding.message
    assert finding.id == of("\n\n" + text.replace("@timout", "@timeout"), "P108")["ask"].id


def test_spelling_alone_asks_no_solver_and_still_knows_its_arguments() -> None:
    findings = verify(policy_set(PERMIT, SCHEMA), checks=["P108", "P109"])
    assert findings.scripts == {}
    assert {f.check for f in findings.findings} == {"P108"}
    with pytest.raises(ValueError, match="unknown effort"):
        verify(policy_set(PERMIT, SCHEMA), effort="extreme", checks=["P108"])  # type: ignore[arg-type]


@pytest.mark.parametrize("annotation", ['@uid("7")', '@category("x")', '@rationale("y")', '@doc("z")', '@tier("soft")'])
def test_an_annotation_of_ones_own_is_left_alone(annotation: str) -> None:
    assert of(PERMIT.replace("@id", annotation + " @id", 1), "P108")["base"].verdict == "holds"


def test_what_is_a_finding_is_no_note_as_well() -> None:
    text = PERMIT + '@id("ask") @escalat("finance") @timeout("5m") forbid(principal, action, resource);'
    assert policy_set(text, SCHEMA).warnings == ()


@pytest.mark.parametrize(
    ("names", "verdict", "words"),
    [
        ("procurement", "holds", ""),
        ("base", "holds", ""),
        ("procurement, base", "holds", ""),
        ("procurementt", "violated", "did you mean `procurement`?"),
        ("fraud", "violated", "names `fraud`, which is no rule and owns none, so it has no effect"),
        ("procurement, bases", "violated", "did you mean `base`?"),
    ],
)
def test_whom_a_rule_overrides_exists(names: str, verdict: str, words: str) -> None:
    text = PERMIT + f'@id("stop") @owner("risk")\n@overrides("{names}") forbid(principal, action, resource);'
    finding = of(text, "P109")["stop"]
    assert finding.verdict == verdict
    assert words in finding.message
    assert verdict == "holds" or finding.location.line == 3


@pytest.mark.parametrize(
    ("scope", "verdict"),
    [
        ('principal in Team::"buyers"', "holds"),
        ('principal in Team::"buyer"', "violated"),
        ('principal in Team::"Buyers"', "violated"),
        ('principal in Team::"auditors"', "holds"),  # near no other: a team that may come later
        ('principal == Agent::"scouts"', "violated"),
        ('principal, action, resource == Thing::"scouts"', None),  # things are not given
    ],
)
def test_an_entity_near_one_that_is_given_exists(scope: str, verdict: str | None) -> None:
    rest = "" if "resource" in scope else ", action, resource"
    found = of(f'@id("p") permit({scope}{rest});', "P109")
    assert (found["p"].verdict if found else None) == verdict


def test_an_entity_in_a_condition_has_its_place() -> None:
    text = '@id("p") permit(principal, action, resource)\nwhen {\n  principal in Team::"buyerz" };'
    finding = of(text, "P109")["p"]
    assert finding.location.line == 3
    assert 'Team::"buyerz"' in finding.message
    assert "did you mean `buyers`?" in finding.message


def test_the_agents_and_resources_of_a_scenario_exist(tmp_path: Path) -> None:
    (tmp_path / "rules.cedar").write_text('permit(principal == Agent::"scouts", action == Action::"act", resource);')
    (tmp_path / "rules.cedarschema").write_text(SCHEMA)
    (tmp_path / "rules.entities.json").write_text(str(ENTITIES).replace("'", '"'))
    step = {
        "kind": "task", "agent": "bot", "capability": "act", "action": 'Action::"act"', "resource": 'Thing::"t"',
        "context": {"n": 1},
    }  # fmt: skip
    scenario = {
        "windtunnel": 1, "name": "names", "start": "2026-03-25T10:00:00Z", "horizon": "1d",
        "policies": {"path": "rules.cedar"},
        "agents": {"bot": {"principal": 'Agent::"scouts"', "capabilities": {"act": {"service": "1s"}}}},
        "workflows": {"w": {"start": "s", "steps": {"s": step}}},
        "work": {"w": {"workflow": "w", "arrivals": {"kind": "poisson", "rate": "1/h"}}},
    }  # fmt: skip
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump(scenario, file)
    loaded = load(tmp_path)
    (alone,) = verify(loaded.policies, checks=["P109"]).findings
    (within,) = verify(loaded.policies, loaded, checks=["P109"]).findings
    assert (alone.verdict, within.verdict) == ("violated", "holds")


@pytest.mark.parametrize(
    "folder", sorted((Path(__file__).parents[2] / "scenarios").glob("*/policies")), ids=lambda path: path.parent.name
)
def test_the_shipped_sets_name_what_exists_and_a_typo_in_them_is_noticed(folder: Path, tmp_path: Path) -> None:
    policies = load_policies(folder)
    assert {f.verdict for f in verify(policies, checks=["P108", "P109"]).findings} <= {"holds"}
    copy = Path(shutil.copytree(folder, tmp_path / "policies"))
    changed = 0
    for file in copy.glob("*.cedar"):
        text = file.read_text()
        changed += "@escalate(" in text
        file.write_text(text.replace("@escalate(", "@escalat(", 1))
    found = verify(load_policies(copy), checks=["P108"]).findings
    assert sum(f.verdict == "violated" for f in found) == changed > 0
