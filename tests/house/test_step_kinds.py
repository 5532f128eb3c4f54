"""Every kind of step is known wherever steps are told apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from models.part import Part
from models.scenario import Step
from models.workflows import exits
from sim.plan import StepKind

ROOT = Path(__file__).parents[2]
KINDS: tuple[type[Part], ...] = get_args(get_args(Step)[0])
"""The classes of steps."""
NO_WAYS = {"agent", "budget", "breaker", "capability", "compensate", "desk", "message", "site", "topic", "workflow"}
"""Keys of steps with one name that lead to no step of the workflow by themselves."""


def _word(kind: type[Part]) -> str:
    word: str = get_args(kind.model_fields["kind"].annotation)[0]
    return word


def test_the_plan_has_every_kind() -> None:
    assert {_word(kind).replace("-", "_").upper() for kind in KINDS} == {kind.name for kind in StepKind}


def test_every_way_out_of_every_kind_is_told() -> None:
    """A step with another name in each of its ways leads to all of them, by the keys of the file."""
    for kind in KINDS:
        ways = _ways(kind)
        step = kind.model_construct(
            **dict.fromkeys(kind.model_fields) | {"arms": (), "branches": ()} | {key: key for key in ways}
        )
        told = {way.target: way.keys for way in exits(step)}  # type: ignore[arg-type]
        assert told == {key: (key.replace("_", "-"),) for key in ways}, kind


def _ways(kind: type[Part]) -> set[str]:
    """The keys of a kind that hold the name of one step."""
    others = {"kind", "action", "resource", "outcome", *NO_WAYS}
    return {key for key in kind.model_fields if key not in others and _is_name(kind, key)}


def _is_name(kind: type[Part], key: str) -> bool:
    told = next(base.__annotations__[key] for base in kind.__mro__ if key in vars(base).get("__annotations__", {}))
    return told in ("Name", "Name | None")


def test_every_kind_is_told_in_words() -> None:
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    assert {_word(kind) for kind in KINDS} <= set(re.findall(r"`([a-z-]+)`", page))
