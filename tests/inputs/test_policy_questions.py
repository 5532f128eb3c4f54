"""`windtunnel diff` and `windtunnel query` on the command line: what they print, how they exit, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import windtunnel as wt
from models.cedar.load import policy_set
from models.diagnostics import InputError
from verify.properties import PROPERTIES
from windtunnel.cli import exit_code

SCHEMA = """
namespace Shop {
  entity User;
  entity Doc = { public: Bool, owner: User };
  action view, edit appliesTo { principal: User, resource: Doc, context: { amount: Long } };
}
"""
OLD = """
@id("own") permit(principal, action, resource) when { resource.owner == principal };
@id("large") @escalate("finance") @timeout("4h")
forbid(principal, action == Shop::Action::"edit", resource) when { context.amount > 500 };
@id("never") forbid(principal, action, resource) when { context.amount > 5000 };
"""
NEWLY = {
    "newly-allowed": OLD
    + '@id("public") permit(principal, action == Shop::Action::"view", resource) when { resource.public };',
    "newly-denied": OLD.replace("5000", "4000"),
    "newly-escalated": OLD.replace("500 }", "400 }"),
    "unescalated": OLD.replace("500 }", "600 }"),
    "escalated-differently": OLD.replace("finance", "legal"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, text in {"shop.cedarschema": SCHEMA, "old.cedar": OLD, "empty.cedar": "", **sides()}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def sides() -> dict[str, str]:
    return {f"{name}.cedar": text for name, text in NEWLY.items()}


def compared(*options: str, old: str = "old.cedar", new: str = "old.cedar") -> list[str]:
    return ["diff", old, new, "--schema", "shop.cedarschema", *options]


def asked(name: str, *options: str, policies: str = "old.cedar") -> list[str]:
    return ["query", name, "--policies", policies, "--schema", "shop.cedarschema", *options]


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# --- diff -------------------------------------------------------------------------------------------------------------


def test_the_same_file_twice_is_equivalent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(compared("--format", "json")) == 0
    result = printed(capsys)
    assert (result["schema"], result["verdict"], result["result"]) == ("windtunnel.diff/1", "pass", "equivalent")
    assert [(one["action"], one["result"], one["changes"]) for one in result["environments"]] == [
        ('Shop::Action::"edit"', "equivalent", []),
        ('Shop::Action::"view"', "equivalent", []),
    ]
    assert [finding["check"] for finding in result["findings"]] == ["D405"]


@pytest.mark.parametrize("change", NEWLY)
def test_a_change_passes_until_it_is_forbidden(change: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = ",".join(sorted(NEWLY.keys() - {change}))
    for options, code, verdict in (
        ([], 0, "pass"),
        (["--forbid", change], 1, "fail"),
        (["--forbid", others], 0, "pass"),
    ):
        assert exit_code(compared("--format", "json", *options, new=f"{change}.cedar")) == code
        result = printed(capsys)
        assert result["verdict"] == verdict
        severities = {finding["severity"] for finding in result["findings"] if finding["verdict"] == "violated"}
        assert severities == {"error" if verdict == "fail" else "info"}


def test_text_names_the_rules_on_both_sides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(compared("--forbid", "newly-denied", new="newly-denied.cedar")) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("✗ fail the old set permits more than the new one")
    assert "D402 newly-denied forbidden" in out
    assert "Allowed before: `own` (old.cedar:2) permits it, and `never` (old.cedar:5) does not match. " in out
    assert "Denied now: `never` (newly-denied.cedar:5) forbids it." in out
    assert (
        "Escalated before: `large` (old.cedar:3) asks `finance` (within 4h), and `never` (old.cedar:5) does not match."
        in out
    )
    assert "{amount: 4001}" in out


def test_a_request_of_the_witness_is_complete(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(compared("--format", "json", new="newly-allowed.cedar"))
    (change,) = printed(capsys)["environments"][1]["changes"]
    assert (change["from"], change["to"], change["schemas"]) == ("deny", "allow", ["old", "new"])
    witness = change["witness"]
    before, after = (
        wt.query("always-denies", policy_set(text, SCHEMA)).verdict for text in ("", NEWLY["newly-allowed"])
    )
    assert (before, after) == ("holds", "violated")
    assert witness["action"] == 'Shop::Action::"view"'
    assert {(entity["uid"]["type"]) for entity in witness["entities"]} == {"Shop::User", "Shop::Doc"}


def test_folders_bring_their_schemas(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, schema in (("a", SCHEMA), ("b", SCHEMA.replace("public: Bool", "public?: Bool"))):
        (folder / side).mkdir()
        (folder / side / "policies.cedar").write_text(OLD)
        (folder / side / "shop.cedarschema").write_text(schema)
    assert exit_code(["diff", "a", "b", "--format", "json"]) == 0
    assert printed(capsys)["checked"]["schema_changed"] is True
    assert exit_code(["diff", "a", "old.cedar", "--format", "json"]) == 0
    assert printed(capsys)["checked"]["schema_inferred"] is False
    assert exit_code(["diff", "old.cedar", "old.cedar", "--format", "json"]) == 0
    assert printed(capsys)["checked"]["schema_inferred"] is True


def test_scripts_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = folder / "same.cedar"
    new.write_text(OLD.replace("context.amount > 500 ", "context.amount >= 501 "))
    assert exit_code(compared("--scripts", "scripts", "--format", "json", new="same.cedar")) == 0
    proof = next(finding["proof"] for finding in printed(capsys)["findings"] if finding["check"] == "D405")
    assert (folder / "scripts" / f"{proof['smt2_sha256']}.smt2").is_file()


def test_a_set_may_be_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(compared("--format", "json", new="empty.cedar")) == 0
    assert printed(capsys)["result"] == "more_permissive"
    assert exit_code(["diff", "empty.cedar", "empty.cedar"]) == 0
    assert "no request environment" in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *parts: str) -> None:
    assert exit_code(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    for part in parts:
        assert part in told.err


def test_bad_input_of_diff_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "latin.cedar").write_bytes(b'permit(principal, action, resource) when { "\xff" == "a" };')
    (folder / "wrong.cedar").write_text(OLD.replace("resource.owner", "resource.ovner"))
    (folder / "many").mkdir()
    refused(capsys, compared("--forbid", "newly-deny"), "newly-deny", "did you mean `newly-denied`?")
    refused(capsys, compared("--forbid", "everything"), "expected", "newly-allowed")
    refused(capsys, compared(new="latin.cedar"), "latin.cedar:1:1: the file is not UTF-8 text")
    refused(capsys, compared(new="wrong.cedar"), "wrong.cedar:2:", "ovner", "help: did you mean `owner`?")
    refused(capsys, compared(old="wrong.cedar", new="latin.cedar"), "wrong.cedar:2:", "latin.cedar:1:1")
    refused(capsys, compared(new="none.cedar"), "none.cedar: cannot read the file")
    refused(capsys, compared(new="many"), "many: the folder holds no `*.cedar` file")
    refused(capsys, compared("--old-schema", "shop.cedarschema"), "leave out one of them")
    refused(capsys, ["diff", "old.cedar", "old.cedar", "--schema", "old.cedar"], "old.cedar:")


def test_a_file_above_the_limit_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "huge.cedar").open("w") as stream:
        stream.write("// " + " " * 12_000_000)
    refused(capsys, compared(new="huge.cedar"), "huge.cedar: the file is larger than 12 MB")


# --- query ------------------------------------------------------------------------------------------------------------

SINGLE = {"policy": ["--policy", "own"], "set": []}
DOUBLE = {"policy": ["--policy", "own", "--other-policy", "never"], "set": ["--other", "newly-allowed.cedar"]}


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_answers_with_its_exit_code(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    property = PROPERTIES[name]
    options = (SINGLE if property.sides == 1 else DOUBLE)[property.of]
    code = exit_code(asked(name, "--format", "json", *options))
    result = printed(capsys)
    assert result.keys() == {"schema", "property", "verdict", "environments", "witness"}
    assert (result["schema"], result["property"]) == ("windtunnel.query/1", name)
    assert code == {"holds": 0, "violated": 1, "undecided": 3}[result["verdict"]]
    assert len(result["environments"]) == 2
    assert exit_code(asked(name.replace("-", "_"), *options)) == code
    assert result["verdict"] in capsys.readouterr().out.splitlines()[0]


def test_a_property_over_one_environment(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--principal-type", "Shop::User", "--action", 'Shop::Action::"view"', "--resource-type", "Shop::Doc"]
    assert exit_code(asked("matches-implies", "--policy", "large", "--other-policy", "own", *place)) == 0
    assert exit_code(asked("matches-implies", "--policy", "large", "--other-policy", "own")) == 1
    capsys.readouterr()
    assert exit_code(asked("always-denies", *place, "--format", "json")) == 1
    result = printed(capsys)
    (only,) = result["environments"]
    assert (only["principal"], only["action"], only["resource"]) == (place[1], place[3], place[5])
    assert only["witness"] == result["witness"]
    assert only["proof"]["checked_by"] == "cedarpy"


def test_escalating_forbids_deny_and_text_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "asks.cedar").write_text(
        'permit(principal, action, resource); @escalate("finance") forbid(principal, action, resource);'
    )
    assert exit_code(asked("always-denies", policies="asks.cedar")) == 0
    assert "note: A forbid with @escalate denies here, as Cedar itself decides." in capsys.readouterr().out


def test_bad_input_of_query_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, asked("nver-errors"), "unknown property `nver-errors`", "did you mean `never-errors`?")
    refused(capsys, asked("everything"), "known properties: `never-errors`")
    refused(capsys, asked("never-errors"), "several policies could be meant", "`own`, `large`, `never`")
    refused(capsys, asked("never-errors", "--policy", "lrge"), "no policy `lrge`", "did you mean `large`?")
    refused(capsys, asked("never-errors", policies="empty.cedar"), "the policy set is empty")
    refused(capsys, asked("implies"), "`implies` is about two", "--other")
    refused(capsys, asked("always-denies", "--other", "old.cedar"), "`always-denies` is about one")
    refused(capsys, asked("always-denies", "--policy", "own"), "`always-denies` is about whole sets")
    refused(capsys, asked("always-denies", "--principal-type", "Shop::Usr"), "`Shop::Usr`", "`Shop::User`?")
    refused(capsys, asked("always-denies", "--action", "view"), "the action `view`", 'Shop::Action::"view"')
    refused(capsys, asked("always-denies", "--resource-type", "Shop::User"), "the resource type `Shop::User`")
    refused(capsys, ["query", "always-denies", "--policies", "old.cedar"], "no schema is given", "--schema")
    refused(capsys, ["query", "always-denies"], "--policies")


def test_environments_that_no_schema_lets_go_together_are_refused() -> None:
    schema = SCHEMA.rstrip().rstrip("}") + "entity Bot; action run appliesTo { principal: Bot, resource: Doc }; }"
    with pytest.raises(InputError, match="together"):
        wt.query("always-denies", policy_set("", schema), principal_type="Shop::Bot", action='Shop::Action::"view"')


# --- Python -----------------------------------------------------------------------------------------------------------


def test_the_same_as_python_functions(folder: Path) -> None:
    found = wt.diff("old.cedar", "unescalated.cedar", schema="shop.cedarschema", forbid=["unescalated"])
    assert (found.verdict, found.result) == ("fail", "less_permissive")
    assert [change.transition for one in found.environments for change in one.changes] == [("escalate", "allow")]
    assert wt.query("implies", "old.cedar", "unescalated.cedar", schema=Path("shop.cedarschema")).verdict == "holds"
    same = policy_set(OLD, SCHEMA)
    assert wt.diff(same, same).result == "equivalent"
    with pytest.raises(ValueError, match="unknown changes everything"):
        wt.diff(same, same, forbid=["everything"])
    with pytest.raises(ValueError, match="unknown effort"):
        wt.query("always-denies", same, effort="vast")  # type: ignore[arg-type]


# --- inferred schemas -------------------------------------------------------------------------------------------------


def test_nothing_is_claimed_of_attributes_that_the_two_sets_use_as_different_types() -> None:
    old = 'permit(principal, action == Action::"pay", resource) when { context.amount > 5 };'
    new = old + ' forbid(principal, action == Action::"pay", resource) when { context.amount == "all" };'
    found = wt.diff(policy_set(old), policy_set(new))
    assert found.verdict == "undecided"
    (pay,) = found.environments
    assert pay.result == "undecided"
    assert all("`context.amount` is used as" in reason for reason in pay.unknown.values())
    assert wt.diff(policy_set(new), policy_set(new)).result == "equivalent"


def test_one_inferred_schema_has_what_either_set_reads() -> None:
    old = 'permit(principal, action == Action::"pay", resource) when { context.amount > 5 };'
    new = 'permit(principal, action == Action::"pay", resource) when { context.amount > 5 && context.ok };'
    found = wt.diff(policy_set(old), policy_set(new))
    assert [one.result for one in found.environments] == ["more_permissive"]
    assert "one is inferred" in found.findings.caveats[0]
