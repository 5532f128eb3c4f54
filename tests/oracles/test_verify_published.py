"""Published verdicts of Cedar's own verified analysis: none is contradicted, none undecided."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from verify import properties
from verify.query import BUDGETS, Analysis, Answer, Found, Impossible, Question, Unknown

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public verdicts are not beside the project")

ONE_POLICY = ("never_errors", "always_matches", "never_matches")
TWO_POLICIES = ("matches_equivalent", "matches_implies", "matches_disjoint")


def cases(kind: str) -> list[Any]:
    path = DATA / f"{kind}.json"
    return json.loads(path.read_text()) if path.is_file() else []


def anonymous(text: str) -> str:
    """Without annotations: two sets that are analysed as one may name their policies alike."""
    return re.sub(r'@\w+\s*(\("[^"]*"\))?', "", text)


def analysis(policies: PolicySet) -> Analysis:
    return Analysis(policies, BUDGETS["normal"])


def holds(about: Analysis, question: Question) -> bool | None:
    return {Found: False, Impossible: True, Unknown: None}[type(about.ask(*question))]


def _answers(case: Mapping[str, Any]) -> list[Answer]:
    first, second = case.get("policies", case.get("policies1", [])), case.get("policies2", [])
    about = analysis(policy_set(anonymous("\n".join([*first, *second])), case["schema"]))
    one, two = tuple(range(len(first))), tuple(range(len(first), len(first) + len(second)))
    if case["property"] in ONE_POLICY:
        args: list[Any] = [0]
    elif case["property"] in TWO_POLICIES:
        args = [0, 1]
    else:
        args = [one, two] if "policies2" in case else [one]
    question = properties.PROPERTIES[case["property"].replace("_", "-")].question
    environments = [e for e in about.policies.schema.environments() if _meant(case, e)]
    assert environments, "the case names an environment of the schema"
    return [about.ask(*question(about, environment, *args)) for environment in environments]


def _meant(case: Mapping[str, Any], environment: RequestEnvironment) -> bool:
    parts = zip(("principal_type", "action", "resource_type"), ("principal", "action", "resource"), strict=True)
    return all(case[key] in ("all", getattr(environment, name)) for key, name in parts)


@pytest.mark.parametrize("case", cases("symcc"), ids=lambda case: case["name"])
def test_symbolic_compiler_verdicts(case: Mapping[str, Any]) -> None:
    answers = _answers(case)
    assert [answer.reason for answer in answers if isinstance(answer, Unknown)] == []
    assert all(isinstance(answer, Impossible) for answer in answers) == case["holds"]


@pytest.mark.parametrize("case", cases("compare"), ids=lambda case: case["name"])
def test_compare_verdicts(case: Mapping[str, Any]) -> None:
    old, new = (anonymous((DATA / case[side]).read_text()) for side in ("old", "new"))
    schema = (DATA / case["schema"]).read_text()
    about = analysis(policy_set(f"{old}\n{new}", schema))
    count = len(policy_set(old, schema).policies)
    before, after = range(count), range(count, len(about.policies.policies))
    environments = {(e.principal, e.action, e.resource): e for e in about.policies.schema.environments()}
    words = {
        (True, True): "equivalent",
        (False, True): "more_permissive",
        (True, False): "less_permissive",
        (False, False): "incomparable",
    }
    found = {
        key: words[
            holds(about, properties.implies(about, environment, before, after)),  # type: ignore[index]
            holds(about, properties.implies(about, environment, after, before)),
        ]
        for key, environment in environments.items()
    }
    assert found == {(r["principal"], r["action"], r["resource"]): r["result"] for r in case["expected"]}


@pytest.mark.parametrize("case", cases("analyze"), ids=lambda case: case["name"])
def test_analyze_verdicts(case: Mapping[str, Any]) -> None:
    about = analysis(policy_set((DATA / case["policies"]).read_text(), (DATA / case["schema"]).read_text()))
    names = [p.annotations.get("id", f"policy{p.index}") for p in about.policies.policies]
    all_of = about.policies.schema.environments()
    never = [[holds(about, properties.never_matches(about, e, i)) for e in all_of] for i in range(len(names))]
    always = [[holds(about, properties.always_matches(about, e, i)) for e in all_of] for i in range(len(names))]
    vacuous = [
        (names[i], word) for word, some in (("no", never), ("all", always)) for i, v in enumerate(some) if all(v)
    ]
    assert sorted(vacuous) == sorted((v["policy"], v["applies_to"]) for v in case["vacuous"])
    rows = {(row["principal"], row["action"], row["resource"]): row for row in case["expected"]}
    for position, environment in enumerate(all_of):
        row = rows.pop((environment.principal, environment.action, environment.resource))
        live = [i for i in range(len(names)) if not never[i][position]]
        whole = {i for i in live if always[i][position]}
        assert _told(about, environment, live, whole) == (
            sorted(map(sorted, row["redundant"])),
            sorted((pair["policy"], pair["by"]) for pair in row["shadowed"]),
            sorted((pair["policy"], pair["by"]) for pair in row["overridden"]),
        )
    assert rows == {}


def _told(about: Analysis, environment: RequestEnvironment, live: list[int], whole: set[int]) -> tuple[Any, Any, Any]:
    """Redundant groups, shadowed pairs and overridden pairs in one environment, by name."""
    policies = about.policies.policies
    implied = {
        (i, j)
        for i in live
        for j in live
        if i != j and holds(about, properties.matches_implies(about, environment, i, j))
    }

    def name(index: int) -> str:
        return policies[index].annotations.get("id", f"policy{index}")

    alike = {(i, j) for i, j in implied if policies[i].effect == policies[j].effect}
    groups = {frozenset({i, *(j for j in live if (i, j) in alike and (j, i) in alike)}) for i in live}
    return (
        sorted(sorted(map(name, group)) for group in groups if len(group) > 1),
        sorted((name(i), name(j)) for i, j in alike if (j, i) not in alike),
        sorted(
            (name(i), name(j))
            for i, j in implied
            if (policies[i].effect, policies[j].effect) == ("permit", "forbid") and whole.isdisjoint({i, j})
        ),
    )
