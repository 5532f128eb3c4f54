"""The platform: links, topics, decision points, durability, certificates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """What a scenario says of it, empty by default."""
