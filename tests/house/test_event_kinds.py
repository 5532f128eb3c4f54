"""Every kind of event stands in docs/semantics.md, and in the story of a case where it concerns one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from models.load import load
from models.units import DAY
from sim.compile import compile_plan
from sim.engine import Replication
from sim.logs import KIND_NAMES
from sim.rules import compile_rules
from sim.sentences import OF_NO_CASE, SENTENCES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
SCENARIOS = sorted(path.parent.name for path in (ROOT / "scenarios").glob("*/scenario.yaml"))
KINDS = frozenset(filter(None, KIND_NAMES))


def rows(page: str) -> list[str]:
    """The kinds that have a row in the table of the event log, one for each row and kind."""
    table = page.split("\n## The event log\n")[1].split("\n\n## ")[0]
    heads = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    return [kind.strip() for head in heads[1:] for kind in re.split("[,;]", head)]


def missing(kinds: Collection[str], page: str, told: Collection[str], untold: Collection[str]) -> list[str]:
    """What is not as it should be with the kinds of events."""
    rowless = [f"{kind} has no row" for kind in sorted(set(kinds) - set(rows(page)))]
    unknown = [f"{kind} is no kind" for kind in sorted({*rows(page), *told, *untold} - set(kinds))]
    silent = [f"{kind} has no sentence" for kind in sorted(set(kinds) - {*told, *untold})]
    return rowless + unknown + silent + [f"{kind} is told and not told" for kind in sorted({*told} & {*untold})]


def test_every_kind_of_event_has_a_row_and_a_sentence_where_it_concerns_a_case() -> None:
    assert missing(KINDS, PAGE, SENTENCES, OF_NO_CASE) == []


def test_a_kind_without_them_is_noticed() -> None:
    assert missing({*KINDS, "melted"}, PAGE, SENTENCES, OF_NO_CASE) == ["melted has no row", "melted has no sentence"]
    gone = KINDS - {"arrived"}
    assert missing(gone, PAGE, SENTENCES, OF_NO_CASE) == ["arrived is no kind"]
    assert missing(KINDS, PAGE.replace("| shed |", "| shred |"), SENTENCES, OF_NO_CASE) == [
        "shed has no row",
        "shred is no kind",
    ]
    assert missing(KINDS, PAGE, SENTENCES, {*OF_NO_CASE, "shed"}) == ["shed is told and not told"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_who_has_a_case_has_a_sentence(name: str) -> None:
    """What is said to concern no case concerns none in the shipped scenarios, and what concerns one can be told."""
    loaded = load(ROOT / "scenarios" / name)
    plan = compile_plan(loaded)
    replication = Replication(replace(plan, horizon=min(plan.horizon, DAY)), compile_rules(loaded), 3, 0)
    replication.run()
    events = replication.tables("", 3).events
    kinds = zip(events.column("kind").to_pylist(), events.column("case").to_pylist(), strict=True)
    assert {kind for kind, case in kinds if case is not None} <= SENTENCES.keys()
