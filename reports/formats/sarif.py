"""SARIF 2.1.0 (OASIS, errata 01): one run, a result for each statement.

`kind` says what came of it: `open` is undecided, `review` a change that no rule forbids. `level` stands only where
`kind` is `fail`, as section 3.27.10 has it. A waived statement carries an accepted external suppression, one of a
baseline its `baselineState`.

Code scanning at GitHub reads a subset: it shows a result of any kind, suppressed or not, as an open alert, and refuses
a file with a result that has no location. `alerts` writes for it what should be alerts, and no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from reports.formats.common import exit_meaning, group_of, path_of, worst_first
from reports.statements import Level, Statement, Told
from reports.words import count, printable
from verify.catalogue import CATALOGUE
from verify.findings import Location, PolicyRef
from verify.page import section

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

MOST_RESULTS: Final = 25_000
MOST_LOCATIONS: Final = 1_000
"""Results of a run and locations of a result that GitHub takes; it refuses a file with more."""

FINGERPRINT: Final = "windtunnel/v1"

_LEVELS: Final[Mapping[str, Level]] = {"error": "error", "warning": "warning", "info": "note"}

_RULES: Final[Mapping[str, str]] = {
    "objective": "Is the objective of the scenario met, by its interval over replications?",
    "replication": "Could the replication be run?",
    "effect": "What does the change of policies do to the simulated operation?",
    "waiver": "Is every waiver in force, in date and of use?",
    "input": "Can the input be used?",
}
_GATE: Final = "Does the change keep the gate's rule?"


def sarif(told: Told, *, version: str = "", alerts: bool = False) -> str:
    """The statements as SARIF. `version` is Windtunnel's; `alerts` leaves out what GitHub must not show as an alert."""
    ranked = worst_first(told.statements)
    kept = [s for s in ranked if group_of(s) in _SERIOUS and s.location.file] if alerts else ranked
    shown = kept[:MOST_RESULTS]
    rules = list(dict.fromkeys((s.rule, s.name) for s in shown))
    ids = _rule_ids(rules)
    numbers = {rule: number for number, rule in enumerate(rules)}
    run = {
        "tool": {"driver": _driver(version, [_rule(ids[rule], *rule) for rule in rules])},
        "automationDetails": {"id": f"windtunnel/{_segment(told.facts.get('scenario', told.title))}/"},
        "invocations": [_invocation(told, _notes(told, len(shown), alerts))],
        "columnKind": "utf16CodeUnits",
        "results": [_result(s, ids[s.rule, s.name], numbers[s.rule, s.name], alerts) for s in shown],
        "properties": {
            "verdict": told.verdict,
            "reasons": [printable(reason) for reason in told.reasons],
            "facts": {printable(key): printable(value) for key, value in told.facts.items()},
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


_SERIOUS: Final = ("failing", "undecided", "warnings", "review")


def _notes(told: Told, shown: int, alerts: bool) -> list[str]:
    """What the file lacks, as sentences."""
    serious = [s for s in told.statements if group_of(s) in _SERIOUS]
    nowhere = sum(not s.location.file for s in serious) if alerts else 0
    cut = (len(serious) - nowhere if alerts else len(told.statements)) - shown
    return [
        *[f"{count(nowhere, 'statement')} left out that stand in no file: no alert can show them."] * (nowhere > 0),
        *[f"{count(cut, 'result')} left out: at most {MOST_RESULTS:,} are taken."] * (cut > 0),
    ]


def _driver(version: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "Windtunnel", **({"semanticVersion": version} if version else {}), "rules": rules}


def _rule_ids(rules: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A rule's id: of a check its own; of others with the name, as `objective/answered`."""
    return {
        (rule, name): printable(rule if rule in CATALOGUE or name in ("", rule) else f"{rule}/{name}")
        for rule, name in rules
    }


def _rule(id: str, rule: str, name: str) -> dict[str, Any]:
    check = CATALOGUE.get(rule)
    if check is None:
        question = _RULES.get(rule, _GATE if rule.startswith("gate.") else heading_text(rule, name))
        return {
            "id": id,
            "name": printable(name or rule),
            "shortDescription": {"text": question},
            "help": {"text": question},
        }
    page = section(rule)
    return {
        "id": id,
        "name": check.name,
        "shortDescription": {"text": check.question},
        "fullDescription": {"text": check.question},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
    }


def heading_text(rule: str, name: str) -> str:
    """What a rule is called where nothing more is known of it."""
    return printable(f"{rule} {name}".strip())


def _invocation(told: Told, notes: Iterable[str]) -> dict[str, Any]:
    return {
        "executionSuccessful": told.verdict != "invalid",
        "exitCode": told.exit_code,
        "exitCodeDescription": printable(exit_meaning(told)),
        "toolExecutionNotifications": [{"level": "warning", "message": {"text": note}} for note in notes],
    }


def _result(statement: Statement, rule: str, number: int, alerts: bool) -> dict[str, Any]:
    known = {FINGERPRINT: statement.fingerprint}
    if alerts:  # the one fingerprint that GitHub goes by
        known["primaryLocationLineHash"] = f"{statement.fingerprint}:1"
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": number,
        "kind": statement.kind,
        "message": {"text": _message(statement)},
        "partialFingerprints": known,
    }
    if statement.kind == "fail":
        result["level"] = statement.level
    if statement.location.file:
        result["locations"] = [{"physicalLocation": _physical(statement.location)}]
    if related := [_related(one, number) for number, one in enumerate(_placed(statement.related), 1)]:
        result["relatedLocations"] = related
    if statement.since is not None:
        result["baselineState"] = statement.since
    if statement.waived:
        why = _inert(statement.waived)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _message(statement: Statement) -> str:
    parts = (_inert(statement.message), _inert(statement.detail, keep="\n"))
    return "\n".join(filter(None, parts))


def _inert(text: str, keep: str = "") -> str:
    """Text that no viewer takes for a link: `[text](target)` is one in a SARIF message (section 3.11.6)."""
    return printable(text, keep).replace("](", "] (")


def _placed(related: Iterable[PolicyRef]) -> list[PolicyRef]:
    return [one for one in related if one.location.file][: MOST_LOCATIONS - 1]


def _related(one: PolicyRef, number: int) -> dict[str, Any]:
    return {"id": number, "physicalLocation": _physical(one.location), "message": {"text": _inert(one.name) or "-"}}


def _physical(location: Location) -> dict[str, Any]:
    """A place; the first line stands for a whole file, because GitHub takes no other."""
    artifact = {"uri": _uri(location.file), "uriBaseId": "%SRCROOT%"}
    return {"artifactLocation": artifact, "region": {"startLine": max(1, location.line)}}


def _uri(file: str) -> str:
    """A relative reference. A colon in its first part would make that a scheme, so it is encoded like the rest."""
    return quote(path_of(file).encode("utf-8", "surrogatepass"), safe="/-._~")


def _segment(text: str) -> str:
    """A text as one part of a path of names."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="-._~ ") or "-"
