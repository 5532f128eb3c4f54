"""Rollouts of policies: every decision is that of cedarpy on the set that decided, and a shadow changes nothing."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cedarpy
import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from sim.audit import audit
from sim.clock import Rank
from sim.compile import compile_plan
from sim.decision_log import chained_hashes, identity, seal
from sim.engine import Replication, Tables
from sim.replay import replay
from sim.rules import compile_rules
from sim.run import Run
from sim.simulate import simulate
from sim.tables import DECISIONS

SECOND = 1_000_000

Fly = Callable[..., Tables]
Rows = list[dict[str, Any]]

OLD = """\
@id("may") permit(principal, action, resource);
@id("large") @escalate("board") @timeout("3s") forbid(principal, action, resource) when { context.amount > 60 };
@id("huge") forbid(principal, action, resource) when { context.amount > 90 };
"""
NEW = """\
@id("may") permit(principal, action, resource);
@id("bigger") @escalate("board") @timeout("3s") forbid(principal, action, resource) when { context.amount > 40 };
@id("night") forbid(principal, action, resource) when { context.night && context.amount > 80 };
"""
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 400s
replications: 2
policies: {path: old}
decision-point: {latency: 200ms}
agents: {pool: {replicas: 9, principal: 'Agent::"a"', capabilities: {work: {service: 1s, success: 0.8, detected: 0.5}}}}
desks: {board: {service: 2s, approves: 0.5, roster: [{days: daily, hours: "00:00-24:00", staff: 3}]}}
chains: {board: {levels: [{desk: board, timeout: 1m}]}}
workflows:
  flow:
    start: pay
    steps: {pay: {kind: task, agent: pool, capability: work, action: 'Action::"pay"', resource: 'Account::"any"'}}
work:
  stream:
    workflow: flow
    arrivals: {kind: renewal, rate: 1/s, cv: 0}
    attributes: {amount: "uniform(low=0, high=100)", night: chance(p=0.5)}
"""
STAGES = "stages: [{share: 0.25, lasts: 100s}, {share: 0.5, lasts: 100s}]"


def rollout(mode: str, stages: str = STAGES, path: str = "new") -> str:
    return f"rollouts: {{rules: {{of: policies, path: {path}, mode: {mode}, at: 100s, {stages}}}}}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in (("old", OLD), ("new", NEW), ("same", OLD)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.cedar").write_text(text)
    return tmp_path


@pytest.fixture
def fly(home: Path) -> Fly:
    def run(more: str = "") -> Tables:
        (home / "scenario.yaml").write_text(TEXT + more)
        loaded = load(home)
        # Through pickle, as to a worker process.
        rules = pickle.loads(pickle.dumps(compile_rules(loaded)))
        flight = Replication(compile_plan(loaded), rules, 1, 0)
        flight.run()
        return flight.tables("", 1)

    return run


def behind(text: str, propagation: str) -> str:
    """The scenario with a site whose copy of the policies is behind."""
    text = text.replace("agents: {pool: {", "agents: {pool: {site: here, ")
    return text + f"sites: {{here: {{}}}}\ndecision-points: {{copy: {{site: here, propagation: {propagation}}}}}\n"


def test_a_copy_decides_by_the_policies_that_have_come_to_it(home: Path) -> None:
    """Those of the first stage, at 100 s, come at 150; that they are taken back at 250 comes at 300. Every decision,
    and what is enforced, is that of cedarpy on the set in force and on the set that the copy has."""
    (home / "scenario.yaml").write_text(behind(TEXT, "50s") + rollout("canary"))
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    rollouts: Any = flight.decisions.held
    stages = rollouts.__self__._stages

    def take_back(_: object, now: int) -> None:
        stages.take_back(now, 0, "")

    flight.clock.at(250 * SECOND, Rank.FAULT, take_back, SimpleNamespace(epoch=0))
    flight.run()
    tables = flight.tables("", 1)
    cases = {row["case"]: row for row in tables.cases.to_pylist()}
    # A case that comes when they are taken back is in none of the stages, but for the copy that does not know.
    among = {case for case in cases if stages.drawn(SimpleNamespace(case=case, work=0, entity=case))}
    assert enrolled(tables) < among
    seen: Counter[tuple[str, str]] = Counter()
    told = {(row["time"], row["case"]): row["value"] for row in of_kind(tables, "stale-decision")}
    for row in tables.decisions.to_pylist():
        in_force, has = OLD, OLD
        if row["case"] in among:
            in_force = NEW if row["time"] < 250 * SECOND else OLD
            has = NEW if 150 * SECOND <= row["time"] < 300 * SECOND else OLD
        said, given = (answer(text, cases[row["case"]], row["approvals"]) for text in (in_force, has))
        assert (row["decision"], row["enforced"]) == (said[0], given[0])
        assert row["reason"] == (said[1] if said == given else "outdated")
        since = 100 * SECOND if in_force == NEW else 250 * SECOND
        assert told.get((row["time"], row["case"])) == (None if in_force == has else row["time"] - since)
        seen[said[0], given[0]] += 1
    assert len([pair for pair in seen if pair[0] != pair[1]]) >= 3
    slipped = {row["case"] for row in of_kind(tables, "violation")}
    assert slipped
    assert slipped <= among


def test_a_copy_without_delay_is_never_behind(home: Path) -> None:
    (home / "scenario.yaml").write_text(behind(TEXT, "0s") + rollout("canary"))
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    assert not of_kind(flight.tables("", 1), "stale-decision")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (behind(TEXT, "50s"), "no new policies are rolled out"),
        (behind(TEXT, "50s") + rollout("shadow"), "no new policies are rolled out"),
        (behind(TEXT, "50s, cache: {for: 1m}") + rollout("canary"), "a decision point with a `cache` has no copy"),
    ],
)
def test_a_propagation_that_means_nothing_is_refused(home: Path, text: str, message: str) -> None:
    (home / "scenario.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load(home)


def of_kind(tables: Tables, *kinds: str) -> Rows:
    return [row for row in tables.events.to_pylist() if row["kind"] in kinds]


def enrolled(tables: Tables) -> set[int]:
    return {row["case"] for row in of_kind(tables, "enrolled")}


def answer(policies: str, case: dict[str, Any], granted: str) -> tuple[str, str]:
    """Outcome and rules of a request by cedarpy, each policy alone."""
    request = {"principal": 'Agent::"a"', "action": 'Action::"pay"', "resource": 'Account::"any"'}
    context = {"amount": case["attr.amount"], "night": case["attr.night"]}
    hits = set()
    for line in policies.splitlines():
        alone = line.replace("forbid(", "permit(")
        if cedarpy.is_authorized({**request, "context": context}, alone, []).allowed:
            hits.add(line.split('"')[1])
    hard = hits & {"huge", "night"}
    soft = hits & {"large", "bigger"} if granted != "board" else set()
    if hard:
        return "deny", ",".join(sorted(hard))
    return ("escalate", ",".join(sorted(soft))) if soft else ("allow", "may")


def differences(tables: Tables, new: str) -> Counter[tuple[int, str]]:
    """What the two sets say differently of the decisions on enrolled cases, by cedarpy."""
    cases = {row["case"]: row for row in tables.cases.to_pylist()}
    among = enrolled(tables)
    found: Counter[tuple[int, str]] = Counter()
    for row in tables.decisions.to_pylist():
        if row["case"] in among:
            one, other = (answer(text, cases[row["case"]], row["approvals"]) for text in (OLD, new))
            if one[0] != other[0]:
                words = f'Action::"pay": {one[0]} by {one[1]}, new: {other[0]} by {other[1]}'
                found[row["case"], words] += 1
    return found


def told(tables: Tables) -> Counter[tuple[int, str]]:
    return Counter((row["case"], row["detail"]) for row in of_kind(tables, "shadow-difference"))


OWN = {"stage", "enrolled", "shadow-difference"}


def others(tables: Tables) -> Rows:
    """The events that are not the rollout's own, without their numbers."""
    return [row | {"sequence": 0} for row in tables.events.to_pylist() if row["kind"] not in OWN]


def test_differences_are_those_of_cedarpy_on_both_sets(fly: Fly) -> None:
    tables = fly(rollout("shadow"))
    expected = differences(tables, NEW)
    assert told(tables) == expected
    assert len({words for _, words in expected}) > 3
    assert told(tables) != differences(tables, NEW.replace("> 40", "> 41"))


def test_an_equal_set_differs_in_nothing(fly: Fly) -> None:
    bare, beside = fly(), fly(rollout("shadow", path="same"))
    assert len(enrolled(beside)) > 100
    assert not told(beside)
    assert others(beside) == others(bare)


@pytest.mark.parametrize("path", ["same", "new"])
def test_a_shadow_changes_not_a_byte_of_what_is_acted_on(fly: Fly, path: str) -> None:
    bare, beside = fly(), fly(rollout("shadow", path=path))
    assert beside.cases.equals(bare.cases)
    assert beside.decisions.equals(bare.decisions)
    assert beside.samples.equals(bare.samples)
    assert others(beside) == others(bare)


def test_a_canary_of_the_same_policies_changes_only_their_name(fly: Fly) -> None:
    bare, canary = fly(), fly(rollout("canary", path="same"))
    assert canary.cases.equals(bare.cases)
    assert others(canary) == others(bare)
    assert canary.decisions.drop_columns(["policies", "hash"]).equals(bare.decisions.drop_columns(["hash"]))


def test_each_decision_is_that_of_the_set_it_names_and_a_case_keeps_its_set(fly: Fly) -> None:
    tables = fly(rollout("canary"))
    cases = {row["case"]: row for row in tables.cases.to_pylist()}
    among = enrolled(tables)
    by_set: Counter[str] = Counter()
    for row in tables.decisions.to_pylist():
        assert row["policies"] == ("new" if row["case"] in among else "old")
        text = NEW if row["policies"] == "new" else OLD
        assert (row["decision"], row["reason"]) == answer(text, cases[row["case"]], row["approvals"])
        by_set[row["policies"]] += 1
    assert min(by_set.values()) > 100
    assert others(tables) != others(fly())


def test_stages_enrol_by_arrival_and_nest(fly: Fly) -> None:
    # The case of second n is number n - 1: the first arrives after a second.
    tables = fly(rollout("canary"))
    assert [(row["time"] / SECOND, row["value"]) for row in of_kind(tables, "stage")] == [(100, 1), (200, 2), (300, 3)]
    small, large = (
        {n + 1 for n in enrolled(fly(rollout("shadow", f"stages: [{{share: {s}, lasts: 200s}}]")))} for s in (0.25, 0.5)
    )
    assert small < large
    assert min(large) >= 100
    assert set(range(300, 400)) <= small
    mixed = {n + 1 for n in enrolled(tables)}
    assert {n for n in mixed if n < 200} == {n for n in small if n < 200}
    assert {n for n in mixed if 200 <= n < 300} == {n for n in large if 200 <= n < 300}


def test_an_answer_kept_of_one_set_is_given_to_cases_of_the_other(home: Path) -> None:
    """All ask the same; the point keeps the first answer, that of the old set, to the end."""
    near = "sites: {here: {}}\ndecision-points: {near: {site: here, cache: {for: 1h}}}\n"
    text = TEXT.replace("agents: {pool: {", "agents: {pool: {site: here, ")
    text = text.replace('"uniform(low=0, high=100)", night: chance(p=0.5)', "50, night: false")
    (home / "scenario.yaml").write_text(text + near + rollout("canary"))
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    tables = flight.tables("", 1)
    rows = {(r["policies"], r["decision"], r["enforced"], r["reason"]) for r in tables.decisions.to_pylist()}
    assert rows == {("old", "allow", "allow", "may"), ("new", "escalate", "allow", "cached")}
    run = simulate(loaded, home / "out", workers=1)
    row = run.decisions().query("reason == 'cached'").iloc[0]
    (told,) = [line for line in replay(run, int(row["case"]), int(row["replication"])) if "decision on" in line]
    words = "allow, a kept answer of other policies, though policy says escalate"
    assert told.endswith(f'decision on Action::"pay" by new: {words}')


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def canary(home: Path) -> Run:
    (home / "scenario.yaml").write_text(TEXT + rollout("canary"))
    return simulate(load(home), home / "out", workers=1)


def test_the_log_of_a_canary_is_intact_and_the_new_policies_are_among_the_inputs(canary: Run) -> None:
    assert audit(canary.folder).intact
    assert canary.manifest.inputs["new/rules.cedar"] == sha256(NEW.encode()).hexdigest()
    (outcome,) = assess(canary).policy_rollouts
    decisions = canary.decisions()
    assert outcome.decisions.estimate == (decisions["policies"] == "new").sum() / 2
    assert (outcome.path, outcome.mode, outcome.stage, outcome.stages) == ("new", "canary", 3, 3)


def test_the_report_counts_differences_by_rule(home: Path) -> None:
    (home / "scenario.yaml").write_text(
        TEXT + rollout("shadow") + "objectives: {none: {kind: count, of: shadow-differences, at-most: 0}}\n"
    )
    run = simulate(load(home), home / "out", workers=1)
    outcomes = assess(run)
    (outcome,) = outcomes.policy_rollouts
    events = run.events()
    found = events[events["kind"] == "shadow-difference"]
    assert outcome.differences is not None
    assert outcome.differences.estimate == len(found) / 2
    assert {d.words: d.count.estimate * 2 for d in outcome.by_rule} == found["detail"].value_counts().to_dict()
    among = set(zip(*events[events["kind"] == "enrolled"][["replication", "case"]].to_numpy().T, strict=True))
    asked = [pair in among for pair in zip(*run.decisions()[["replication", "case"]].to_numpy().T, strict=True)]
    assert outcome.decisions.estimate == sum(asked) / 2
    assert [o.verdict for o in outcomes.objectives] == ["fail"]


@pytest.mark.parametrize("named", [False, True])
def test_new_policies_without_schema_and_entities_have_those_of_the_scenario(home: Path, named: bool) -> None:
    rules = '@id("may") permit(principal in Team::"t", action, resource) when { context.amount < 90 };'
    for folder in ("old", "same"):
        (home / folder / "rules.cedar").write_text(rules)
    known = home if named else home / "old"
    context = "{amount: Long, night: Bool}"
    applies = f"{{ principal: Agent, resource: Account, context: {context} }}"
    (known / "x.cedarschema").write_text(
        f'entity Team, Account; entity Agent in Team; action "pay" appliesTo {applies};'
    )
    agent = {"uid": {"type": "Agent", "id": "a"}, "attrs": {}, "parents": [{"type": "Team", "id": "t"}]}
    (known / "entities.json").write_text(json.dumps([agent]))
    text = TEXT.replace("{path: old}", "{path: old, schema: x.cedarschema, entities: entities.json}") if named else TEXT
    (home / "scenario.yaml").write_text(text + rollout("shadow", path="same"))
    loaded = load(home)
    assert loaded.rollouts["rules"].schema_text == (loaded.policies and loaded.policies.schema_text)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    tables = flight.tables("", 1)
    assert {row["decision"] for row in tables.decisions.to_pylist()} == {"allow", "deny"}
    assert not told(tables)
    (home / "same" / "entities.json").write_text("[]")
    assert len(load(home).inputs) == len(loaded.inputs) + 1
    flight = Replication(compile_plan(load(home)), compile_rules(load(home)), 1, 0)
    flight.run()
    assert {row["detail"].split("new: ")[1] for row in of_kind(flight.tables("", 1), "shadow-difference")} == {
        "deny by not permitted"
    }


def test_a_change_of_the_new_policies_is_another_scenario(home: Path) -> None:
    (home / "scenario.yaml").write_text(TEXT + rollout("shadow"))
    before = load(home).digest
    (home / "new" / "rules.cedar").write_text(NEW + "// more\n")
    assert load(home).digest != before


def _rewrite(run: Run, rows: Rows, *, named: bool = True) -> None:
    """Write the log anew with a chain, seals and digests that fit it: a forger who does all he can."""
    log = run.folder / "decisions.parquet"
    manifest = json.loads((run.folder / "run.json").read_text())
    kept: Rows = []
    for replication in range(2):
        mine = [row for row in rows if row["replication"] == replication]
        before = identity(manifest["scenario_digest"], manifest["seed"], replication, names_policies=named)
        hashes = chained_hashes(before, [tuple(row.values())[:-1] for row in mine])
        kept += [row | {"hash": each} for row, each in zip(mine, hashes, strict=True)]
        manifest["decisions"][replication] = seal(before, hashes)._asdict()
    schema = pq.read_schema(log) if named else DECISIONS
    pq.write_table(pq.read_table(log).from_pylist(kept, schema), log)
    manifest["tables"]["decisions.parquet"] = sha256(log.read_bytes()).hexdigest()
    (run.folder / "run.json").write_text(json.dumps(manifest))


def test_a_set_that_the_scenario_has_not_is_caught_even_in_a_log_whose_chain_fits(canary: Run) -> None:
    rows = pq.read_table(canary.folder / "decisions.parquet").to_pylist()
    _rewrite(canary, rows)
    assert audit(canary.folder).intact
    rows[9]["policies"] = "none"
    _rewrite(canary, rows)
    assert audit(canary.folder).faults == (
        "decisions.parquet: row 9 of replication 0 names policies that the scenario has not",
    )


def test_a_log_that_lost_the_column_or_a_cell_is_not_intact(canary: Run) -> None:
    log = canary.folder / "decisions.parquet"
    whole = pq.read_table(log)
    rows = whole.to_pylist()
    rows[7]["policies"] = "old" if rows[7]["policies"] == "new" else "new"
    pq.write_table(whole.from_pylist(rows, whole.schema), log)
    assert "row 7 of replication 0" in audit(canary.folder).faults[0]
    pq.write_table(whole.drop_columns(["policies"]), log)
    assert "row 0 of replication 0" in audit(canary.folder).faults[0]


# --- what is wrong with one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("path: new", "path: nw", "no such file or folder: `nw`"),
        ("path: new, ", "", "a rollout of policies needs `path`"),
        ("mode: shadow", "mode: shade", "`shade` is not known here"),
        ("at: 100s", "at: 400s", "the rollout comes after the end of the run"),
        ("at: 100s", "at: 100s, agent: pool", "a rollout of policies has no use for `agent`"),
        ("of: policies", "of: model", "a rollout of a model has no use for `path`"),
        ("of: policies", "of: model", "a rollout of a model has no use for `mode`"),
        ("at: 100s", "at: 100s, roll-back: {errors: 0.1, labels: 9}", "labels are of a new model's answers"),
        ("share: 0.5", "share: 0.2", "the stage's share does not grow"),
    ],
)
def test_what_is_wrong_with_it_is_told(home: Path, good: str, bad: str, message: str) -> None:
    text = rollout("shadow")
    assert good in text
    (home / "scenario.yaml").write_text(TEXT + text.replace(good, bad, 1))
    with pytest.raises(InputError) as caught:
        load(home)
    assert any(found.message.startswith(message) for found in caught.value.diagnostics)


def test_faults_of_the_new_policies_are_told_where_they_stand(home: Path) -> None:
    (home / "scenario.yaml").write_text(TEXT + rollout("shadow"))
    (home / "new" / "rules.cedar").write_text(NEW + "permit(")
    with pytest.raises(InputError) as caught:
        load(home)
    assert caught.value.diagnostics[0].file.endswith("new/rules.cedar")
    (home / "new" / "rules.cedar").write_text(NEW)
    context = "{amount: Long, night: Bool, extra: Long}"
    applies = f"{{ principal: Agent, resource: Account, context: {context} }}"
    schema = f'entity Agent, Account; action "pay" appliesTo {applies};'
    (home / "new" / "x.cedarschema").write_text(schema)
    with pytest.raises(InputError) as caught:
        load(home)
    assert [(found.line > 1, found.message) for found in caught.value.diagnostics] == [
        (
            True,
            'workflows.flow.steps.pay.action: `Action::"pay"` needs the context attribute `extra`, a Long',
        )
    ]


def test_two_rollouts_of_policies_are_one_too_many(home: Path) -> None:
    text = rollout("shadow").replace("}}\n", "}, more: {of: policies, path: same, at: 1s}}\n")
    (home / "scenario.yaml").write_text(TEXT + text)
    with pytest.raises(InputError) as caught:
        load(home)
    assert "there is a rollout of policies already" in [found.message for found in caught.value.diagnostics]
