"""A pull request at the gate, rehearsed: a repository made on the fly, a base, and candidate changes of it."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from jsonschema import Draft7Validator
from scipy import stats

import windtunnel as wt
from models.cedar.load import policy_set
from models.diagnostics import InputError
from reports.baseline import baseline_text
from reports.formats.github import github
from reports.formats.junit import junit
from reports.formats.markdown import markdown
from reports.formats.sarif import sarif
from reports.gate.chapter import parsed_gate
from reports.gate.gate import Gate
from reports.gate.json import to_json
from reports.gate.page import render_gate
from reports.gate.terminal import print_gate
from reports.gate.told import told_of_gate
from reports.statements import of_findings
from repository import FLOOD, POLICIES, SCENARIO, SCHEMA, Repository, fleet
from sarif_schema import validator
from verify.verify import verify
from windtunnel.cli import exit_code


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return fleet(tmp_path_factory.mktemp("repository"))


WIDER = POLICIES + '@id("clerks-void") permit (principal, action == Action::"void", resource == Shop::"shop");'
UNASKED = POLICIES.split('@id("over-cap")')[0]
MASKED = (
    POLICIES + '@id("none-large") forbid (principal, action == Action::"pay", resource) when { context.amount > 700 };'
)


@dataclass(frozen=True)
class Candidate:
    """A change, and what the gate has to say of it."""

    policies: str
    result: str
    code: int
    rule: str = ""
    """Of the statement that stands against it; none where it passes."""
    decisions: frozenset[str] = frozenset()
    """Checks of the changes of decisions that are told."""
    replications: int = 2


CANDIDATES = {
    "harmless": Candidate("// moved\n\n" + POLICIES.replace("when {", "when\n{\n   "), "pass", 0),
    "wider": Candidate(WIDER, "fail", 1, "D401", frozenset({"D401"})),
    "unasked": Candidate(UNASKED, "fail", 1, "D404", frozenset({"D404"})),
    "flood": Candidate(FLOOD, "fail", 1, "objective", frozenset({"D403"}), 6),
    "masked": Candidate(MASKED, "fail", 1, "P201", frozenset({"D402"})),
    "syntax": Candidate(POLICIES.replace("forbid (", "forbd ("), "invalid", 2, "input"),
}


@pytest.fixture(scope="module")
def gates(repository: Repository) -> dict[str, Gate]:
    """The gate on each candidate."""
    found = {}
    for name, one in CANDIDATES.items():
        repository.branch(name, policies=one.policies)
        found[name] = wt.gate("main", name, folder=repository.root, workers=1, replications=one.replications)
    return found


@pytest.fixture(scope="module")
def sarif_schema() -> Draft7Validator:
    return validator()


def told(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """What the command prints, and its exit code."""
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("NO_COLOR", "1")
    code = exit_code(["gate", "--base", "main", "--workers", "1", *words])
    text = capsys.readouterr().out
    assert "windtunnel-gate-" not in text  # places are in the repository, not where it is read from
    return code, text


@pytest.mark.parametrize("name", CANDIDATES)
def test_each_candidate_gets_its_verdict_and_its_reason(gates: dict[str, Gate], name: str) -> None:
    gate, wanted = gates[name], CANDIDATES[name]
    assert (gate.verdict.result, gate.verdict.exit_code) == (wanted.result, wanted.code)
    against = {statement.rule for _, statement in gate.said if statement.stands}
    assert (wanted.rule in against) if wanted.rule else not against
    told = {statement.rule for _, statement in gate.said if statement.rule[0] == "D" and statement.kind != "pass"}
    assert told == wanted.decisions


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_format_says_the_same(
    gates: dict[str, Gate], name: str, sarif_schema: Draft7Validator, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, wanted = gates[name], CANDIDATES[name]
    whole = told_of_gate(gate)
    against = [statement for _, statement in gate.said if statement.stands]

    log = json.loads(sarif(whole))
    assert [error.message for error in sarif_schema.iter_errors(log)] == []
    (run,) = log["runs"]
    assert run["invocations"][0]["exitCode"] == wanted.code
    kinds = {result["kind"]: result["level"] for result in run["results"] if result["kind"] == "fail"}
    assert bool(kinds) == bool(against)
    new = {r["partialFingerprints"]["windtunnel/v1"] for r in run["results"] if r.get("baselineState") == "new"}
    assert {one.fingerprint for one in against if one.since == "new"} <= new

    suite = ElementTree.fromstring(junit(whole))
    failing = [
        case for case in suite.iter("testcase") if case.find("failure") is not None or case.find("error") is not None
    ]
    assert bool(failing) == bool(wanted.code)
    errors = [line for line in github(whole).splitlines() if line.startswith("::error")]
    assert bool(errors) == bool(wanted.code)
    assert f"(exit code {wanted.code})" in github(whole)
    assert f"Windtunnel: {wanted.result}" in markdown(whole).splitlines()[0]
    for statement in against[:3]:
        assert statement.fingerprint in markdown(whole)

    print_gate(gate)
    first = capsys.readouterr().out.splitlines()[0]
    assert ("fail" if wanted.result == "invalid" else wanted.result) in first
    assert to_json(gate)["verdict"] == {
        "result": wanted.result,
        "exit_code": wanted.code,
        "reasons": list(gate.verdict.reasons),
    }


def test_flooding_a_desk_is_told_as_paired_runs_tell_it(
    repository: Repository,
    gates: dict[str, Gate],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, text = told(repository, monkeypatch, capsys, "--head", "flood")
    assert code == 1
    assert text.splitlines()[0].split()[1] == "fail"
    assert "objective `refund-answered`, which the base keeps, fails: " in text
    assert "desks.finance.wait.p95 changes by" in text

    (one,) = gates["flood"].targets
    assert one.target.files == ("fleet/policies/refunds.cedar",)
    assert one.effect is not None
    assert one.effect.alone
    contrast = {c.measure: c for c in one.effect.comparison.variants[1].contrasts}["desks.finance.cases"]

    shares = []
    for name, policies in (("base", POLICIES), ("flood", FLOOD)):
        made = Repository(tmp_path / name)
        made.write("desk/scenario.yaml", SCENARIO)
        made.write("policies/refunds.cedar", policies)
        made.write("policies/fleet.cedarschema", SCHEMA)
        run = wt.simulate(wt.load(made.root / "desk"), tmp_path / f"{name}-run", workers=1)
        cases, events = run.cases(), run.events()
        asked = set(
            events[events["place"] == "desk:finance"][["replication", "case"]].itertuples(index=False, name=None)
        )
        cases = cases[cases["measured"]]
        at_desk = [key in asked for key in cases[["replication", "case"]].itertuples(index=False, name=None)]
        shares.append(cases.assign(at_desk=at_desk).groupby("replication")["at_desk"].mean().to_numpy())
    paired = shares[1] - shares[0]
    half = stats.t.ppf(0.975, len(paired) - 1) * paired.std(ddof=1) / math.sqrt(len(paired))
    assert contrast.interval.estimate == pytest.approx(paired.mean())
    assert (contrast.interval.low, contrast.interval.high) == pytest.approx(
        (paired.mean() - half, paired.mean() + half)
    )
    assert 0.5 < np.mean(paired) < 0.7
    assert f"{paired.mean():.0%}" in text


def test_a_reformatted_policy_changes_nothing(gates: dict[str, Gate]) -> None:
    gate = gates["harmless"]
    assert gate.verdict.reasons[0] == "No decision changes."
    effect = gate.targets[0].effect
    assert effect is not None
    assert not effect.different
    assert effect.sentences[0].text == "Every measure is the same in all 2 replications of both versions."


def test_a_policy_that_cannot_be_read_is_told_by_its_place(gates: dict[str, Gate]) -> None:
    assert "fleet/policies/refunds.cedar:5: invalid policy effect: forbd" in gates["syntax"].verdict.reasons[0]


def test_a_change_cannot_loosen_its_own_rules(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"windtunnel.toml": "[gate]\nforbid = []\nobjectives = 'told'\n"}
    repository.branch("loose", policies=UNASKED, **files)
    code, text = told(repository, monkeypatch, capsys, "--head", "loose", "--replications", "2")
    assert code == 1
    assert "D404 no-longer-escalated" in text
    assert "The change touches `windtunnel.toml`. The base's counts here" in text


def test_a_change_cannot_drop_or_loosen_the_objective_that_it_would_miss(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looser = SCENARIO.replace("at-least: 0.9", "at-least: 0.1")
    repository.branch("looser", policies=FLOOD, **{"fleet/desk/scenario.yaml": looser})
    code, text = told(repository, monkeypatch, capsys, "--head", "looser", "--format", "json")
    (target,) = json.loads(text)["targets"]
    assert code == 1
    assert target["objectives"] == [
        {
            "name": "refund-answered",
            "base": "pass",
            "head": "fail",
            "set_by": "both",
            "reset": True,
            "policies_alone": "fail",
        }
    ]
    dropped = SCENARIO.partition("objectives:")[0]
    repository.branch("dropped", **{"fleet/desk/scenario.yaml": dropped})
    code, text = told(repository, monkeypatch, capsys, "--head", "dropped", "--replications", "2")
    assert code == 1
    assert "objective `refund-answered` is dropped by the change" in text


def test_what_both_versions_are_tested_with_is_told_in_every_format(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A looser objective and less work do not fail by themselves: whoever reads any format must see them."""
    eased = SCENARIO.replace("at-least: 0.9", "at-least: 0.1").replace("rate: 40/h", "rate: 4/h")
    repository.branch("gentler", **{"fleet/desk/scenario.yaml": eased})
    for format in ("text", "json", "sarif", "junit", "markdown"):
        words = ("--head=gentler", "--replications=2", f"--format={format}")
        code, text = told(repository, monkeypatch, capsys, *words)
        plain = " ".join(text.replace("<code>", "`").replace("</code>", "`").replace("&#96;", "`").split())
        assert code == 0
        assert "the change sets objective `refund-answered` anew" in plain, format
        assert "The change is of the scenario, too" in plain, format


def test_the_same_change_is_told_in_the_same_bytes(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("again", policies=POLICIES.replace("> 900", "> 800"))
    words = ("--head", "again", "--replications", "2", "--format", "json")
    first, second = (told(repository, monkeypatch, capsys, *words) for _ in range(2))
    assert first == second
    found = json.loads(first[1])
    assert (first[0] == 0) == (not any(one["stands"] for one in found["statements"]))
    assert found["verdict"]["exit_code"] == first[0]


def test_the_working_tree_is_judged_where_no_head_is_named(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = "fleet/policies/refunds.cedar"
    repository.write(file, POLICIES.replace("permit (principal == Agent", "permit (principal in Agent"))
    code, text = told(repository, monkeypatch, capsys, "--format", "json")
    repository.git("checkout", "-q", file)
    found = json.loads(text)
    assert (code, found["verdict"]["result"]) == (0, "pass")
    assert found["head"] == {"ref": None, "commit": None}
    assert [target["files"] for target in found["targets"]] == [[file]]


def test_nothing_that_is_judged_is_touched(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("words", **{"README.md": "two fleets"})
    code, text = told(repository, monkeypatch, capsys, "--head", "words")
    assert code == 0
    assert "touches no scenario and no policies" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base=-h"], "is not a ref"),
        (["--base=mian"], "did you mean `main`?"),
        (["--base=main", "--head=--upload-pack=x"], "is not a ref"),
        (["--base=main", "fleet/nowhere"], "neither version has"),
        (["--base=main", "../elsewhere"], "is not in the repository"),
    ],
)
def test_a_wrong_ref_or_path_is_an_input_error(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(repository.root)
    assert exit_code(["gate", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_no_checkout_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    with pytest.raises(InputError, match="finds no checkout"):
        wt.gate("main", folder=tmp_path)


def test_recorded_requests_are_decided_by_both_versions(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("recorded", policies=UNASKED)
    asked = {"principal": 'Agent::"clerk"', "action": 'Action::"pay"', "resource": 'Shop::"shop"'}
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({**asked, "context": {"amount": amount}}) + "\n" for amount in (1, 950, 990)))
    words = ("--head", "recorded", "--replications", "2", "--requests", str(log))
    code, text = told(repository, monkeypatch, capsys, *words)
    assert code == 1
    assert "2 recorded requests unescalated: escalate -> allow." in text
    assert "3 recorded requests: 2 decided differently" in text
    log.write_text("{}\n")
    monkeypatch.chdir(repository.root)
    assert exit_code(["gate", "--base", "main", "--workers", "1", *words]) == 2
    assert f"{log}:1:1: " in capsys.readouterr().err


def test_rules_that_do_nothing_and_a_log_that_is_touched_are_told(repository: Repository) -> None:
    limits = '[[gate.limit]]\nmeasure = "desks.finance.load"\nrise-at-most = "1%"\nscenario = "fleet/d?sk"\n'
    repository.branch(
        "misspelt",
        **{
            "windtunnel.toml": f'[gate]\nrequests = "log.jsonl"\n{limits}{limits.replace("fleet/d?sk", "flet/*")}',
            "log.jsonl": "",
        },
    )
    repository.git("checkout", "-q", "-b", "no-log", "misspelt")
    repository.git("rm", "-q", "log.jsonl")
    repository.git("commit", "-q", "-m", "no log")
    repository.git("checkout", "-q", "main")
    assert wt.gate("misspelt", "no-log", folder=repository.root).notes == (
        "The change touches `log.jsonl`. The base's counts here, the new one from the next change on.",
        "The limit on `desks.finance.load` limits nothing: `flet/*` is no scenario's folder.",
    )


def test_what_is_said_of_several_tells_of_which_in_every_format(repository: Repository) -> None:
    files = {f"{folder}/p.cedarschema": SCHEMA for folder in ("one", "two")}
    repository.branch("several", **files, **{f"{folder}/p.cedar": MASKED for folder in ("one", "two")})
    whole = told_of_gate(wt.gate("main", "several", folder=repository.root, workers=1))
    for text in (markdown(whole), github(whole), junit(whole), sarif(whole)):
        for folder in ("one", "two"):
            assert re.search(rf"{folder}: \W?(<code>)?over-cap", text)
    names = [case.attrib["name"] for case in ElementTree.fromstring(junit(whole)).iter("testcase")]
    assert len(set(names)) == len(names)


def test_policies_that_no_scenario_uses_have_no_effect_to_measure(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("unused", **{"other/more.cedar": POLICIES, "other/more.cedarschema": SCHEMA})
    repository.git("checkout", "-q", "unused")
    repository.write("other/more.cedar", WIDER)
    repository.git("commit", "-q", "-a", "-m", "wider")
    repository.git("checkout", "-q", "-b", "gone")
    repository.git("rm", "-q", "-r", "other")
    repository.git("commit", "-q", "-m", "gone")
    repository.git("checkout", "-q", "main")
    code, text = told(repository, monkeypatch, capsys, "--base=unused~1", "--head=unused")
    assert code == 1
    assert "D401 newly-allowed" in text
    assert "No scenario has these as its own policies, so their operational effect was not measured." in text
    code, text = told(repository, monkeypatch, capsys, "--base=unused", "--head=gone")
    assert code == 3
    assert "the policies are removed" in text
    code, text = told(repository, monkeypatch, capsys, "--head=unused", "other", "--format=json")
    (target,) = json.loads(text)["targets"]
    assert (target["change"], target["diff"]) == ("added", None)


def test_a_limit_is_kept_broken_or_undecided(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = '[[gate.limit]]\nmeasure = "{}"\n{}-at-most = "{}"\n'
    asked = [
        ("desks.finance.cases", "rise", "0.7", "pass"),
        ("desks.finance.cases", "rise", "0.5", "fail"),
        ("desks.finance.cases", "rise", "10%", "fail"),
        ("desks.finance.load", "rise", "900%", "pass"),
        ("work.refunds.completed", "fall", "1", "pass"),
        ("desks.finance.items", "rise", "206", "undecided"),
    ]
    text = "[gate]\nobjectives = 'told'\n" + "".join(limit.format(*one[:3]) for one in asked)
    repository.git("checkout", "-q", "-b", "limits", "main")
    repository.write("windtunnel.toml", text)
    repository.git("commit", "-q", "-a", "-m", "limits")
    repository.write("fleet/policies/refunds.cedar", FLOOD)
    repository.git("commit", "-q", "-a", "-m", "flood")
    repository.git("checkout", "-q", "main")
    code, out = told(repository, monkeypatch, capsys, "--base=limits~1", "--head=limits", "--format=json")
    (target,) = json.loads(out)["targets"]
    told_limits = [(one["measure"], one["verdict"], one["sentence"]) for one in target["effect"]["limits"]]
    assert [one[:2] for one in told_limits] == [(name, verdict) for name, _, _, verdict in asked], told_limits
    known = [one["fingerprint"] for one in json.loads(out)["statements"] if one["rule"] == "gate.limit"]
    assert len(set(known)) == len(known) == len(asked)  # a waiver of one limit is none of another on the measure
    assert code == 1


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            'measure = "desks.finanse.load"\nrise-at-most = "1"',
            ":3:1: there is no measure `desks.finanse.load`",
        ),
        (
            'measure = "desks.finance.load"\nrise-at-most = "3m"',
            ":4:1: `3m` is no change of `desks.finance.load`",
        ),
    ],
)
def test_a_limit_that_cannot_be_judged_is_an_input_error(repository: Repository, limit: str, said: str) -> None:
    repository.git("checkout", "-q", "-B", "wrong", "main")
    repository.write("windtunnel.toml", f"[gate]\n[[gate.limit]]\n{limit}\n")
    repository.git("commit", "-q", "-a", "-m", "rules")
    repository.write("fleet/policies/refunds.cedar", FLOOD)
    repository.git("commit", "-q", "-a", "-m", "flood")
    repository.git("checkout", "-q", "main")
    with pytest.raises(InputError, match=said):
        wt.gate("wrong~1", "wrong", folder=repository.root, workers=1)


WAIVER = """\
windtunnel: 1
waivers:
  - fingerprint: "{fingerprint}"
    check: D404
    scope: {scope}
    reason: The desk is closed in the first quarter.
    approver: R. Okafor
    created: 2026-11-01
    expires: 2026-11-30
"""


@pytest.fixture(scope="module")
def waiver(gates: dict[str, Gate]) -> str:
    """A waiver of what stands against the change after which nobody is asked any more."""
    (found,) = (statement for _, statement in gates["unasked"].said if statement.rule == "D404")
    return WAIVER.format(fingerprint=found.fingerprint, scope="fleet/policies")


def test_a_waiver_of_the_base_counts_and_is_shown(
    repository: Repository, waiver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("waived", **{"waivers.yaml": waiver})
    repository.git("checkout", "-q", "-b", "waived-change", "waived")
    repository.write("fleet/policies/refunds.cedar", UNASKED)
    repository.git("commit", "-q", "-a", "-m", "unasked")
    repository.git("checkout", "-q", "main")
    words = ("--base=waived", "--head=waived-change", "--replications=2")
    code, text = told(repository, monkeypatch, capsys, *words, "--today=2026-11-23")
    assert code == 0
    assert text.splitlines()[0].split()[1] == "pass"
    assert "1 statement waived." in text
    assert "No forbidden change of decisions but for what is waived." in text
    said = "waived: D404 no-longer-escalated: The desk is closed in the first quarter. Approved by R. Okafor"
    assert said in " ".join(text.split())
    code, text = told(repository, monkeypatch, capsys, *words, "--today=2026-12-01", "--format=json")
    found = json.loads(text)
    assert (code, found["verdict"]["result"]) == (4, "fail")
    assert "expired on 2026-11-30" in found["verdict"]["reasons"][0]
    assert [one["expires"] for one in found["waivers"]] == ["2026-11-30"]
    code, text = told(repository, monkeypatch, capsys, *words, "--today=2026-12-01", "--format=markdown")
    assert code == 4
    assert "Exit code 4." in text


def test_a_change_cannot_waive_what_it_introduces(
    repository: Repository, waiver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("own-waiver", policies=UNASKED, **{"waivers.yaml": waiver})
    words = ("--head=own-waiver", "--replications=2", "--today=2026-11-23")
    code, text = told(repository, monkeypatch, capsys, *words)
    assert code == 1
    assert "waived: " not in text
    assert "The change touches `waivers.yaml`. The base's counts here" in text


def test_a_waiver_that_waives_nothing_here_is_told_where_it_could(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for scope, is_told in (("fleet", True), ("elsewhere", False)):
        unused = WAIVER.format(fingerprint="0123456789abcdef", scope=scope)
        repository.git("checkout", "-q", "-B", "unused-waiver", "main")
        repository.write("waivers.yaml", unused)
        repository.git("add", "-A")
        repository.git("commit", "-q", "-m", "waiver")
        repository.git("checkout", "-q", "-B", "unused-change")
        repository.write("fleet/policies/refunds.cedar", CANDIDATES["harmless"].policies)
        repository.git("commit", "-q", "-a", "-m", "harmless")
        repository.git("checkout", "-q", "main")
        words = ("--base=unused-waiver", "--head=unused-change", "--replications=2", "--today=2026-11-23")
        code, text = told(repository, monkeypatch, capsys, *words)
        assert code == 0
        assert ("waives nothing" in text) is is_told


def test_a_baseline_excuses_what_the_base_has_and_nothing_that_a_change_brings(
    repository: Repository, gates: dict[str, Gate]
) -> None:
    alone = of_findings(verify(policy_set(MASKED, SCHEMA), effort="low"))
    known = baseline_text([*(statement for _, statement in gates["masked"].said), *alone])
    rules = "[gate]\nnew-findings-only = false\n"
    files = {"known.json": known, "lone/a.cedar": POLICIES, "lone/x.cedarschema": SCHEMA}
    repository.branch("strict", policies=MASKED, **files, **{"windtunnel.toml": rules})
    repository.git("checkout", "-q", "-b", "known", "strict")
    repository.write("windtunnel.toml", rules + 'baseline = "known.json"\n')
    repository.write("fleet/desk/scenario.yaml", SCENARIO + "descripton: x\n")  # the base cannot be read
    repository.git("commit", "-q", "-a", "-m", "unread")
    repository.write("fleet/desk/scenario.yaml", SCENARIO)
    repository.git("commit", "-q", "-a", "-m", "known")

    def stands(base: str, files: dict[str, str]) -> set[tuple[str, str]]:
        repository.git("checkout", "-q", "-B", "change", base)
        for path, text in files.items():
            repository.write(path, text)
        repository.git("add", "-A")
        repository.git("commit", "-q", "--allow-empty", "-m", "change")
        repository.git("checkout", "-q", "main")
        gate = wt.gate(base, "change", folder=repository.root, workers=1, replications=2)
        return {(target.path, one.rule) for target, one in gate.said if one.stands}

    of_base = {"fleet/policies/refunds.cedar": MASKED + "// a note\n"}
    assert stands("strict", of_base) == {("fleet/desk", "P201")}  # the rules make it count
    assert stands("known", of_base) == set()
    assert stands("known~1", {"fleet/desk/scenario.yaml": SCENARIO}) == set()
    assert stands("known", {"lone/a.cedar": MASKED}) == {("lone", "P201")}  # of the same name and fingerprint
    assert stands("known", {"more/a.cedar": MASKED, "more/x.cedarschema": SCHEMA}) == {("more", "P201")}


def test_exceptions_that_cannot_be_read_are_an_input_error(repository: Repository) -> None:
    repository.branch("no-waivers", **{"windtunnel.toml": '[gate]\nwaivers = "w.yaml"\n'})
    with pytest.raises(InputError, match="the base has no"):
        wt.gate("no-waivers", "main", folder=repository.root)
    repository.branch("bad-waivers", **{"waivers.yaml": "windtunnel: 1\nwaiver: []\n"})
    with pytest.raises(InputError, match=r"waivers:waivers\.yaml:2:1: unknown key"):
        wt.gate("bad-waivers", "main", folder=repository.root)


HELD = (
    SCENARIO
    + """\
risks:
  large: {actions: ['Action::"pay"'], when: context.amount > 900}
"""
)
INVARIANT = """\
@invariant("no-void-by-agents")
forbid (principal, action == Action::"void", resource);
"""


@pytest.mark.parametrize(
    ("path", "text", "name", "kind", "code"),
    [
        ("fleet/desk/scenario.yaml", SCENARIO, "risks.large", "fail", 1),
        ("fleet/desk/scenario.yaml", HELD.replace("> 900", "> 950"), "risks.large", "open", 3),
        ("fleet/desk/scenario.yaml", HELD.replace("policies: {path: ../policies}\n", ""), "policies", "fail", 2),
        ("fleet/policies/invariants.cedar", None, "invariants.no-void-by-agents", "fail", 1),
        ("fleet/policies/invariants.cedar", INVARIANT.replace("void", "pay", 1), None, "fail", 1),
        ("fleet/policies/invariants.cedar", INVARIANT + "// more", None, "", 0),
    ],
)
def test_a_change_cannot_take_away_what_policies_are_checked_against(
    repository: Repository, path: str, text: str | None, name: str | None, kind: str, code: int
) -> None:
    repository.git("checkout", "-q", "-B", "held", "main")
    repository.write("fleet/desk/scenario.yaml", HELD)
    repository.write("fleet/policies/invariants.cedar", INVARIANT)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "held")
    repository.git("checkout", "-q", "-B", "let-go")
    if text is None:
        (repository.root / path).unlink()
    else:
        repository.write(path, text)
    repository.git("commit", "-q", "-a", "-m", "let go")
    repository.git("checkout", "-q", "main")
    gate = wt.gate("held", "let-go", folder=repository.root, workers=1, replications=2)
    found = {one.name: one.kind for _, one in gate.said if one.rule == "gate.assertion"}
    assert gate.verdict.exit_code == code, gate.verdict.reasons
    if name is not None and code != 2:
        assert found == {name: kind}


def test_a_change_cannot_drop_the_schema(repository: Repository) -> None:
    repository.git("checkout", "-q", "-B", "no-schema", "main")
    repository.git("rm", "-q", "fleet/policies/fleet.cedarschema")
    repository.git("commit", "-q", "-m", "no schema")
    repository.git("checkout", "-q", "main")
    gate = wt.gate("main", "no-schema", folder=repository.root, workers=1, replications=2)
    assert ("gate.assertion", "policies.schema") in {(one.rule, one.name) for _, one in gate.said if one.fails}
    back = wt.gate("no-schema", "main", folder=repository.root, workers=1, replications=2)
    assert "gate.assertion" not in {one.rule for _, one in back.said}


@pytest.mark.parametrize(("hours", "other"), [("09:00-18:00", True), ("07:00-19:00", True), ("08:00-20:00", False)])
def test_a_gap_on_duty_that_is_longer_is_told_though_it_was_found_before(
    repository: Repository, hours: str, other: bool
) -> None:
    """A finding is one of its chain, whatever it says: that fewer are on duty must be seen all the same."""
    part = SCENARIO.replace('"00:00-24:00"', '"08:00-20:00"')
    repository.git("checkout", "-q", "-B", "part-time", "main")
    repository.write("fleet/desk/scenario.yaml", part)
    repository.git("commit", "-q", "-a", "-m", "part time")
    repository.write("fleet/desk/scenario.yaml", "# moved\n" + part.replace("08:00-20:00", hours))
    repository.git("commit", "-q", "-a", "-m", "less")
    repository.git("checkout", "-q", "main")
    gate = wt.gate("part-time~1", "part-time", folder=repository.root, workers=1, replications=2)
    assert {one.since for _, one in gate.said if one.rule == "E503" and one.kind == "fail"} == {"unchanged"}
    told = [one.message for _, one in gate.said if one.rule == "gate.finding"]
    assert len(told) == other
    assert all(f"{hours[-5:]} UTC" in one and "20:00 UTC" in one for one in told)


EASED = {
    "fewer cases": ("rate: 40/h", "rate: 4/h"),
    "more staff": ("staff: 2", "staff: 8"),
    "quicker service": ("service: exponential(mean=6m)", "service: exponential(mean=6s)"),
}


@pytest.mark.parametrize("name", EASED)
def test_a_change_of_policies_cannot_make_its_own_test_easier(repository: Repository, name: str) -> None:
    """What it does alone is held against it, whatever else the change sets; a waiver lets it through, for a person."""
    files = {"fleet/desk/scenario.yaml": SCENARIO.replace(*EASED[name]), "policies": FLOOD}
    head = repository.branch(f"eased-{name.replace(' ', '-')}", **files)
    gate = wt.gate("main", head, folder=repository.root, workers=1, replications=3)
    assert (gate.verdict.result, gate.verdict.exit_code) == ("undecided", 3)
    told = {(one.rule, one.name) for _, one in gate.said if one.stands}
    alone = "gate.policies-alone"
    assert told == {(alone, "refund-answered"), (alone, "desks.finance.wait.p95")}
    [target] = gate.targets
    assert target.effect is not None
    [objective] = target.effect.objectives
    assert (objective.base, objective.head, objective.alone) == ("pass", "pass", "fail")
    [note] = [note for note in target.notes if note.startswith("The change is of the scenario, too")]
    assert EASED[name][0].partition(":")[0] in note or "arrivals" in note or "roster" in note


def test_policies_may_ask_a_chain_that_comes_with_them(repository: Repository) -> None:
    """With the policies alone there would be no such chain: it is taken from the head."""
    board = "chains:\n  board: {levels: [{desk: finance}]}\n"
    files = {"fleet/desk/scenario.yaml": SCENARIO.replace("chains:\n", board)}
    head = repository.branch("board", **files, policies=POLICIES.replace('@escalate("finance")', '@escalate("board")'))
    gate = wt.gate("main", head, folder=repository.root, workers=1, replications=2)
    assert gate.verdict.exit_code == 0
    assert gate.verdict.reasons[0] == "No forbidden change of decisions."
    assert {one.rule for _, one in gate.said if one.kind == "review"} == {"D406"}


def test_a_change_of_the_schema_is_none_of_the_entities(repository: Repository) -> None:
    narrower = SCHEMA.replace('"pay", "void"', '"pay"')
    head = repository.branch("narrower", **{"fleet/policies/fleet.cedarschema": narrower})
    gate = wt.gate("main", head, folder=repository.root, workers=1, replications=2)
    assert not [note for one in gate.targets for note in one.notes if "Entities" in note]
    assert [note for one in gate.targets for note in one.notes if note.startswith("The schema changes.")]
    entities = '[{"uid": {"type": "Agent", "id": "clerk"}, "attrs": {}, "parents": []}]'
    head = repository.branch("stored", **{"fleet/policies/entities.json": entities})
    gate = wt.gate("main", head, folder=repository.root, workers=1, replications=2)
    assert [note for one in gate.targets for note in one.notes if "Entities" in note]
    assert not [note for one in gate.targets for note in one.notes if "schema" in note]
    assert gate.verdict.reasons[0] == "No decision changes, but entities do: what that changes is not judged."


SWAMPED = SCENARIO.replace("rate: 40/h", "rate: 1000/h").replace("name: refunds", "name: others")


@pytest.mark.parametrize(
    ("text", "result"), [(SCENARIO.replace("name: refunds", "name: others"), "pass"), (SWAMPED, "fail")]
)
def test_a_new_scenario_must_keep_its_own_objectives(
    repository: Repository, text: str, result: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = repository.branch(f"new-{result}", **{"fleet/other/scenario.yaml": text})
    gate = wt.gate("main", head, folder=repository.root, workers=1, replications=3)
    assert gate.verdict.result == result
    [one] = gate.targets
    assert one.target.change == "added"
    assert one.effect is not None
    assert [(o.name, o.base, o.head) for o in one.effect.objectives] == [("refund-answered", None, result)]
    [said] = [statement for _, statement in gate.said if statement.rule == "objective"]
    assert said.stands == (result == "fail")
    print_gate(gate)
    assert "base" not in capsys.readouterr().out.partition("objective ")[2].splitlines()[0]
    page = render_gate(parsed_gate(json.dumps(to_json(gate)).encode(), "gate.json"))
    assert "It is new" in page
    assert "Which objectives each variant keeps" in page


def test_a_head_that_mends_a_broken_base_is_judged_by_its_own_objectives(repository: Repository) -> None:
    repository.git("checkout", "-q", "-B", "broken", "main")
    repository.write("fleet/policies/refunds.cedar", "forbd")
    repository.git("commit", "-q", "-a", "-m", "broken")
    repository.git("checkout", "-q", "-B", "mended")
    repository.write("fleet/policies/refunds.cedar", FLOOD)
    repository.git("commit", "-q", "-a", "-m", "mended")
    repository.git("checkout", "-q", "main")
    gate = wt.gate("broken", "mended", folder=repository.root, workers=1, replications=3)
    assert gate.verdict.result == "fail"
    assert {one.rule for _, one in gate.said if one.stands} == {"objective"}


def test_a_pass_over_a_broken_base_says_that_no_decision_is_compared(repository: Repository) -> None:
    repository.branch("broken-set", **{"other/p.cedar": "forbd", "other/p.cedarschema": SCHEMA})
    repository.git("checkout", "-q", "-b", "mended-set", "broken-set")
    repository.write("other/p.cedar", WIDER)
    repository.git("commit", "-q", "-a", "-m", "mended")
    repository.git("checkout", "-q", "main")
    gate = wt.gate("broken-set", "mended-set", folder=repository.root, workers=1)
    assert gate.verdict.result == "pass"
    assert gate.verdict.reasons[0] == "The base of other cannot be read: no decision is compared."


def test_what_a_change_does_to_oversight_is_told(repository: Repository) -> None:
    """Escalations that time out before anybody looks are no answer of a person."""
    hurried = FLOOD.replace('@timeout("4h")', '@timeout("5m")')
    gate = wt.gate("main", repository.branch("hurried", policies=hurried), folder=repository.root, replications=6)
    [target] = gate.targets
    assert target.effect is not None
    told = {one.subject: one.text for one in target.effect.sentences}
    assert told["events.unanswered-escalations"].startswith("events.unanswered-escalations goes from 0")
