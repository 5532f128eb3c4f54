"""Comparing policy sets: published verdicts of Cedar's own verified analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.cedar.load import load_policies
from verify.compare import compare
from verify.query import BUDGETS

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public verdicts are not beside the project")


def cases() -> list[Any]:
    path = DATA / "compare.json"
    return json.loads(path.read_text()) if path.is_file() else []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_every_environment_compares_as_published(case: Mapping[str, Any]) -> None:
    old, new = (load_policies(DATA / case[side], schema=DATA / case["schema"]) for side in ("old", "new"))
    found = compare(old, new, BUDGETS["normal"], {})
    results = {
        (one.environment.principal, one.environment.action, one.environment.resource): one.result for one in found
    }
    assert results == {(row["principal"], row["action"], row["resource"]): row["result"] for row in case["expected"]}
