"""SARIF against the schema that its committee publishes, and against what the schema cannot say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from reports.formats.sarif import MOST_LOCATIONS, MOST_RESULTS, sarif
from reports.statements import Told
from sarif_schema import validator
from statements import HOSTILE, every_kind, hostile, told
from verify.findings import Location, PolicyRef


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    return validator()


def written(of: Told, **options: Any) -> Any:
    return json.loads(sarif(of, **options))


def results(of: Told, **options: Any) -> list[dict[str, Any]]:
    found = written(of, **options)["runs"][0]["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("alerts", [False, True])
def test_every_kind_of_statement_is_valid(schema: Draft7Validator, alerts: bool) -> None:
    found = written(told(*every_kind()), alerts=alerts, version="0.1.0")
    assert [error.message for error in schema.iter_errors(found)] == []
    assert found["runs"][0]["results"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_valid(schema: Draft7Validator, text: str) -> None:
    out = sarif(hostile(text))
    out.encode("utf-8")
    found = json.loads(out)
    assert [error.message for error in schema.iter_errors(found)] == []
    said = [r["message"]["text"] for r in found["runs"][0]["results"]]
    assert not any("](" in one or "\x1b" in one or "\u202e" in one for one in said)


MUTANTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a level that there is not": lambda r: r["results"][0].update(level="fatal"),
    "a kind that there is not": lambda r: r["results"][0].update(kind="undecided"),
    "a line 0": lambda r: r["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
    "no message": lambda r: r["results"][0].pop("message"),
    "a baseline state that there is not": lambda r: r["results"][0].update(baselineState="old"),
    "a suppression of no kind": lambda r: r["results"][0].update(suppressions=[{"status": "accepted"}]),
    "an address that is none": lambda r: r["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(
        uri=7
    ),
    "no name of the tool": lambda r: r["tool"]["driver"].pop("name"),
    "a key that there is not": lambda r: r["results"][0].update(verdict="fail"),
    "an exit code in words": lambda r: r["invocations"][0].update(exitCode="one"),
    "an invocation that says not how it went": lambda r: r["invocations"][0].pop("executionSuccessful"),
    "a fingerprint that is no text": lambda r: r["results"][0]["partialFingerprints"].update(x=1),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_schema_says_no(schema: Draft7Validator, mutant: str) -> None:
    found = written(told(*every_kind()))
    MUTANTS[mutant](found["runs"][0])
    assert not schema.is_valid(found)


def test_kinds_and_levels_are_as_the_standard_has_them() -> None:
    by_rule = {result["ruleId"]: result for result in results(told(*every_kind()))}
    assert {rule: result["kind"] for rule, result in by_rule.items()} == {
        "P101": "fail", "P204": "open", "P104": "fail", "D401": "review", "P107": "informational", "P105": "fail",
        "P106": "fail", "P103": "fail", "P201": "fail", "objective/answered": "pass",
        "replication/could-not-be-run": "open",
    }  # fmt: skip
    assert {rule for rule, result in by_rule.items() if "level" in result} == {
        rule for rule, result in by_rule.items() if result["kind"] == "fail"
    }
    assert by_rule["P101"]["level"] == "error"
    assert by_rule["P104"]["level"] == "warning"
    assert by_rule["P105"]["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "Known."}]
    assert [rule for rule, result in by_rule.items() if "suppressions" in result] == ["P105"]
    states = {rule: result.get("baselineState") for rule, result in by_rule.items() if "baselineState" in result}
    assert states == {"P106": "unchanged", "P103": "absent", "P201": "new"}


def test_rules_are_told_with_their_page() -> None:
    run = written(told(*every_kind()), version="0.1.0")["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[r["ruleIndex"]]["id"] for r in run["results"]] == [r["ruleId"] for r in run["results"]]
    (never,) = (rule for rule in rules if rule["id"] == "P101")
    assert "flipped comparison" in never["help"]["markdown"]
    assert never["defaultConfiguration"] == {"level": "error"}
    assert run["automationDetails"] == {"id": "windtunnel/desk/"}
    invocation = run["invocations"][0]
    assert (invocation["exitCode"], invocation["exitCodeDescription"]) == (1, "fail: One thing fails.")


def test_code_scanning_is_told_only_what_should_be_an_alert() -> None:
    found = results(told(*every_kind()), alerts=True)
    assert [result["ruleId"] for result in found] == ["P101", "P201", "P204", "P104", "D401"]
    assert all(result["locations"] for result in found)
    assert all("suppressions" not in result for result in found)
    note = written(told(*every_kind()), alerts=True)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [one["message"]["text"] for one in note] == [
        "1 statement left out that stand in no file: no alert can show them."
    ]


def test_what_is_too_much_is_cut_and_counted() -> None:
    one, *_ = every_kind()
    many = [replace(one, fingerprint=f"{n:016x}", detail="", related=()) for n in range(MOST_RESULTS + 5)]
    worst = replace(one, rule="P106", name="conflict", fingerprint="f" * 16)
    passing = [replace(one, kind="pass") for one in many[:-1]]
    run = written(told(*passing, worst))["runs"][0]
    assert len(run["results"]) == MOST_RESULTS
    assert run["results"][0]["ruleId"] == "P106"
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes == ["5 results left out: at most 25,000 are taken."]
    wide = replace(one, related=tuple(PolicyRef(str(n), Location("a.cedar", n)) for n in range(2 * MOST_LOCATIONS)))
    (result,) = results(told(wide))
    assert len(result["locations"]) + len(result["relatedLocations"]) == MOST_LOCATIONS


FILES = {
    "a b/ü%.cedar": "a%20b/%C3%BC%25.cedar",
    "/srv/someone/a.cedar": "a.cedar",
    "C:\\Users\\someone\\a.cedar": "a.cedar",
    "\\\\host\\share\\a.cedar": "a.cedar",
    "javascript:alert(1)": "javascript%3Aalert%281%29",
    "./p//a.cedar": "p/a.cedar",
    "/": ".",
    "p/#x?y=1.cedar": "p/%23x%3Fy%3D1.cedar",
}


@pytest.mark.parametrize("file", FILES)
def test_addresses_are_relative_and_encoded(file: str) -> None:
    one = replace(every_kind()[0], location=Location(file, 1), related=())
    (result,) = results(told(one))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == FILES[file]


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=30), st.integers(-1, 5))
def test_any_file_and_line_is_a_place(file: str, line: int) -> None:
    one = replace(every_kind()[0], location=Location(file, line), related=())
    (result,) = results(told(one))
    place = result["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] >= 1
    uri = place["artifactLocation"]["uri"]
    assert uri.isascii()
    assert not uri.startswith("/")
    assert ":" not in uri
    assert unquote(uri, errors="surrogatepass")
