"""The benchmark of verification measures what it says: every line is printed, of sets that the checks decide."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, text: str = "") -> str:
    command = [sys.executable, "benchmarks/verification.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300, input=text
    )
    return done.stdout


@pytest.mark.parametrize("measure", ["catalogue", "change", "broad", "single"])
def test_a_measurement_says_how_long_it_took(measure: str) -> None:
    policies = "\n".join(
        f'@id("p{n}") {effect}(principal, action, resource) when {{ context.amount > {100 * n} }};'
        for n, effect in enumerate(["permit", "permit", "forbid", "forbid"])
    )
    schema = "entity A; entity R; action a appliesTo { principal: A, resource: R, context: { amount: Long } };"
    found = json.loads(run("--measure", measure, text=json.dumps([policies, schema])))
    # A question to a solver takes more than a tenth of a millisecond; what takes less has not been asked.
    assert found["seconds" if measure != "single" else "p95"] > 1e-4
    assert found.get("undecided", 0) == 0
    assert found.get("differ", True)


@pytest.mark.long
def test_every_figure_is_printed() -> None:
    told = run("--sizes", "5", "10")
    for line in (
        r"^10 policies: [\d.]+ s .* \(0 undecided\)",
        r"^growth 5 to 10: n\^-?[\d.]+",
        r"^10 policies, one rule changed: diff in [\d.]+ s",
        r"^10 policies, one rule added that all environments feel: diff in [\d.]+ s",
        r"^single questions: median [\d.]+ ms",
        r"^75 globs on one string: [\d.]+ s",
        r"^1,720 environments, 5 policies: [\d.]+ s",
        r"^naive loop over all pairs of 100: [\d.]+ s",
    ):
        assert re.search(line, told, re.MULTILINE), line
