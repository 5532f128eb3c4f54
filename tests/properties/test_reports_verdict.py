"""The verdict: what fails, what is undecided, and that word, reasons and exit code never disagree."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.intervals import worst
from reports.verdict import EXIT_CODES, MOST_REASONS, judge
from verify.findings import Finding, Findings, Location

VERDICTS = st.sampled_from(["pass", "fail", "undecided"])
FINDING = st.tuples(st.sampled_from(["violated", "holds", "undecided"]), st.sampled_from(["error", "warning", "info"]))
WHERE = Location("a.cedar", 1)


def findings(drawn: list[tuple[Any, Any]]) -> Findings:
    return Findings(
        tuple(Finding("P101", "never-matches", s, v, (), f"m{n}", WHERE) for n, (v, s) in enumerate(drawn)), {}
    )


def outcomes(verdicts: list[Any]) -> Any:
    objectives = [SimpleNamespace(name=f"o{n}", verdict=v, sentence=f"o{n}: {v}.") for n, v in enumerate(verdicts)]
    return SimpleNamespace(objectives=tuple(objectives), provenance=SimpleNamespace(poisoned=()))


@given(st.lists(FINDING, max_size=8), st.lists(VERDICTS, max_size=8), st.sampled_from(["error", "warning"]))
def test_the_verdict_is_the_worst_of_its_parts(drawn: list[Any], verdicts: list[Any], fail_on: Any) -> None:
    failing = {"error"} if fail_on == "error" else {"error", "warning"}
    parts = [*verdicts]
    for verdict, severity in drawn:
        if verdict == "undecided":
            parts.append("undecided")
        else:
            parts.append("fail" if verdict == "violated" and severity in failing else "pass")
    judged = judge(findings(drawn), outcomes(verdicts), fail_on=fail_on)
    assert judged.result == (worst(parts) if parts else "undecided")
    assert judged.exit_code == {"pass": 0, "fail": 1, "undecided": 3}[judged.result]
    assert judged.reasons
    assert len(judged.reasons) <= MOST_REASONS + 1


@given(st.lists(FINDING, max_size=8))
def test_findings_alone_give_their_own_verdict(drawn: list[Any]) -> None:
    found = findings(drawn)
    assert judge(found, None).result == (found.verdict if drawn else "undecided")


def test_nothing_judged_is_undecided() -> None:
    assert judge(None, None).result == "undecided"
    assert judge(findings([]), outcomes([])).result == "undecided"
    assert judge(None, outcomes([])).exit_code == EXIT_CODES["undecided"] == 3


def test_reasons_name_what_fails_first_and_what_is_open_besides() -> None:
    judged = judge(findings([("violated", "error"), ("undecided", "info")]), outcomes(["fail", "undecided", "pass"]))
    assert judged.reasons[0] == "o0: fail."
    assert judged.reasons[1] == "P101 never-matches: m0"
    assert "cannot be decided" in judged.reasons[-1]


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ([], "No check fails."),
        (["warning"], "No check fails; 1 warning is listed."),
        (["warning", "warning"], "No check fails; 2 warnings are listed."),
        (["info"], "No check fails; 1 info finding is listed."),
        (["info", "warning"], "No check fails; 1 warning and 1 info finding are listed."),
    ],
)
def test_what_is_listed_without_failing_is_counted_in_good_grammar(severities: list[str], words: str) -> None:
    held = ("holds", "error")
    assert judge(findings([held, *(("violated", s) for s in severities)]), None).reasons == (words,)


@pytest.mark.parametrize(("number", "told"), [(3, 3), (MOST_REASONS, MOST_REASONS), (40, MOST_REASONS)])
def test_many_reasons_are_counted(number: int, told: int) -> None:
    judged = judge(findings([("violated", "error")] * number), None)
    assert len(judged.reasons) == told
    if number > told:
        assert judged.reasons[-1].startswith(f"{number - told + 1} more")
