"""Waivers and baselines: what is waived is told and never passes, what is old does not fail, and what is new does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.waivers import Waiver
from reports.baseline import apply_baseline, baseline_text, read_baseline
from reports.formats.junit import junit
from reports.formats.markdown import markdown
from reports.formats.sarif import sarif
from reports.statements import judged_again
from reports.waivers import apply_waivers
from statements import every_kind, told
from windtunnel.cli import exit_code

SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { n: Long } };\n"
PAY = 'principal is A, action == Action::"pay", resource is B'
NEVER = f'@id("never") permit({PAY}) when {{ context.n > 3 && context.n < 2 }};\n'
NEITHER = f'@id("neither") permit({PAY}) when {{ context.n == 3 && context.n == 2 }};\n'
DAY = date(2026, 11, 23)

FAILING = next(one for one in every_kind() if one.rule == "P101")
OPEN = next(one for one in every_kind() if one.rule == "P204")
PASSING = next(one for one in every_kind() if one.kind == "pass")


def waiver(**changes: Any) -> Waiver:
    one = Waiver(FAILING.fingerprint, "P101", "*", "Known.", "R. Okafor", DAY, DAY + timedelta(days=30), "w.yaml", 3)
    return replace(one, **changes)


def test_a_waiver_in_force_is_told_and_nothing_passes_for_it() -> None:
    said, faults, unused = apply_waivers([FAILING, OPEN, PASSING], [waiver()], DAY)
    assert [one.waived for one in said] == ["Known. Approved by R. Okafor, from 2026-11-23 to 2026-12-23.", "", ""]
    assert [one.kind for one in said] == ["fail", "open", "pass"]
    assert (faults, unused) == ((), ())
    of = judged_again(told(FAILING, OPEN, PASSING), said)
    assert (of.verdict, of.exit_code) == ("undecided", 3)
    of = judged_again(told(FAILING, PASSING), apply_waivers([FAILING, PASSING], [waiver()], DAY).statements)
    assert (of.verdict, of.exit_code) == ("pass", 0)
    assert of.reasons == ("No check fails that is not waived or known of old.", "1 statement waived.")
    assert "Waived: Known" in markdown(of)
    assert '<skipped message="waived: Known.' in junit(of)
    assert '"suppressions"' in sarif(of)


@pytest.mark.parametrize(("days", "in_force"), [(-1, False), (0, True), (30, True), (31, False)])
def test_a_waiver_is_in_force_from_its_first_to_its_last_day(days: int, in_force: bool) -> None:
    said, faults, _ = apply_waivers([FAILING], [waiver()], DAY + timedelta(days=days))
    assert bool(said[0].waived) == in_force == (not faults)
    assert judged_again(told(FAILING), said, faults).exit_code == (0 if in_force else 4)


def test_an_expired_waiver_fails_even_where_there_is_nothing_to_waive() -> None:
    said, faults, unused = apply_waivers([PASSING], [waiver()], DAY + timedelta(days=99))
    assert not unused
    assert (faults[0].location.file, faults[0].location.line) == ("w.yaml", 3)
    of = judged_again(told(PASSING, verdict="pass", exit_code=0), said, faults)
    assert (of.verdict, of.exit_code) == ("fail", 4)
    assert of.reasons[0].startswith("The waiver of P101 by R. Okafor expired on 2026-12-23")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fingerprint": "0" * 16}, "nothing that it is for is said"),
        ({"fingerprint": PASSING.fingerprint, "check": "objective"}, "nothing that it is for is said"),
        ({"scope": "q"}, "what it is for stands in p/a.cedar"),
        ({"scope": "p/a"}, "what it is for stands in p/a.cedar"),
    ],
)
def test_an_unused_waiver_warns(changes: dict[str, str], why: str) -> None:
    said, faults, unused = apply_waivers([FAILING, PASSING], [waiver(**changes)], DAY)
    assert not faults
    assert not any(one.waived for one in said)
    assert (unused[0].kind, unused[0].level, unused[0].rule) == ("fail", "warning", "waiver")
    assert why in unused[0].message
    assert judged_again(told(FAILING, PASSING), said, unused).exit_code == 1
    assert judged_again(told(PASSING, verdict="pass", exit_code=0), [PASSING], unused).exit_code == 0


@pytest.mark.parametrize("scope", ["*", "p", "p/", "p/a.cedar", "p/*.cedar", "*.cedar"])
def test_scopes_are_files_folders_and_patterns(scope: str) -> None:
    assert apply_waivers([FAILING], [waiver(scope=scope)], DAY).statements[0].waived


def test_a_waiver_of_another_check_fails() -> None:
    said, faults, _ = apply_waivers([FAILING], [waiver(check="P102")], DAY)
    assert not said[0].waived
    assert "is of P101" in faults[0].message


def test_a_verdict_that_no_statement_makes_is_not_waived() -> None:
    nothing = told(verdict="undecided", exit_code=3)
    assert judged_again(nothing, (), ()).exit_code == 3


# --- baselines --------------------------------------------------------------------------------------------------------


@given(st.sets(st.sampled_from(every_kind())), st.sets(st.sampled_from(every_kind())))
def test_a_baseline_tells_new_old_and_gone(old: set[Any], now: set[Any]) -> None:
    before = [replace(one, since=None, waived="") for one in every_kind() if one in old]
    after = [replace(one, since=None, waived="") for one in every_kind() if one in now]
    known = read_baseline(baseline_text(before).encode(), "b.json")
    said = apply_baseline(after, known)
    failing = {one.fingerprint for one in before if one.kind in ("fail", "open")}
    for one in said[: len(after)]:
        expected = None if one.kind == "pass" else "unchanged" if one.fingerprint in failing else "new"
        assert one.since == expected
    assert {one.fingerprint for one in said[len(after) :]} == failing - {one.fingerprint for one in after}
    assert all(one.since == "absent" and not one.stands for one in said[len(after) :])
    standing = [one for one in said if one.stands]
    assert {one.fingerprint for one in standing} == {one.fingerprint for one in after if one.stands} - failing


def test_a_baseline_is_the_same_for_the_same_statements_and_leaves_waived_ones_out() -> None:
    assert baseline_text(every_kind()) == baseline_text(every_kind()[::-1])
    known = json.loads(baseline_text(every_kind()))["statements"]
    assert {one["rule"] for one in known} == {"P101", "P204", "P104", "P106", "P201", "replication"}


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.cedar").write_text(NEVER)
    (tmp_path / "set" / "a.cedarschema").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795400000")  # 2026-11-23
    return tmp_path


def fingerprint_of(capsys: pytest.CaptureFixture[str], check: str) -> str:
    exit_code(["verify", "set", "--format", "json"])
    said = json.loads(capsys.readouterr().out)["statements"]
    return next(one["fingerprint"] for one in said if one["rule"] == check and one["kind"] == "fail")


def write_waiver(path: Path, known_by: str, expires: str = "2026-12-31") -> None:
    path.write_text(
        f'windtunnel: 1\nwaivers:\n- fingerprint: "{known_by}"\n  check: P101\n  scope: set\n  reason: Going away.\n'
        f"  approver: R. Okafor\n  created: 2026-11-01\n  expires: {expires}\n"
    )


def test_verify_with_waivers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_waiver(folder / "w.yaml", fingerprint_of(capsys, "P101"))
    assert exit_code(["verify", "set"]) == 1
    capsys.readouterr()
    with_waivers = ["verify", "set", "--waivers", "w.yaml"]
    assert exit_code(with_waivers) == 0
    said = capsys.readouterr().out
    assert re.match(r"\S pass\n", said)
    assert "waived: Going away. Approved by R. Okafor" in said
    (folder / "set" / "renamed.cedar").write_text("\n\n" + (folder / "set" / "a.cedar").read_text())
    (folder / "set" / "a.cedar").unlink()
    assert exit_code(with_waivers) == 0  # the rule has moved
    capsys.readouterr()
    assert exit_code([*with_waivers, "--today", "2027-01-01"]) == 4
    out = capsys.readouterr().out
    assert re.match(r"\S fail\n", out)
    assert "expired on 2026-12-31" in out
    (folder / "set" / "b.cedar").write_text(NEITHER)
    assert exit_code(with_waivers) == 1
    (folder / "set" / "b.cedar").unlink()
    (folder / "set" / "renamed.cedar").write_text(f'@id("pay") permit({PAY});')
    capsys.readouterr()
    assert exit_code([*with_waivers, "--format", "github"]) == 0
    assert "::warning file=w.yaml,line=3,title=waiver" in capsys.readouterr().out


def test_the_day_is_an_argument(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_waiver(folder / "w.yaml", fingerprint_of(capsys, "P101"))
    with_waivers = ["verify", "set", "--waivers", "w.yaml"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")  # 2027-01-15
    assert exit_code(with_waivers) == 4
    assert exit_code([*with_waivers, "--today", "2026-12-31"]) == 0
    assert exit_code([*with_waivers, "--today", "31.12.2026"]) == 2
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert exit_code(with_waivers) == 2
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert exit_code(with_waivers) in (0, 4)  # the current day


def test_a_faulty_waiver_is_an_input_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_waiver(folder / "w.yaml", "x")
    assert exit_code(["verify", "set", "--waivers", "w.yaml"]) == 2
    assert "w.yaml:3:16: `x` is no fingerprint" in capsys.readouterr().err
    assert exit_code(["verify", "set", "--waivers", "none.yaml"]) == 2
    assert exit_code(["verify", "set", "--waivers", "w.yaml", "--explain", "P101"]) == 2


@pytest.mark.usefixtures("folder")
def test_verify_against_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["verify", "set", "--write-baseline", "b.json"]) == 1
    against = ["verify", "set", "--baseline", "b.json"]
    assert exit_code(against) == 0
    assert "known of old" in capsys.readouterr().out
    Path("set/b.cedar").write_text(NEITHER)
    assert exit_code(against) == 1
    capsys.readouterr()
    assert exit_code([*against, "--format", "sarif"]) == 1
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    states = {(r["ruleId"], r["baselineState"]) for r in results if r["kind"] == "fail"}
    assert {("P101", "unchanged"), ("P101", "new")} <= states
    Path("set/a.cedar").unlink()
    Path("set/b.cedar").write_text(f'@id("pay") permit({PAY});')
    capsys.readouterr()
    assert exit_code(against) == 0
    assert "of the baseline said no more" in capsys.readouterr().out
