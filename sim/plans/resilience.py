"""Attempts and resilience: budgets, breakers, deadlines, fallbacks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResiliencePlan:
    """What a scenario says of it, empty by default."""
