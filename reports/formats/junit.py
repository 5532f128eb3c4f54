"""JUnit XML: a test case for each statement, and one for the verdict.

What is undecided is an `error`: the check did not come to its end, and no reader of JUnit takes that for a pass, while
many pass over `skipped`. What is waived, was there before, or is for people to judge is `skipped`, with the reason: it
neither passes nor fails here. The case `verdict` says what the exit code says, whatever the others come to.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from typing import Final

from reports.formats.common import Group, exit_meaning, group_of, heading, path_of, place_of, worst_first
from reports.statements import Statement, Told
from reports.words import printable

_SKIPPED: Final[dict[Group, str]] = {
    "waived": "waived",
    "unchanged": "in the baseline",
    "review": "for people to judge: no rule forbids it",
    "informational": "for information",
}


def junit(told: Told) -> str:
    """The statements as JUnit XML. What is gone since the baseline has no case."""
    cases = [_case(one) for one in worst_first(told.statements) if one.since != "absent"]
    _told_apart(cases)
    cases.insert(0, _verdict(told))
    suite = ET.Element("testsuite", _totals(told, cases))
    properties = ET.SubElement(suite, "properties")
    facts = {**told.facts, "verdict": told.verdict, "exit code": str(told.exit_code)}
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": _legal(name), "value": _legal(value)})
    suite.extend(cases)
    root = ET.Element("testsuites", _totals(told, cases))
    root.append(suite)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _told_apart(cases: list[ET.Element]) -> None:
    """Number cases of one name, as of scenarios that are called alike: readers of JUnit keep one case of a name."""
    met: Counter[str] = Counter()
    for case in cases:
        name = case.attrib["name"]
        met[name] += 1
        if met[name] > 1:
            case.set("name", f"{name} ({met[name]})")


def _totals(told: Told, cases: list[ET.Element]) -> dict[str, str]:
    def having(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    return {
        "name": _legal(f"windtunnel: {told.title}"),
        "tests": str(len(cases)),
        "failures": having("failure"),
        "errors": having("error"),
        "skipped": having("skipped"),
    }


def _verdict(told: Told) -> ET.Element:
    case = ET.Element("testcase", {"classname": "windtunnel", "name": "verdict"})
    if told.exit_code:
        tag = "error" if told.verdict == "undecided" else "failure"
        outcome = ET.SubElement(case, tag, {"message": _legal(exit_meaning(told)), "type": _legal(told.verdict)})
        outcome.text = _legal("\n".join(told.reasons), keep="\n")
    return case


def _case(statement: Statement) -> ET.Element:
    about = {"classname": _legal(statement.rule), "name": _legal(f"{heading(statement)} [{statement.fingerprint}]")}
    if path := path_of(statement.location.file):
        about["file"] = _legal(path)
        about |= {"line": str(statement.location.line)} if statement.location.line > 0 else {}
    case = ET.Element("testcase", about)
    group = group_of(statement)
    parts = (_legal(place_of(statement)), _legal(statement.message), _legal(statement.detail, keep="\n"))
    full = "\n".join(filter(None, parts))
    if group in ("failing", "undecided"):
        tag = "failure" if group == "failing" else "error"
        outcome = ET.SubElement(case, tag, {"message": _legal(statement.message), "type": _legal(heading(statement))})
        outcome.text = full
    elif group in _SKIPPED:
        why = f"{_SKIPPED[group]}: {statement.waived}" if statement.waived else _SKIPPED[group]
        ET.SubElement(case, "skipped", {"message": _legal(why)})
        ET.SubElement(case, "system-out").text = full
    elif group == "warnings":
        ET.SubElement(case, "system-out").text = f"warning: {full}"
    return case


def _legal(text: str, keep: str = "") -> str:
    """Text of characters that XML may hold: all others are spelt out, with those that people do not see."""
    return printable(text, keep)
