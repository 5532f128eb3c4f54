"""Whole verifications of random annotated sets: no internal error, the same bytes again, and what must not matter."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from random_policies import Writer
from random_schemas import World, world
from random_sets import annotated, loaded
from random_stores import Oracle
from verify.findings import Findings
from verify.json import to_json
from verify.verify import verify

quick = settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

BLANKET = '@id("blanket") forbid (principal, action, resource);'


def some_set(chance: random.Random) -> tuple[World, list[str]]:
    """A random schema and three to five annotated policies under it."""
    here = world(chance)
    writer = Writer(here, chance)
    return here, [annotated(writer, number) for number in range(chance.randint(3, 5))]


def verified(texts: Sequence[str], here: World, checks: Sequence[str] | None = None) -> Findings:
    return verify(loaded(texts, here), effort="low", checks=checks)


def as_text(findings: Findings) -> str:
    return json.dumps(to_json(findings)) + "".join(f"{digest}{text}" for digest, text in findings.scripts.items())


def told(findings: Findings, check: str) -> dict[str, str]:
    """The verdict of a check by the policy that it is about."""
    return {f.policies[0].name: f.verdict for f in findings.findings if f.check == check}


def sound(chance: random.Random) -> None:
    """Verifies a random set twice: the same bytes; witnesses that conform to the schema; nothing undecided."""
    here, texts = some_set(chance)
    findings = verified(texts, here)
    assert as_text(findings) == as_text(verified(texts, here))
    assert "undecided" not in {finding.verdict for finding in findings.findings}
    oracle = Oracle(texts, here)
    for finding in findings.findings:
        if finding.witness is not None:
            oracle.conforms(finding.witness)


def unmoved(chance: random.Random) -> None:
    """Another order of the policies changes no verdict about any of them."""
    here, texts = some_set(chance)
    shuffled = chance.sample(texts, len(texts))
    before, after = verified(texts, here), verified(shuffled, here)
    for check in ("P101", "P102", "P104", "P105", "P201", "P202"):
        assert told(before, check) == told(after, check), (here.text, texts, shuffled, check)
    assert {*told(before, "P203").values()} == {*told(after, "P203").values()}
    assert _pairs(before) == _pairs(after), (here.text, texts, shuffled)


def _pairs(findings: Findings) -> set[tuple[str, str, frozenset[str]]]:
    """Verdicts of the checks that are about several policies alike; P204 names those that a rule disagrees with."""
    found = set()
    for finding in findings.findings:
        names = [policy.name for policy in finding.policies]
        groups = [[names[0], other] for other in names[1:]] if finding.check == "P204" else [names]
        if finding.check in ("P103", "P106", "P107", "P108", "P109", "P204"):
            found |= {(finding.check, finding.verdict, frozenset(group)) for group in groups}
    return found


def repeated(chance: random.Random) -> None:
    """Of a policy that can match and its copy, each is redundant."""
    here, texts = some_set(chance)
    number = chance.randrange(len(texts))
    name, copy = f'"p{number}"', '"copy"'
    findings = verified([*texts, texts[number].replace(f"@id({name})", f"@id({copy})")], here, ["P101", "P104"])
    redundant = told(findings, "P104")
    for one in (f"p{number}", "copy"):
        if told(findings, "P101")[one] == "holds":
            assert redundant[one] == "violated", (here.text, texts, number)


def silenced(chance: random.Random) -> None:
    """Under a blanket forbid every permit is overridden, and no escalation is ever asked."""
    here, texts = some_set(chance)
    findings = verified([*texts, BLANKET], here, ["P105", "P201"])
    assert {*told(findings, "P105").values(), *told(findings, "P201").values()} <= {"violated"}
    alive = {name for name, verdict in told(verified(texts, here, ["P101"]), "P101").items() if verdict == "holds"}
    policies = {policy.name: policy for policy in loaded(texts, here).policies if policy.name in alive}
    assert told(findings, "P105").keys() == {name for name, policy in policies.items() if policy.effect == "permit"}
    assert told(findings, "P201").keys() == {name for name, policy in policies.items() if policy.escalation}


LAWS = (sound, unmoved, repeated, silenced)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@given(chance=st.randoms(use_true_random=False))
@quick
def test_a_law_of_verification(law: object, chance: random.Random) -> None:
    law(chance)  # type: ignore[operator]


@pytest.mark.long
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@given(seed=st.integers(0, 2**64))
@thorough
def test_a_law_of_verification_on_many_sets(law: object, seed: int) -> None:
    law(random.Random(seed))  # type: ignore[operator]


PROGRAM = """
import hashlib, random, sys
sys.path.insert(0, "tests/support")
from random_policies import Writer
from random_schemas import world
from random_sets import annotated, loaded
from verify.json import to_json
from verify.verify import verify
for seed in range(8):
    chance = random.Random(seed)
    here = world(chance)
    writer = Writer(here, chance)
    findings = verify(loaded([annotated(writer, number) for number in range(3)], here), effort="low")
    print(hashlib.sha256(repr((to_json(findings), sorted(findings.scripts.items()))).encode()).hexdigest())
"""


def test_another_process_with_other_hashes_says_the_same_to_the_byte() -> None:
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(next(iter(digests)).split()) == 8
