"""What a scenario declares of its requests, written wrongly: each fault at its place, with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load

SCENARIO = """\
windtunnel: 1
name: demo
start: 2026-01-05T00:00:00Z
horizon: 2d
policies: {path: rules.cedar}
sites:
  hall: {region: eu}
  attic: {}
endpoints:
  model: {site: hall, latency: 1s}
agents:
  payer:
    site: hall
    principal: Agent::"payer"
    capabilities: {act: {endpoint: model}}
  helper:
    site: attic
    parent: payer
    principal: Agent::"helper"
    capabilities: {act: {service: 1s}}
desks:
  board:
    site: hall
    people: principal in Role::"board"
    roster: [{days: daily, hours: "00:00-24:00", staff: 1}]
    service: 5m
risks:
  large:
    actions: ['Action::"pay"']
    when: context.amount > 500
data:
  secrets:
    regions: [eu]
    actions: ['Action::"pay"']
    when: resource.secret
    within: context.place == "eu"
approvals:
  action: Action::"approve"
  by-asker: principal == resource.asker
  again: resource.approvers.contains(principal)
workflows:
  w:
    start: s
    steps:
      s: {kind: task, agent: payer, capability: act, action: 'Action::"pay"', resource: 'Thing::"t"', data: [secrets]}
work:
  w:
    workflow: w
    arrivals: {kind: poisson, rate: 1/h}
    attributes: {amount: 5, place: eu}
"""
SCHEMA = """
entity Role;
entity Agent;
entity Person in [Role];
entity Thing = { secret: Bool };
entity Case = { asker: Person, approvers: Set<Person> };
action all;
action pay in [all] appliesTo { principal: [Agent], resource: [Thing], context: { amount: Long, place: String } };
action approve in [all] appliesTo { principal: [Person], resource: [Case], context: {} };
"""


def faults(folder: Path, *changes: tuple[str, str], schema: str | None = SCHEMA) -> list[str]:
    """Place, message and help of every fault of the changed scenario."""
    text = SCENARIO
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    (folder / "scenario.yaml").write_text(text)
    (folder / "rules.cedar").write_text("permit(principal, action, resource);")
    if schema is not None:
        (folder / "rules.cedarschema").write_text(schema)
    try:
        load(folder)
    except InputError as error:
        lines = text.splitlines()
        return [f"{lines[d.line - 1].strip()} | {d.message} | {d.help}" for d in error.diagnostics]
    return []


def test_the_scenario_is_sound(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after", "line", "message", "help"),
    [
        ("context.amount > 500", "context.amuont > 500", "when: context.amuont > 500",
         "does not fit the schema: attribute `amuont`", "did you mean `amount`?"),
        ("context.amount > 500", "context.amount >", "when: context.amount >",
         "not a condition", "a Cedar condition over the request"),
        ("context.amount > 500", '"true }; permit (principal, action, resource) when { true"', "when:",
         "not a condition: it ends before its text does", "a Cedar condition"),
        ("context.amount > 500", '"true } unless { false"', "when:",
         "not a condition: it ends before its text does", "a Cedar condition"),
        ("context.amount > 500", f'"{"(" * 99}true{")" * 99}"', "when:", "brackets are nested", "a Cedar condition"),
        ("context.amount > 500", '""', "when:", "`when` is empty",
         "expected a Cedar condition, such as `context.amount > 500`"),
        ("""actions: ['Action::"pay"']\n    when: context""", """actions: ['Action::"pya"']\n    when: context""",
         "actions: ['Action::\"pya\"']", "the schema has no action", 'did you mean `Action::"pay"`?'),
        ("""    actions: ['Action::"pay"']\n    when: context.amount > 500""", "    description: Large sums.", "large:",
         "does not say which requests", "add `actions`, or a `when`"),
        ("""actions: ['Action::"pay"']\n    when: context""", """actions: ['Action::"all"']\n    when: context""",
         "when: context.amount > 500", "does not fit the schema", ""),  # approvals have no amount
        ("regions: [eu]", "regions: [ue]", "regions: [ue]", "unknown region `ue`", "known regions: `eu`"),
        ("regions: [eu]", "regions: []", "regions: []", "`regions` is empty", "at least one"),
        ('    within: context.place == "eu"\n', "",
         "when: resource.secret", "`when` without `within`", "add `within`"),
        ("    when: resource.secret\n    within: context.place == \"eu\"\n", "", "actions: ['Action::\"pay\"']",
         "`actions` without `when`", "add `when` and `within`"),
        ("data: [secrets]", "data: [secretz]", "s: {kind: task", "unknown class of data `secretz`",
         "did you mean `secrets`?"),
        ("agent: payer", "agent: helper", "s: {kind: task",
         "in which region the agent `helper` handles `secrets` is not told", "add `region` to `sites.attic`"),
        ("model: {site: hall, latency: 1s}", "model: {latency: 1s}", "s: {kind: task",
         "in which region the endpoint `model` handles `secrets` is not told", "add `site` to `endpoints.model`"),
        ("parent: payer", "parent: payr", "parent: payr", "unknown agent `payr`", "did you mean `payer`?"),
        ("parent: payer", "parent: helper", "parent: helper", "agent `helper` is its own ancestor", "stands above"),
        ("    parent: payer\n    principal: Agent::\"helper\"\n", "    parent: payer\n", "parent: payer",
         "agent `helper` has no `principal`", "add `principal` to `agents.helper`"),
        ('action: Action::"approve"', 'action: Action::"aprove"', 'action: Action::"aprove"', "has no action",
         'did you mean `Action::"approve"`?'),
        ('action: Action::"approve"', 'action: Action::"all"', 'action: Action::"all"', "is a group of actions",
         'known actions: `Action::"approve"`, `Action::"pay"`'),
        ("principal == resource.asker", "principal == resource.askr", "by-asker:", "attribute `askr`",
         "did you mean `asker`?"),
        ('principal in Role::"board"', 'principal in Rule::"board"', "people:", "does not fit the schema", "Role"),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_place(
    tmp_path: Path, before: str, after: str, line: str, message: str, help: str
) -> None:
    (fault,) = faults(tmp_path, (before, after))
    assert fault.startswith(line)
    assert message in fault
    assert help in fault


def test_people_need_approvals(tmp_path: Path) -> None:
    block = SCENARIO[SCENARIO.index("approvals:") : SCENARIO.index("workflows:")]
    (fault,) = faults(tmp_path, (block, ""))
    assert fault.startswith("people:")
    assert "`people` without `approvals`" in fault


def test_a_class_that_nothing_handles_is_told(tmp_path: Path) -> None:
    start = SCENARIO.index("    actions: ['Action::\"pay\"']\n    when: resource")
    block = SCENARIO[start : SCENARIO.index("approvals:")]
    (fault,) = faults(tmp_path, (block, ""), (", data: [secrets]", ""))
    assert fault.startswith("secrets:")
    assert "nothing handles data of the class `secrets`" in fault


def test_declarations_need_policies_and_a_schema(tmp_path: Path) -> None:
    without = (("policies: {path: rules.cedar}\n", ""), (", action: 'Action::\"pay\"', resource: 'Thing::\"t\"'", ""))
    found = "\n".join(faults(tmp_path, *without))
    for key in ("risks", "when", "parent", "approvals"):
        assert f"`{key}` needs policies" in found
    other = tmp_path / "other"
    other.mkdir()
    (fault,) = faults(other, schema=None)
    assert "needs a schema" in fault
    assert "put a `*.cedarschema` beside the policies" in fault


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    changes = (
        ("context.amount > 500", "context.amuont > 500"),
        ("regions: [eu]", "regions: [eu]\n    colour: red"),
        ("parent: payer", "parent: payr"),
        ("principal == resource.asker", "principal =="),
    )
    assert len(faults(tmp_path, *changes)) >= 2  # a fault of shape keeps the policies from being asked
    assert len(faults(tmp_path, changes[0], changes[3])) == 2
