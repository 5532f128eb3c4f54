"""Schemas for policy sets that come without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.cedar.policies import Policy


@dataclass(frozen=True, slots=True)
class Inferred:
    """A schema in Cedar's text, and what was guessed."""

    text: str
    warnings: tuple[str, ...] = ()


def infer(policies: Sequence[Policy]) -> Inferred:
    """For now an empty schema, and a warning that says so."""
    return Inferred("", (f"no schema is given for {len(policies)} policies, and none is inferred yet",))
