"""`windtunnel backtest` and `windtunnel schema infer` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.cedar.load import load_policies
from windtunnel.cli import exit_code

OLD = """
@id("any") permit(principal is Agent, action == Action::"refund", resource is Order);
@id("cap") @escalate("finance") forbid(principal, action, resource) when { context.amount > 500 };
"""
NEW = OLD.replace("> 500", "> 900").replace("> 900 }", '> 900 || (context has region && context.region == "abroad") }')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.cedar").write_text(OLD)
    (tmp_path / "new.cedar").write_text(NEW)
    asked = {"principal": 'Agent::"a"', "action": 'Action::"refund"', "resource": 'Order::"1"'}
    contexts = [{"amount": 10}, {"amount": 600}, {"amount": 700}, {"amount": 20, "region": "abroad"}]
    lines = [json.dumps(asked | {"context": context, "decision": "allow"}) for context in contexts]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    return tmp_path


def command(folder: Path, *arguments: str) -> int:
    return exit_code(["backtest", str(folder / "old.cedar"), *arguments, "--requests", str(folder / "log.jsonl")])


def test_two_sets_are_compared_on_what_came(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(folder, str(folder / "new.cedar")) == 0
    told = capsys.readouterr().out
    assert "4 requests decided, 3 differently" in told
    assert "2 requests escalate -> allow (unescalated)" in told
    assert "1 request allow -> escalate (newly-escalated)" in told
    assert "\n  note: 2 decisions on record are not what the old set says\n" in told


def test_one_set_is_compared_with_the_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(folder, "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "windtunnel.backtest/1"
    assert (said["verdict"], said["before"], said["after"]) == ("pass", {"allow": 4}, {"allow": 2, "escalate": 2})
    (change,) = said["changes"]
    assert (change["kind"], change["count"], change["first"]["line"]) == ("newly-escalated", 2, 2)


def test_forbidden_changes_fail_and_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(folder, str(folder / "new.cedar"), "--forbid", "newly-denied") == 0
    assert command(folder, str(folder / "new.cedar"), "--forbid", "newly-denied,unescalated") == 1
    assert "2 unescalated, which is forbidden" in capsys.readouterr().out
    assert command(folder, "--forbid", "unescalatd") == 2
    assert "did you mean `unescalated`?" in capsys.readouterr().err


def test_a_faulty_log_is_an_input_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "log.jsonl").write_text("{}\n[]\n")
    assert command(folder) == 2
    told = capsys.readouterr().err
    assert "log.jsonl:1:1: the request has no `principal`" in told
    assert "log.jsonl:2:1: expected a JSON object" in told


def test_an_inferred_schema_is_one_that_the_policies_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "new.cedarschema"
    assert exit_code(["schema", "infer", str(folder / "new.cedar"), "--out", str(out)]) == 0
    origins = capsys.readouterr().err
    assert "context.amount` is __cedar::Long" in origins
    assert "new.cedar:3" in origins
    out.write_text(out.read_text().replace("amount?", "amount"))  # what inference cannot promise, a person can
    assert not load_policies(folder / "new.cedar").schema_inferred


def test_contradicting_uses_are_told_and_leave_the_schema_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.cedar"
    path.write_text('permit(principal, action, resource) when { context.n > 1 && context.n like "a*" };')
    assert exit_code(["schema", "infer", str(path)]) == 3
    assert "conflict: `context.n` is used as" in capsys.readouterr().err
    assert exit_code(["schema", "infer", str(path), "--format", "json"]) == 3
    (conflict,) = json.loads(capsys.readouterr().out)["conflicts"]
    assert len(conflict["uses"]) == 2
